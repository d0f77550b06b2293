"""An anchor's side of one channel in one period: deposit, leases, debts and the Statement.

The anchor owes inclusion of what it acknowledges, so it acknowledges only within leases, and the
leases of a channel never sum to more than the deposit that backs them. A lane's lease grows with
its vouchers: to what is promised, plus headroom of one step (or a quarter of the promise, if that
is more), at most a quarter of what is left, so that one lane cannot starve the others.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Transition
from settlement.core.refusals import (
    CloseRefused,
    LanesUsedUp,
    StatementBelowLast,
    StatementForAnother,
    StatementUnknown,
    VoucherWrongPeriod,
)
from settlement.core.statements import LaneAmount, StatementDraft, draft_of
from settlement.protocol.messages import Acknowledgement
from settlement.protocol.signed import SignedStatement, SignedVoucher
from settlement.types import Address, Hash, Signature, Uint32, Uint128

REMEMBERED_DRAFTS = 4
"""Drafts that a signed Statement may still equal; an older one is fetched again."""

MAX_LANES = 4_096
"""Lanes of one channel-period, at most; each is a row of every draft and Statement."""

_HEADROOM_DIVISOR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What the anchor owes in one lane: ``acknowledged`` ≤ ``lease_cap``; both only grow."""

    node: Address
    token_class: Hash
    promised: Uint128
    acknowledged: Uint128
    lease_cap: Uint128
    voucher: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedStatement:
    """A Statement that the integration signed, with the lanes that it sums."""

    amount: Uint128
    root: Hash
    signature: Signature
    lanes: tuple[LaneAmount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """One channel-period. Σ lease caps ≤ ``deposit`` whenever a lease is granted.

    ``deposit`` is the confirmed balance that no other period has a claim on; ``reserved`` of it
    is being withdrawn and carries no new lease. ``limit``, once set, bounds Σ lease caps for good.
    The hub keeps the deposit above the leases: a withdrawal waits until every window is over.
    """

    signer: Address
    period: Uint32
    deposit: Uint128 = 0
    reserved: Uint128 = 0
    limit: Uint128 | None = None
    debts: tuple[Debt, ...] = ()
    drafts: tuple[StatementDraft, ...] = ()
    statement: AcceptedStatement | None = None

    @property
    def leased(self) -> int:
        """Σ lease caps."""
        return sum(debt.lease_cap for debt in self.debts)

    @property
    def leasable(self) -> int:
        """What new leases may add up to."""
        backed = self.deposit - self.reserved
        return max(0, (backed if self.limit is None else min(backed, self.limit)) - self.leased)

    @property
    def acknowledged(self) -> int:
        """Σ acknowledged: what the anchor owes inclusion of."""
        return sum(debt.acknowledged for debt in self.debts)

    def debt(self, node: Address, token_class: Hash) -> Debt | None:
        """The debt in one lane, None where it has none."""
        return next(
            (d for d in self.debts if d.node == node and d.token_class == token_class), None
        )

    def acknowledgement(self, node: Address, token_class: Hash) -> Acknowledgement:
        """What the anchor may sign for a lane now; zeros where nothing was granted."""
        debt = self.debt(node, token_class)
        return Acknowledgement(
            signer=self.signer,
            period=self.period,
            node=node,
            token_class=token_class,
            acknowledged=debt.acknowledged if debt else 0,
            lease_cap=debt.lease_cap if debt else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDeposit:
    """The confirmed deposit behind this channel-period, as the chain and the channel's other
    periods leave it, and how much of it is being withdrawn."""

    deposit: Uint128
    reserved: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveVoucher:
    """A service node asks to acknowledge a voucher; its signature was checked.

    ``lease_step`` is the least headroom that the anchor likes to lease, in base units.
    """

    voucher: SignedVoucher
    lease_step: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDraft:
    """Remember a draft over what is acknowledged now, in the name of ``anchor``."""

    anchor: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveStatement:
    """The integration's Statement; it was signed by the channel's signer."""

    anchor: Address
    statement: SignedStatement


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLimit:
    """Bound the leases for good: the next period counts on the rest of the deposit.

    What is leased stays, and vouchers that arrive in the acknowledgement grace may still add up
    to ``headroom``, or a quarter of what is leased if that is more.
    """

    headroom: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSeal:
    """Give no further lease: the channel is being closed with ``final_amount`` left for what is
    leased here, and ``claimed`` of it for earlier periods."""

    final_amount: Uint128
    claimed: Uint128


LedgerEvent = (
    ContractReceiveDeposit
    | ReceiveVoucher
    | ActionDraft
    | ReceiveStatement
    | ActionLimit
    | ActionSeal
)


def ledger_key(signer: Address, period: int) -> str:
    """``{signer}/{period}``."""
    return f"{signer.hex()}/{period}"


def initial_ledger(key: str) -> LedgerState:
    """A channel-period without deposit, hence without leases."""
    signer, period = key.split("/")
    return LedgerState(signer=Address(bytes.fromhex(signer)), period=int(period))


def step(state: LedgerState, event: LedgerEvent, _now_ms: int) -> Transition[LedgerState, None]:
    """Move a channel-period on. Raises VoucherWrongPeriod, LanesUsedUp,
    StatementForAnother, StatementUnknown, StatementBelowLast, CloseRefused."""
    match event:
        case ContractReceiveDeposit():
            moved = replace(state, deposit=event.deposit, reserved=event.reserved)
        case ReceiveVoucher():
            moved = _acknowledge(state, event)
        case ActionDraft():
            moved = _draft(state, event.anchor)
        case ReceiveStatement():
            moved = _take_statement(state, event)
        case ActionLimit():
            moved = _limit(state, event.headroom)
        case ActionSeal():
            moved = _seal(state, event)
    return Transition(state=moved)


LEDGER: Machine[LedgerState, LedgerEvent, None] = Machine(
    kind="ledger", state_type=LedgerState, effect_types=(), initial=initial_ledger, step=step
)


def _acknowledge(state: LedgerState, event: ReceiveVoucher) -> LedgerState:
    voucher = event.voucher.message
    if voucher.period != state.period or voucher.signer != state.signer:
        raise VoucherWrongPeriod(expected=state.period, found=voucher.period)
    known = state.debt(voucher.node, voucher.token_class)
    if known is None and len(state.debts) >= MAX_LANES:
        raise LanesUsedUp(lanes=MAX_LANES, period=state.period)
    held = known or Debt(
        node=voucher.node,
        token_class=voucher.token_class,
        promised=0,
        acknowledged=0,
        lease_cap=0,
        voucher=Signature(b""),
    )
    newer = voucher.cumulative > held.promised
    promised = voucher.cumulative if newer else held.promised
    lease_cap = _lease_cap(held.lease_cap, promised, state.leasable, event.lease_step)
    debt = replace(
        held,
        promised=promised,
        lease_cap=lease_cap,
        acknowledged=max(held.acknowledged, min(promised, lease_cap)),
        voucher=event.voucher.signature if newer else held.voucher,
    )
    if debt == held:
        return state
    others = tuple(
        d for d in state.debts if (d.node, d.token_class) != (debt.node, debt.token_class)
    )
    return replace(state, debts=(*others, debt))


def _lease_cap(cap: int, promised: int, leasable: int, lease_step: int) -> int:
    need = min(max(0, promised - cap), leasable)
    wanted = promised + max(lease_step, promised // _HEADROOM_DIVISOR)
    room = (leasable - need) // _HEADROOM_DIVISOR
    headroom = min(max(0, wanted - cap - need), room)
    return cap + need + headroom


def _limit(state: LedgerState, headroom: int) -> LedgerState:
    if state.limit is not None:
        return state
    room = min(state.leasable, max(headroom, state.leased // _HEADROOM_DIVISOR))
    return replace(state, limit=state.leased + room)


def _seal(state: LedgerState, event: ActionSeal) -> LedgerState:
    needed = state.leased + event.claimed
    if event.final_amount < needed:
        raise CloseRefused(problem=f"{needed} base units are leased")
    return replace(state, limit=state.leased)


def draft_now(state: LedgerState, anchor: Address) -> StatementDraft:
    """The draft over what is acknowledged now, in the name of ``anchor``."""
    lanes = (
        LaneAmount(node=d.node, token_class=d.token_class, amount=d.acknowledged)
        for d in state.debts
    )
    return draft_of(anchor, state.signer, state.period, lanes)


def _draft(state: LedgerState, anchor: Address) -> LedgerState:
    draft = draft_now(state, anchor)
    if state.drafts and state.drafts[-1] == draft:
        return state
    return replace(state, drafts=(*state.drafts, draft)[-REMEMBERED_DRAFTS:])


def _take_statement(state: LedgerState, event: ReceiveStatement) -> LedgerState:
    message = event.statement.message
    if message.period != state.period or message.anchor != event.anchor:
        raise StatementForAnother(anchor=event.anchor, period=state.period)
    accepted = state.statement
    if accepted and (message.amount, message.vouchers_root) == (accepted.amount, accepted.root):
        return state
    draft = next((d for d in state.drafts if d.statement() == message), None)
    if draft is None or not draft.amount:
        raise StatementUnknown(period=message.period, amount=message.amount)
    if accepted and message.amount <= accepted.amount:
        raise StatementBelowLast(accepted=accepted.amount, offered=message.amount)
    taken = AcceptedStatement(
        amount=draft.amount,
        root=draft.root,
        signature=event.statement.signature,
        lanes=draft.lanes,
    )
    return replace(state, statement=taken)
