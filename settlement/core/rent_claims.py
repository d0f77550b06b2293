"""A service node's rent of one period, from the anchors' signatures to the credit in the vault.

::

    nothing --ActionClaim--> PENDING --ContractReceiveRentEarned--> EARNED
                             PENDING --ContractReceiveRentSkipped--> SKIPPED
    PENDING --MOST_SENDS without an answer--> GIVEN_UP

Only what the chain says ends a row, so a lost transaction is sent again and a doubled one changes
nothing: the vault marks what a node has earned. A row that was skipped because too few signatures
held, or because rent was not paid yet, can be claimed again while the window is open.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from settlement.core.machine import Machine, Transition
from settlement.types import Address, Hash, Signature, Uint8, Uint16, Uint32, Uint64, Uint128

ROWS_PER_CALL: Final = 16
"""Rows of one transaction: each costs up to 150,000 gas with the signatures of eight anchors."""

MOST_SENDS: Final = 8


class Fate(StrEnum):
    """What became of a row."""

    PENDING = "pending"
    EARNED = "earned"
    SKIPPED = "skipped"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorWord:
    """One anchor's signature of the row's UptimeAcknowledgement."""

    anchor: Address
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RentRow:
    """One class: what was claimed, who signed it (by key, ascending), and what came of it."""

    token_class: Hash
    instances: Uint64
    availability: Uint16
    words: tuple[AnchorWord, ...]
    fate: Fate = Fate.PENDING
    sends: Uint8 = 0
    amount: Uint128 = 0
    too_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RentClaimState:
    """One period. ``sent_at`` (chain seconds) is when its last transactions left."""

    period: Uint32
    rows: tuple[RentRow, ...] = ()
    sent_at: Uint64 = 0

    @property
    def pending(self) -> tuple[RentRow, ...]:
        """The rows whose fate is not known."""
        return tuple(row for row in self.rows if row.fate is Fate.PENDING)

    @property
    def earned(self) -> int:
        """What the period's rent came to so far, in base units."""
        return sum(row.amount for row in self.rows)

    def row(self, token_class: Hash) -> RentRow | None:
        """The row of a class."""
        return next((row for row in self.rows if row.token_class == token_class), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionClaim:
    """Enough anchors signed these rows: claim them. A class that was earned, or whose row is on its
    way, is not claimed again."""

    rows: tuple[RentRow, ...]
    now: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSendAgain:
    """The transactions sent before chain time ``now`` had time enough to be mined."""

    now: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRentEarned:
    """The vault credited a row."""

    token_class: Hash
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRentSkipped:
    """The vault skipped a row, or did so because no rent was paid yet (``too_early``)."""

    token_class: Hash
    too_early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendEarn:
    """Send the pending rows of these classes."""

    period: Uint32
    classes: tuple[Hash, ...]


RentClaimEvent = (
    ActionClaim | ActionSendAgain | ContractReceiveRentEarned | ContractReceiveRentSkipped
)


def rent_claim_key(period: int) -> str:
    """The period's number."""
    return str(period)


def _initial(key: str) -> RentClaimState:
    return RentClaimState(period=int(key))


def _step(
    state: RentClaimState, event: RentClaimEvent, _now_ms: int
) -> Transition[RentClaimState, ContractSendEarn]:
    match event:
        case ActionClaim():
            return _claim(state, event)
        case ActionSendAgain(now=now):
            state = replace(state, rows=tuple(map(_given_up, state.rows)))
            return _send(state, [row.token_class for row in state.pending], now)
        case ContractReceiveRentEarned():
            return _told(state, event.token_class, Fate.EARNED, event.amount)
        case ContractReceiveRentSkipped():
            return _told(state, event.token_class, Fate.SKIPPED, 0, too_early=event.too_early)


def _claim(
    state: RentClaimState, event: ActionClaim
) -> Transition[RentClaimState, ContractSendEarn]:
    begun: list[Hash] = []
    for row in event.rows:
        known = state.row(row.token_class)
        if known is None or _may_follow(known, row):
            state = _with(state, row)
            begun.append(row.token_class)
    return _send(state, begun, event.now)


def _may_follow(known: RentRow, row: RentRow) -> bool:
    """Whether a class is claimed again: not the very row that the vault did not take, unless it
    was too early."""
    if known.fate in (Fate.PENDING, Fate.EARNED):
        return False
    said = (known.instances, known.availability, known.words)
    return known.too_early or said != (row.instances, row.availability, row.words)


def _send(
    state: RentClaimState, classes: list[Hash], now: int
) -> Transition[RentClaimState, ContractSendEarn]:
    for row in state.rows:
        if row.token_class in classes:
            state = _with(state, replace(row, sends=row.sends + 1))
    effects = tuple(
        ContractSendEarn(period=state.period, classes=tuple(classes[first : first + ROWS_PER_CALL]))
        for first in range(0, len(classes), ROWS_PER_CALL)
    )
    return Transition(state=replace(state, sent_at=now) if effects else state, effects=effects)


def _given_up(row: RentRow) -> RentRow:
    done = row.fate is Fate.PENDING and row.sends >= MOST_SENDS
    return replace(row, fate=Fate.GIVEN_UP) if done else row


def _told(
    state: RentClaimState, token_class: Hash, fate: Fate, amount: int, *, too_early: bool = False
) -> Transition[RentClaimState, ContractSendEarn]:
    row = state.row(token_class)
    if row is None:
        # Somebody else sent it, as anybody may; the chain's word is all that there is.
        row = RentRow(token_class=token_class, instances=0, availability=0, words=())
    if row.fate is Fate.EARNED:
        return Transition(state=state)
    changed = replace(row, fate=fate, amount=amount, too_early=too_early)
    return Transition(state=_with(state, changed))


def _with(state: RentClaimState, row: RentRow) -> RentClaimState:
    others = (each for each in state.rows if each.token_class != row.token_class)
    rows = sorted((*others, row), key=lambda each: each.token_class)
    return replace(state, rows=tuple(rows))


RENT_CLAIM: Final = Machine(
    kind="rent-claim",
    state_type=RentClaimState,
    effect_types=(ContractSendEarn,),
    initial=_initial,
    step=_step,
)
"""A node's rent of one period. Key: :func:`rent_claim_key`."""
