"""A class's rent of one period on the real contracts: anchors look, nodes claim, the rest returns.

Four anchors look at three nodes; one anchor lies, one is away. Each node earns its third of the
rent by what it held and how well it answered, once, and what nobody earned is the class's again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from settlement.chain.calls import ANCHOR, SERVICE, Calls, create_ticket_contract
from settlement.chain.deployment import Deployment
from settlement.chain.follower import Follower
from settlement.chain.local import LocalChain
from settlement.chain.stake_calls import StakeCalls
from settlement.core.rent_claims import Fate
from settlement.core.uptime import ActionLooked
from settlement.ports.chain import Call
from settlement.ports.chain_records import RentAccount, RentState
from settlement.ports.chain_terms import MONTH
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.ports.uptimes import DirectUptimes
from settlement.protocol.signing import SigningKey
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine, Outbox
from settlement.services.rent_earner import RentEarner
from settlement.services.rent_keeper import RentKeeper
from settlement.services.uptime_desk import UptimeDesk
from settlement.types import Address, Hash, TokenClass, keccak

ROOT = Path(__file__).resolve().parents[2]
TOKEN = 10**18
FOUNDER = SigningKey(keccak(b"founder"))
ANCHORS = [SigningKey(keccak(b"anchor %d of the rent" % n)) for n in range(4)]
NODES = [SigningKey(keccak(b"node %d of the rent" % n)) for n in range(3)]
INSTANCES = 100
RENT = INSTANCES * TOKEN // 10


def payout_of(key: SigningKey) -> Address:
    return Address(keccak(b"payout" + key.address)[12:])


class Process:
    """What a node's process would hold, over one chain."""

    def __init__(self, chain: LocalChain, deployment: Deployment, store: MemoryStore) -> None:
        clock = VirtualClock()
        self.engine = Engine(store, clock)
        self.reader = chain.reader(deployment)
        self.calendar = Calendar(self.reader)
        self.follower = Follower(reader=self.reader, clock=clock, first_block=0)


class Earning:
    """One service node: its earner, and what drives it. A restart keeps the store only."""

    def __init__(self, rental: "Rental", key: SigningKey, store: MemoryStore) -> None:
        self.store, self.key = store, key
        self.process = Process(rental.chain, rental.deployment, store)
        desks = {anchor: desk.answer for anchor, desk in rental.desks.items()}
        self.anchors = DirectUptimes(key.address, desks)
        self.earner = RentEarner(
            engine=self.process.engine,
            domain=rental.deployment.domain,
            node=key.address,
            anchors=self.anchors,
            chain=self.process.reader,
            writer=rental.chain.sender(key, rental.deployment),
            calls=StakeCalls(rental.deployment),
            calendar=self.process.calendar,
        )
        self.outbox = Outbox(self.process.engine, self.earner.performers)

    async def follow(self) -> None:
        while (batch := await self.process.follower.step()) is not None:
            self.process.calendar.observe(batch.head)
            await self.earner.receive(batch.events)
            await self.process.follower.done(batch)
        await self.earner.wake()

    async def earn(self) -> None:
        await self.follow()
        while await self.outbox.perform_due():
            await self.follow()


@dataclass(kw_only=True)
class Rental:
    """Anchors, nodes and a class whose rent is paid for two periods."""

    chain: LocalChain
    deployment: Deployment
    token_class: Hash
    desks: dict[Address, UptimeDesk] = field(default_factory=dict)
    calendars: list[Calendar] = field(default_factory=list)
    earners: list[Earning] = field(default_factory=list)

    async def look(self, anchor: SigningKey, node: SigningKey, placed: int, shown: int) -> None:
        seen = ActionLooked(token_class=self.token_class, placed=placed, asked=10, shown=shown)
        await self.desks[anchor.address].looked(node.address, seen)

    async def pass_time(self, seconds: int) -> None:
        """Let chain time pass, and every anchor see it."""
        await self.chain.advance(seconds)
        head = await self.chain.reader(self.deployment).head()
        for calendar in self.calendars:
            calendar.observe(head)

    async def submit(self, call: Call) -> None:
        await self.chain.sender(FOUNDER, self.deployment).submit(call)

    async def earned(self, node: SigningKey) -> int:
        reader = self.chain.reader(self.deployment)
        return int(await reader.view("RentVault", "earnedBy", payout_of(node)))


@pytest.fixture
async def rental() -> AsyncIterator[Rental]:
    async with LocalChain(root=ROOT) as chain:
        deployment = await chain.found(FOUNDER)
        calls, founder = Calls(deployment), chain.sender(FOUNDER, deployment)
        await chain.fund(*(key.address for key in NODES))
        await founder.submit(calls.approve_stake(200_000 * TOKEN))
        for key, roles in (*((k, ANCHOR) for k in ANCHORS), *((k, SERVICE) for k in NODES)):
            await founder.submit(
                calls.register_node(
                    key=key.address,
                    key_proof=calls.key_proof(key, FOUNDER.address),
                    payout=payout_of(key),
                    roles=roles,
                    api_url="http://127.0.0.1:1",
                    link_url="127.0.0.1:2",
                    stake=20_000 * TOKEN,
                )
            )
        tickets = (await founder.submit(create_ticket_contract(FOUNDER.address))).created
        assert tickets is not None
        await founder.submit(
            calls.register_class(
                token_contract=tickets,
                payout=FOUNDER.address,
                issuer_share=0,
                script_uri="ipfs://script",
                script_hash=keccak(b"script"),
            )
        )
        token_class = TokenClass(chain_id=chain.chain_id, contract=tickets).id
        await founder.submit(calls.approve_rent(10 * RENT))
        await founder.submit(calls.start_rent(token_class, INSTANCES, 1))
        rental = Rental(chain=chain, deployment=deployment, token_class=token_class)
        for key in ANCHORS:
            home = Process(chain, deployment, MemoryStore())
            rental.calendars.append(home.calendar)
            rental.desks[key.address] = UptimeDesk(
                engine=home.engine, domain=deployment.domain, key=key, calendar=home.calendar
            )
        rental.earners = [Earning(rental, key, MemoryStore()) for key in NODES]
        yield rental


async def test_nodes_earn_what_they_held_and_the_rest_returns(rental: Rental) -> None:
    best, half, absent = NODES
    for anchor in ANCHORS:
        await rental.look(anchor, best, 100, 10)
        await rental.look(anchor, half, 50, 8)
    # one anchor invents a node that never answered, and one is away
    await rental.look(ANCHORS[0], absent, 100, 10)
    for earning in rental.earners:
        earning.anchors.unreachable.add(ANCHORS[1].address)
    await rental.pass_time(MONTH)
    for earning in rental.earners:
        await earning.earn()
    third = RENT // 3
    assert [await rental.earned(key) for key in NODES] == [third, third * 50 * 8 // 1_000, 0]
    states = [await earning.earner.claims(0) for earning in rental.earners]
    assert [state.earned for state in states] == [await rental.earned(key) for key in NODES]
    assert states[2].rows == ()

    reader = rental.chain.reader(rental.deployment)
    windows = await reader.windows(0)
    await rental.pass_time(windows.direct_until - windows.closes_at)
    left = (await reader.rent_in(rental.token_class, 0)).left
    assert left == RENT - sum(state.earned for state in states)
    await rental.submit(StakeCalls(rental.deployment).return_unearned_rent(rental.token_class, 0))
    assert (await reader.rent(rental.token_class)).balance == left


async def test_a_node_that_restarts_and_claims_again_earns_once(rental: Rental) -> None:
    node = NODES[0]
    for anchor in ANCHORS:
        await rental.look(anchor, node, 100, 10)
    await rental.pass_time(MONTH)
    first = rental.earners[0]
    await first.follow()  # claimed and durable, the transaction not yet sent
    assert [row.fate for row in (await first.earner.claims(0)).rows] == [Fate.PENDING]
    second = Earning(rental, node, first.store)
    await second.earn()
    third = Earning(rental, node, MemoryStore())  # the disk was lost, too
    await third.earn()
    assert await rental.earned(node) == RENT // 3
    for earning in (second, third):
        assert (await earning.earner.claims(0)).earned == RENT // 3


async def test_no_two_of_four_anchors_keep_rent_from_a_node(rental: Rental) -> None:
    node = NODES[0]
    for anchor in ANCHORS[:2]:
        await rental.look(anchor, node, 100, 10)
    await rental.pass_time(MONTH)
    await rental.earners[0].earn()
    assert await rental.earned(node) == RENT // 3


async def test_anchors_say_nothing_of_a_running_period_or_above_their_measure(
    rental: Rental,
) -> None:
    node = NODES[0]
    await rental.look(ANCHORS[0], node, 100, 9)
    desk = rental.desks[ANCHORS[0].address]
    early = await desk.answer(node.address, 0, ())
    assert early.measured == ()
    await rental.pass_time(MONTH)
    (measured,) = (await desk.answer(node.address, 0, ())).measured
    assert (measured.instances, measured.availability) == (100, 9_000)


async def test_unearned_rent_comes_back_and_pays_the_next_period(rental: Rental) -> None:
    await rental.submit(Calls(rental.deployment).top_up_rent(rental.token_class, 1))
    await rental.chain.fund(*(key.address for key in ANCHORS))
    reader = rental.chain.reader(rental.deployment)
    keepers = [
        RentKeeper(
            anchor=key.address,
            chain=reader,
            writer=rental.chain.sender(key, rental.deployment),
            calls=StakeCalls(rental.deployment),
            calendar=calendar,
            clock=VirtualClock(),
        )
        for key, calendar in zip(ANCHORS, rental.calendars, strict=True)
    ]
    events = await reader.events(0, (await reader.head()).number, frozenset())
    for keeper in keepers:
        await keeper.receive(events)

    async def keep() -> RentAccount:
        for keeper in keepers:
            await keeper.wake()
        return await reader.rent(rental.token_class)

    windows = await reader.windows(0)
    await rental.pass_time(windows.direct_until - windows.opens_at)
    assert (await keep()).balance == RENT  # nobody earned period 0
    await rental.pass_time(2 * MONTH - (windows.direct_until - windows.opens_at))
    assert (await reader.rent(rental.token_class)).state is RentState.GRACE
    kept = await keep()
    assert (kept.state, kept.paid_until, kept.balance) == (RentState.ACTIVE, 3, 0)
