"""A lane under every order of vouchers, repetitions and acknowledgements."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from settlement.core.lane import (
    LANE,
    RECENT_REQUESTS,
    ActionCharge,
    Charge,
    LaneState,
    ReceiveAcknowledgement,
    initial_lane,
    lane_key,
    step,
)
from settlement.core.refusals import (
    AcknowledgementInvalid,
    ExposureReached,
    VoucherBelowLast,
    VoucherTooLow,
    VoucherWrongClass,
    VoucherWrongNode,
    VoucherWrongPeriod,
)
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed, SignedAcknowledgement, SignedVoucher
from settlement.types import Address, Hash, Signature, keccak

SIGNER = Address(b"s" * 20)
NODE = Address(b"n" * 20)
CLASS = Hash(b"c" * 32)
KEY = lane_key(SIGNER, 7, NODE, CLASS)
LIMIT = 100


def voucher(cumulative: int, **changed: object) -> SignedVoucher:
    fields = {
        "signer": SIGNER,
        "period": 7,
        "node": NODE,
        "token_class": CLASS,
        "cumulative": cumulative,
    }
    message = Voucher(**(fields | changed))  # type: ignore[arg-type]  # built from a dictionary
    return Signed(message=message, signature=Signature(b"%065d" % cumulative))


def acknowledgement(acknowledged: int, lease_cap: int) -> SignedAcknowledgement:
    message = Acknowledgement(
        signer=SIGNER,
        period=7,
        node=NODE,
        token_class=CLASS,
        acknowledged=acknowledged,
        lease_cap=lease_cap,
    )
    return Signed(message=message, signature=Signature(b"%065d" % lease_cap))


def charge(
    state: LaneState, cumulative: int, price: int, name: str, limit: int = LIMIT
) -> tuple[LaneState, bool]:
    event = ActionCharge(
        voucher=voucher(cumulative),
        price=price,
        request_id=keccak(name.encode()),
        answer=name.encode(),
        exposure_limit=limit,
    )
    moved = step(state, event, 0)
    return moved.state, bool(moved.records)


def test_vouchers_may_arrive_in_any_order() -> None:
    state = initial_lane(KEY)
    for cumulative, name in ((30, "third"), (10, "first"), (20, "second")):
        state, charged = charge(state, cumulative, 10, name)
        assert charged
    assert state.charged == state.highest == 30


def test_a_repeated_request_id_is_charged_once() -> None:
    state, _ = charge(initial_lane(KEY), 100, 10, "same")
    again, charged = charge(state, 100, 10, "same")
    assert not charged
    assert again == state


def test_a_charge_is_recorded_at_its_number_and_under_its_request_id() -> None:
    state, _ = charge(initial_lane(KEY), 100, 10, "one")
    event = ActionCharge(
        voucher=voucher(100),
        price=7,
        request_id=keccak(b"two"),
        answer=b"the answer",
        exposure_limit=LIMIT,
    )
    record, index = step(state, event, 123).records
    assert (record.stream, record.position) == (f"lane/{KEY}", 1)
    assert record.body == Charge(
        request_id=keccak(b"two"),
        price=7,
        cumulative=100,
        charged=17,
        at_ms=123,
        answer=b"the answer",
    )
    assert (index.stream, index.position) == (f"lane/{KEY}/{keccak(b'two').hex()}", 0)


def test_a_voucher_that_does_not_cover_the_price_says_what_would() -> None:
    state, _ = charge(initial_lane(KEY), 10, 10, "first")
    with pytest.raises(VoucherTooLow) as refused:
        charge(state, 15, 10, "second")
    assert refused.value.needed == 20
    assert "at least 20" in refused.value.advice()


def test_a_voucher_below_the_last_one_is_rejected() -> None:
    state, _ = charge(initial_lane(KEY), 20, 20, "first")
    with pytest.raises(VoucherBelowLast) as refused:
        charge(state, 10, 5, "second")
    assert (refused.value.needed, refused.value.highest) == (25, 20)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"node": Address(b"o" * 20)}, VoucherWrongNode),
        ({"period": 8}, VoucherWrongPeriod),
        ({"token_class": Hash(b"o" * 32)}, VoucherWrongClass),
    ],
)
def test_a_voucher_for_another_lane_is_refused(
    changed: dict[str, object], error: type[Exception]
) -> None:
    event = ActionCharge(
        voucher=voucher(10, **changed),
        price=1,
        request_id=keccak(b"r"),
        answer=b"",
        exposure_limit=LIMIT,
    )
    with pytest.raises(error):
        step(initial_lane(KEY), event, 0)


def test_service_stops_at_the_exposure_limit_and_goes_on_with_a_lease() -> None:
    state, _ = charge(initial_lane(KEY), 1_000, LIMIT, "first")
    with pytest.raises(ExposureReached) as refused:
        charge(state, 1_000, 1, "second")
    assert refused.value.retryable
    leased = step(state, ReceiveAcknowledgement(acknowledgement=acknowledgement(100, 150)), 0).state
    after, charged = charge(leased, 1_000, 150, "second")
    assert charged
    assert after.charged == 250


def test_an_acknowledgement_that_takes_something_back_is_refused() -> None:
    event = ReceiveAcknowledgement(acknowledgement=acknowledgement(50, 80))
    state = step(initial_lane(KEY), event, 0).state
    with pytest.raises(AcknowledgementInvalid):
        step(state, ReceiveAcknowledgement(acknowledgement=acknowledgement(60, 70)), 0)
    late = ReceiveAcknowledgement(acknowledgement=acknowledgement(40, 80))
    assert step(state, late, 0).state == state


class AnyOrder(RuleBasedStateMachine):
    """What the lane does beside the plainest possible book-keeping."""

    def __init__(self) -> None:
        super().__init__()
        self.state = LANE.initial(KEY)
        self.highest = 0
        self.paid: dict[str, int] = {}
        self.lease = 0

    @rule(cumulative=st.integers(0, 500), price=st.integers(0, 60), name=st.integers(0, 30))
    def a_request(self, cumulative: int, price: int, name: int) -> None:
        before = sum(self.paid.values())
        covered = before + price <= max(self.highest, cumulative)
        secured = before + price <= self.lease + LIMIT
        try:
            self.state, charged = charge(self.state, cumulative, price, str(name))
        except (VoucherTooLow, VoucherBelowLast):
            assert not covered
        except ExposureReached:
            assert covered
            assert not secured
        else:
            assert charged == (str(name) not in self.paid)
            if charged:
                assert covered
                assert secured
                self.paid[str(name)] = price
                self.highest = max(self.highest, cumulative)

    @rule(acknowledged=st.integers(0, 500), headroom=st.integers(0, 200))
    def an_acknowledgement(self, acknowledged: int, headroom: int) -> None:
        event = ReceiveAcknowledgement(
            acknowledgement=acknowledgement(acknowledged, acknowledged + headroom)
        )
        try:
            self.state = step(self.state, event, 0).state
        except AcknowledgementInvalid:
            return
        self.lease = max(self.lease, self.state.lease_cap)

    @invariant()
    def nobody_is_charged_more_than_it_signed(self) -> None:
        assert self.state.charged == sum(self.paid.values()) <= self.state.highest

    @invariant()
    def what_is_unsecured_is_bounded(self) -> None:
        assert self.state.charged <= self.state.lease_cap + LIMIT
        assert self.state.lease_cap == self.lease


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_state_stays_small_and_still_knows_the_newest_requests() -> None:
    state = initial_lane(KEY)
    for number in range(RECENT_REQUESTS + 10):
        state, _ = charge(state, 10_000, 1, f"request {number}", limit=10_000)
    assert len(state.recent) == 8 * RECENT_REQUESTS
    assert state.position_of(keccak(b"request 9")) is None
    assert state.position_of(keccak(b"request 10")) == 10
    newest = RECENT_REQUESTS + 9
    assert state.position_of(keccak(f"request {newest}".encode())) == newest
