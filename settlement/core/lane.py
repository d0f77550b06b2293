"""A service node's side of one lane: what was promised to it, charged, and acknowledged.

A lane is (signer, period, node, token class). Vouchers are cumulative and only grow, so their order
does not matter: a call is served while ``charged + price`` is within the highest cumulative seen
and within what the anchor leased plus what the node risks without a lease.

Every charge writes two log records in the same commit: the charge itself, at its number in
``lane/{key}``, and an index at position 0 of ``lane/{key}/{request id}``. The second position
can be written only once, so no request id can ever be charged twice, however old it is; the recent
ids in the state merely recognise a repetition without a look at the log.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Record, Transition
from settlement.core.refusals import (
    AcknowledgementInvalid,
    ExposureReached,
    RequestIdReused,
    VoucherBelowLast,
    VoucherTooLow,
    VoucherWrongClass,
    VoucherWrongNode,
    VoucherWrongPeriod,
)
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed, SignedAcknowledgement, SignedVoucher
from settlement.types import Address, Hash, Signature, Uint32, Uint128, unsigned

RECENT_REQUESTS = 256
"""Request ids that a lane recognises from its state alone; paid calls in flight are 64 at most."""

_MARK = 8
NO_SIGNATURE = Signature(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """One lane. Amounts are base units; ``highest`` ≥ ``charged`` always.

    ``recent`` holds the first 8 bytes of the newest request ids, oldest first.
    """

    signer: Address
    period: Uint32
    node: Address
    token_class: Hash
    highest: Uint128 = 0
    signature: Signature = NO_SIGNATURE
    charged: Uint128 = 0
    charges: int = 0
    acknowledged: Uint128 = 0
    lease_cap: Uint128 = 0
    acknowledgement: Signature = NO_SIGNATURE
    recent: bytes = b""

    @property
    def best_voucher(self) -> SignedVoucher | None:
        """The highest voucher seen: what the anchor is asked to acknowledge."""
        if not self.signature:
            return None
        message = Voucher(
            signer=self.signer,
            period=self.period,
            node=self.node,
            token_class=self.token_class,
            cumulative=self.highest,
        )
        return Signed(message=message, signature=self.signature)

    @property
    def best_acknowledgement(self) -> SignedAcknowledgement | None:
        """The anchor's strongest word: what a direct claim needs besides the voucher."""
        if not self.acknowledgement:
            return None
        message = Acknowledgement(
            signer=self.signer,
            period=self.period,
            node=self.node,
            token_class=self.token_class,
            acknowledged=self.acknowledged,
            lease_cap=self.lease_cap,
        )
        return Signed(message=message, signature=self.acknowledgement)

    @property
    def unacknowledged(self) -> int:
        """What was charged and the anchor does not owe yet."""
        return max(0, self.charged - self.acknowledged)

    def position_of(self, request_id: Hash) -> int | None:
        """The charge that a recent request id made, None where it is not recent."""
        start = self.recent.find(request_id[:_MARK])
        while start >= 0 and start % _MARK:
            start = self.recent.find(request_id[:_MARK], start + 1)
        if start < 0:
            return None
        return self.charges - len(self.recent) // _MARK + start // _MARK


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCharge:
    """Charge ``price`` for the answer to a request. The voucher's signature was checked.

    ``exposure_limit`` is what the node risks in this lane beyond the anchor's lease.
    """

    voucher: SignedVoucher
    price: Uint128
    request_id: Hash
    answer: bytes
    exposure_limit: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveAcknowledgement:
    """The anchor's answer, its signature checked."""

    acknowledgement: SignedAcknowledgement


LaneEvent = ActionCharge | ReceiveAcknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Body of a record in ``lane/{key}``. ``charged`` is the lane's total after this charge,
    ``cumulative`` what the voucher beside the request promised."""

    request_id: Hash
    price: Uint128
    cumulative: Uint128
    charged: Uint128
    at_ms: int
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeIndex:
    """Body of the record in ``lane/{key}/{request id}``: where its charge is."""

    position: int


def lane_key(signer: Address, period: int, node: Address, token_class: Hash) -> str:
    """``{signer}/{period}/{node}/{class}``, lower-case hexadecimal without prefix."""
    return f"{signer.hex()}/{period}/{node.hex()}/{token_class.hex()}"


def voucher_lane_key(voucher: Voucher) -> str:
    """The key of the lane that a voucher pays into."""
    return lane_key(voucher.signer, voucher.period, voucher.node, voucher.token_class)


def charges_stream(key: str) -> str:
    """The log of a lane's charges, by number."""
    return f"lane/{key}"


def request_stream(key: str, request_id: Hash) -> str:
    """The log whose position 0 says which charge a request id made."""
    return f"lane/{key}/{request_id.hex()}"


def initial_lane(key: str) -> LaneState:
    """A lane in which nothing was promised."""
    signer, period, node, token_class = key.split("/")
    return LaneState(
        signer=Address(bytes.fromhex(signer)),
        period=int(period),
        node=Address(bytes.fromhex(node)),
        token_class=Hash(bytes.fromhex(token_class)),
    )


def require_lane(state: LaneState, signer: Address, voucher: Voucher | Acknowledgement) -> None:
    """Raise the typed error that says in which way a message is about another lane."""
    if voucher.node != state.node:
        raise VoucherWrongNode(expected=state.node, found=voucher.node)
    if voucher.period != state.period:
        raise VoucherWrongPeriod(expected=state.period, found=voucher.period)
    if voucher.token_class != state.token_class:
        raise VoucherWrongClass(expected=state.token_class, found=voucher.token_class)
    if voucher.signer != signer:
        raise AcknowledgementInvalid(problem="it is about another channel")


def require_payable(state: LaneState, offered: int, price: int, exposure_limit: int) -> None:
    """Raise unless a voucher of ``offered`` pays ``price`` in this lane now.

    Raises VoucherTooLow, VoucherBelowLast, ExposureReached.
    """
    needed = state.charged + unsigned(price, 128, "price")
    if needed > max(state.highest, offered):
        if offered < state.highest:
            raise VoucherBelowLast(needed=needed, offered=offered, highest=state.highest)
        raise VoucherTooLow(needed=needed, offered=offered, price=price)
    if needed > state.lease_cap + exposure_limit:
        raise ExposureReached(
            charged=state.charged,
            lease_cap=state.lease_cap,
            exposure_limit=exposure_limit,
            price=price,
        )


def step(state: LaneState, event: LaneEvent, now_ms: int) -> Transition[LaneState, None]:
    """Charge, or take an acknowledgement.

    A charge whose request id is recent changes nothing and writes no record: it was made before.
    """
    match event:
        case ActionCharge():
            return _charge(state, event, now_ms)
        case ReceiveAcknowledgement():
            return Transition(state=_acknowledge(state, event.acknowledgement))


LANE: Machine[LaneState, LaneEvent, None] = Machine(
    kind="lane", state_type=LaneState, effect_types=(), initial=initial_lane, step=step
)


def _charge(state: LaneState, event: ActionCharge, now_ms: int) -> Transition[LaneState, None]:
    voucher = event.voucher.message
    require_lane(state, state.signer, voucher)
    if len(event.request_id) != 32:
        raise RequestIdReused(request_id=event.request_id)
    if state.position_of(event.request_id) is not None:
        return Transition(state=state)
    require_payable(state, voucher.cumulative, event.price, event.exposure_limit)
    charged = state.charged + event.price
    key = voucher_lane_key(voucher)
    charge = Charge(
        request_id=event.request_id,
        price=event.price,
        cumulative=voucher.cumulative,
        charged=charged,
        at_ms=now_ms,
        answer=event.answer,
    )
    newer = voucher.cumulative > state.highest
    return Transition(
        state=replace(
            state,
            highest=voucher.cumulative if newer else state.highest,
            signature=event.voucher.signature if newer else state.signature,
            charged=charged,
            charges=state.charges + 1,
            recent=(state.recent + event.request_id[:_MARK])[-RECENT_REQUESTS * _MARK :],
        ),
        records=(
            Record(stream=charges_stream(key), position=state.charges, body=charge),
            Record(
                stream=request_stream(key, event.request_id),
                position=0,
                body=ChargeIndex(position=state.charges),
            ),
        ),
    )


def _acknowledge(state: LaneState, signed: SignedAcknowledgement) -> LaneState:
    message = signed.message
    require_lane(state, state.signer, message)
    if message.acknowledged <= state.acknowledged and message.lease_cap <= state.lease_cap:
        return state  # an earlier answer that arrived late
    if message.acknowledged < state.acknowledged or message.lease_cap < state.lease_cap:
        raise AcknowledgementInvalid(problem="it takes back what was acknowledged or leased")
    if message.acknowledged > message.lease_cap:
        raise AcknowledgementInvalid(problem="it acknowledges more than it leases")
    return replace(
        state,
        acknowledged=message.acknowledged,
        lease_cap=message.lease_cap,
        acknowledgement=signed.signature,
    )
