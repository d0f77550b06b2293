"""The watchtower: sees to it that anchors pay what they owe, for this node or for others.

It follows every anchor's periods on chain and compares them with the evidence that it holds. Wiring
is the settler's: give :attr:`Watchtower.performers` to the process's Outbox and hand it every batch
of confirmed events, after the directory and the calendar have seen it::

    tower = Watchtower(engine=…, evidence=…, directory=…, calendar=…, acts=WatchActs(…))
    await tower.receive(batch.events)

What it does about what it sees is in :mod:`settlement.services.watch_acts`.
"""

from collections.abc import Mapping, Sequence

import structlog

from settlement.core.lane_marks import (
    LANE_MARKS,
    ContractReceiveClaimed,
    ContractReceivePosted,
    ContractReceiveUnmarked,
    LaneMark,
    marks_key,
)
from settlement.core.month_events import DebitedRow
from settlement.core.owed import ShownRange
from settlement.core.payouts import PayoutLeaf
from settlement.core.watch import LOOKS_PER_WINDOW, WATCH, WatchState, watch_key
from settlement.core.watch_events import (
    ActionReopen,
    ContractReceiveBondGone,
    ContractReceiveClock,
    ContractReceiveDebited,
    ContractReceiveDemand,
    ContractReceiveForgotten,
    ContractReceiveGivenBack,
    ContractReceivePaidOut,
    ContractReceiveRoot,
    ContractReceiveShown,
    ContractReceiveVoided,
    Demand,
    ShownPayout,
    WatchEvent,
    WatchLog,
)
from settlement.ports.chain import ChainReader
from settlement.ports.chain_events import (
    BondReleased,
    ChainEvent,
    DirectClaimed,
    PayoutsDistributed,
    PeriodCommitted,
    StatementsAccepted,
    StatementsRestored,
)
from settlement.ports.dispute_events import (
    BondForfeited,
    PayoutDemanded,
    PayoutShown,
    PeriodVoided,
    VoucherPosted,
)
from settlement.protocol.merkle_sum import SumNode
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory, chain_events
from settlement.services.engine import Engine, Performer
from settlement.services.evidence import EvidenceBook
from settlement.services.watch_acts import WatchActs
from settlement.types import Address, checksum

NEVER = 1 << 63
LONGEST_LOOK_BACK = 8
"""Periods back from the current one that may still need watching."""


class Watchtower:
    """Watches for whoever the evidence speaks of."""

    def __init__(
        self,
        *,
        engine: Engine,
        evidence: EvidenceBook,
        directory: ChannelDirectory,
        calendar: Calendar,
        acts: WatchActs,
    ) -> None:
        self._engine = engine
        self._evidence = evidence
        self._directory = directory
        self._calendar = calendar
        self._acts = acts
        self._look_at: dict[int, int] = {}
        self._log = structlog.get_logger("watchtower")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """The coroutines that perform its effects; all are idempotent."""
        return self._acts.performers

    async def watched(self, anchor: Address, period: int) -> WatchState:
        """Where an anchor's period stands."""
        return await self._engine.state(WATCH, watch_key(anchor, period))

    async def periods(self) -> tuple[WatchState, ...]:
        """Every anchor's recent periods, as far as anything was heard of them."""
        earliest = await self._calendar.period() - LONGEST_LOOK_BACK
        keys = await self._engine.store.keys(WATCH.kind)
        recent = [key for key in keys if int(key.split("/")[1]) >= earliest]
        return tuple([await self._engine.state(WATCH, key) for key in recent])

    async def hand_over(
        self,
        voucher: SignedVoucher,
        acknowledgement: SignedAcknowledgement,
        *,
        asked: bool = True,
    ) -> None:
        """Watch a lane for another node; see :meth:`EvidenceBook.hand_over` for what is raised."""
        lane = await self._evidence.hand_over(voucher, acknowledgement, asked=asked)
        channel = await self._directory.channel(lane.signer, lane.period)
        anchor = await self._directory.anchor_at(channel, lane.period)
        await self._apply(anchor, lane.period, ActionReopen())

    async def receive(self, events: Sequence[ChainEvent]) -> None:
        """Take confirmed events, oldest first, then do what the time asks for."""
        for event in events:
            await self._told(event)
        await self.wake()

    async def undo(self, chain: ChainReader, replaced_from: int, first_block: int) -> None:
        """The chain replaced blocks that were shown before: periods with an event there are told
        again, from ``first_block`` to the last block that still stands. Call it after the
        directory's; repeating it is harmless."""
        stale: set[str] = set()
        for key in await self._engine.store.keys(WATCH.kind):
            if (await self._engine.state(WATCH, key)).block >= replaced_from:
                stale.add(key)
                await self._engine.apply(WATCH, key, ContractReceiveForgotten())
        for key in await self._engine.store.keys(LANE_MARKS.kind):
            if (await self._engine.state(LANE_MARKS, key)).block >= replaced_from:
                stale.add(key)
                forget = ContractReceiveUnmarked(block=replaced_from, log_index=0)
                await self._engine.apply(LANE_MARKS, key, forget)
        for event in await chain_events(chain, first_block, replaced_from - 1) if stale else ():
            await self._told(event)

    async def wake(self) -> None:
        """Look at every recent period by the chain's clock. Call it at every new head."""
        now = await self._calendar.seconds()
        current = await self._calendar.period()
        for period in range(max(0, current - LONGEST_LOOK_BACK), current):
            if now >= self._look_at.get(period, 0):
                await self._look(period, now)

    async def _look(self, period: int, now: int) -> None:
        windows = await self._calendar.windows(period)
        challenge_window = (await self._calendar.terms(period)).challenge_window
        self._look_at[period] = now + max(1, challenge_window // LOOKS_PER_WINDOW)
        clock = ContractReceiveClock(now=now, windows=windows, challenge_window=challenge_window)
        for anchor in await self._acts.anchors(period):
            await self._apply(anchor, period, clock)
        if now >= windows.direct_until:
            self._look_at[period] = NEVER

    async def _told(self, event: ChainEvent) -> None:
        if isinstance(event, VoucherPosted | DirectClaimed):
            await self._lane_told(event)
            return
        told = _watch_event(event)
        if told is None:
            return
        assert isinstance(
            event,
            StatementsAccepted
            | StatementsRestored
            | PeriodCommitted
            | PayoutsDistributed
            | PayoutDemanded
            | PayoutShown
            | PeriodVoided
            | BondForfeited
            | BondReleased,
        )
        await self._take(event.anchor, event.period, told)

    async def _lane_told(self, event: VoucherPosted | DirectClaimed) -> None:
        """Every node's lanes are kept: somebody may hand one over later."""
        posted = isinstance(event, VoucherPosted)
        amount = event.amount if isinstance(event, VoucherPosted) else event.claimed
        lane = LaneMark(signer=event.signer, token_class=event.token_class, amount=amount)
        kind = ContractReceivePosted if posted else ContractReceiveClaimed
        told = kind(block=event.block, log_index=event.log_index, lane=lane)
        key = marks_key(event.node, event.period)
        if event.position > (await self._engine.state(LANE_MARKS, key)).position:
            await self._engine.apply(LANE_MARKS, key, told)

    async def _take(self, anchor: Address, period: int, told: WatchLog) -> None:
        if told.position > (await self.watched(anchor, period)).position:
            await self._apply(anchor, period, told)
            self._look_at.pop(period, None)

    async def _apply(self, anchor: Address, period: int, event: WatchEvent) -> None:
        before = (await self.watched(anchor, period)).stage
        moved = await self._engine.apply(WATCH, watch_key(anchor, period), event)
        if isinstance(event, ActionReopen):
            self._look_at.pop(period, None)
        if moved.state.stage is not before:
            self._log.info(
                "period_moved",
                anchor=checksum(anchor),
                period=period,
                stage=moved.state.stage.value,
            )


def _watch_event(event: ChainEvent) -> WatchLog | None:
    """What an event about a whole period tells its machine."""
    block, log_index = event.position
    match event:
        case StatementsAccepted():
            rows = tuple(
                DebitedRow(signer=row.signer, amount=row.amount, root=row.vouchers_root)
                for row in event.rows
            )
            return ContractReceiveDebited(
                block=block,
                log_index=log_index,
                chunk=event.chunk,
                commitment=event.commitment,
                rows=rows,
            )
        case StatementsRestored(chunk=chunk):
            return ContractReceiveGivenBack(block=block, log_index=log_index, chunk=chunk)
        case PeriodCommitted():
            return ContractReceiveRoot(
                block=block,
                log_index=log_index,
                root=event.root,
                total=event.sum,
                leaf_count=event.leaf_count,
                final_at=event.final_at,
                bond=event.bond,
            )
        case PayoutDemanded():
            demand = Demand(account=event.account, answer_until=event.answer_until)
            return ContractReceiveDemand(block=block, log_index=log_index, demand=demand)
        case PayoutShown():
            return ContractReceiveShown(
                block=block,
                log_index=log_index,
                payout=ShownPayout(account=event.account, amount=event.amount, shown=_shown(event)),
            )
        case PeriodVoided(challenger=challenger, node=node):
            return ContractReceiveVoided(
                block=block, log_index=log_index, challenger=challenger, node=node
            )
        case PayoutsDistributed(first_index=first, payouts=payouts):
            return ContractReceivePaidOut(
                block=block, log_index=log_index, first=first, count=len(payouts)
            )
        case BondForfeited() | BondReleased():
            return ContractReceiveBondGone(block=block, log_index=log_index)
        case _:
            return None


def _shown(event: PayoutShown) -> ShownRange:
    return ShownRange(
        first=event.proof.first_index,
        leaves=tuple(
            PayoutLeaf(account=payout.account, amount=payout.amount)
            for payout in event.proof.payouts
        ),
        siblings=tuple(SumNode(node.hash, node.sum) for node in event.proof.siblings),
    )
