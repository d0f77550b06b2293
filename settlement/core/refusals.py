"""Why a voucher, lease, statement or promise is refused (SL-20xx, SL-21xx).

::

    PaymentError
    ├── VoucherError            a voucher that buys nothing (SL-2001 to SL-2010)
    │   ├── VoucherTooLow           it does not cover the price
    │   ├── VoucherBelowLast        nor that, and it is below the last one
    │   ├── VoucherWrongNode        it promises to another node
    │   ├── VoucherWrongPeriod      it belongs to another period
    │   ├── VoucherWrongClass       it pays for another token class
    │   ├── VoucherWrongDomain      its signer did not sign it on this chain for this hub
    │   └── PriceMismatch           the caller agreed to another price
    ├── RequestIdReused         the request id answered another request
    ├── ChannelUnknown          no confirmed channel stands behind the signer
    ├── ChannelWithdrawing      its deposit is being withdrawn
    ├── ChannelShut             both ends closed it
    ├── CloseRefused            the anchor does not agree to this close
    ├── RefundTooSmall          a close would refund less than its gas is worth
    ├── ExposureReached         more service would be unsecured; retry later
    ├── ChannelWrongAnchor      another anchor keeps this channel in this period
    ├── PeriodClosed            the time for this is over
    ├── AcknowledgementInvalid  not the anchor's word about this lane
    ├── LanesUsedUp             the channel has all the lanes of a period
    ├── StatementError          a statement that cannot be taken (SL-2020 to SL-2026)
    │   ├── StatementUnknown        equal to no draft
    │   ├── StatementBelowLast      below one that was accepted
    │   ├── StatementForAnother     names another anchor or period
    │   ├── DraftExceedsPromises    it asks for more than was promised
    │   ├── DraftInconsistent       it does not add up
    │   └── DraftEmpty              it asks for nothing
    ├── BudgetExceeded          our own limit forbids the promise; nothing was signed
    ├── CallsPending            too many calls have no receipt yet; nothing was signed
    └── CallPending             whether a call was charged is unknown; it may be repeated

An error says what would be accepted. Nothing is charged when one is raised.
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.errors import Party, PaymentError
from settlement.types import Address, Hash


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherError(PaymentError):
    """A voucher that buys nothing."""

    code: ClassVar[str] = "SL-2010"
    title: ClassVar[str] = "The voucher was refused"


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherTooLow(VoucherError):
    """The highest voucher of the lane does not cover what was charged and the price."""

    code: ClassVar[str] = "SL-2001"
    title: ClassVar[str] = "The voucher does not cover the price"
    fix: ClassVar[str] = "Sign a voucher of at least {needed} in this lane (price {price})."

    needed: int
    offered: int
    price: int


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherBelowLast(VoucherError):
    """The voucher is below one that was seen, and that one is used up."""

    code: ClassVar[str] = "SL-2002"
    title: ClassVar[str] = "The voucher is below the last one and covers nothing"
    fix: ClassVar[str] = "Sign a voucher of at least {needed}; the last one was {highest}."

    needed: int
    offered: int
    highest: int


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherWrongNode(VoucherError):
    """The voucher promises to another node."""

    code: ClassVar[str] = "SL-2003"
    title: ClassVar[str] = "The voucher is for another node"
    fix: ClassVar[str] = "Sign a voucher for node {expected}."

    expected: Address
    found: Address


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherWrongPeriod(VoucherError):
    """The voucher belongs to another period than the chain's clock shows."""

    code: ClassVar[str] = "SL-2004"
    title: ClassVar[str] = "The voucher is for another period"
    fix: ClassVar[str] = "Sign a voucher for period {expected}; a period starts again at zero."

    expected: int
    found: int


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherWrongClass(VoucherError):
    """The voucher pays for another token class than the one that was asked for."""

    code: ClassVar[str] = "SL-2005"
    title: ClassVar[str] = "The voucher is for another token class"
    fix: ClassVar[str] = "Sign a voucher for token class {expected}."

    expected: Hash
    found: Hash


@dataclass(kw_only=True, eq=False, repr=False)
class VoucherWrongDomain(VoucherError):
    """The signature does not recover to the voucher's signer in our domain: another chain,
    another hub, another key, or an altered message."""

    code: ClassVar[str] = "SL-2006"
    title: ClassVar[str] = "The voucher was not signed by its signer for this chain and hub"
    fix: ClassVar[str] = "Sign with the key of {signer}, on chain {chain_id}, for hub {hub}."

    signer: Address
    recovered: Address
    chain_id: int
    hub: Address


@dataclass(kw_only=True, eq=False, repr=False)
class PriceMismatch(VoucherError):
    """The caller agreed to another price than the node's."""

    code: ClassVar[str] = "SL-2007"
    title: ClassVar[str] = "The agreed price is not the node's"
    fix: ClassVar[str] = "Ask for a new quote; the price is {price}, not {agreed}."

    price: int
    agreed: int


@dataclass(kw_only=True, eq=False, repr=False)
class ChannelUnknown(PaymentError):
    """No confirmed channel on chain belongs to this session key."""

    code: ClassVar[str] = "SL-2011"
    title: ClassVar[str] = "There is no channel for this signer"
    fix: ClassVar[str] = "Open a channel for {signer} on chain and wait for its confirmation."
    retryable: ClassVar[bool] = True

    signer: Address


@dataclass(kw_only=True, eq=False, repr=False)
class ChannelWithdrawing(PaymentError):
    """The owner asked for the deposit back; nobody serves on it from then on."""

    code: ClassVar[str] = "SL-2012"
    title: ClassVar[str] = "The channel's deposit is being withdrawn"
    fix: ClassVar[str] = "Cancel the withdrawal of {signer}'s channel, or use another channel."

    signer: Address
    withdrawable_at: int


@dataclass(kw_only=True, eq=False, repr=False)
class ChannelShut(PaymentError):
    """Both ends closed the channel; what it still holds is for what is owed already."""

    code: ClassVar[str] = "SL-2018"
    title: ClassVar[str] = "The channel is closed"
    fix: ClassVar[str] = "Add to the deposit of {signer} to use it again, or pay from another one."

    signer: Address


@dataclass(kw_only=True, eq=False, repr=False)
class CloseRefused(PaymentError):
    """One end does not agree to this close."""

    code: ClassVar[str] = "SL-2019"
    title: ClassVar[str] = "The close is not agreed to"
    fix: ClassVar[str] = "Ask the anchor for a new offer and sign that: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class RefundTooSmall(PaymentError):
    """A close would refund so little that the anchor does not pay the gas of sending it."""

    code: ClassVar[str] = "SL-2028"
    title: ClassVar[str] = "The close would refund too little"
    fix: ClassVar[str] = (
        "Request the withdrawal of the deposit on chain and wait for its delay: a close now would "
        "refund {refund} base units, and the anchor sends none below {least}."
    )

    refund: int
    least: int


@dataclass(kw_only=True, eq=False, repr=False)
class ExposureReached(PaymentError):
    """What is leased and what we risk without a lease are used up."""

    code: ClassVar[str] = "SL-2013"
    title: ClassVar[str] = "The node waits for the anchor to acknowledge"
    fix: ClassVar[str] = (
        "Repeat the call in a moment: {charged} is charged, {lease_cap} leased and "
        "{exposure_limit} may stay unsecured. If it lasts, top up the channel."
    )
    retryable: ClassVar[bool] = True

    charged: int
    lease_cap: int
    exposure_limit: int
    price: int


@dataclass(kw_only=True, eq=False, repr=False)
class ChannelWrongAnchor(PaymentError):
    """Another anchor keeps this channel in this period."""

    code: ClassVar[str] = "SL-2014"
    title: ClassVar[str] = "Another anchor keeps this channel"
    fix: ClassVar[str] = "Ask anchor {expected} about period {period}."

    expected: Address
    period: int


@dataclass(kw_only=True, eq=False, repr=False)
class PeriodClosed(PaymentError):
    """The window in which this could be done has passed or has not begun."""

    code: ClassVar[str] = "SL-2015"
    title: ClassVar[str] = "The period is not open for this"
    fix: ClassVar[str] = "Use the current period, {current}; {period} is {phase}."

    period: int
    current: int
    phase: str


@dataclass(kw_only=True, eq=False, repr=False)
class AcknowledgementInvalid(PaymentError):
    """The answer is about another lane, or takes back what was acknowledged."""

    code: ClassVar[str] = "SL-2016"
    title: ClassVar[str] = "The acknowledgement cannot be used"
    fix: ClassVar[str] = "Ask the anchor again: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class LanesUsedUp(PaymentError):
    """The channel pays as many pairs of node and token class as a period may have."""

    code: ClassVar[str] = "SL-2017"
    title: ClassVar[str] = "The channel has all the lanes of a period"
    fix: ClassVar[str] = (
        "Use one of its {lanes} lanes of period {period}, another channel, or the next period."
    )

    lanes: int
    period: int


@dataclass(kw_only=True, eq=False, repr=False)
class StatementError(PaymentError):
    """A statement that the anchor cannot take, or that the integration must not sign."""

    code: ClassVar[str] = "SL-2020"
    title: ClassVar[str] = "The statement was refused"


@dataclass(kw_only=True, eq=False, repr=False)
class StatementUnknown(StatementError):
    """Amount and root equal no draft that the anchor remembers."""

    code: ClassVar[str] = "SL-2021"
    title: ClassVar[str] = "The statement equals no draft"
    fix: ClassVar[str] = "Fetch the draft of period {period} again and sign that one."

    period: int
    amount: int


@dataclass(kw_only=True, eq=False, repr=False)
class StatementBelowLast(StatementError):
    """A statement of a higher amount was accepted before."""

    code: ClassVar[str] = "SL-2022"
    title: ClassVar[str] = "The statement is below an accepted one"
    fix: ClassVar[str] = "Nothing to do: {accepted} is signed already, {offered} is less."

    accepted: int
    offered: int


@dataclass(kw_only=True, eq=False, repr=False)
class StatementForAnother(StatementError):
    """The statement names another anchor or period."""

    code: ClassVar[str] = "SL-2023"
    title: ClassVar[str] = "The statement is for another anchor or period"
    fix: ClassVar[str] = "Sign for anchor {anchor} and period {period}."

    anchor: Address
    period: int


@dataclass(kw_only=True, eq=False, repr=False)
class DraftExceedsPromises(StatementError):
    """A draft asks for more in a lane than was ever promised there; it was not signed."""

    code: ClassVar[str] = "SL-2024"
    title: ClassVar[str] = "The draft asks for more than was promised"
    fix: ClassVar[str] = (
        "Do not sign: lane {node}, {token_class} asks for {asked}, promised were {promised}."
    )

    node: Address
    token_class: Hash
    asked: int
    promised: int


@dataclass(kw_only=True, eq=False, repr=False)
class DraftInconsistent(StatementError):
    """A draft's amount and root are not those of its own lanes; it was not signed."""

    code: ClassVar[str] = "SL-2025"
    title: ClassVar[str] = "The draft does not add up"
    fix: ClassVar[str] = "Do not sign; ask the anchor for another draft: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class DraftEmpty(StatementError):
    """A draft over no lanes: there is nothing to sign, now or at all."""

    code: ClassVar[str] = "SL-2026"
    title: ClassVar[str] = "There is nothing to sign"
    fix: ClassVar[str] = (
        "The anchor knows of no voucher in period {period}; {spent} base units were spent. If that "
        "is not zero, fetch the draft again when the service nodes have shown it their vouchers."
    )

    period: int
    spent: int


@dataclass(kw_only=True, eq=False, repr=False)
class BudgetExceeded(PaymentError):
    """Our own limit forbids the promise. Nothing was signed and nothing was sent."""

    code: ClassVar[str] = "SL-2101"
    title: ClassVar[str] = "The budget does not allow this payment"
    fix: ClassVar[str] = "Raise the budget per {budget} ({allowed}, {spent} used) to pay {price}."
    party: ClassVar[Party] = Party.CALLER

    budget: str
    allowed: int
    spent: int
    price: int


@dataclass(kw_only=True, eq=False, repr=False)
class CallsPending(PaymentError):
    """As many calls as a purse remembers have no receipt. Nothing was signed and nothing sent."""

    code: ClassVar[str] = "SL-2102"
    title: ClassVar[str] = "Too many calls have no receipt yet"
    fix: ClassVar[str] = "Repeat some of the {pending} pending calls under their request ids first."
    party: ClassVar[Party] = Party.CALLER
    retryable: ClassVar[bool] = True

    pending: int


@dataclass(kw_only=True, eq=False, repr=False)
class CallPending(PaymentError):
    """A call was sent and no receipt came: it may be charged, or not. That is not a failure.

    ``gone`` says that the node could not even be connected to in the end.
    """

    code: ClassVar[str] = "SL-2103"
    title: ClassVar[str] = "Whether the call was charged is not known yet"
    fix: ClassVar[str] = (
        "Repeat the call with request id {request_id}: it is charged once, however often it is "
        "repeated ({problem})."
    )
    retryable: ClassVar[bool] = True

    request_id: Hash
    node: Address
    problem: str
    gone: bool


@dataclass(kw_only=True, eq=False, repr=False)
class RequestIdReused(PaymentError):
    """The request id answered another request in this lane before."""

    code: ClassVar[str] = "SL-2008"
    title: ClassVar[str] = "The request id was used before"
    fix: ClassVar[str] = (
        "Use a new request id for a new request, the same voucher for a repetition."
    )

    request_id: Hash
