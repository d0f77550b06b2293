"""What a run costs in Service Tokens.

    bill = rate · (run gas, and load gas on activation) + rate · output bytes + rate · pages

The rates are the network's, set by its voters for a period, in base units; gas is counted by the
engine (see the engine's ADR), so every node comes to the same bill. Gas of an update has a rate of
its own, since every replica runs it. Rates of gas are for a million, and only the sum of a bill is
rounded, up: nobody runs a script at a loss, and nobody pays a whole unit twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from settlement.types import unsigned

GAS_OF_RATE: Final = 1_000_000
PERIODS_KEPT: Final = 4
AMOUNT_BITS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Base units of the Service Token: for a million gas, an output byte, a page."""

    million_gas: int
    output_byte: int
    page: int

    def __post_init__(self) -> None:
        for name in ("million_gas", "output_byte", "page"):
            unsigned(getattr(self, name), 96, f"the rate {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run used: its gas, the bytes that it put out, the pages of 64 KiB at its end."""

    gas: int = 0
    output_bytes: int = 0
    pages: int = 0

    def most(self, other: "Usage") -> "Usage":
        """The larger of each."""
        return Usage(
            gas=max(self.gas, other.gas),
            output_bytes=max(self.output_bytes, other.output_bytes),
            pages=max(self.pages, other.pages),
        )


def bill_up(rates: Rates, usage: Usage, *, load_gas: int = 0) -> int:
    """The price of a run in base units, rounded up; ``load_gas`` is that of a script's activation.

    Raises AmountOutOfRange when it does not fit uint128, which no run within the limits reaches.
    """
    gas = rates.million_gas * (usage.gas + load_gas)
    whole = -(-gas // GAS_OF_RATE)
    amount = whole + rates.output_byte * usage.output_bytes + rates.page * usage.pages
    return unsigned(amount, AMOUNT_BITS, "the bill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A moving maximum: the most that one interface of one script used, by period, newest last.

    A price for a period comes from the periods before it and from itself as far as it has gone.
    """

    periods: tuple[tuple[int, Usage], ...] = ()

    def observed(self, period: int, usage: Usage) -> "Gauge":
        """With one more run. A run of an older period than the newest counts as the newest's."""
        newest = self.periods[-1][0] if self.periods else period
        if self.periods and period <= newest:
            known = self.periods[-1][1]
            return replace(self, periods=(*self.periods[:-1], (newest, known.most(usage))))
        return replace(self, periods=_recent((*self.periods, (period, usage)), period))

    def most(self, period: int) -> Usage | None:
        """The most used in the last four periods, of each; None when nothing ran."""
        found: Usage | None = None
        for _, usage in _recent(self.periods, period):
            found = usage if found is None else found.most(usage)
        return found


def _recent(periods: Sequence[tuple[int, Usage]], period: int) -> tuple[tuple[int, Usage], ...]:
    return tuple(entry for entry in periods if entry[0] > period - PERIODS_KEPT)
