"""Splits against exact rationals, and the clock of periods."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.core.periods import PeriodTerms, Phase, period_at, windows_of
from settlement.core.splits import Shares, split
from settlement.types import BASIS_POINTS

gross_amounts = st.integers(0, (1 << 128) - 1) | st.integers(0, 20_000)
shares_of = st.builds(
    Shares,
    protocol=st.integers(0, 500),
    burn=st.integers(0, BASIS_POINTS),
    anchor=st.integers(0, 1_000),
)


@given(gross_amounts, shares_of, st.integers(0, 3_000))
@settings(max_examples=500, deadline=None)
def test_a_split_sums_to_gross_and_each_part_is_within_a_unit_of_its_rational(
    gross: int, shares: Shares, issuer: int
) -> None:
    parts = split(gross, shares, issuer)
    exact = Fraction(gross)
    protocol = exact * Fraction(shares.protocol, BASIS_POINTS)
    burnt = Fraction(parts.treasury + parts.burnt) * Fraction(shares.burn, BASIS_POINTS)

    assert parts.treasury + parts.burnt + parts.anchor + parts.issuer + parts.node == gross
    assert 0 <= parts.treasury + parts.burnt - protocol < 1
    assert 0 <= burnt - parts.burnt < 1
    assert 0 <= exact * Fraction(shares.anchor, BASIS_POINTS) - parts.anchor < 1
    assert 0 <= exact * Fraction(issuer, BASIS_POINTS) - parts.issuer < 1
    assert min(parts.treasury, parts.burnt, parts.anchor, parts.issuer, parts.node) >= 0


def test_a_single_unit_of_gross_goes_to_the_protocol() -> None:
    parts = split(1, Shares(protocol=100, burn=5_000, anchor=300), 1_000)
    assert (parts.treasury, parts.burnt, parts.node) == (1, 0, 0)


TERMS = PeriodTerms(
    genesis=1_000,
    period_length=100,
    acknowledgement_grace=10,
    settle_deadline=20,
    challenge_window=15,
    direct_claim_window=35,
)


@given(st.integers(1_000, 10_000))
def test_every_moment_lies_in_the_period_that_names_it(moment: int) -> None:
    windows = windows_of(period_at(moment, TERMS), TERMS)
    assert windows.opens_at <= moment < windows.closes_at
    assert windows.phase_at(moment) is Phase.OPEN


def test_the_windows_of_a_period_follow_each_other() -> None:
    windows = windows_of(2, TERMS)
    moments = [1_199, 1_200, 1_299, 1_300, 1_309, 1_310, 1_319, 1_320, 1_369, 1_370]
    assert [windows.phase_at(moment) for moment in moments] == [
        Phase.FUTURE,
        Phase.OPEN,
        Phase.OPEN,
        Phase.GRACE,
        Phase.GRACE,
        Phase.SETTLING,
        Phase.SETTLING,
        Phase.DIRECT,
        Phase.DIRECT,
        Phase.OVER,
    ]


def test_a_moment_before_genesis_lies_in_a_negative_period() -> None:
    assert period_at(999, TERMS) == -1
