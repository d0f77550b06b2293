"""One period of an anchor, from the signed Statements to the last payout.

::

    COLLECTING --ActionSettle--> SETTLING --every row's fate is known--> COUNTING
        --ActionCommit--> COMMITTING --ContractReceiveCommitted--> CHALLENGE
        --the root is final--> DISTRIBUTING --everything is paid--> DONE

    SETTLING, COUNTING, COMMITTING --the settle window is over--> MISSED (nodes claim directly)
    any --the chain holds what we never sent: our key is used elsewhere--> BLOCKED
    CHALLENGE --the root was disproved--> BLOCKED

Only what the chain says moves a row or a payout on, so replays, lost transactions and restarts
change nothing: what has no answer after a while is sent again, and the hub skips what it has.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Record, Transition
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
    Fate,
    MonthEffect,
    MonthEvent,
    MonthRow,
    PaidRange,
    PayoutChunk,
    PerformCount,
    Stage,
)
from settlement.core.payouts import PayoutsUnbalanced
from settlement.protocol.merkle_sum import root as root_of
from settlement.types import ZERO_HASH, Address, Hash, Uint32, Uint64, Uint128

ROWS_PER_CHUNK = 300
PAYOUTS_PER_CHUNK = 190
"""Payouts of one transaction: an account's first one writes a new slot and costs 25.4 k gas, so a
whole chunk stays below 5 M whoever is paid."""

LEAVES_PER_RECORD = 256
"""Payouts of one record of the log."""

"""Bounds of one transaction; 300 rows settle within 5 M gas, the hub's paid bits come in 256s."""

MOST_SENDS = 8
"""A row that had no answer so often is given up; the hub would have named its signer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthState:
    """One period. Times are chain seconds; ``sent_at`` is when the last transactions left.

    ``blocked_by`` says what on chain contradicts our records; a person must look at it.
    """

    period: Uint32
    stage: Stage = Stage.COLLECTING
    rows: tuple[MonthRow, ...] = ()
    settle_until: Uint64 = 0
    resend_after: Uint64 = 0
    sent_at: Uint64 = 0
    root: Hash = ZERO_HASH
    total: Uint128 = 0
    leaf_count: Uint32 = 0
    final_at: Uint64 = 0
    paid: tuple[PaidRange, ...] = ()
    demanded: tuple[Address, ...] = ()
    blocked_by: str = ""

    @property
    def accepted(self) -> tuple[MonthRow, ...]:
        """The rows that the hub debited."""
        return tuple(row for row in self.rows if row.fate is Fate.ACCEPTED)

    @property
    def pending(self) -> tuple[MonthRow, ...]:
        """The rows whose fate is not known."""
        return tuple(row for row in self.rows if row.fate is Fate.PENDING)

    def unpaid_chunks(self) -> tuple[int, ...]:
        """The chunks of payouts that were not paid in full."""
        chunks = range(-(-self.leaf_count // PAYOUTS_PER_CHUNK))
        return tuple(chunk for chunk in chunks if not self._is_paid(chunk))

    def _is_paid(self, chunk: int) -> bool:
        first = chunk * PAYOUTS_PER_CHUNK
        last = min(first + PAYOUTS_PER_CHUNK, self.leaf_count) - 1
        return any(paid.first <= first and last <= paid.last for paid in self.paid)


def month_key(period: int) -> str:
    """The period's number."""
    return str(period)


def rows_stream(period: int) -> str:
    """The log of a period's Statements with their lanes, in the order of the month's rows."""
    return f"rows/{period}"


def payouts_stream(period: int, root: Hash) -> str:
    """The log of the leaves under one root, one record per chunk."""
    return f"payouts/{period}/{root.hex()}"


def initial_month(key: str) -> MonthState:
    """A period whose Statements are being collected."""
    return MonthState(period=int(key))


def is_due(state: MonthState, now: int) -> bool:
    """Whether time alone moves the month on at ``now``."""
    match state.stage:
        case Stage.SETTLING | Stage.COUNTING | Stage.COMMITTING:
            return now >= min(state.settle_until, state.sent_at + state.resend_after)
        case Stage.CHALLENGE:
            answer = bool(state.demanded) and now >= state.sent_at + state.resend_after
            return now >= state.final_at or answer
        case Stage.DISTRIBUTING:
            return now >= state.sent_at + state.resend_after
        case _:
            return False


def step(state: MonthState, event: MonthEvent, _now_ms: int) -> Transition[MonthState, MonthEffect]:
    """Move a period on. Raises PayoutsUnbalanced for leaves that are not those of the rows."""
    match event:
        case ActionSettle():
            return _settle(state, event)
        case ContractReceiveRows():
            return _rows_told(state, event)
        case ActionCommit():
            return _commit(state, event)
        case ContractReceiveCommitted():
            return _committed(state, event)
        case ContractReceiveDistributed():
            return _distributed(state, event)
        case ContractReceiveDemanded():
            return _demanded(state, event)
        case ContractReceiveAnswered(account=account):
            waiting = tuple(other for other in state.demanded if other != account)
            return Transition(state=replace(state, demanded=waiting))
        case ContractReceiveVoid():
            if state.stage is not Stage.CHALLENGE:
                return Transition(state=state)
            return _blocked(state, "the root was voided; the nodes claim directly")
        case ContractReceiveTime():
            return _time(state, event.now)


MONTH: Machine[MonthState, MonthEvent, MonthEffect] = Machine(
    kind="month",
    state_type=MonthState,
    effect_types=(
        ContractSendSettleChunk,
        PerformCount,
        ContractSendCommitPeriod,
        ContractSendDistribute,
        ContractSendShowPayout,
        ContractSendReleaseBond,
    ),
    initial=initial_month,
    step=step,
)

_Moved = Transition[MonthState, MonthEffect]


def _settle(state: MonthState, event: ActionSettle) -> _Moved:
    if state.stage is not Stage.COLLECTING:
        return Transition(state=state)
    if not event.statements:
        return Transition(state=replace(state, stage=Stage.DONE))
    statements = sorted(event.statements, key=lambda statement: statement.row.signer)
    opened = replace(
        state,
        stage=Stage.SETTLING,
        rows=tuple(
            MonthRow(
                signer=statement.row.signer,
                amount=statement.row.amount,
                root=statement.row.root,
                signature=statement.signature,
            )
            for statement in statements
        ),
        settle_until=event.settle_until,
        resend_after=max(1, (event.settle_until - event.now) // 8),
    )
    # The lanes are kept as they were settled: later Statements no longer change the payouts.
    records = tuple(
        Record(stream=rows_stream(state.period), position=index, body=statement.row)
        for index, statement in enumerate(statements)
    )
    return replace(_send_pending(opened, event.now), records=records)


def _send_pending(state: MonthState, now: int) -> _Moved:
    rows = tuple(
        replace(row, sends=row.sends + 1) if row.fate is Fate.PENDING else row for row in state.rows
    )
    pending = [row for row in rows if row.fate is Fate.PENDING]
    chunks = range(0, len(pending), ROWS_PER_CHUNK)
    return Transition(
        state=replace(state, rows=rows, sent_at=now),
        effects=tuple(
            ContractSendSettleChunk(
                period=state.period, rows=tuple(pending[first : first + ROWS_PER_CHUNK])
            )
            for first in chunks
        ),
    )


def _rows_told(state: MonthState, event: ContractReceiveRows) -> _Moved:
    if state.stage not in (Stage.SETTLING, Stage.COUNTING, Stage.COMMITTING):
        return Transition(state=state)
    accepted = {row.signer: row for row in event.accepted}
    skipped = {row.signer: row.reason for row in event.skipped}
    ours = {(row.signer, row.amount, row.root) for row in state.rows}
    if any((row.signer, row.amount, row.root) not in ours for row in event.accepted):
        return _blocked(state, "the hub debited a Statement that is not among ours")

    def told(row: MonthRow) -> MonthRow:
        if row.signer in accepted:
            return replace(row, fate=Fate.ACCEPTED)
        # What was accepted stays accepted: a repeated row is skipped by the hub.
        if row.signer in skipped and row.fate is Fate.PENDING:
            return replace(row, fate=Fate.SKIPPED, skipped_for=skipped[row.signer])
        return row

    rows = tuple(told(row) for row in state.rows)
    if rows == state.rows:
        return Transition(state=state)
    return _counted(replace(state, rows=rows))


def _blocked(state: MonthState, why: str) -> _Moved:
    return Transition(state=replace(state, stage=Stage.BLOCKED, blocked_by=why))


def _counted(state: MonthState) -> _Moved:
    """Once every row's fate is known, count; again, if a late answer changed a fate."""
    if state.pending:
        return Transition(state=replace(state, stage=Stage.SETTLING))
    if not state.accepted:
        return Transition(state=replace(state, stage=Stage.DONE))
    return Transition(
        state=replace(state, stage=Stage.COUNTING), effects=(PerformCount(period=state.period),)
    )


def _commit(state: MonthState, event: ActionCommit) -> _Moved:
    if state.stage is not Stage.COUNTING:
        return Transition(state=state)
    top = root_of([leaf.node() for leaf in event.leaves])
    total = sum(row.amount for row in state.accepted)
    if top.sum != total:
        raise PayoutsUnbalanced(problem=f"rows of {total} make payouts of {top.sum}")
    moved = replace(
        state,
        stage=Stage.COMMITTING,
        root=top.hash,
        total=total,
        leaf_count=len(event.leaves),
        sent_at=event.now,
    )
    starts = range(0, len(event.leaves), LEAVES_PER_RECORD)
    return Transition(
        state=moved,
        records=tuple(
            Record(
                stream=payouts_stream(state.period, top.hash),
                position=chunk,
                body=PayoutChunk(leaves=event.leaves[first : first + LEAVES_PER_RECORD]),
            )
            for chunk, first in enumerate(starts)
        ),
        effects=(_commit_effect(moved),),
    )


def _commit_effect(state: MonthState) -> ContractSendCommitPeriod:
    return ContractSendCommitPeriod(
        period=state.period, root=state.root, total=state.total, leaf_count=state.leaf_count
    )


def _committed(state: MonthState, event: ContractReceiveCommitted) -> _Moved:
    if state.stage in (Stage.CHALLENGE, Stage.DISTRIBUTING, Stage.DONE, Stage.BLOCKED):
        return Transition(state=state)
    if (event.root, event.total, event.leaf_count) != (state.root, state.total, state.leaf_count):
        return _blocked(state, "the hub holds a root that we did not compute")
    return Transition(state=replace(state, stage=Stage.CHALLENGE, final_at=event.final_at))


def _demanded(state: MonthState, event: ContractReceiveDemanded) -> _Moved:
    """Answer; what is not shown in time voids the root."""
    if state.stage is not Stage.CHALLENGE or event.account in state.demanded:
        return Transition(state=state)
    moved = replace(state, demanded=(*state.demanded, event.account), sent_at=event.now)
    return Transition(state=moved, effects=_answers(moved, (event.account,)))


def _answers(
    state: MonthState, accounts: tuple[Address, ...]
) -> tuple[ContractSendShowPayout, ...]:
    return tuple(ContractSendShowPayout(period=state.period, account=a) for a in accounts)


def _distributed(state: MonthState, event: ContractReceiveDistributed) -> _Moved:
    if state.stage not in (Stage.CHALLENGE, Stage.DISTRIBUTING) or not event.count:
        return Transition(state=state)
    told = PaidRange(first=event.first, last=event.first + event.count - 1)
    moved = replace(state, paid=_merged((*state.paid, told)))
    if moved.unpaid_chunks():
        return Transition(state=moved)
    return Transition(
        state=replace(moved, stage=Stage.DONE),
        effects=(ContractSendReleaseBond(period=state.period),),
    )


def _merged(ranges: tuple[PaidRange, ...]) -> tuple[PaidRange, ...]:
    merged: list[PaidRange] = []
    for found in sorted(ranges, key=lambda paid: paid.first):
        if merged and found.first <= merged[-1].last + 1:
            merged[-1] = replace(merged[-1], last=max(merged[-1].last, found.last))
        else:
            merged.append(found)
    return tuple(merged)


def _time(state: MonthState, now: int) -> _Moved:
    if not is_due(state, now):
        return Transition(state=state)
    match state.stage:
        case Stage.CHALLENGE if now < state.final_at:
            again = replace(state, sent_at=now)
            return Transition(state=again, effects=_answers(again, state.demanded))
        case Stage.CHALLENGE | Stage.DISTRIBUTING:
            return Transition(
                state=replace(state, stage=Stage.DISTRIBUTING, sent_at=now),
                effects=tuple(
                    ContractSendDistribute(period=state.period, chunk=chunk)
                    for chunk in state.unpaid_chunks()
                ),
            )
        case _ if now >= state.settle_until:
            return Transition(state=replace(state, stage=Stage.MISSED))
        case Stage.SETTLING:
            hopeful = _without_hopeless(state)
            return _send_pending(hopeful, now) if hopeful.pending else _counted(hopeful)
        case Stage.COUNTING:
            recount = PerformCount(period=state.period)
            return Transition(state=replace(state, sent_at=now), effects=(recount,))
        case _:
            return Transition(state=replace(state, sent_at=now), effects=(_commit_effect(state),))


def _without_hopeless(state: MonthState) -> MonthState:
    return replace(
        state,
        rows=tuple(
            replace(row, fate=Fate.SKIPPED)
            if row.fate is Fate.PENDING and row.sends >= MOST_SENDS
            else row
            for row in state.rows
        ),
    )
