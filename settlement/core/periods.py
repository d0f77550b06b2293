"""Period numbers and windows, from the chain's seconds.

Source: ``contracts/governance/Parameters.sol``. Of a period that closes at T, all half open:
[T, T + grace) anchors still acknowledge; [T + grace, D) the anchor settles and commits, with
D = T + settle deadline; [commit, commit + challenge) the root can be challenged;
[D, D + challenge + direct claim) nodes claim themselves what was not settled.
"""

from dataclasses import dataclass
from enum import StrEnum

from settlement.types import Uint32, Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodTerms:
    """The clock of periods and the windows that hold for one of them, all in seconds."""

    genesis: Uint64
    period_length: Uint32
    acknowledgement_grace: Uint32
    settle_deadline: Uint32
    challenge_window: Uint32
    direct_claim_window: Uint32


class Phase(StrEnum):
    """Where a period stands at a moment, seen from the clock alone."""

    FUTURE = "future"
    OPEN = "open"
    GRACE = "grace"
    SETTLING = "settling"
    DIRECT = "direct"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodWindows:
    """The moments, in unix seconds, at which one period's windows open and end."""

    opens_at: Uint64
    closes_at: Uint64
    settle_from: Uint64
    settle_until: Uint64
    direct_until: Uint64

    def phase_at(self, chain_seconds: int) -> Phase:
        """The window that a moment lies in."""
        ends = (
            (self.opens_at, Phase.FUTURE),
            (self.closes_at, Phase.OPEN),
            (self.settle_from, Phase.GRACE),
            (self.settle_until, Phase.SETTLING),
            (self.direct_until, Phase.DIRECT),
        )
        return next((phase for end, phase in ends if chain_seconds < end), Phase.OVER)


def period_at(chain_seconds: int, terms: PeriodTerms) -> int:
    """The period that a moment lies in; negative before genesis."""
    return (chain_seconds - terms.genesis) // terms.period_length


def windows_of(period: int, terms: PeriodTerms) -> PeriodWindows:
    """The windows of ``period``, for which ``terms`` must hold."""
    opens_at = terms.genesis + period * terms.period_length
    closes_at = opens_at + terms.period_length
    settle_from = closes_at + terms.acknowledgement_grace
    settle_until = closes_at + terms.settle_deadline
    return PeriodWindows(
        opens_at=opens_at,
        closes_at=closes_at,
        settle_from=settle_from,
        settle_until=settle_until,
        direct_until=settle_until + terms.challenge_window + terms.direct_claim_window,
    )
