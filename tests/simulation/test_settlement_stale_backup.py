"""An old backup becomes the store again: of an anchor, a service node and an integration's purse.

What was signed since the backup is signed for ever, and the restored store does not remember it.
Deposits stay safe all the same: nobody pays more than it promised, and the anchor promises no more
than there is.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from settlement.client.channel import ChannelClient
from settlement.core.refusals import VoucherBelowLast
from settlement.core.restored import AnchorRestored
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed, SignedVoucher
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.store import offline
from settlement.store.places import Place
from settlement.store.sqlite import SqliteStore
from settlement.types import Address, Hash, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
CLASS = keccak(b"tickets")
PAYER = SigningKey(keccak(b"integration"))
ANCHOR = SigningKey(keccak(b"anchor"))
NODES = [SigningKey(keccak(b"node %d" % n)) for n in range(4)]
DEPOSIT = 1_000
DAY = 86_400
MONTH = 30 * DAY


@dataclass
class World:
    """A chain that stays, and processes over files that may be exchanged."""

    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    chain: MemoryChain = field(default_factory=MemoryChain)
    leased: dict[tuple[int, Address], int] = field(default_factory=dict)
    """The highest lease cap that the anchor ever signed for a lane, whatever it remembers."""

    def __post_init__(self) -> None:
        opened = ChannelOpened(
            signer=PAYER.address,
            owner=Address(b"o" * 20),
            anchor=ANCHOR.address,
            period=0,
            amount=DEPOSIT,
        )
        self.chain.mine(opened, seconds=12)

    def place(self, name: str) -> Place:
        return Place(where=str(self.folder / name))

    async def parts(self, store: SqliteStore) -> tuple[Engine, ChannelDirectory, Calendar]:
        engine, calendar = Engine(store, self.clock), Calendar(self.chain)
        directory, head = ChannelDirectory(engine), await self.chain.head()
        calendar.observe(head)
        await directory.receive(await self.chain.events(0, head.number, frozenset()))
        return engine, directory, calendar

    @asynccontextmanager
    async def anchor(self) -> AsyncIterator[Anchor]:
        async with SqliteStore(self.place("anchor").file) as store:
            engine, directory, calendar = await self.parts(store)
            yield Anchor(
                engine=engine,
                domain=DOMAIN,
                key=ANCHOR,
                directory=directory,
                calendar=calendar,
                lease_step=100,
            )

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Collector]:
        async with SqliteStore(self.place("node").file) as store, self.anchor() as anchor:
            engine, directory, calendar = await self.parts(store)
            yield Collector(
                engine=engine,
                domain=DOMAIN,
                node=NODES[0].address,
                directory=directory,
                calendar=calendar,
                anchors=DirectAcknowledgements({ANCHOR.address: anchor.acknowledge}),
                terms=CollectorTerms(exposure_limit=10_000),
            )

    async def acknowledge(self, anchor: Anchor, node: int, cumulative: int, period: int) -> int:
        """Have a voucher acknowledged; the lease cap."""
        granted = (await anchor.acknowledge(voucher(node, cumulative, period))).message
        lane = (period, granted.node)
        self.leased[lane] = max(self.leased.get(lane, 0), granted.lease_cap)
        return granted.lease_cap

    async def lose_and_restore(self, name: str) -> None:
        """The store is lost; the backup made before takes its place by the command."""
        self.place(name).file.rename(self.folder / f"{name}.lost")
        await offline.restore(self.folder / f"{name}.backup", self.place(name), now_ms=1)


def voucher(node: int, cumulative: int, period: int = 0) -> SignedVoucher:
    message = Voucher(
        signer=PAYER.address,
        period=period,
        node=NODES[node].address,
        token_class=CLASS,
        cumulative=cumulative,
    )
    return Signed.by(PAYER, DOMAIN, message)


async def anchor_with_a_forgotten_half(world: World) -> None:
    """Two lanes are acknowledged before the backup, and two after it."""
    async with world.anchor() as anchor:
        for node in (0, 1):
            await world.acknowledge(anchor, node, 200, 0)
        await offline.backup(world.place("anchor"), world.folder / "anchor.backup")
        for node in (0, 1, 2, 3):
            await world.acknowledge(anchor, node, 240, 0)
    assert sum(world.leased.values()) <= DEPOSIT


async def test_a_restored_anchor_promises_nothing_in_the_period_that_it_half_forgot(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await anchor_with_a_forgotten_half(world)
    await world.lose_and_restore("anchor")

    async with world.anchor() as anchor:
        for node in range(4):
            with pytest.raises(AnchorRestored):
                await world.acknowledge(anchor, node, 250, 0)
        with pytest.raises(AnchorRestored):
            await anchor.draft(PAYER.address, 0)
    world.chain.advance(MONTH)
    async with world.anchor() as anchor:  # a later start has not forgotten that it had forgotten
        with pytest.raises(AnchorRestored):
            await world.acknowledge(anchor, 0, 250, 0)
        assert await anchor.accepted(0) == ()
        assert await anchor.unsigned(0) == 0
    assert sum(world.leased.values()) <= DEPOSIT


async def test_later_periods_lease_nothing_until_the_forgotten_one_can_claim_no_more(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await anchor_with_a_forgotten_half(world)
    await world.lose_and_restore("anchor")
    async with world.anchor() as anchor:
        with pytest.raises(AnchorRestored):
            await world.acknowledge(anchor, 0, 250, 0)

    world.chain.advance(MONTH)
    async with world.anchor() as anchor:
        assert await world.acknowledge(anchor, 0, 50, 1) == 0
        windows = await Calendar(world.chain).windows(0)
    assert sum(world.leased.values()) <= DEPOSIT

    head = await world.chain.head()
    world.chain.advance(windows.direct_until - head.timestamp)
    async with world.anchor() as anchor:
        assert await world.acknowledge(anchor, 0, 60, 1) >= 60


async def test_without_the_note_of_the_restoration_the_deposit_would_be_leased_twice(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await anchor_with_a_forgotten_half(world)
    shutil.copyfile(tmp_path / "anchor.backup", world.place("anchor").file)

    async with world.anchor() as anchor:
        for node in (0, 1):
            await world.acknowledge(anchor, node, 450, 0)
    assert sum(world.leased.values()) > DEPOSIT


async def test_a_restored_node_gets_all_that_it_was_promised_with_the_next_voucher(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)

    async def pay(till: Collector, cumulative: int, name: str) -> None:
        admission = await till.admit(
            voucher(0, cumulative), token_class=CLASS, price=100, request_id=keccak(name.encode())
        )
        await till.charge(admission, b"answer")

    async with world.node() as till:
        await pay(till, 100, "one")
        await offline.backup(world.place("node"), tmp_path / "node.backup")
        await pay(till, 200, "two")
        await pay(till, 300, "three")
        await till.request_acknowledgements()
    await world.lose_and_restore("node")

    async with world.node() as till:
        lane = await till.lane(voucher(0, 0).message)
        assert (lane.charged, lane.highest) == (100, 100), "earnings since the backup are forgotten"
        await pay(till, 400, "four")
        await till.request_acknowledgements()
        lane = await till.lane(voucher(0, 0).message)
    assert lane.highest == lane.acknowledged == 400
    assert lane.charged <= lane.highest


async def test_a_restored_purse_promises_no_more_and_learns_from_its_own_voucher(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    node = NODES[0].address
    file = tmp_path / "purse"

    def client(store: SqliteStore) -> ChannelClient:
        return ChannelClient(key=PAYER, domain=DOMAIN, store=store, clock=world.clock)

    async def pay(till: Collector, promised: SignedVoucher, request: Hash) -> None:
        admission = await till.admit(promised, token_class=CLASS, price=100, request_id=request)
        await till.charge(admission, b"answer")

    async with world.node() as till:
        async with SqliteStore(file) as store:
            purse = client(store)
            await pay(till, await purse.voucher(node, CLASS, 100, 0), keccak(b"1"))
            await offline.backup(Place(where=str(file)), tmp_path / "purse.backup")
            for number in (b"2", b"3"):
                last = await purse.voucher(node, CLASS, 100, 0)
                await pay(till, last, keccak(number))
        await world.lose_and_restore("purse")
        async with SqliteStore(file) as store:
            purse = client(store)
            stale = await purse.voucher(node, CLASS, 100, 0)
            with pytest.raises(VoucherBelowLast):
                await pay(till, stale, keccak(b"4"))
            await purse.release(stale, 100)
            await purse.remember(last)
            await pay(till, await purse.voucher(node, CLASS, 100, 0), keccak(b"4"))
            assert (await purse.state()).promised(0) == 400
        lane = await till.lane(voucher(0, 0).message)
    assert lane.charged == lane.highest == 400
