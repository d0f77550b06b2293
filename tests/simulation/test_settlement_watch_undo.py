"""A watchtower and a chain that takes blocks back: it forgets what is gone, keeps what stands."""

from typing import Any, cast

from settlement.core.lane_marks import LANE_MARKS, LaneMarks, marks_key
from settlement.core.watch_events import WatchStage
from settlement.ports.chain_events import (
    ChainEvent,
    ChannelOpened,
    DirectClaimed,
    PeriodCommitted,
    StatementsAccepted,
)
from settlement.ports.chain_records import AcceptedRow
from settlement.ports.clock import VirtualClock
from settlement.ports.dispute_events import PeriodVoided, VoucherPosted
from settlement.ports.memory_chain import GENESIS, MemoryChain
from settlement.ports.payouts import ShownPayouts
from settlement.ports.store import MemoryStore
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.services.evidence import EvidenceBook
from settlement.services.watch_acts import WatchActs
from settlement.services.watchtower import Watchtower
from settlement.types import Address, keccak

PAYER, NODE, ANCHOR = (Address(bytes([n]) * 20) for n in (1, 2, 3))
CLASS = keccak(b"class")
ROWS = (AcceptedRow(signer=PAYER, amount=7, vouchers_root=keccak(b"vouchers")),)
DEBITED = StatementsAccepted(
    anchor=ANCHOR, period=0, chunk=0, commitment=keccak(b"rows"), rows=ROWS
)


def committed(root: bytes) -> PeriodCommitted:
    return PeriodCommitted(
        anchor=ANCHOR,
        period=0,
        root=keccak(root),
        sum=7,
        leaf_count=1,
        final_at=GENESIS + 10**7,
        bond=1,
    )


class World:
    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.engine = Engine(MemoryStore(), VirtualClock())
        self.directory = ChannelDirectory(self.engine)
        calendar = Calendar(self.chain)
        evidence = EvidenceBook(
            engine=self.engine,
            domain=Domain.of(31_337, ANCHOR),
            chain=self.chain,
            directory=self.directory,
            calendar=calendar,
        )
        acts = WatchActs(
            engine=self.engine,
            evidence=evidence,
            directory=self.directory,
            calendar=calendar,
            chain=self.chain,
            writer=self.chain,
            calls=cast("Any", None),
            disputes=cast("Any", None),
            payouts=ShownPayouts(),
        )
        self.tower = Watchtower(
            engine=self.engine,
            evidence=evidence,
            directory=self.directory,
            calendar=calendar,
            acts=acts,
        )

    async def tell(self, *events: ChainEvent) -> int:
        block = self.chain.mine(*events).number
        found = await self.chain.events(block, block, frozenset())
        await self.directory.receive(found)
        await self.tower.receive(found)
        return block

    async def reorganise(self, depth: int) -> None:
        self.chain.drop(depth)
        block = (await self.chain.head()).number + 1
        for _ in range(2):  # once more, as after a crash in the middle
            await self.directory.undo(self.chain, replaced_from=block, first_block=0)
            await self.tower.undo(self.chain, replaced_from=block, first_block=0)

    async def marks(self) -> LaneMarks:
        return await self.engine.state(LANE_MARKS, marks_key(NODE, 0))


async def test_a_root_that_the_chain_takes_back_is_forgotten_and_its_rows_are_not() -> None:
    world = World()
    opened = ChannelOpened(signer=PAYER, owner=NODE, anchor=ANCHOR, period=0, amount=100)
    await world.tell(opened)
    await world.tell(DEBITED)
    await world.tell(committed(b"one root"))
    await world.tell(
        PeriodVoided(anchor=ANCHOR, period=0, challenger=NODE, node=NODE, owed=2, paid=1)
    )
    assert (await world.tower.watched(ANCHOR, 0)).stage is WatchStage.VOID
    await world.reorganise(2)
    back = await world.tower.watched(ANCHOR, 0)
    assert (back.stage, back.root) == (WatchStage.OPEN, bytes(32))
    assert [chunk.commitment for chunk in back.chunks] == [DEBITED.commitment]
    await world.tell(committed(b"another root"))
    again = await world.tower.watched(ANCHOR, 0)
    assert (again.stage, again.root) == (WatchStage.COMMITTED, keccak(b"another root"))
    await world.reorganise(2)
    assert (await world.tower.watched(ANCHOR, 0)).chunks == ()
    await world.tell(DEBITED)
    assert len((await world.tower.watched(ANCHOR, 0)).chunks) == 1


async def test_what_lanes_were_paid_follows_the_chain_that_stands() -> None:
    world = World()
    posted = VoucherPosted(signer=PAYER, node=NODE, period=0, token_class=CLASS, amount=5)
    await world.tell(posted)
    for claimed in (3, 4):
        await world.tell(
            DirectClaimed(
                signer=PAYER,
                node=NODE,
                period=0,
                token_class=CLASS,
                amount=claimed,
                claimed=claimed,
            )
        )
    assert (await world.marks()).claimed_for(PAYER, CLASS) == 4
    await world.reorganise(1)
    marks = await world.marks()
    assert marks.claimed_for(PAYER, CLASS) == 3
    assert marks.posted_for(PAYER, CLASS) == 5
