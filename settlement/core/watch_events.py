"""The words of a watched period's machine: what the chain said, what is asked of us, what we do.

The machine itself is :mod:`settlement.core.watch`.
"""

from dataclasses import dataclass
from enum import StrEnum

from settlement.core.month_events import DebitedRow
from settlement.core.owed import ShownRange
from settlement.core.periods import PeriodWindows
from settlement.types import Address, Hash, Uint32, Uint64, Uint128


class WatchStage(StrEnum):
    """Where another anchor's period stands."""

    OPEN = "open"
    COMMITTED = "committed"
    VOID = "void"
    FINAL = "final"
    LATE = "late"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedChunk:
    """A chunk of Statements that the hub debited; its rows are in :func:`debited_stream`."""

    number: Uint32
    commitment: Hash
    restored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Somebody asked what an account is paid; it must be shown until ``answer_until``."""

    account: Address
    answer_until: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPayout:
    """What the root pays an account, as it was proved on chain."""

    account: Address
    amount: Uint128
    shown: ShownRange


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitedChunk:
    """Body of the record in :func:`debited_stream`."""

    rows: tuple[DebitedRow, ...]


# Events


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """Something that a watched period is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLog(WatchEvent):
    """Something that the chain logged, with its place there."""

    block: int
    log_index: int

    @property
    def position(self) -> tuple[int, int]:
        return self.block, self.log_index


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDebited(WatchLog):
    """The hub debited channels by a chunk of Statements."""

    chunk: Uint32
    commitment: Hash
    rows: tuple[DebitedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveGivenBack(WatchLog):
    """The debits of a chunk were given back."""

    chunk: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRoot(WatchLog):
    """The anchor committed its payouts."""

    root: Hash
    total: Uint128
    leaf_count: Uint32
    final_at: Uint64
    bond: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDemand(WatchLog):
    """A payout was demanded."""

    demand: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveShown(WatchLog):
    """A demanded payout was shown."""

    payout: ShownPayout


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveVoided(WatchLog):
    """The root is void; both are zero where nobody disproved it."""

    challenger: Address
    node: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveBondGone(WatchLog):
    """The period's bond was released or forfeited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceivePaidOut(WatchLog):
    """Payouts from index ``first`` on were credited, ``count`` of them."""

    first: Uint32
    count: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveForgotten(WatchEvent):
    """The chain replaced blocks: forget everything; what still stands is told again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveClock(WatchEvent):
    """Chain time moved to ``now``; ``challenge_window`` seconds are the period's."""

    now: Uint64
    windows: PeriodWindows
    challenge_window: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionClear(WatchEvent):
    """The payouts under ``root`` were recomputed and pay whoever we watch for: ``payouts``, whose
    proofs are kept, as the anchor may be gone when they can be paid."""

    root: Hash
    payouts: tuple[ShownPayout, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReopen(WatchEvent):
    """New evidence came: look again."""


# Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTask:
    """Which anchor's period an effect is about."""

    anchor: Address
    period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformPost(WatchTask):
    """Post the vouchers that the anchor does not acknowledge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformCheckLeases(WatchTask):
    """Add up what the anchor leased of each channel; report more than the channel held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformInspect(WatchTask):
    """Compare the root with what is owed; challenge it, or demand to see a payout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformCollect(WatchTask):
    """Have our payouts of a final root credited, which the anchor did not see to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformClaim(WatchTask):
    """Claim directly what the anchor did not settle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendVoidUnshown(WatchTask):
    """Void the root: a demanded payout was not shown."""

    account: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendForfeit(WatchTask):
    """Have the bond of the void period slashed, or freed."""

    challenger: Address
    node: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSendRestore(WatchTask):
    """Give the debits of a chunk back to their channels."""

    chunk: Uint32
    commitment: Hash


WatchEffect = (
    PerformPost
    | PerformCheckLeases
    | PerformInspect
    | PerformCollect
    | PerformClaim
    | ContractSendVoidUnshown
    | ContractSendForfeit
    | ContractSendRestore
)
