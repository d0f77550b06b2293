"""An integration's side of its channel: what it promised, within its own budgets.

Promises in a lane only grow. Every call takes the next slice of its lane, so that any number of
calls may be under way and their vouchers may arrive in any order. A call that certainly was not
charged gives its slice back (:class:`ActionRelease`): the next promise reuses it, and no voucher
ever gets smaller. Budgets are checked before anything is promised.

A call with a request id stays *pending* until its receipt has come (:class:`ReceiveReceipt`) or it
was refused uncharged. Promising for it again, in this process or in the next one, gives the same
voucher: the node then answers as before and charges nothing.
"""

from dataclasses import dataclass, field, replace

from settlement.core.machine import Machine, Transition
from settlement.core.refusals import (
    BudgetExceeded,
    CallsPending,
    ChannelShut,
    CloseRefused,
    DraftEmpty,
    DraftExceedsPromises,
    StatementForAnother,
)
from settlement.core.statements import StatementDraft, require_consistent
from settlement.types import Address, Hash, Uint32, Uint64, Uint128, unsigned

MOST_PENDING = 1_024
"""Calls whose outcome may be unknown at once."""

REMEMBERED_PERIODS = 8
"""Periods whose promises are kept: a Statement is due long before."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The most that may be promised, in base units; None is no limit.

    Hours and days are those of the clock (UTC), ``per_token`` counts by day.
    """

    per_call: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    per_token: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedLane:
    """One lane: ``cumulative`` is the highest voucher signed, ``spent`` the slices in use,
    ``receipted`` what receipts say was charged of them, over ``receipts`` calls."""

    period: Uint32
    node: Address
    token_class: Hash
    cumulative: Uint128 = 0
    spent: Uint128 = 0
    receipted: Uint128 = 0
    receipts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCall:
    """A call that was promised and has no receipt. ``cumulative`` is what its voucher says."""

    request_id: Hash
    period: Uint32
    node: Address
    token_class: Hash
    price: Uint128
    cumulative: Uint128
    promised_ms: int
    token: Hash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was promised in the running hour and day (numbers since 1970)."""

    hour: int = 0
    day: int = 0
    in_hour: Uint128 = 0
    in_day: Uint128 = 0
    by_token: dict[Hash, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAmount:
    """The highest Statement that was signed for a period."""

    period: Uint32
    amount: Uint128
    root: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseState:
    """Everything that one session key promised."""

    signer: Address
    lanes: tuple[PromisedLane, ...] = ()
    spending: Spending = Spending()
    statements: tuple[SignedAmount, ...] = ()
    pending: tuple[PendingCall, ...] = ()
    open_from: Uint64 = 0
    """The first period that no agreed close forbids to pay in."""

    def call(self, request_id: Hash, node: Address, token_class: Hash) -> PendingCall | None:
        """The pending call under a request id at a node, None where there is none."""
        wanted = (request_id, node, token_class)
        return next(
            (c for c in self.pending if (c.request_id, c.node, c.token_class) == wanted), None
        )

    def lane(self, period: int, node: Address, token_class: Hash) -> PromisedLane:
        """One lane; zeros where nothing was promised."""
        wanted = (period, node, token_class)
        return next(
            (lane for lane in self.lanes if (lane.period, lane.node, lane.token_class) == wanted),
            PromisedLane(period=period, node=node, token_class=token_class),
        )

    def promised(self, period: int) -> int:
        """All that was promised in a period: the most that its Statement may hold."""
        return sum(lane.cumulative for lane in self.lanes if lane.period == period)

    def spent(self, period: int) -> int:
        """What calls of a period took of it: promised, and not given back."""
        return sum(lane.spent for lane in self.lanes if lane.period == period)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPromise:
    """Promise ``price`` for a call, within ``budgets``. ``token`` names the token called.

    With a ``request_id``, the call is pending from then on; promising again changes nothing.
    """

    period: Uint32
    node: Address
    token_class: Hash
    price: Uint128
    budgets: Budgets
    token: Hash | None = None
    request_id: Hash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRelease:
    """A call was refused uncharged: its slice is free again. The budgets of the hour and day
    that it was promised in are given back if they still run."""

    period: Uint32
    node: Address
    token_class: Hash
    price: Uint128
    promised_ms: int
    token: Hash | None = None
    request_id: Hash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveReceipt:
    """The node's signed word that a pending call was answered for ``charged``; it was checked."""

    request_id: Hash
    node: Address
    token_class: Hash
    charged: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveOwnVoucher:
    """A voucher with our own signature that we do not remember (an old backup was restored)."""

    period: Uint32
    node: Address
    token_class: Hash
    cumulative: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSignStatement:
    """Agree to a draft of ``anchor``."""

    draft: StatementDraft
    anchor: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionClose:
    """Agree to close the channel in ``period``, keeping ``final_amount`` in it, if that is at most
    ``keep_at_most``. Nothing is promised in that period any more."""

    period: Uint32
    final_amount: Uint128
    keep_at_most: Uint128


PurseEvent = (
    ActionPromise
    | ActionRelease
    | ReceiveReceipt
    | ReceiveOwnVoucher
    | ActionSignStatement
    | ActionClose
)


def purse_key(signer: Address) -> str:
    """The session key's address, lower-case hexadecimal without prefix."""
    return signer.hex()


def initial_purse(key: str) -> PurseState:
    """A purse that promised nothing."""
    return PurseState(signer=Address(bytes.fromhex(key)))


def step(state: PurseState, event: PurseEvent, now_ms: int) -> Transition[PurseState, None]:
    """Promise, give back, remember or agree. Raises BudgetExceeded, CallsPending, ChannelShut,
    CloseRefused, DraftEmpty, DraftExceedsPromises, DraftInconsistent, StatementForAnother; then
    nothing may be signed."""
    match event:
        case ActionPromise():
            moved = _promise(state, event, now_ms)
        case ActionRelease():
            moved = _release(state, event)
        case ReceiveReceipt():
            moved = _receipt(state, event)
        case ReceiveOwnVoucher():
            lane = state.lane(event.period, event.node, event.token_class)
            higher = max(lane.cumulative, event.cumulative)
            # What of it was used is unknown, so all of it counts as used.
            moved = _with_lane(state, replace(lane, cumulative=higher, spent=higher))
        case ActionSignStatement():
            moved = _sign(state, event)
        case ActionClose():
            moved = _close(state, event)
    return Transition(state=moved)


PURSE: Machine[PurseState, PurseEvent, None] = Machine(
    kind="purse", state_type=PurseState, effect_types=(), initial=initial_purse, step=step
)


def _promise(state: PurseState, event: ActionPromise, now_ms: int) -> PurseState:
    if event.request_id is not None:
        if state.call(event.request_id, event.node, event.token_class) is not None:
            return state
        if len(state.pending) >= MOST_PENDING:
            raise CallsPending(pending=MOST_PENDING)
    if event.period < state.open_from:
        raise ChannelShut(signer=state.signer)
    price = unsigned(event.price, 128, "price")
    spending = _spend(_rolled(state.spending, now_ms), event, price)
    lane = state.lane(event.period, event.node, event.token_class)
    spent = unsigned(lane.spent + price, 128, "cumulative")
    grown = replace(lane, spent=spent, cumulative=max(lane.cumulative, spent))
    moved = replace(_with_lane(state, grown), spending=spending)
    if event.request_id is None:
        return moved
    call = PendingCall(
        request_id=event.request_id,
        period=event.period,
        node=event.node,
        token_class=event.token_class,
        price=price,
        cumulative=grown.cumulative,
        promised_ms=now_ms,
        token=event.token,
    )
    return replace(moved, pending=(*moved.pending, call))


def _close(state: PurseState, event: ActionClose) -> PurseState:
    if event.final_amount > event.keep_at_most:
        problem = f"it keeps {event.final_amount}, at most {event.keep_at_most} may stay"
        raise CloseRefused(problem=problem)
    return replace(state, open_from=max(state.open_from, event.period + 1))


def _receipt(state: PurseState, event: ReceiveReceipt) -> PurseState:
    call = state.call(event.request_id, event.node, event.token_class)
    if call is None:
        return state  # it came before, and was counted then
    lane = state.lane(call.period, call.node, call.token_class)
    charged = min(event.charged, call.price)
    counted = replace(
        lane,
        spent=lane.spent - min(lane.spent, call.price - charged),
        receipted=lane.receipted + charged,
        receipts=lane.receipts + 1,
    )
    return replace(_with_lane(state, counted), pending=_without(state, call))


def _without(state: PurseState, call: PendingCall) -> tuple[PendingCall, ...]:
    return tuple(each for each in state.pending if each != call)


def _release(state: PurseState, event: ActionRelease) -> PurseState:
    if event.request_id is not None:
        call = state.call(event.request_id, event.node, event.token_class)
        if call is None:
            return state  # it was given back before
        state = replace(state, pending=_without(state, call))
    lane = state.lane(event.period, event.node, event.token_class)
    freed = min(event.price, lane.spent)
    spending = state.spending
    if event.promised_ms // HOUR_MS == spending.hour:
        spending = replace(spending, in_hour=max(0, spending.in_hour - freed))
    if event.promised_ms // DAY_MS == spending.day:
        by_token = dict(spending.by_token)
        if event.token is not None and event.token in by_token:
            by_token[event.token] = max(0, by_token[event.token] - freed)
        spending = replace(spending, in_day=max(0, spending.in_day - freed), by_token=by_token)
    return replace(_with_lane(state, replace(lane, spent=lane.spent - freed)), spending=spending)


def _sign(state: PurseState, event: ActionSignStatement) -> PurseState:
    draft = event.draft
    if draft.anchor != event.anchor or draft.signer != state.signer:
        raise StatementForAnother(anchor=event.anchor, period=draft.period)
    require_consistent(draft)
    if not draft.amount:
        raise DraftEmpty(period=draft.period, spent=state.spent(draft.period))
    for asked in draft.lanes:
        promised = state.lane(draft.period, asked.node, asked.token_class).cumulative
        if asked.amount > promised:
            raise DraftExceedsPromises(
                node=asked.node,
                token_class=asked.token_class,
                asked=asked.amount,
                promised=promised,
            )
    before = next((s for s in state.statements if s.period == draft.period), None)
    if before is not None and before.amount >= draft.amount:
        return state
    signed = SignedAmount(period=draft.period, amount=draft.amount, root=draft.root)
    others = tuple(s for s in state.statements if s.period != draft.period)
    return replace(state, statements=(*others, signed)[-REMEMBERED_PERIODS:])


def _rolled(spending: Spending, now_ms: int) -> Spending:
    """Begin the running hour and day; a clock that goes back begins nothing."""
    hour, day = now_ms // HOUR_MS, now_ms // DAY_MS
    if day > spending.day:
        spending = replace(spending, day=day, in_day=0, by_token={})
    if hour > spending.hour:
        spending = replace(spending, hour=hour, in_hour=0)
    return spending


def _spend(spending: Spending, event: ActionPromise, price: int) -> Spending:
    budgets = event.budgets
    on_token = spending.by_token.get(event.token, 0) if event.token is not None else 0
    _require("call", budgets.per_call, 0, price)
    _require("hour", budgets.per_hour, spending.in_hour, price)
    _require("day", budgets.per_day, spending.in_day, price)
    _require("token", budgets.per_token, on_token, price)
    by_token = spending.by_token
    if event.token is not None and budgets.per_token is not None:
        by_token = by_token | {event.token: on_token + price}
    return replace(
        spending,
        in_hour=spending.in_hour + price,
        in_day=spending.in_day + price,
        by_token=by_token,
    )


def _require(budget: str, allowed: int | None, spent: int, price: int) -> None:
    if allowed is not None and spent + price > allowed:
        raise BudgetExceeded(budget=budget, allowed=allowed, spent=spent, price=price)


def _with_lane(state: PurseState, lane: PromisedLane) -> PurseState:
    place = (lane.period, lane.node, lane.token_class)
    oldest = max([lane.period, *(held.period for held in state.lanes)]) - REMEMBERED_PERIODS
    others = tuple(
        held
        for held in state.lanes
        if (held.period, held.node, held.token_class) != place and held.period > oldest
    )
    pending = tuple(call for call in state.pending if call.period > oldest)
    return replace(state, lanes=(*others, lane), pending=pending)
