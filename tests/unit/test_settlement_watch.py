"""A watched period: what it asks for in each stage, and that repetitions change nothing."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from settlement.core.month_events import DebitedRow
from settlement.core.owed import ShownRange
from settlement.core.periods import PeriodWindows
from settlement.core.watch import (
    LOOKS_PER_WINDOW,
    WatchState,
    debited_stream,
    initial_watch,
    step,
    watch_key,
)
from settlement.core.watch_events import (
    ActionClear,
    ActionReopen,
    ContractReceiveBondGone,
    ContractReceiveClock,
    ContractReceiveDebited,
    ContractReceiveDemand,
    ContractReceiveForgotten,
    ContractReceiveGivenBack,
    ContractReceiveRoot,
    ContractReceiveShown,
    ContractReceiveVoided,
    ContractSendForfeit,
    ContractSendRestore,
    ContractSendVoidUnshown,
    Demand,
    PerformCheckLeases,
    PerformClaim,
    PerformInspect,
    PerformPost,
    ShownPayout,
    WatchEffect,
    WatchEvent,
    WatchLog,
    WatchStage,
)
from settlement.core.watch_events import (
    WatchStage as Stage,
)
from settlement.types import Address, keccak

ANCHOR, NODE, FINDER = (Address(bytes([n]) * 20) for n in (1, 2, 3))
KEY = watch_key(ANCHOR, 5)
WINDOWS = PeriodWindows(
    opens_at=0, closes_at=1_000, settle_from=1_200, settle_until=1_600, direct_until=2_800
)
CHALLENGE = 480
ROW = DebitedRow(signer=FINDER, amount=7, root=keccak(b"vouchers"))


def clock(now: int) -> ContractReceiveClock:
    return ContractReceiveClock(now=now, windows=WINDOWS, challenge_window=CHALLENGE)


def root(block: int, final_at: int = 2_000) -> ContractReceiveRoot:
    return ContractReceiveRoot(
        block=block,
        log_index=0,
        root=keccak(b"root"),
        total=7,
        leaf_count=3,
        final_at=final_at,
        bond=5,
    )


def debited(block: int, chunk: int = 0) -> ContractReceiveDebited:
    commitment = keccak(b"chunk %d" % chunk)
    return ContractReceiveDebited(
        block=block, log_index=0, chunk=chunk, commitment=commitment, rows=(ROW,)
    )


def after(*events: WatchEvent) -> tuple[WatchState, list[WatchEffect]]:
    """The state, and the effects of the last event."""
    state, effects = initial_watch(KEY), ()
    for event in events:
        moved = step(state, event, 0)
        state, effects = moved.state, moved.effects
    return state, list(effects)


def kinds(effects: list[WatchEffect]) -> set[type]:
    """What is done beside looking at leases, which goes on until the period is final."""
    return {type(effect) for effect in effects} - {PerformCheckLeases}


def test_vouchers_are_posted_in_the_second_half_of_the_grace_only() -> None:
    for now, wanted in (
        (1_099, set()),
        (1_100, {PerformPost}),
        (1_199, {PerformPost}),
        (1_200, set()),
    ):
        assert kinds(after(clock(now))[1]) == wanted, now


def test_a_root_is_inspected_until_it_is_cleared() -> None:
    state, effects = after(root(1), clock(1_500))
    assert (state.stage, kinds(effects)) == (Stage.COMMITTED, {PerformInspect})
    assert after(root(1), clock(1_500), clock(1_501))[1] == [], "not at every block"
    pause = CHALLENGE // LOOKS_PER_WINDOW
    assert kinds(after(root(1), clock(1_500), clock(1_500 + pause))[1]) == {PerformInspect}
    cleared = ActionClear(root=keccak(b"root"))
    assert kinds(after(root(1), cleared, clock(1_500))[1]) == set()
    assert kinds(after(root(1), cleared, ActionReopen(), clock(1_500))[1]) == {PerformInspect}
    other = ActionClear(root=keccak(b"another root"))
    assert kinds(after(root(1), other, clock(1_500))[1]) == {PerformInspect}


def test_an_unanswered_demand_voids_after_its_time_and_an_answered_one_never() -> None:
    demand = ContractReceiveDemand(
        block=2, log_index=0, demand=Demand(account=NODE, answer_until=1_880)
    )
    shown = ShownPayout(account=NODE, amount=3, shown=ShownRange(first=0, leaves=(), siblings=()))
    answer = ContractReceiveShown(block=3, log_index=0, payout=shown)
    assert ContractSendVoidUnshown not in kinds(after(root(1), demand, clock(1_879))[1])
    assert ContractSendVoidUnshown in kinds(after(root(1), demand, clock(1_880))[1])
    assert ContractSendVoidUnshown not in kinds(after(root(1), demand, answer, clock(1_880))[1])


def test_a_void_root_is_undone_and_then_claimed_from() -> None:
    voided = ContractReceiveVoided(block=3, log_index=0, challenger=FINDER, node=NODE)
    state, effects = after(debited(1), root(2), voided, clock(1_300))
    assert state.stage is Stage.VOID
    assert kinds(effects) == {ContractSendForfeit, ContractSendRestore}
    gone = ContractReceiveBondGone(block=4, log_index=0)
    back = ContractReceiveGivenBack(block=5, log_index=0, chunk=0)
    assert after(debited(1), root(2), voided, gone, back, clock(1_300))[1] == []
    claimed = after(debited(1), root(2), voided, gone, back, clock(1_600))[1]
    assert kinds(claimed) == {PerformClaim}
    over, effects = after(debited(1), root(2), voided, clock(2_800))
    assert (over.stage, effects) == (Stage.OVER, [])


def test_an_anchor_that_never_commits_is_undone_when_its_window_is_over() -> None:
    assert kinds(after(debited(1), clock(1_599))[1]) == set()
    state, effects = after(debited(1), clock(1_600))
    assert state.stage is Stage.LATE
    assert kinds(effects) == {ContractSendRestore, PerformClaim}


def test_rows_are_kept_once_whatever_the_chain_takes_back() -> None:
    state = initial_watch(KEY)
    moved = step(state, debited(1), 0)
    (record,) = moved.records
    commitment = keccak(b"chunk 0")
    assert (record.stream, record.position) == (debited_stream(ANCHOR, 5, commitment), 0)
    forgotten = step(moved.state, ContractReceiveForgotten(), 0).state
    assert forgotten.chunks == ()
    again = step(forgotten, debited(1), 0)
    assert again.records == ()
    assert [chunk.commitment for chunk in again.state.chunks] == [commitment]


class AnyPeriod(RuleBasedStateMachine):
    """The hub's period goes beside the watched one; time passes, events repeat, blocks vanish."""

    def __init__(self) -> None:
        super().__init__()
        self.state = initial_watch(KEY)
        self.told: list[WatchLog] = []
        self.block = 0
        self.now = 900
        self.committed = 0
        self.void = False
        self.bond = 0
        self.restored: set[int] = set()
        self.chunks = 0
        self.effects: list[WatchEffect] = []

    def _tell(self, event: WatchLog) -> None:
        self.told.append(event)
        moved = step(self.state, event, 0)
        assert moved.effects == (), "only the clock makes it act"
        self.state = moved.state

    def _next(self) -> int:
        self.block += 1
        return self.block

    @rule(seconds=st.integers(1, 300))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        moved = step(self.state, clock(self.now), 0)
        self.state, self.effects = moved.state, list(moved.effects)
        for effect in moved.effects:
            self._allowed(effect)

    def _allowed(self, effect: WatchEffect) -> None:
        final = self.committed and self.now >= self.committed
        match effect:
            case PerformPost():
                assert 1_100 <= self.now < 1_200
                assert not self.committed
            case PerformInspect():
                assert self.committed
                assert not self.void
                assert not final
            case ContractSendForfeit():
                assert self.void
                assert self.bond
            case ContractSendRestore(chunk=chunk):
                assert self.void or (not self.committed and self.now >= 1_600)
                assert chunk not in self.restored
            case PerformClaim():
                assert 1_600 <= self.now < 2_800
            case PerformCheckLeases():
                assert not self.void
            case _:
                assert self.committed

    @precondition(lambda self: not self.committed and 1_200 <= self.now < 1_600)
    @rule()
    def settle_a_chunk(self) -> None:
        self._tell(debited(self._next(), self.chunks))
        self.chunks += 1

    @precondition(lambda self: self.chunks and not self.committed and 1_200 <= self.now < 1_600)
    @rule()
    def commit(self) -> None:
        self.committed, self.bond = self.now + CHALLENGE, 5
        self._tell(root(self._next(), self.committed))

    @precondition(lambda self: self.committed and not self.void and self.now < self.committed)
    @rule(proved=st.booleans())
    def disprove(self, proved: bool) -> None:
        self.void = True
        challenger = FINDER if proved else Address(bytes(20))
        self._tell(
            ContractReceiveVoided(
                block=self._next(), log_index=0, challenger=challenger, node=challenger
            )
        )

    @precondition(lambda self: self.void and self.bond)
    @rule()
    def forfeit(self) -> None:
        self.bond = 0
        self._tell(ContractReceiveBondGone(block=self._next(), log_index=0))

    @precondition(lambda self: self.void and len(self.restored) < self.chunks)
    @rule()
    def restore(self) -> None:
        chunk = min(set(range(self.chunks)) - self.restored)
        self.restored.add(chunk)
        self._tell(ContractReceiveGivenBack(block=self._next(), log_index=0, chunk=chunk))

    @precondition(lambda self: self.told)
    @rule(pick=st.integers(min_value=0))
    def tell_again(self, pick: int) -> None:
        before = self.state
        for event in self.told[pick % len(self.told) :]:
            self.state = step(self.state, event, 0).state
        assert self.state == before

    @rule()
    def reorganise(self) -> None:
        self.state = step(self.state, ContractReceiveForgotten(), 0).state
        for event in self.told:
            moved = step(self.state, event, 0)
            assert moved.records == ()
            self.state = moved.state

    @invariant()
    def it_says_what_the_hub_says(self) -> None:
        assert (self.state.stage is WatchStage.VOID) <= self.void
        assert {chunk.number for chunk in self.state.chunks if chunk.restored} == self.restored
        assert len(self.state.unrestored) == self.chunks - len(self.restored)
        assert self.state.bond == self.bond


TestAnyPeriod = AnyPeriod.TestCase
TestAnyPeriod.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
