"""A script's tab: reads bring in what was put on, to the unit, and a price stays as fixed."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.pricing import Rates, Usage
from node.core.tab import TAB, ActionMeasure, ActionPin, Observed, TabState, step

RATES = Rates(million_gas=1_000_000, output_byte=1, page=1)
periods = st.lists(
    st.tuples(
        st.lists(st.integers(0, 5_000), max_size=4),  # what updates add
        st.integers(0, 6),  # paid reads
    ),
    max_size=12,
)


def pin(period: int, name: str = "status", floor: int = 100) -> ActionPin:
    return ActionPin(
        period=period, name=name, measured_as=(name,), floor=floor, rates=RATES, carries=True
    )


@given(periods)
def test_no_unit_is_lost_and_reads_carry_nothing_once_all_is_brought_in(
    story: list[tuple[list[int], int]],
) -> None:
    state, added, brought_in = TabState(), 0, 0
    for period, (updates, reads) in enumerate(story):
        state = step(state, pin(period), 0).state
        fixed = state.pin(period, "status")
        assert fixed is not None
        assert fixed.price == 100 + fixed.share <= 200
        for amount in updates:
            state = step(state, ActionMeasure(period=period, added=amount), 0).state
            added += amount
        for _ in range(reads):
            paid = ActionMeasure(period=period, paid_reads=1, brought_in=fixed.share)
            state = step(state, paid, 0).state
            brought_in += fixed.share
        assert state.owed + state.added.amount == added - brought_in
        if added <= brought_in:
            later = step(state, pin(period + 1, "other"), 0).state.pin(period + 1, "other")
            assert later is not None
            assert later.share == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9_999_999)), max_size=12), st.data())
def test_the_order_of_measurements_in_a_period_does_not_matter(
    runs: list[tuple[int, int]], data: st.DataObject
) -> None:
    def after(order: list[tuple[int, int]]) -> tuple[object, int, int]:
        state = TabState()
        for name, gas in order:
            seen = (Observed(name=f"read {name}", usage=Usage(gas=gas)),)
            event = ActionMeasure(period=1, observed=seen, added=gas, paid_reads=1)
            state = step(state, event, 0).state
        return {each.name: each.gauge for each in state.measured}, state.added.amount, len(runs)

    assert after(runs) == after(data.draw(st.permutations(runs)))


@given(st.integers(0, 10_000_000), st.integers(0, 10_000))
def test_a_price_that_is_fixed_is_not_fixed_again(gas: int, floor: int) -> None:
    state = step(TabState(), pin(3), 0).state
    seen = (Observed(name="status", usage=Usage(gas=gas)),)
    state = step(state, ActionMeasure(period=3, observed=seen, added=gas), 0).state
    again = step(state, pin(3, floor=floor), 0).state
    assert again.pin(3, "status") == state.pin(3, "status")


def test_prices_of_old_periods_are_forgotten() -> None:
    state = TabState()
    for period in range(10):
        for name in ("a", "b"):
            state = step(state, pin(period, name), 0).state
    assert sorted({each.period for each in state.pins}) == [8, 9]


def test_a_measurement_that_comes_late_counts_for_the_present() -> None:
    state = step(TabState(), ActionMeasure(period=4, added=5), 0).state
    state = step(state, ActionMeasure(period=3, added=7), 0).state
    assert (state.owed, state.added.amount) == (0, 12)
    assert TAB.kind == "tab"
