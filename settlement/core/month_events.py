"""The words of a period's machine: its rows, its events and its effects.

The machine itself is :mod:`settlement.core.month`.
"""

from dataclasses import dataclass
from enum import StrEnum

from settlement.core.payouts import AcceptedRow, PayoutLeaf
from settlement.types import Address, Hash, Signature, Uint32, Uint64, Uint128


class Stage(StrEnum):
    """Where a month stands."""

    COLLECTING = "collecting"
    SETTLING = "settling"
    COUNTING = "counting"
    COMMITTING = "committing"
    CHALLENGE = "challenge"
    DISTRIBUTING = "distributing"
    DONE = "done"
    MISSED = "missed"
    BLOCKED = "blocked"


class Fate(StrEnum):
    """What became of a row."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """One channel's Statement on its way through the hub. ``skipped_for`` is the hub's reason."""

    signer: Address
    amount: Uint128
    root: Hash
    signature: Signature
    fate: Fate = Fate.PENDING
    skipped_for: int = 0
    sends: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRange:
    """Leaves ``first`` to ``last``, both included, were paid."""

    first: Uint32
    last: Uint32


# Events


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthStatement:
    """A Statement as the anchor took it, with the lanes that it sums."""

    row: AcceptedRow
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettle:
    """The settle window is open: these are the Statements. ``now`` is chain time."""

    statements: tuple[MonthStatement, ...]
    settle_until: Uint64
    now: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitedRow:
    """A row that the hub accepted."""

    signer: Address
    amount: Uint128
    root: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row that the hub did not take, and its reason's number."""

    signer: Address
    reason: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRows:
    """What the hub said about rows of our chunks."""

    accepted: tuple[DebitedRow, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCommit:
    """The payouts of the accepted rows, in order."""

    leaves: tuple[PayoutLeaf, ...]
    now: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveCommitted:
    """The hub holds a root for our period."""

    root: Hash
    total: Uint128
    leaf_count: Uint32
    final_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDistributed:
    """The hub paid ``count`` leaves from ``first`` on, whoever sent the transaction."""

    first: Uint32
    count: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDemanded:
    """Somebody asks on chain what our root pays an account."""

    account: Address
    now: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveAnswered:
    """The hub took an answer to that, whoever sent it."""

    account: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveVoid:
    """Our root is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveTime:
    """Chain time moved to ``now``. Worth sending only where :func:`is_due` says so."""

    now: Uint64


MonthEvent = (
    ActionSettle
    | ContractReceiveRows
    | ActionCommit
    | ContractReceiveCommitted
    | ContractReceiveDistributed
    | ContractReceiveDemanded
    | ContractReceiveAnswered
    | ContractReceiveVoid
    | ContractReceiveTime
)


# Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendSettleChunk:
    """Send these rows to the hub."""

    period: Uint32
    rows: tuple[MonthRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformCount:
    """Compute the period's payouts and answer with :class:`ActionCommit`."""

    period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendCommitPeriod:
    """Commit the root."""

    period: Uint32
    root: Hash
    total: Uint128
    leaf_count: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendDistribute:
    """Pay one chunk of leaves."""

    period: Uint32
    chunk: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendShowPayout:
    """Answer a demand: show what our root pays an account."""

    period: Uint32
    account: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendReleaseBond:
    """Everything is paid: take the bond back."""

    period: Uint32


MonthEffect = (
    ContractSendSettleChunk
    | PerformCount
    | ContractSendCommitPeriod
    | ContractSendDistribute
    | ContractSendShowPayout
    | ContractSendReleaseBond
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutChunk:
    """Body of a record in ``payouts/{period}/{root}``: up to LEAVES_PER_RECORD leaves, in order."""

    leaves: tuple[PayoutLeaf, ...]
