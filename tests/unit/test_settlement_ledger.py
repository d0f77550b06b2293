"""An anchor's ledger: leases within the deposit under every interleaving, and Statements."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from settlement.core.ledger import (
    MAX_LANES,
    ActionDraft,
    ActionLimit,
    ContractReceiveDeposit,
    Debt,
    LedgerEvent,
    LedgerState,
    ReceiveStatement,
    ReceiveVoucher,
    initial_ledger,
    ledger_key,
    step,
)
from settlement.core.refusals import (
    DraftInconsistent,
    LanesUsedUp,
    StatementBelowLast,
    StatementForAnother,
    StatementUnknown,
)
from settlement.core.statements import LaneAmount, draft_of, require_consistent
from settlement.protocol.merkle_sum import lane_leaf, root
from settlement.protocol.messages import Statement, Voucher
from settlement.protocol.signed import Signed
from settlement.types import Address, Hash, Signature

SIGNER = Address(b"s" * 20)
ANCHOR = Address(b"a" * 20)
NODES = [Address(bytes([n]) * 20) for n in (1, 2, 3)]
CLASSES = [Hash(bytes([n]) * 32) for n in (1, 2)]
KEY = ledger_key(SIGNER, 3)


def receive(node: int, token_class: int, cumulative: int, lease_step: int = 50) -> ReceiveVoucher:
    message = Voucher(
        signer=SIGNER,
        period=3,
        node=NODES[node],
        token_class=CLASSES[token_class],
        cumulative=cumulative,
    )
    signed = Signed(message=message, signature=Signature(bytes(65)))
    return ReceiveVoucher(voucher=signed, lease_step=lease_step)


def sign(statement: Statement) -> ReceiveStatement:
    signed = Signed(message=statement, signature=Signature(bytes(65)))
    return ReceiveStatement(anchor=ANCHOR, statement=signed)


def after(*events: LedgerEvent) -> LedgerState:
    state = initial_ledger(KEY)
    for event in events:
        state = step(state, event, 0).state
    return state


def test_without_a_deposit_nothing_is_acknowledged() -> None:
    granted = after(receive(0, 0, 100)).acknowledgement(NODES[0], CLASSES[0])
    assert (granted.acknowledged, granted.lease_cap) == (0, 0)


def test_a_voucher_within_the_deposit_is_acknowledged_with_headroom() -> None:
    granted = after(ContractReceiveDeposit(deposit=1_000), receive(0, 0, 100)).acknowledgement(
        NODES[0], CLASSES[0]
    )
    assert granted.acknowledged == 100
    assert 100 < granted.lease_cap <= 1_000


def test_one_lane_cannot_take_the_headroom_of_the_others() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000), receive(0, 0, 1, 10**6), receive(1, 0, 1, 10**6)
    )
    assert state.leasable > 500


def test_a_deposit_that_is_being_withdrawn_carries_no_new_lease() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000),
        receive(0, 0, 100),
        ContractReceiveDeposit(deposit=1_000, reserved=1_000),
        receive(0, 0, 900),
    )
    assert state.acknowledged == state.leased < 200


def test_a_channel_has_a_bounded_number_of_lanes_and_those_go_on() -> None:
    debts = tuple(
        Debt(
            node=NODES[0],
            token_class=Hash(number.to_bytes(32, "big")),
            promised=1,
            acknowledged=1,
            lease_cap=1,
            voucher=Signature(bytes(65)),
        )
        for number in range(MAX_LANES - 1)
    )
    state = replace(after(ContractReceiveDeposit(deposit=10**6)), debts=debts)
    state = step(state, receive(1, 0, 1), 0).state
    with pytest.raises(LanesUsedUp):
        step(state, receive(2, 0, 1), 0)
    grown = step(state, receive(1, 0, 100), 0).state
    assert len(grown.debts) == MAX_LANES
    assert grown.acknowledgement(NODES[1], CLASSES[0]).acknowledged == 100


def test_an_earlier_period_keeps_what_it_leased_and_little_more() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000), receive(0, 0, 100), ActionLimit(headroom=20)
    )
    assert state.limit is not None
    assert state.leased < state.limit <= state.leased + 50
    grown = step(state, receive(0, 0, 900), 0).state
    assert grown.leased == state.limit
    assert step(grown, ActionLimit(headroom=500), 0).state == grown


def test_the_statement_equals_the_draft_that_was_handed_out() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000),
        receive(0, 0, 100),
        receive(1, 1, 40),
        ActionDraft(anchor=ANCHOR),
    )
    draft = state.drafts[-1]
    assert draft.amount == 140
    # Vouchers that arrive meanwhile do not make the draft unsignable.
    state = step(state, receive(0, 0, 120), 0).state
    state = step(state, ActionDraft(anchor=ANCHOR), 0).state
    taken = step(state, sign(draft.statement()), 0).state
    assert taken.statement is not None
    assert taken.statement.amount == 140
    assert sum(lane.amount for lane in taken.statement.lanes) == 140


def test_an_altered_statement_is_refused() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000), receive(0, 0, 100), ActionDraft(anchor=ANCHOR)
    )
    good = state.drafts[-1].statement()
    with pytest.raises(StatementUnknown):
        step(state, sign(replace(good, amount=good.amount - 1)), 0)
    with pytest.raises(StatementUnknown):
        step(state, sign(replace(good, vouchers_root=Hash(bytes(32)))), 0)
    with pytest.raises(StatementForAnother):
        step(state, sign(replace(good, period=4)), 0)
    with pytest.raises(StatementForAnother):
        step(state, sign(replace(good, anchor=NODES[0])), 0)


def test_a_statement_below_an_accepted_one_is_refused() -> None:
    state = after(
        ContractReceiveDeposit(deposit=1_000), receive(0, 0, 100), ActionDraft(anchor=ANCHOR)
    )
    first = state.drafts[-1].statement()
    for event in (receive(0, 0, 150), ActionDraft(anchor=ANCHOR)):
        state = step(state, event, 0).state
    second = state.drafts[-1].statement()
    state = step(state, sign(second), 0).state
    assert step(state, sign(second), 0).state == state
    with pytest.raises(StatementBelowLast):
        step(state, sign(first), 0)


def test_nothing_is_signed_where_nothing_is_owed() -> None:
    state = after(ActionDraft(anchor=ANCHOR))
    with pytest.raises(StatementUnknown):
        step(state, sign(state.drafts[-1].statement()), 0)


def test_a_draft_does_not_depend_on_the_order_of_its_lanes() -> None:
    lanes = [
        LaneAmount(node=node, token_class=token_class, amount=amount)
        for amount, (node, token_class) in enumerate(
            (node, token_class) for node in NODES for token_class in CLASSES
        )
    ]
    forth = draft_of(ANCHOR, SIGNER, 3, lanes)
    back = draft_of(ANCHOR, SIGNER, 3, reversed(lanes))
    assert forth == back
    assert forth.amount == sum(range(6))
    assert len(forth.lanes) == 5
    leaves = [lane_leaf(lane.node, lane.token_class, lane.amount) for lane in forth.lanes]
    assert root(leaves).hash == forth.root
    with pytest.raises(DraftInconsistent):
        require_consistent(replace(forth, lanes=(*forth.lanes, forth.lanes[0])))
    with pytest.raises(DraftInconsistent):
        require_consistent(replace(forth, amount=forth.amount + 1))


class AnyInterleaving(RuleBasedStateMachine):
    """Deposits, withdrawals, vouchers and drafts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = initial_ledger(KEY)
        self.granted: dict[tuple[Address, Hash], tuple[int, int]] = {}

    def move(self, event: LedgerEvent) -> None:
        self.state = step(self.state, event, 0).state

    @rule(more=st.integers(0, 1_000), reserved=st.integers(0, 3_000))
    def the_deposit_changes(self, more: int, reserved: int) -> None:
        self.move(ContractReceiveDeposit(deposit=self.state.deposit + more, reserved=reserved))

    @rule(
        node=st.integers(0, 2),
        token_class=st.integers(0, 1),
        cumulative=st.integers(0, 2_000),
        lease_step=st.integers(0, 500),
    )
    def a_voucher(self, node: int, token_class: int, cumulative: int, lease_step: int) -> None:
        self.move(receive(node, token_class, cumulative, lease_step))
        lane = NODES[node], CLASSES[token_class]
        granted = self.state.acknowledgement(*lane)
        before = self.granted.get(lane, (0, 0))
        assert before <= (granted.acknowledged, granted.lease_cap)
        assert granted.lease_cap >= before[1]
        self.granted[lane] = granted.acknowledged, granted.lease_cap

    @rule(headroom=st.integers(0, 200))
    def the_next_period_begins(self, headroom: int) -> None:
        self.move(ActionLimit(headroom=headroom))

    @rule()
    def a_draft_is_signed(self) -> None:
        self.move(ActionDraft(anchor=ANCHOR))
        draft = self.state.drafts[-1]
        require_consistent(draft)
        assert draft.amount == self.state.acknowledged
        if draft.amount:
            self.move(sign(draft.statement()))

    @invariant()
    def leases_stay_within_the_deposit(self) -> None:
        assert self.state.leased <= self.state.deposit

    @invariant()
    def leases_stay_within_the_limit(self) -> None:
        assert self.state.limit is None or self.state.leased <= self.state.limit

    @invariant()
    def nothing_is_acknowledged_beyond_promise_or_lease(self) -> None:
        for debt in self.state.debts:
            assert debt.acknowledged <= min(debt.promised, debt.lease_cap)

    @invariant()
    def the_statement_never_exceeds_what_is_acknowledged(self) -> None:
        if self.state.statement is not None:
            assert self.state.statement.amount <= self.state.acknowledged


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
