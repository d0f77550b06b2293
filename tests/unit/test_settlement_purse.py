"""The purse: promises within budgets under every interleaving, and drafts it refuses to sign."""

from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from settlement.core.draft_json import draft_from_json, draft_to_json
from settlement.core.purse import (
    DAY_MS,
    HOUR_MS,
    MOST_PENDING,
    REMEMBERED_PERIODS,
    ActionPromise,
    ActionRelease,
    ActionSignStatement,
    Budgets,
    PurseState,
    ReceiveOwnVoucher,
    ReceiveReceipt,
    initial_purse,
    purse_key,
    step,
)
from settlement.core.refusals import (
    BudgetExceeded,
    CallsPending,
    DraftExceedsPromises,
    DraftInconsistent,
    StatementForAnother,
)
from settlement.core.statements import LaneAmount, StatementDraft, draft_of
from settlement.errors import InputError
from settlement.types import Address, Hash

SIGNER = Address(b"s" * 20)
ANCHOR = Address(b"a" * 20)
NODES = [Address(bytes([n]) * 20) for n in (1, 2)]
CLASS = Hash(b"c" * 32)
TOKENS = [Hash(bytes([n]) * 32) for n in (1, 2)]
START = 500_000 * DAY_MS // 24  # an hour's and a day's beginning do not coincide with it


def promise(
    price: int, node: int = 0, period: int = 0, budgets: Budgets | None = None, token: int = 0
) -> ActionPromise:
    return ActionPromise(
        period=period,
        node=NODES[node],
        token_class=CLASS,
        price=price,
        budgets=budgets or Budgets(),
        token=TOKENS[token],
    )


def purse(*prices: int) -> PurseState:
    state = initial_purse(purse_key(SIGNER))
    for price in prices:
        state = step(state, promise(price), START).state
    return state


def draft(*amounts: int, period: int = 0) -> StatementDraft:
    lanes = (
        LaneAmount(node=node, token_class=CLASS, amount=amount)
        for node, amount in zip(NODES, amounts, strict=False)
    )
    return draft_of(ANCHOR, SIGNER, period, lanes)


def test_promises_grow_by_each_price() -> None:
    assert purse(5, 7).lane(0, NODES[0], CLASS).cumulative == 12


def test_a_released_slice_is_promised_again_before_the_voucher_grows() -> None:
    release = ActionRelease(
        period=0, node=NODES[0], token_class=CLASS, price=7, promised_ms=START, token=TOKENS[0]
    )
    state = step(purse(5, 7), release, START).state
    assert state.lane(0, NODES[0], CLASS).cumulative == 12
    assert state.spending.in_hour == 5
    again = step(state, promise(7), START).state
    assert again.lane(0, NODES[0], CLASS).cumulative == 12


def test_a_release_does_not_refill_an_hour_that_it_was_not_taken_from() -> None:
    state = step(purse(5), promise(3), START + HOUR_MS).state
    release = ActionRelease(
        period=0, node=NODES[0], token_class=CLASS, price=5, promised_ms=START, token=TOKENS[0]
    )
    assert step(state, release, START + HOUR_MS).state.spending.in_hour == 3


@pytest.mark.parametrize(
    ("budgets", "name"),
    [
        (Budgets(per_call=9), "call"),
        (Budgets(per_hour=14), "hour"),
        (Budgets(per_day=14), "day"),
        (Budgets(per_token=9), "token"),
    ],
)
def test_a_budget_that_is_used_up_is_named(budgets: Budgets, name: str) -> None:
    with pytest.raises(BudgetExceeded) as refused:
        step(purse(5), promise(10, budgets=budgets), START)
    assert refused.value.budget == name


def test_a_budget_counts_from_zero_in_the_next_hour_and_day() -> None:
    budgets = Budgets(per_hour=10, per_day=15)
    state = step(purse(), promise(10, budgets=budgets), START).state
    with pytest.raises(BudgetExceeded):
        step(state, promise(1, budgets=budgets), START + 1)
    state = step(state, promise(5, budgets=budgets), START + HOUR_MS).state
    with pytest.raises(BudgetExceeded):
        step(state, promise(1, budgets=budgets), START + HOUR_MS)
    step(state, promise(10, budgets=budgets), START + DAY_MS)


def test_a_draft_within_the_promises_is_signed_and_its_amount_remembered() -> None:
    state = step(purse(5, 7), ActionSignStatement(draft=draft(11), anchor=ANCHOR), START).state
    assert [signed.amount for signed in state.statements] == [11]


def test_a_draft_that_asks_for_more_than_was_promised_is_not_signed() -> None:
    for bad in (draft(13), draft(12, 1)):
        with pytest.raises(DraftExceedsPromises):
            step(purse(5, 7), ActionSignStatement(draft=bad, anchor=ANCHOR), START)
    other = draft(5, period=1)
    with pytest.raises(DraftExceedsPromises):
        step(purse(5, 7), ActionSignStatement(draft=other, anchor=ANCHOR), START)


def test_a_draft_that_does_not_add_up_or_names_another_anchor_is_not_signed() -> None:
    good = draft(12)
    events = [
        (ActionSignStatement(draft=replace(good, amount=11), anchor=ANCHOR), DraftInconsistent),
        (ActionSignStatement(draft=replace(good, lanes=()), anchor=ANCHOR), DraftInconsistent),
        (ActionSignStatement(draft=good, anchor=NODES[0]), StatementForAnother),
        (
            ActionSignStatement(draft=replace(good, signer=NODES[0]), anchor=ANCHOR),
            StatementForAnother,
        ),
    ]
    for event, error in events:
        with pytest.raises(error):
            step(purse(5, 7), event, START)


def test_after_an_old_backup_a_voucher_shown_to_us_counts_as_promised_and_used() -> None:
    shown = ReceiveOwnVoucher(period=0, node=NODES[0], token_class=CLASS, cumulative=100)
    state = step(purse(5), shown, START).state
    assert step(state, promise(3), START).state.lane(0, NODES[0], CLASS).cumulative == 103


def test_a_pending_call_is_promised_once_and_survives_its_own_encoding() -> None:
    request_id = Hash(b"r" * 32)
    state = step(purse(5), replace(promise(7), request_id=request_id), START).state
    state = step(state, promise(9), START).state
    call = state.call(request_id, NODES[0], CLASS)
    assert call is not None
    assert (call.price, call.cumulative) == (7, 12)
    again = step(state, replace(promise(8, period=1), request_id=request_id), START + 1).state
    assert again == state, "neither a new price nor a new period makes a second promise"
    assert msgspec.json.decode(msgspec.json.encode(state), type=PurseState) == state
    elsewhere = step(state, replace(promise(7, node=1), request_id=request_id), START).state
    assert len(elsewhere.pending) == 2, "another node is another promise"


def test_a_purse_with_too_many_pending_calls_promises_no_more() -> None:
    state = initial_purse(purse_key(SIGNER))
    for number in range(MOST_PENDING):
        request_id = Hash(number.to_bytes(32, "big"))
        state = step(state, replace(promise(1), request_id=request_id), START).state
    with pytest.raises(CallsPending):
        step(state, replace(promise(1), request_id=Hash(b"n" * 32)), START)
    assert step(state, promise(1), START).state.lane(0, NODES[0], CLASS).spent == MOST_PENDING + 1


def test_old_periods_are_forgotten_and_the_state_survives_its_own_encoding() -> None:
    state = purse(5)
    for period in range(1, REMEMBERED_PERIODS + 1):
        state = step(state, promise(10**20, period=period), START).state
    assert {lane.period for lane in state.lanes} == set(range(1, REMEMBERED_PERIODS + 1))
    assert msgspec.json.decode(msgspec.json.encode(state), type=PurseState) == state


def test_a_draft_survives_the_wire_and_a_damaged_one_is_refused_by_its_field() -> None:
    good = draft(12, 30)
    assert draft_from_json(draft_to_json(good)) == good
    for field, value in (
        ("amount", 42),
        ("amount", "-1"),
        ("period", "0"),
        ("vouchersRoot", "0x"),
        ("lanes", {}),
    ):
        with pytest.raises(InputError) as refused:
            draft_from_json(draft_to_json(good) | {field: value})
        assert refused.value.where == f"draft.{field}"


@dataclass(eq=False)
class Slice:
    price: int
    at_ms: int
    node: int
    token: int
    request_id: Hash
    done: bool = False


class AnyInterleaving(RuleBasedStateMachine):
    """Promises, repetitions, receipts, releases and time in any order, beside a plain list of
    what is promised."""

    BUDGETS = Budgets(per_call=40, per_hour=100, per_day=250, per_token=180)

    def __init__(self) -> None:
        super().__init__()
        self.state = initial_purse(purse_key(SIGNER))
        self.now_ms = START
        self.live: list[Slice] = []
        self.highest = [0, 0]
        self.calls = 0

    @rule(price=st.integers(0, 60), node=st.integers(0, 1), token=st.integers(0, 1))
    def a_call(self, price: int, node: int, token: int) -> None:
        self.calls += 1
        request_id = Hash(self.calls.to_bytes(32, "big"))
        event = replace(
            promise(price, node=node, budgets=self.BUDGETS, token=token), request_id=request_id
        )
        try:
            self.state = step(self.state, event, self.now_ms).state
        except BudgetExceeded:
            return
        self.live.append(Slice(price, self.now_ms, node, token, request_id))
        cumulative = self.state.lane(0, NODES[node], CLASS).cumulative
        assert cumulative >= self.highest[node]
        self.highest[node] = cumulative

    @precondition(lambda self: any(not each.done for each in self.live))
    @rule(data=st.data(), price=st.integers(0, 60))
    def a_call_is_repeated(self, data: st.DataObject, price: int) -> None:
        slice_ = data.draw(st.sampled_from([each for each in self.live if not each.done]))
        again = replace(promise(price, node=slice_.node), request_id=slice_.request_id)
        assert step(self.state, again, self.now_ms).state == self.state
        call = self.state.call(slice_.request_id, NODES[slice_.node], CLASS)
        assert call is not None
        assert (call.price, call.cumulative <= self.highest[slice_.node]) == (slice_.price, True)

    @precondition(lambda self: any(not each.done for each in self.live))
    @rule(data=st.data(), share=st.floats(0, 2))
    def a_receipt_comes(self, data: st.DataObject, share: float) -> None:
        slice_ = data.draw(st.sampled_from([each for each in self.live if not each.done]))
        charged = int(slice_.price * share)
        event = ReceiveReceipt(
            request_id=slice_.request_id,
            node=NODES[slice_.node],
            token_class=CLASS,
            charged=charged,
        )
        self.state = step(self.state, event, self.now_ms).state
        assert step(self.state, event, self.now_ms).state == self.state
        slice_.done, slice_.price = True, min(charged, slice_.price)

    @precondition(lambda self: any(not each.done for each in self.live))
    @rule(data=st.data())
    def a_call_is_refused_uncharged(self, data: st.DataObject) -> None:
        slice_ = data.draw(st.sampled_from([each for each in self.live if not each.done]))
        self.live.remove(slice_)
        event = ActionRelease(
            period=0,
            node=NODES[slice_.node],
            token_class=CLASS,
            price=slice_.price,
            promised_ms=slice_.at_ms,
            token=TOKENS[slice_.token],
            request_id=slice_.request_id,
        )
        self.state = step(self.state, event, self.now_ms).state
        assert step(self.state, event, self.now_ms).state == self.state

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        self.now_ms += minutes * 60_000

    @invariant()
    def spending_stays_within_every_budget(self) -> None:
        for width, allowed in ((HOUR_MS, 100), (DAY_MS, 250)):
            by_window: dict[int, int] = {}
            for slice_ in self.live:
                window = slice_.at_ms // width
                by_window[window] = by_window.get(window, 0) + slice_.price
            assert all(spent <= allowed for spent in by_window.values())
        by_token: dict[tuple[int, int], int] = {}
        for slice_ in self.live:
            key = slice_.token, slice_.at_ms // DAY_MS
            by_token[key] = by_token.get(key, 0) + slice_.price
        assert all(spent <= 180 for spent in by_token.values())

    @invariant()
    def every_live_call_is_covered_by_what_was_signed(self) -> None:
        for node in range(2):
            covered = sum(slice_.price for slice_ in self.live if slice_.node == node)
            lane = self.state.lane(0, NODES[node], CLASS)
            assert covered == lane.spent <= lane.cumulative == self.highest[node]
            receipted = sum(each.price for each in self.live if each.node == node and each.done)
            assert receipted == lane.receipted
        waiting = [each.request_id for each in self.live if not each.done]
        assert [call.request_id for call in self.state.pending] == waiting


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
