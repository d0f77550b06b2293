"""One deposit, spent by everybody at once: what nodes and anchors accept never exceeds it.

A payer's callers share nothing and stop at nothing: 64 at a time, at several nodes, in several
lanes, under two anchors, while the deposit is being withdrawn. A node's loss is what it charged and
no lease covers; that is at most its exposure limit for each channel, here one voucher's worth.
"""

import asyncio
import random
from collections.abc import Iterable

import pytest

from settlement.core.refusals import ChannelShut, ChannelWithdrawing
from settlement.errors import PaymentError
from settlement.ports.chain_events import (
    AnchorChanged,
    ChainEvent,
    ChannelOpened,
    WithdrawalRequested,
)
from settlement.ports.clock import VirtualClock
from settlement.ports.dispute_events import ChannelClosed
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.services.exposure import uncovered
from settlement.types import Address, Hash, keccak

COIN = 10**18
DOMAIN = Domain.of(31_337, Address(b"h" * 20))
PAYER = SigningKey(keccak(b"payer"))
ANCHORS = [SigningKey(keccak(b"anchor %d" % n)) for n in range(2)]
NODES = [Address(bytes([n + 1]) * 20) for n in range(3)]
CLASSES = [keccak(b"class %d" % n) for n in range(8)]
CALLERS = 64
PRICE = COIN
DEPOSIT = 40 * COIN


class World:
    """Two anchors and three nodes, each with its own store."""

    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.clock = VirtualClock()
        self.calendar = Calendar(self.chain)
        self.acknowledgements = DirectAcknowledgements()
        self.directories: list[ChannelDirectory] = []
        self.anchors = [self._anchor(key) for key in ANCHORS]
        self.nodes = [self._node(key) for key in NODES]
        self.promised: dict[tuple[Address, Hash, int], int] = {}
        self.requests = 0

    def _engine(self) -> tuple[Engine, ChannelDirectory]:
        engine = Engine(MemoryStore(), self.clock)
        self.directories.append(ChannelDirectory(engine))
        return engine, self.directories[-1]

    def _anchor(self, key: SigningKey) -> Anchor:
        engine, directory = self._engine()
        anchor = Anchor(
            engine=engine,
            domain=DOMAIN,
            key=key,
            directory=directory,
            calendar=self.calendar,
            lease_step=2 * COIN,
        )
        self.acknowledgements.anchors[key.address] = anchor.acknowledge
        return anchor

    def _node(self, key: Address) -> Collector:
        engine, directory = self._engine()
        return Collector(
            engine=engine,
            domain=DOMAIN,
            node=key,
            directory=directory,
            calendar=self.calendar,
            anchors=self.acknowledgements,
            terms=CollectorTerms(exposure_limit=PRICE),
        )

    async def happens(self, *events: ChainEvent, unseen_by: Iterable[int] = ()) -> None:
        block = self.chain.mine(*events)
        self.calendar.observe(block)
        found = await self.chain.events(block.number, block.number, frozenset())
        blind = [self.directories[len(ANCHORS) + node] for node in unseen_by]
        for directory in self.directories:
            if directory not in blind:
                await directory.receive(found)

    async def open(self) -> None:
        await self.happens(
            ChannelOpened(
                signer=PAYER.address,
                owner=NODES[0],
                anchor=ANCHORS[0].address,
                period=0,
                amount=DEPOSIT,
            )
        )

    async def call(self, node: int, token_class: int, period: int = 0) -> bool:
        """One caller's next call, from promise to charge; whether it was served."""
        lane = (NODES[node], CLASSES[token_class], period)
        self.promised[lane] = self.promised.get(lane, 0) + PRICE
        self.requests += 1
        request_id = keccak(b"request %d" % self.requests)
        message = Voucher(
            signer=PAYER.address,
            period=period,
            node=lane[0],
            token_class=lane[1],
            cumulative=self.promised[lane],
        )
        collector = self.nodes[node]
        try:
            admission = await collector.admit(
                Signed.by(PAYER, DOMAIN, message),
                token_class=lane[1],
                price=PRICE,
                request_id=request_id,
            )
            await asyncio.sleep(0)  # the script runs, and everybody else's meanwhile
            await collector.charge(admission, b"answer")
        except PaymentError:
            return False
        return True

    async def rush(self, dice: random.Random, period: int = 0) -> int:
        """All callers at once, at any node and in any lane; how many were served."""
        calls = [
            self.call(dice.randrange(len(NODES)), dice.randrange(len(CLASSES)), period)
            for _ in range(CALLERS)
        ]
        return sum(await asyncio.gather(*calls))

    async def acknowledge(self) -> None:
        for node in self.nodes:
            await node.request_acknowledgements()

    async def risk(self, node: int, period: int = 0) -> int:
        """What a node served and no lease covers."""
        return sum(uncovered(lane) for lane in await self.nodes[node].lanes(period))

    async def require_bounds(self, period: int = 0) -> None:
        leased = 0
        for number, node in enumerate(self.nodes):
            assert await self.risk(number, period) <= PRICE
            leased += sum(lane.lease_cap for lane in await node.lanes(period))
        assert leased <= DEPOSIT


@pytest.mark.parametrize("seed", range(4))
async def test_64_callers_at_three_nodes_get_no_more_than_the_deposit_and_a_voucher_each(
    seed: int,
) -> None:
    world, dice = World(), random.Random(seed)
    await world.open()
    served = 0
    for _ in range(6):
        served += await world.rush(dice)
        await world.require_bounds()
        await world.acknowledge()
        await world.require_bounds()
    assert DEPOSIT // 2 < served * PRICE <= DEPOSIT + len(NODES) * PRICE


async def test_many_lanes_of_one_channel_share_one_exposure() -> None:
    world = World()
    await world.open()
    world.acknowledgements.unreachable = {key.address for key in ANCHORS}
    served = await asyncio.gather(
        *(world.call(0, number % len(CLASSES)) for number in range(CALLERS))
    )
    assert sum(served) == 1
    assert await world.risk(0) == PRICE


@pytest.mark.parametrize("seed", range(4))
async def test_two_anchors_never_lease_the_same_deposit(seed: int) -> None:
    """The channel changes its anchor; vouchers of both periods are brought to both at once."""
    world, dice = World(), random.Random(seed)
    await world.open()
    await world.happens(
        AnchorChanged(signer=PAYER.address, anchor=ANCHORS[1].address, from_period=1)
    )
    for _ in range(3):
        await world.rush(dice)
        await world.acknowledge()
    world.calendar.observe(world.chain.advance(world.chain.period_length))
    for _ in range(3):
        await world.rush(dice, period=1)
        await world.acknowledge()
    lanes = [lane for node in world.nodes for p in (0, 1) for lane in await node.lanes(p)]
    assert sum(lane.lease_cap for lane in lanes) <= DEPOSIT
    for number in range(len(NODES)):
        assert await world.risk(number, 0) <= PRICE
        assert await world.risk(number, 1) <= PRICE


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("event", "refusal"),
    [
        (
            WithdrawalRequested(signer=PAYER.address, amount=DEPOSIT, withdrawable_at=9),
            ChannelWithdrawing,
        ),
        (
            ChannelClosed(signer=PAYER.address, period=0, amount=DEPOSIT // 2, refund=DEPOSIT // 2),
            ChannelShut,
        ),
    ],
)
async def test_whoever_withdraws_while_64_calls_are_under_way_gains_one_voucher_at_most(
    seed: int, event: ChainEvent, refusal: type[PaymentError]
) -> None:
    """The node sees the event late: until then it risks one voucher, from then on nothing more."""
    world, dice = World(), random.Random(seed)
    await world.open()
    await world.rush(dice)
    await world.acknowledge()
    calls = asyncio.gather(*(world.call(0, dice.randrange(8)) for _ in range(CALLERS)))
    await world.happens(event, unseen_by=[0])
    await calls
    await world.acknowledge()
    risk = await world.risk(0)
    assert risk <= PRICE
    block = (await world.chain.head()).number
    await world.directories[len(ANCHORS)].receive(
        await world.chain.events(block, block, frozenset())
    )
    assert await asyncio.gather(*(world.call(0, 0) for _ in range(CALLERS))) == [False] * CALLERS
    assert await world.risk(0) == risk
    voucher = Voucher(
        signer=PAYER.address,
        period=0,
        node=NODES[0],
        token_class=CLASSES[0],
        cumulative=10**6 * COIN,
    )
    with pytest.raises(refusal):
        await world.nodes[0].admit(
            Signed.by(PAYER, DOMAIN, voucher),
            token_class=CLASSES[0],
            price=PRICE,
            request_id=bytes(32),
        )


async def test_an_exposure_that_a_restart_finds_still_counts() -> None:
    world = World()
    await world.open()
    world.acknowledgements.unreachable = {key.address for key in ANCHORS}
    assert await world.call(0, 0)
    before = world.nodes[0]
    again = Collector(
        engine=before._engine,
        domain=DOMAIN,
        node=NODES[0],
        directory=world.directories[len(ANCHORS)],
        calendar=world.calendar,
        anchors=world.acknowledgements,
        terms=CollectorTerms(exposure_limit=PRICE),
    )
    await again._find_unacknowledged()
    world.nodes[0] = again
    assert not await world.call(0, 1)
    assert await world.risk(0) == PRICE
    world.acknowledgements.unreachable = set()
    await world.acknowledge()
    assert await world.call(0, 1)
