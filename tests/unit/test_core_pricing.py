"""What a run costs: monotone in everything used, rounded up once, and never too large to pay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.pricing import PERIODS_KEPT, Gauge, Rates, Usage, bill_up
from node.ports.sandbox import MAX_OUTPUT_BYTES, Mode
from settlement.errors import AmountOutOfRange

RATES = Rates(million_gas=1_000, output_byte=3, page=7)
LARGEST = Rates(million_gas=(1 << 96) - 1, output_byte=(1 << 96) - 1, page=(1 << 96) - 1)

rates = st.builds(
    Rates, **dict.fromkeys(("million_gas", "output_byte", "page"), st.integers(0, (1 << 96) - 1))
)
usages = st.builds(
    Usage,
    gas=st.integers(0, Mode.UPDATE.gas_limit),
    output_bytes=st.integers(0, MAX_OUTPUT_BYTES),
    pages=st.integers(0, 768),
)


def test_a_bill_adds_gas_output_and_pages() -> None:
    usage = Usage(gas=2_000_000, output_bytes=10, pages=30)
    assert bill_up(RATES, usage) == 2_000 + 30 + 210


def test_an_activation_also_pays_for_loading() -> None:
    assert bill_up(RATES, Usage(gas=1_000_000), load_gas=500_000) == 1_500


@pytest.mark.parametrize(("gas", "amount"), [(0, 0), (1, 1), (1_000, 1), (1_001, 2)])
def test_a_part_of_a_base_unit_counts_as_a_whole_one(gas: int, amount: int) -> None:
    assert bill_up(RATES, Usage(gas=gas)) == amount


def test_load_and_run_gas_are_rounded_together() -> None:
    assert bill_up(RATES, Usage(gas=500), load_gas=500) == 1


@given(rates, usages, usages)
def test_whoever_uses_more_pays_no_less(at: Rates, one: Usage, other: Usage) -> None:
    assert bill_up(at, one.most(other)) >= max(bill_up(at, one), bill_up(at, other))


@given(rates, usages, st.integers(0, Mode.LOAD.gas_limit))
def test_a_bill_is_exact_but_for_less_than_one_unit(at: Rates, usage: Usage, load: int) -> None:
    parts = at.output_byte * usage.output_bytes + at.page * usage.pages
    exact = at.million_gas * (usage.gas + load) + 1_000_000 * parts
    assert 0 <= 1_000_000 * bill_up(at, usage, load_gas=load) - exact < 1_000_000


def test_the_largest_run_at_the_largest_rates_fits() -> None:
    usage = Usage(gas=Mode.UPDATE.gas_limit, output_bytes=MAX_OUTPUT_BYTES, pages=768)
    assert bill_up(LARGEST, usage, load_gas=Mode.LOAD.gas_limit) < 1 << 128


def test_more_than_an_amount_can_hold_is_refused() -> None:
    with pytest.raises(AmountOutOfRange):
        bill_up(LARGEST, Usage(output_bytes=1 << 40))


@pytest.mark.parametrize("value", [-1, 1 << 96])
def test_a_rate_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(AmountOutOfRange):
        Rates(million_gas=1, output_byte=value, page=1)


def test_a_gauge_that_saw_nothing_tells_nothing() -> None:
    assert Gauge().most(9) is None


def test_a_gauge_forgets_a_peak_after_four_periods() -> None:
    gauge = Gauge().observed(5, Usage(gas=100)).observed(6, Usage(gas=1))
    assert [most.gas for period in range(6, 10) if (most := gauge.most(period))] == [100] * 3 + [1]
    assert gauge.most(10) is None


@given(st.lists(st.tuples(st.integers(0, 20), usages), max_size=30), st.integers(0, 25))
def test_a_gauge_is_the_maximum_of_its_window(runs: list[tuple[int, Usage]], later: int) -> None:
    runs.sort(key=lambda run: run[0])
    gauge = Gauge()
    for period, usage in runs:
        gauge = gauge.observed(period, usage)
    now = max([later, *(period for period, _ in runs)])
    counted = [usage for period, usage in runs if period > now - PERIODS_KEPT]
    most = gauge.most(now)
    assert len(gauge.periods) <= PERIODS_KEPT
    assert (most is None) == (not counted)
    if most is not None:
        assert most.gas == max(usage.gas for usage in counted)
        assert most.pages == max(usage.pages for usage in counted)
