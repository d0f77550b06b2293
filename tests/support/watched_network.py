"""Anchor, nodes with watchtowers, and integrations on one real chain, each with its own store.

The anchor is as honest as its class: see :class:`LyingSettler`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from settlement.chain.calls import ANCHOR, SERVICE, Calls, create_ticket_contract
from settlement.chain.deployment import Deployment
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.follower import Follower
from settlement.chain.local import LocalChain
from settlement.client.channel import ChannelClient
from settlement.core.month import MonthState
from settlement.core.payouts import PayoutLeaf
from settlement.ports.chain import ChainWriter
from settlement.ports.chain_terms import MONTH
from settlement.ports.clock import VirtualClock
from settlement.ports.payouts import ShownPayouts
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Outbox
from settlement.services.evidence import EvidenceBook
from settlement.services.settler import Settler
from settlement.services.watch_acts import WatchActs
from settlement.services.watchtower import Watchtower
from settlement.types import Address, Hash, TokenClass, keccak

ROOT = Path(__file__).resolve().parents[2]
TOKEN = 10**18
FOUNDER = SigningKey(keccak(b"founder"))
ANCHOR_KEY = SigningKey(keccak(b"watched anchor"))
NODE_KEYS = [SigningKey(keccak(b"watching node %d" % n)) for n in range(2)]
PAYER_KEYS = [SigningKey(keccak(b"paying site %d" % n)) for n in range(2)]
STAKE = 20_000 * TOKEN
DEPOSIT = 100 * TOKEN
PRICE = TOKEN // 3 + 1

Cheat = Callable[[Sequence[PayoutLeaf]], Sequence[PayoutLeaf]]


def payout_of(key: SigningKey) -> Address:
    """Where a node of this network is paid."""
    return Address(keccak(b"payout" + key.address)[12:])


def take_from(victim: Address, thief: Address, amount: int | None = None) -> Cheat:
    """Move ``amount`` (everything, by default) of one account's payout to another's."""

    def cheat(leaves: Sequence[PayoutLeaf]) -> Sequence[PayoutLeaf]:
        owed = {leaf.account: leaf.amount for leaf in leaves}
        moved = owed[victim] if amount is None else amount
        owed[victim] -= moved
        owed[thief] += moved
        return [PayoutLeaf(account=a, amount=n) for a, n in sorted(owed.items()) if n]

    return cheat


def out_of_order(leaves: Sequence[PayoutLeaf]) -> Sequence[PayoutLeaf]:
    """The same payouts, two of them in the wrong order."""
    return [*leaves[:-2], leaves[-1], leaves[-2]]


class LyingSettler(Settler):
    """Commits what ``cheat`` makes of the payouts; honest without one."""

    cheat: Cheat | None = None

    async def counted(self, state: MonthState) -> tuple[PayoutLeaf, ...]:
        leaves = await super().counted(state)
        return leaves if self.cheat is None else tuple(self.cheat(leaves))


class Process:
    """One node's process: its store, directory and follower. ``boot`` starts another over the same
    store, as after a crash."""

    def __init__(self, chain: LocalChain, deployment: Deployment) -> None:
        self.chain = chain
        self.deployment = deployment
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.reader = chain.reader(deployment)
        self.boot()

    def boot(self) -> None:
        self.engine = Engine(self.store, self.clock)
        self.calendar = Calendar(self.reader)
        self.directory = ChannelDirectory(self.engine)
        self.follower = Follower(reader=self.reader, clock=self.clock, first_block=0)


class WatchingNode(Process):
    """A service node with a collector and a watchtower."""

    def __init__(
        self,
        chain: LocalChain,
        deployment: Deployment,
        key: SigningKey,
        anchors: DirectAcknowledgements,
        shown: ShownPayouts,
    ) -> None:
        self.key = key
        self.anchors = anchors
        self.shown = shown
        self.writer: ChainWriter = chain.sender(key, deployment)
        super().__init__(chain, deployment)

    def boot(self) -> None:
        super().boot()
        self.collector = Collector(
            engine=self.engine,
            domain=self.deployment.domain,
            node=self.key.address,
            directory=self.directory,
            calendar=self.calendar,
            anchors=self.anchors,
            terms=CollectorTerms(exposure_limit=2 * TOKEN),
        )
        self.evidence = EvidenceBook(
            engine=self.engine,
            domain=self.deployment.domain,
            chain=self.reader,
            directory=self.directory,
            calendar=self.calendar,
            most_lanes=100,
        )
        self.acts = WatchActs(
            engine=self.engine,
            evidence=self.evidence,
            directory=self.directory,
            calendar=self.calendar,
            chain=self.reader,
            writer=self.writer,
            calls=Calls(self.deployment),
            disputes=DisputeCalls(self.deployment),
            payouts=self.shown,
        )
        self.tower = Watchtower(
            engine=self.engine,
            evidence=self.evidence,
            directory=self.directory,
            calendar=self.calendar,
            acts=self.acts,
        )
        self.outbox = Outbox(self.engine, self.tower.performers)

    async def follow(self) -> None:
        while (batch := await self.follower.step()) is not None:
            self.calendar.observe(batch.head)
            await self.directory.receive(batch.events)
            await self.tower.receive(batch.events)
            await self.follower.done(batch)

    async def watch(self) -> None:
        """Follow the chain and act until there is nothing left to do now."""
        await self.follow()
        while await self.outbox.perform_due():
            await self.follow()


class WatchedNetwork:
    """One anchor, two nodes, two integrations."""

    def __init__(self, chain: LocalChain, deployment: Deployment, token_class: Hash) -> None:
        self.chain = chain
        self.deployment = deployment
        self.token_class = token_class
        self.home = Process(chain, deployment)
        self.anchor = Anchor(
            engine=self.home.engine,
            domain=deployment.domain,
            key=ANCHOR_KEY,
            directory=self.home.directory,
            calendar=self.home.calendar,
            lease_step=TOKEN,
        )
        self.settler = LyingSettler(
            engine=self.home.engine,
            anchor=self.anchor,
            chain=self.home.reader,
            writer=chain.sender(ANCHOR_KEY, deployment),
            calls=Calls(deployment),
            disputes=DisputeCalls(deployment),
            calendar=self.home.calendar,
        )
        self.outbox = Outbox(self.home.engine, self.settler.performers)
        self.anchors = DirectAcknowledgements({ANCHOR_KEY.address: self.anchor.acknowledge})
        self.shown = ShownPayouts()
        self.nodes = [
            WatchingNode(chain, deployment, key, self.anchors, self.shown) for key in NODE_KEYS
        ]
        self.clients = [
            ChannelClient(
                key=key, domain=deployment.domain, store=MemoryStore(), clock=VirtualClock()
            )
            for key in PAYER_KEYS
        ]

    async def follow(self) -> None:
        """Let the anchor and every node see the chain."""
        await self.follow_anchor()
        for node in self.nodes:
            await node.follow()

    async def follow_anchor(self) -> None:
        """Let the anchor see the chain."""
        while (batch := await self.home.follower.step()) is not None:
            self.home.calendar.observe(batch.head)
            await self.home.directory.receive(batch.events)
            await self.settler.receive(batch.events)
            await self.home.follower.done(batch)

    async def settle(self) -> None:
        """Let the anchor do all that is due."""
        await self.follow_anchor()
        while await self.outbox.perform_due():
            await self.follow_anchor()

    async def pay(self, calls: int = 3, *, acknowledged: bool = True, start: int = 0) -> None:
        """Every integration calls every node ``calls`` times in period 0."""
        for client in self.clients:
            for node in self.nodes:
                for number in range(start, start + calls):
                    voucher = await client.voucher(
                        node.key.address, self.token_class, PRICE, period=0
                    )
                    admission = await node.collector.admit(
                        voucher,
                        token_class=self.token_class,
                        price=PRICE,
                        request_id=keccak(client.signer + node.key.address + bytes([number])),
                    )
                    await node.collector.charge(admission, b"answer")
                if acknowledged:
                    await node.collector.request_acknowledgements()

    async def sign(self) -> None:
        """Every integration signs the anchor's draft of period 0."""
        for client in self.clients:
            draft = await self.anchor.draft(client.signer, 0)
            statement = await client.statement(draft, ANCHOR_KEY.address)
            await self.anchor.receive_statement(statement)

    async def until(self, seconds: int) -> None:
        """Let time pass on the chain until this moment, and everybody see it."""
        await self.chain.advance(max(1, seconds - await self.chain.now()))
        await self.follow()

    async def credit(self, key: SigningKey) -> int:
        """What the hub owes a node's account."""
        return await self.home.reader.credit(payout_of(key))


@asynccontextmanager
async def watched_network() -> AsyncIterator[WatchedNetwork]:
    """A founded network whose nodes are registered and whose channels are open, in period 0."""
    async with LocalChain(root=ROOT) as chain:
        deployment = await chain.found(FOUNDER, period_length=MONTH)
        await chain.fund(ANCHOR_KEY.address, *(key.address for key in NODE_KEYS))
        calls, founder = Calls(deployment), chain.sender(FOUNDER, deployment)
        await founder.submit(calls.approve_stake(3 * STAKE))
        for key, roles in ((ANCHOR_KEY, ANCHOR), *((key, SERVICE) for key in NODE_KEYS)):
            await founder.submit(
                calls.register_node(
                    key=key.address,
                    key_proof=calls.key_proof(key, FOUNDER.address),
                    payout=payout_of(key),
                    roles=roles,
                    api_url="http://127.0.0.1:1",
                    link_url="127.0.0.1:2",
                    stake=STAKE,
                )
            )
        receipt = await founder.submit(create_ticket_contract(FOUNDER.address))
        assert receipt.created is not None
        await founder.submit(calls.approve_deposit(len(PAYER_KEYS) * DEPOSIT))
        for key in PAYER_KEYS:
            await founder.submit(
                calls.open_channel(
                    signer=key.address,
                    owner=FOUNDER.address,
                    anchor=ANCHOR_KEY.address,
                    amount=DEPOSIT,
                )
            )
        token_class = TokenClass(chain_id=chain.chain_id, contract=receipt.created).id
        network = WatchedNetwork(chain, deployment, token_class)
        await network.follow()
        yield network
