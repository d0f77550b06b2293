"""The network of the story in one process: real services and APIs over in-memory edges.

Nodes are composed exactly as in a process of their own (``node.app``); only what they touch is
replaced: the chain, the links, the disk, the outside and the clock. Time moves when it is told to,
so that a lease of ten seconds is over at once, and a node can be killed between any two awaits.

::

    async with Rehearsal(folder, sandbox) as stage:
        ticket = stage.mint(1, "SL123", "H-1001")
        await stage.until(lambda: stage.agreed(ticket, 1))
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from node.config import Role
from node.core.placement import ANCHOR, SERVICE
from node.devnet.rehearsal_node import Player, Shared
from node.devnet.rehearsal_people import (
    SCRIPT_URL,
    Hotel,
    People,
    Site,
    flight_answers,
    person_key,
)
from node.ports.network import MemoryNetwork
from node.ports.sandbox import Sandbox
from node.ports.scripts import MemoryScripts
from settlement.chain.deployment import Deployment
from settlement.ports.chain_events import (
    ChannelOpened,
    ClassRegistered,
    NodeRegistered,
    RentStarted,
    ScriptPublished,
    TokenMoved,
)
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import GENESIS, MemoryChain
from settlement.types import ZERO_ADDRESS, Address, TokenId, keccak

TOKEN = 10**18
STAKE = {Role.ANCHOR: 20_000 * TOKEN, Role.SERVICE: 5_000 * TOKEN}
ROLE_BITS = {Role.ANCHOR: ANCHOR, Role.SERVICE: SERVICE}
RENTED_UNTIL = GENESIS + 10**8
STEP_MS = 50
PATIENCE_MS = 120_000
_TURNS = 25
"""Turns of the loop after which whatever does not wait for time, a sandbox or a thread is done."""
_POLL_S = 0.001
_CONNECTIONS = 16
"""Of one client to one node: half of what a node takes from one address."""


class Rehearsal:
    """Four anchors and four service nodes, an airline with a class, a hotel, a traveller."""

    def __init__(self, folder: Path, sandbox: Sandbox, anchors: int = 4, services: int = 4) -> None:
        self.chain = MemoryChain(block_time=1)
        self.clock = VirtualClock((GENESIS + 3_600) * 1_000)
        self.links = MemoryNetwork()
        self.deployment = _deployment(self.chain.chain_id)
        self.people = People(self.deployment.domain, self.chain.chain_id)
        self.hotel = Hotel(person_key("hotel"), self.chain.chain_id, self.clock)
        self.scripts = MemoryScripts({SCRIPT_URL: self.people.script})
        shared = Shared(
            folder=folder,
            deployment=self.deployment,
            chain=self.chain,
            clock=self.clock,
            links=self.links,
            hotel=self.hotel,
            scripts=self.scripts,
            sandbox=sandbox,
        )
        self.anchors = [Player(shared, f"anchor-{i + 1}", Role.ANCHOR) for i in range(anchors)]
        self.services = [Player(shared, f"node-{i + 1}", Role.SERVICE) for i in range(services)]
        self.session: aiohttp.ClientSession

    @property
    def players(self) -> list[Player]:
        return [*self.anchors, *self.services]

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=_CONNECTIONS)
        )
        try:
            await asyncio.gather(*(player.start() for player in self.players))
            self._register()
            await self.until(self._all_known)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await self.session.close()
        await asyncio.gather(*(player.crash() for player in self.players))

    # What happens on chain

    def _register(self) -> None:
        people, chain = self.people, self.chain
        for number, player in enumerate(self.players, 1):
            chain.mine(
                NodeRegistered(
                    key=player.address,
                    operator=person_key(f"operator of {player.name}").address,
                    number=number,
                    payout=person_key(f"payout of {player.name}").address,
                    roles=ROLE_BITS[player.role],
                    api_url=player.api_url,
                    link_url=f"memory://{player.name}",
                    stake=STAKE[player.role],
                )
            )
        class_id = people.token_class.id
        chain.mine(
            ClassRegistered(
                token_class=class_id,
                token_contract=people.contract,
                issuer=people.airline.address,
                payout=person_key("payout of the airline").address,
                issuer_share=2_000,
                from_period=0,
            ),
        )
        self.pay_rent(RENTED_UNTIL)
        self.publish(people.script)

    def pay_rent(self, expiry: int) -> None:
        """The airline pays rent from now on until ``expiry``."""
        started = RentStarted(
            token_class=self.people.token_class.id,
            payer=self.people.airline.address,
            instances=10,
            from_period=self.chain.period(),
            paid_until=self.chain.period() + 36,
            expiry=expiry,
            amount=TOKEN,
        )
        self.chain.mine(started)

    def publish(self, script: bytes) -> None:
        """Have this script be the class's, on chain and on the airline's web server."""
        self.scripts.files[SCRIPT_URL] = script
        self.chain.mine(
            ScriptPublished(
                token_class=self.people.token_class.id,
                script_uri=SCRIPT_URL,
                script_hash=keccak(script),
            )
        )

    def mint(self, number: int, flight: str, booking: str) -> TokenId:
        """Give the traveller a ticket."""
        token = self.people.token(number)
        self.chain.answers |= flight_answers(token, flight, booking)
        self._move(number, ZERO_ADDRESS, self.people.traveller.address)
        return token

    def sell(self, token: TokenId, buyer: Address) -> None:
        """The traveller gives the ticket to somebody else."""
        self._move(token.number, self.people.traveller.address, buyer)

    def _move(self, number: int, sender: Address, receiver: Address) -> None:
        moved = TokenMoved(
            contract=self.people.contract, sender=sender, receiver=receiver, number=number
        )
        self.chain.mine(moved)

    def open_channel(self, signer: Address, anchor: Player, amount: int = TOKEN) -> None:
        """Somebody deposits for a session key and names an anchor."""
        self.chain.mine(
            ChannelOpened(
                signer=signer,
                owner=person_key("owner").address,
                anchor=anchor.address,
                period=self.chain.period(),
                amount=amount,
            )
        )

    def site(self, name: str, anchor: Player | None = None) -> Site:
        """An integration with an open channel; nodes know of it after a moment."""
        site = Site(
            name=name,
            domain=self.deployment.domain,
            clock=self.clock,
            session=self.session,
            anchors=[each.api_url for each in self.anchors],
            trusted=[each.address for each in self.anchors],
        )
        self.open_channel(site.key.address, anchor or self.anchors[0])
        return site

    # Time

    async def until(
        self, done: Callable[[], Awaitable[bool]], within_ms: int = PATIENCE_MS
    ) -> None:
        """Let time pass until ``done``; raises TimeoutError after ``within_ms`` of it."""
        end_ms = self.clock.now_ms() + within_ms
        while True:
            await self.settle()
            if await done():
                return
            if self.clock.now_ms() >= end_ms:
                raise TimeoutError(f"not within {within_ms} ms")
            await self.clock.advance_ms(STEP_MS)

    async def passing(self, duration_ms: int) -> None:
        """Let time pass, in steps that everybody keeps up with."""
        end_ms = self.clock.now_ms() + duration_ms
        while self.clock.now_ms() < end_ms:
            await self.settle()
            await self.clock.advance_ms(STEP_MS)
        await self.settle()

    async def settle(self) -> None:
        """Wait, in no time of the clock, until nobody has anything to do but wait."""
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            busy = [player for player in self.players if player.sandbox.runs]
            if not busy:
                break
            await asyncio.wait_for(busy[0].sandbox.idle.wait(), PATIENCE_MS / 1_000)
        await asyncio.sleep(_POLL_S)  # threads that read and write scripts get a turn too
        for player in self.players:
            player.check()

    # What can be seen

    async def _all_known(self) -> bool:
        wanted = {player.address for player in self.players}
        for player in self.players:
            view = player.base.view
            known = {m.key for role in (ANCHOR, SERVICE) for m in view.members.active(role)}
            if known != wanted or not any(each.scripts for each in view.classes.values()):
                return False
        return True

    async def holders(self, token: TokenId) -> list[Player]:
        """The nodes that hold a token, by the anchors' hash table; none before it is placed."""
        for anchor in self.anchors:
            if anchor.alive and (record := await anchor.base.table.lookup(token.id)) is not None:
                by_key = {player.address: player for player in self.players}
                return [by_key[key] for key in record.placement.holders]
        return []

    async def agreed(self, token: TokenId, version: int) -> bool:
        """Whether all living holders are at ``version`` or later, with one root."""
        living = [holder for holder in await self.holders(token) if holder.alive]
        states = [await holder.journal(token) for holder in living]
        return (
            bool(states)
            and all(state.version >= version for state in states)
            and len({(state.version, state.state_root) for state in states}) == 1
        )


def _deployment(chain_id: int) -> Deployment:
    tokens = ("stake_token", "service_token")
    names = (*tokens, "parameters", "registry", "issuers", "rent", "hub", "disputes")
    return Deployment(
        chain_id=chain_id,
        first_block=0,
        **{name: Address(keccak(name.encode())[12:]) for name in names},
    )
