"""The settler: takes an anchor's periods from signed Statements to paid leaves.

Wiring: give :attr:`Settler.performers` to the process's Outbox, and call :meth:`Settler.receive`
with every batch of confirmed events, after the directory and the calendar have seen it::

    outbox = Outbox(engine, {**settler.performers, …})
    async for batch in follower.batches():
        calendar.observe(batch.head)
        await directory.receive(batch.events)
        await settler.receive(batch.events)
        await follower.done(batch)
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from settlement.chain.calls import compact
from settlement.core.month import (
    LEAVES_PER_RECORD,
    MONTH,
    PAYOUTS_PER_CHUNK,
    MonthState,
    is_due,
    month_key,
    payouts_stream,
    rows_stream,
)
from settlement.core.month_events import (
    ActionCommit,
    ActionSettle,
    ContractReceiveAnswered,
    ContractReceiveCommitted,
    ContractReceiveDemanded,
    ContractReceiveDistributed,
    ContractReceiveRows,
    ContractReceiveTime,
    ContractReceiveVoid,
    ContractSendCommitPeriod,
    ContractSendDistribute,
    ContractSendReleaseBond,
    ContractSendSettleChunk,
    ContractSendShowPayout,
    DebitedRow,
    MonthEvent,
    MonthRow,
    MonthStatement,
    PayoutChunk,
    PerformCount,
    SkippedRow,
    Stage,
)
from settlement.core.owed import ShownRange, show
from settlement.core.payouts import (
    AcceptedRow,
    Accounts,
    IssuerTerms,
    PayoutLeaf,
    payouts,
)
from settlement.core.periods import PeriodWindows
from settlement.ports.chain import Call, ChainReader, ChainWriter
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_events import (
    ChainEvent,
    PayoutsDistributed,
    PeriodCommitted,
    RowSkipped,
    StatementsAccepted,
)
from settlement.ports.chain_records import (
    Payout,
    PayoutProof,
    PotStatus,
    ProofNode,
    StatementRow,
)
from settlement.ports.dispute_events import (
    PayoutDemanded,
    PayoutShown,
    PeriodVoided,
    VoucherPosted,
)
from settlement.protocol.merkle_sum import Tree
from settlement.services.anchor import Anchor, ChannelStatement
from settlement.services.calendar import Calendar
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import ZERO_ADDRESS, Address, Hash, checksum

LONGEST_LOOK_BACK = 8
"""Periods back from the current one that may still need work."""


class SettlementCalls(Protocol):
    """The builders of the settler's transactions (``settlement.chain.calls.Calls``)."""

    def settle_chunk(self, period: int, rows: Sequence[StatementRow]) -> Call: ...

    def commit_period(self, period: int, root: Hash, total: int, leaf_count: int) -> Call: ...

    def distribute(
        self,
        anchor: Address,
        period: int,
        first_index: int,
        payouts: Sequence[Payout],
        siblings: Sequence[ProofNode],
    ) -> Call: ...

    def release_bond(self, anchor: Address, period: int) -> Call: ...


class DemandAnswers(Protocol):
    """The builder of answers to demands (``settlement.chain.dispute_calls.DisputeCalls``)."""

    def show_payout(
        self, anchor: Address, period: int, account: Address, proof: PayoutProof
    ) -> Call: ...


class Settler:
    """Settles for one anchor. The writer's account is the anchor's node key."""

    def __init__(
        self,
        *,
        engine: Engine,
        anchor: Anchor,
        chain: ChainReader,
        writer: ChainWriter,
        calls: SettlementCalls,
        disputes: DemandAnswers,
        calendar: Calendar,
    ) -> None:
        self._engine = engine
        self._anchor = anchor
        self._chain = chain
        self._writer = writer
        self._calls = calls
        self._disputes = disputes
        self._calendar = calendar
        self._posted: dict[tuple[Address, int], dict[tuple[Address, Hash], int]] = {}
        self._log = structlog.get_logger("settler")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """The coroutines that perform the month's effects; all are idempotent."""
        return {
            ContractSendSettleChunk: self._perform_settle,
            PerformCount: self._perform_count,
            ContractSendCommitPeriod: self._perform_commit,
            ContractSendDistribute: self._perform_distribute,
            ContractSendShowPayout: self._perform_show,
            ContractSendReleaseBond: self._perform_release,
        }

    async def month(self, period: int) -> MonthState:
        """Where a period stands."""
        return await self._engine.state(MONTH, month_key(period))

    async def leaves(self, period: int) -> tuple[PayoutLeaf, ...]:
        """The committed payouts of a period, in order; empty before they are counted."""
        state = await self.month(period)
        stream = payouts_stream(period, state.root)
        count = -(-state.leaf_count // LEAVES_PER_RECORD)
        rows = await self._engine.store.read_log(stream, 0, count) if count else ()
        chunks = (msgspec.json.decode(row.body, type=PayoutChunk) for row in rows)
        return tuple(leaf for chunk in chunks for leaf in chunk.leaves)

    async def receive(self, events: Sequence[ChainEvent]) -> None:
        """Take confirmed events, oldest first, then do what the time asks for."""
        for event in events:
            await self._told(event)
        await self.wake()

    async def wake(self) -> None:
        """Look at every recent period by the chain's clock. Call it at every new head."""
        now = await self._calendar.seconds()
        current = await self._calendar.period()
        for period in range(max(0, current - LONGEST_LOOK_BACK), current):
            await self._look_at(period, now)

    async def _look_at(self, period: int, now: int) -> None:
        state = await self.month(period)
        if state.stage is Stage.COLLECTING:
            windows = await self._calendar.windows(period)
            if windows.settle_from <= now and await self._is_time(period, windows, now):
                await self._begin(period, windows, now)
        elif is_due(state, now):
            await self._apply(period, ContractReceiveTime(now=now))

    async def _is_time(self, period: int, windows: PeriodWindows, now: int) -> bool:
        """Settle once every Statement is in; half of the window is left to the late ones."""
        middle = (windows.settle_from + windows.settle_until) // 2
        return now >= middle or await self._anchor.unsigned(period) == 0

    async def _begin(self, period: int, windows: PeriodWindows, now: int) -> None:
        accepted = await self._covering(period) if now < windows.settle_until else ()
        statements = tuple(
            MonthStatement(
                row=AcceptedRow(
                    signer=found.signer,
                    amount=found.statement.amount,
                    root=found.statement.root,
                    lanes=found.statement.lanes,
                ),
                signature=found.statement.signature,
            )
            for found in accepted
        )
        event = ActionSettle(statements=statements, settle_until=windows.settle_until, now=now)
        await self._apply(period, event)

    async def _covering(self, period: int) -> list[ChannelStatement]:
        """The Statements that pay all that was acknowledged.

        A lower one would mark the channel-period settled at the hub and so void the nodes' direct
        claims: a payer could sign for its first call and use the rest for nothing. Such a channel
        is left to the nodes (ADR 14).
        """
        covering: list[ChannelStatement] = []
        for found in await self._anchor.accepted(period):
            if found.covers and self._covers_posted(found, period):
                covering.append(found)
                continue
            self._log.warning(
                "channel_left_to_claims",
                period=period,
                signer=checksum(found.signer),
                signed=found.statement.amount,
                acknowledged=found.acknowledged,
            )
        return covering

    def _covers_posted(self, found: ChannelStatement, period: int) -> bool:
        """Whether a Statement pays what was posted on chain: that counts as acknowledged, and a
        root that leaves it out can be challenged."""
        signed = {(lane.node, lane.token_class): lane.amount for lane in found.statement.lanes}
        posted = self._posted.get((found.signer, period), {})
        return all(signed.get(lane, 0) >= amount for lane, amount in posted.items())

    async def _told(self, event: ChainEvent) -> None:
        told: MonthEvent
        match event:
            case VoucherPosted():
                # Rebuilt at every start, since the chain is followed from the deployment on.
                lanes = self._posted.setdefault((event.signer, event.period), {})
                lane = (event.node, event.token_class)
                lanes[lane] = max(event.amount, lanes.get(lane, 0))
                return
            case StatementsAccepted(anchor=anchor, period=period):
                rows = tuple(
                    DebitedRow(signer=row.signer, amount=row.amount, root=row.vouchers_root)
                    for row in event.rows
                )
                told = ContractReceiveRows(accepted=rows)
            case RowSkipped(anchor=anchor, period=period):
                row = SkippedRow(signer=event.signer, reason=int(event.reason))
                told = ContractReceiveRows(skipped=(row,))
            case PeriodCommitted(anchor=anchor, period=period):
                told = ContractReceiveCommitted(
                    root=event.root,
                    total=event.sum,
                    leaf_count=event.leaf_count,
                    final_at=event.final_at,
                )
            case PayoutsDistributed(anchor=anchor, period=period):
                told = ContractReceiveDistributed(first=event.first_index, count=len(event.payouts))
            case PayoutDemanded(anchor=anchor, period=period):
                now = await self._calendar.seconds()
                told = ContractReceiveDemanded(account=event.account, now=now)
            case PayoutShown(anchor=anchor, period=period):
                told = ContractReceiveAnswered(account=event.account)
            case PeriodVoided(anchor=anchor, period=period):
                told = ContractReceiveVoid()
            case _:
                return
        if anchor == self._anchor.address:
            await self._apply(period, told)

    async def _apply(self, period: int, event: MonthEvent) -> None:
        before = await self.month(period)
        moved = await self._engine.apply(MONTH, month_key(period), event)
        if moved.state.stage is before.stage:
            return
        if moved.state.stage in (Stage.MISSED, Stage.BLOCKED):
            self._log.error(
                "month_lost",
                period=period,
                stage=moved.state.stage.value,
                why=moved.state.blocked_by,
            )
        else:
            self._log.info("month_moved", period=period, stage=moved.state.stage.value)

    # Performers

    async def _perform_settle(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendSettleChunk)
        rows = request.rows
        # After a crash the chunk may be on chain already; then only what is missing is sent.
        if await self._chain.is_settled(rows[0].signer, request.period):
            settled = [await self._chain.is_settled(r.signer, request.period) for r in rows]
            rows = tuple(row for row, done in zip(rows, settled, strict=True) if not done)
        if rows:
            compact = [_compact_row(row) for row in rows]
            await self._writer.submit(self._calls.settle_chunk(request.period, compact))

    async def _perform_count(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, PerformCount)
        state = await self.month(request.period)
        if state.stage is not Stage.COUNTING:
            return
        leaves = await self.counted(state)
        now = await self._calendar.seconds()
        await self._apply(request.period, ActionCommit(leaves=leaves, now=now))

    async def counted(self, state: MonthState) -> tuple[PayoutLeaf, ...]:
        """What the rows that the hub accepted pay, recomputed."""
        rows = await self._accepted_rows(state)
        accounts = await self._accounts(state.period, rows)
        return payouts(rows, await self._calendar.shares(state.period), accounts)

    async def _perform_commit(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendCommitPeriod)
        pot = await self._chain.pot(self._anchor.address, request.period)
        if pot.status is PotStatus.OPEN:
            call = self._calls.commit_period(
                request.period, request.root, request.total, request.leaf_count
            )
            await self._writer.submit(call)

    async def _perform_distribute(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendDistribute)
        pot = await self._chain.pot(self._anchor.address, request.period)
        if pot.distributed == pot.sum:
            return  # somebody else was faster; the events will say so
        leaves = await self.leaves(request.period)
        first = request.chunk * PAYOUTS_PER_CHUNK
        chunk = leaves[first : first + PAYOUTS_PER_CHUNK]
        proof = Tree.of([leaf.node() for leaf in leaves]).range_proof(first, len(chunk))
        await self._writer.submit(
            self._calls.distribute(
                self._anchor.address,
                request.period,
                first,
                [Payout(account=leaf.account, amount=leaf.amount) for leaf in chunk],
                [ProofNode(hash=node.hash, sum=node.sum) for node in proof],
            )
        )

    async def _perform_show(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendShowPayout)
        if request.account not in (await self.month(request.period)).demanded:
            return  # somebody else answered
        leaves = await self.leaves(request.period)
        tree = Tree.of([leaf.node() for leaf in leaves])
        proof = proof_of(show(tree, leaves, request.account)[0])
        own = self._anchor.address
        call = self._disputes.show_payout(own, request.period, request.account, proof)
        try:
            await self._writer.submit(call)
        except CallReverted as error:
            # Answered meanwhile, or void: the events will say so.
            self._log.info("overtaken", purpose=call.purpose, error=error.error)

    async def _perform_release(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendReleaseBond)
        pot = await self._chain.pot(self._anchor.address, request.period)
        if pot.bond:
            call = self._calls.release_bond(self._anchor.address, request.period)
            await self._writer.submit(call)

    async def _accepted_rows(self, state: MonthState) -> list[AcceptedRow]:
        stream = rows_stream(state.period)
        rows = await self._engine.store.read_log(stream, 0, len(state.rows))
        kept = (msgspec.json.decode(row.body, type=AcceptedRow) for row in rows)
        debited = {row.signer for row in state.accepted}
        return [row for row in kept if row.signer in debited]

    async def _accounts(self, period: int, rows: Sequence[AcceptedRow]) -> Accounts:
        # The accounts of that period: payouts that move later stay where they were in it, and a
        # root that pays elsewhere could be challenged.
        own = self._anchor.address
        anchor = await self._chain.payout_at(own, period)
        nodes: dict[Address, Address] = {}
        for key in sorted({lane.node for row in rows for lane in row.lanes}):
            account = await self._chain.payout_at(key, period)
            if account != ZERO_ADDRESS:
                nodes[key] = account
        issuers: dict[Hash, IssuerTerms] = {}
        for token_class in sorted({lane.token_class for row in rows for lane in row.lanes}):
            account, share = await self._chain.revenue(token_class, period)
            issuers[token_class] = IssuerTerms(payout=account, share=share)
        return Accounts(
            treasury=(await self._calendar.terms(period)).treasury,
            anchor=own if anchor == ZERO_ADDRESS else anchor,
            nodes=nodes,
            issuers=issuers,
        )


def proof_of(shown: ShownRange) -> PayoutProof:
    """A shown part of a tree as the hub takes it."""
    return PayoutProof(
        first_index=shown.first,
        payouts=tuple(Payout(account=leaf.account, amount=leaf.amount) for leaf in shown.leaves),
        siblings=tuple(ProofNode(hash=node.hash, sum=node.sum) for node in shown.siblings),
    )


def _compact_row(row: MonthRow) -> StatementRow:
    r, vs = compact(row.signature)
    return StatementRow(amount=row.amount, vouchers_root=row.root, r=r, vs=vs)
