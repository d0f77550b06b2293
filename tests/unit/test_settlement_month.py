"""The month machine under any order of answers, replays and restarts."""

from dataclasses import replace

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from settlement.core.month import (
    MONTH,
    MOST_SENDS,
    PAYOUTS_PER_CHUNK,
    ROWS_PER_CHUNK,
    MonthState,
    is_due,
    step,
)
from settlement.core.month_events import (
    ActionCommit,
    ActionSettle,
    ContractReceiveCommitted,
    ContractReceiveDistributed,
    ContractReceiveRows,
    ContractReceiveTime,
    ContractSendCommitPeriod,
    ContractSendDistribute,
    ContractSendReleaseBond,
    ContractSendSettleChunk,
    DebitedRow,
    Fate,
    MonthEvent,
    MonthStatement,
    PerformCount,
    SkippedRow,
    Stage,
)
from settlement.core.payouts import AcceptedRow, PayoutLeaf
from settlement.protocol.merkle_sum import root
from settlement.types import Address, Hash, Signature

SETTLE_UNTIL = 1_000


def signer(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def statement(number: int) -> MonthStatement:
    row = AcceptedRow(
        signer=signer(number), amount=number + 1, root=Hash(number.to_bytes(32, "big")), lanes=()
    )
    return MonthStatement(row=row, signature=Signature(bytes(65)))


def settle(count: int) -> ActionSettle:
    return ActionSettle(
        statements=tuple(statement(n) for n in reversed(range(count))),
        settle_until=SETTLE_UNTIL,
        now=200,
    )


def debited(*numbers: int) -> ContractReceiveRows:
    rows = (statement(n).row for n in numbers)
    return ContractReceiveRows(
        accepted=tuple(DebitedRow(signer=r.signer, amount=r.amount, root=r.root) for r in rows)
    )


def skipped(number: int, reason: int = 5) -> ContractReceiveRows:
    return ContractReceiveRows(skipped=(SkippedRow(signer=signer(number), reason=reason),))


def leaves(total: int, count: int = 1) -> tuple[PayoutLeaf, ...]:
    amounts = [1] * (count - 1) + [total - count + 1]
    return tuple(PayoutLeaf(account=signer(n), amount=a) for n, a in enumerate(amounts))


def after(*events: MonthEvent) -> tuple[MonthState, list[object]]:
    state = MONTH.initial("5")
    effects: list[object] = []
    for event in events:
        moved = step(state, event, 0)
        state, effects = moved.state, list(moved.effects)
    return state, effects


def test_rows_go_out_sorted_in_chunks_and_their_lanes_are_kept() -> None:
    moved = step(MONTH.initial("5"), settle(ROWS_PER_CHUNK + 1), 0)
    sizes = [len(e.rows) for e in moved.effects if isinstance(e, ContractSendSettleChunk)]
    assert sizes == [ROWS_PER_CHUNK, 1]
    assert [row.signer for row in moved.state.rows] == [
        signer(n) for n in range(ROWS_PER_CHUNK + 1)
    ]
    assert [record.position for record in moved.records] == list(range(ROWS_PER_CHUNK + 1))
    assert {record.stream for record in moved.records} == {"rows/5"}


def test_a_month_without_statements_is_done_at_once() -> None:
    state, effects = after(settle(0))
    assert state.stage is Stage.DONE
    assert not effects


def test_skipped_rows_do_not_block_the_others() -> None:
    state, effects = after(settle(3), debited(0, 2), skipped(1))
    assert state.stage is Stage.COUNTING
    assert effects == [PerformCount(period=5)]
    assert [row.fate for row in state.rows] == [Fate.ACCEPTED, Fate.SKIPPED, Fate.ACCEPTED]
    state, effects = after(
        settle(3), debited(0, 2), skipped(1), ActionCommit(leaves=leaves(4), now=300)
    )
    (commit,) = effects
    assert isinstance(commit, ContractSendCommitPeriod)
    assert commit.total == 4


def test_a_month_in_which_every_row_was_skipped_is_done() -> None:
    state, _ = after(settle(1), skipped(0))
    assert state.stage is Stage.DONE


def test_what_was_accepted_stays_accepted_when_it_is_sent_again() -> None:
    state, _ = after(settle(2), debited(0), skipped(0, reason=4))
    assert [row.fate for row in state.rows] == [Fate.ACCEPTED, Fate.PENDING]


def test_rows_without_an_answer_are_sent_again_until_the_window_is_over() -> None:
    state = step(MONTH.initial("5"), settle(2), 0).state
    state = step(state, debited(0), 0).state
    assert not is_due(state, state.sent_at + state.resend_after - 1)
    sends = 1
    while (now := state.sent_at + state.resend_after) < SETTLE_UNTIL:
        moved = step(state, ContractReceiveTime(now=now), 0)
        (effect,) = moved.effects
        assert isinstance(effect, ContractSendSettleChunk)
        assert [row.signer for row in effect.rows] == [signer(1)]
        sends += 1
        assert effect.rows[0].sends == sends
        state = moved.state
    assert sends == MOST_SENDS
    assert step(state, ContractReceiveTime(now=SETTLE_UNTIL), 0).state.stage is Stage.MISSED


def test_a_row_that_is_given_up_no_longer_holds_up_the_others() -> None:
    state = step(MONTH.initial("5"), settle(2), 0).state
    state = step(state, debited(0), 0).state
    worn = tuple(replace(row, sends=MOST_SENDS) for row in state.rows)
    moved = step(replace(state, rows=worn), ContractReceiveTime(now=500), 0)
    assert moved.state.stage is Stage.COUNTING
    # Should the hub name it after all, the payouts are counted again.
    again = step(moved.state, debited(1), 0)
    assert again.effects == (PerformCount(period=5),)
    assert len(again.state.accepted) == 2


def test_a_commit_that_was_mined_in_time_counts_even_if_it_is_seen_late() -> None:
    state, _ = after(settle(1), debited(0), ActionCommit(leaves=leaves(1), now=300))
    missed = step(state, ContractReceiveTime(now=SETTLE_UNTIL), 0).state
    assert missed.stage is Stage.MISSED
    seen = ContractReceiveCommitted(root=state.root, total=1, leaf_count=1, final_at=2_000)
    assert step(missed, seen, 0).state.stage is Stage.CHALLENGE


def test_a_foreign_root_or_statement_blocks_the_month() -> None:
    state, _ = after(settle(1), debited(0), ActionCommit(leaves=leaves(1), now=300))
    foreign = ContractReceiveCommitted(root=Hash(b"x" * 32), total=1, leaf_count=1, final_at=2_000)
    assert step(state, foreign, 0).state.stage is Stage.BLOCKED
    state, _ = after(settle(1), debited(7))
    assert state.stage is Stage.BLOCKED


def test_payouts_go_out_in_chunks_when_the_root_is_final_and_then_the_bond() -> None:
    count = 2 * PAYOUTS_PER_CHUNK + 1
    total = count + 5
    big = AcceptedRow(signer=signer(0), amount=total, root=Hash(bytes(32)), lanes=())
    rows = ActionSettle(
        statements=(MonthStatement(row=big, signature=Signature(bytes(65))),),
        settle_until=SETTLE_UNTIL,
        now=200,
    )
    accepted = ContractReceiveRows(
        accepted=(DebitedRow(signer=signer(0), amount=total, root=Hash(bytes(32))),)
    )
    paid = leaves(total, count)
    top = root([leaf.node() for leaf in paid])
    committed = ContractReceiveCommitted(
        root=top.hash, total=top.sum, leaf_count=count, final_at=900
    )
    commit = ActionCommit(leaves=paid, now=300)
    state, _ = after(rows, accepted, commit, committed)
    assert not is_due(state, 899)
    moved = step(state, ContractReceiveTime(now=900), 0)
    assert [e.chunk for e in moved.effects if isinstance(e, ContractSendDistribute)] == [0, 1, 2]

    # Somebody else pays an odd range first; only what is left is sent again.
    odd = PAYOUTS_PER_CHUNK + 44
    state = step(moved.state, ContractReceiveDistributed(first=0, count=odd), 0).state
    assert state.unpaid_chunks() == (1, 2)
    rest = 2 * PAYOUTS_PER_CHUNK - odd
    state = step(state, ContractReceiveDistributed(first=odd, count=rest), 0).state
    assert state.unpaid_chunks() == (2,)
    moved = step(state, ContractReceiveDistributed(first=count - 1, count=1), 0)
    assert moved.state.stage is Stage.DONE
    assert moved.effects == (ContractSendReleaseBond(period=5),)


class AnyMonth(RuleBasedStateMachine):
    """A hub that may lose, repeat and reorder; a process that may restart at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MONTH.initial("5")
        self.now = 200
        self.accepted: set[int] = set()
        self.refused: set[int] = set()
        self.root: ContractReceiveCommitted | None = None
        self.counts = 0
        self.sent: list[object] = []

    def move(self, event: MonthEvent) -> None:
        moved = step(self.state, event, 0)
        self.state = moved.state
        self.sent.extend(moved.effects)

    @initialize(count=st.integers(1, 12), refused=st.sets(st.integers(0, 11)))
    def statements_are_in(self, count: int, refused: set[int]) -> None:
        self.refused = refused
        self.move(settle(count))

    @rule(data=st.data())
    def a_transaction_is_mined(self, data: st.DataObject) -> None:
        if not self.sent:
            return
        effect = self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
        match effect:
            case ContractSendSettleChunk():
                self._settle(effect)
            case PerformCount() if self.state.stage is Stage.COUNTING:
                total = sum(row.amount for row in self.state.accepted)
                self.move(ActionCommit(leaves=leaves(total), now=self.now))
            case ContractSendCommitPeriod():
                self._commit(effect)
            case ContractSendDistribute():
                self.move(ContractReceiveDistributed(first=0, count=1))
            case _:
                pass

    def _settle(self, effect: ContractSendSettleChunk) -> None:
        if self.root is not None or self.now >= SETTLE_UNTIL:
            return  # the hub reverts
        for row in effect.rows:
            number = int.from_bytes(row.signer, "big")
            if number in self.refused:
                self.move(skipped(number))
            elif number in self.accepted:
                self.move(skipped(number, reason=4))
            else:
                self.accepted.add(number)
                self.move(debited(number))

    def _commit(self, effect: ContractSendCommitPeriod) -> None:
        pot = sum(number + 1 for number in self.accepted)
        if self.root is None and effect.total == pot and self.now < SETTLE_UNTIL:
            self.root = ContractReceiveCommitted(
                root=effect.root, total=effect.total, leaf_count=effect.leaf_count, final_at=950
            )
            self.move(self.root)

    @rule(data=st.data())
    def a_transaction_is_lost(self, data: st.DataObject) -> None:
        if self.sent:
            self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))

    @rule()
    def the_follower_starts_again(self) -> None:
        for number in sorted(self.accepted):
            self.move(debited(number))
        if self.root is not None:
            self.move(self.root)

    @rule()
    def the_process_restarts(self) -> None:
        encoded = msgspec.json.encode(self.state)
        self.state = msgspec.json.decode(encoded, type=MonthState)

    @rule(seconds=st.integers(1, 150))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.move(ContractReceiveTime(now=self.now))

    @invariant()
    def our_books_never_hold_more_than_the_hub_s(self) -> None:
        ours = {int.from_bytes(row.signer, "big") for row in self.state.accepted}
        assert ours <= self.accepted
        assert self.state.stage is not Stage.BLOCKED

    @invariant()
    def a_committed_root_is_the_sum_of_the_accepted_statements(self) -> None:
        if self.root is not None:
            assert self.root.total == sum(number + 1 for number in self.accepted)

    def teardown(self) -> None:
        """Whatever happened, an undisturbed rest of the window brings the month to its end."""
        for _ in range(60):
            while self.sent:
                match self.sent.pop(0):
                    case ContractSendSettleChunk() as effect:
                        self._settle(effect)
                    case PerformCount() if self.state.stage is Stage.COUNTING:
                        total = sum(row.amount for row in self.state.accepted)
                        self.move(ActionCommit(leaves=leaves(total), now=self.now))
                    case ContractSendCommitPeriod() as effect:
                        self._commit(effect)
                    case ContractSendDistribute():
                        self.move(ContractReceiveDistributed(first=0, count=1))
                    case _:
                        pass
            self.now += 20
            self.move(ContractReceiveTime(now=self.now))
        assert self.state.stage in (Stage.COLLECTING, Stage.DONE, Stage.MISSED)
        assert (self.state.stage is Stage.DONE) or self.root is None


TestAnyMonth = AnyMonth.TestCase
TestAnyMonth.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
