"""The terms that a network starts with: months by default, or the same month in minutes."""

from dataclasses import replace
from typing import Final

from settlement.ports.chain_records import ExecutionRates, Terms
from settlement.types import Address

DAY: Final = 86_400
MONTH: Final = 30 * DAY
TOKEN: Final = 10**18
_SHORTEST_WINDOW_DIVISOR = 120  # the contract's bound: no window below length / 120 + 1

_WINDOWS = (
    "acknowledgement_grace",
    "settle_deadline",
    "challenge_window",
    "direct_claim_window",
    "thaw_time",
    "rent_grace",
)


def monthly_terms(treasury: Address) -> Terms:
    """The default terms of periods of 30 days (whitepaper, "State Channels and Settlement")."""
    return Terms(
        acknowledgement_grace=DAY,
        settle_deadline=3 * DAY,
        challenge_window=3 * DAY,
        direct_claim_window=7 * DAY,
        withdrawal_delay=14 * DAY,
        thaw_time=21 * DAY,
        rent_grace=7 * DAY,
        protocol_share=200,
        anchor_share=500,
        maximum_issuer_share=3_000,
        burn_share=5_000,
        bond_ratio=1_000,
        treasury=treasury,
        minimum_service_stake=1_000 * TOKEN,
        minimum_anchor_stake=10_000 * TOKEN,
        rent_price=TOKEN // 10,
    )


DEFAULT_RATES: Final = ExecutionRates(
    read_gas=TOKEN // 1_000,
    update_gas=TOKEN // 1_000,
    output_byte=TOKEN // 10**7,
    page=TOKEN // 10**6,
)
"""What running scripts costs until a vote changes it."""


def scaled_terms(terms: Terms, period_length: int, new_length: int) -> Terms:
    """The same terms for periods of another length, in seconds: every window shrinks or grows
    with it, down to the shortest that the contract admits."""
    shortest = new_length // _SHORTEST_WINDOW_DIVISOR + 1
    windows = {
        name: max(shortest, getattr(terms, name) * new_length // period_length) for name in _WINDOWS
    }
    # The deadline counts from the close, and leaves a window after the grace.
    earliest = windows["acknowledgement_grace"] + shortest
    windows["settle_deadline"] = max(earliest, windows["settle_deadline"])
    together = sum(windows[name] for name in _WINDOWS[1:4])
    delay = max(together, terms.withdrawal_delay * new_length // period_length)
    return replace(terms, **windows, withdrawal_delay=delay)
