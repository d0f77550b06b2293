"""What an anchor measures of a node, and what a node claims of several anchors' measurements."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from settlement.core.uptime import (
    UPTIME,
    ActionLooked,
    UptimeState,
    anchors_needed,
    best_claim,
    by_class,
    uptime_key,
)
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.types import Address, Hash

NODE = Address(b"n" * 20)
CLASS, OTHER = Hash(b"c" * 32), Hash(b"d" * 32)
PERIOD = 7


def after(*looks: tuple[int, int, int], token_class: Hash = CLASS) -> UptimeState:
    state = UPTIME.initial(uptime_key(PERIOD, NODE))
    for placed, asked, shown in looks:
        event = ActionLooked(token_class=token_class, placed=placed, asked=asked, shown=shown)
        state = UPTIME.step(state, event, 0).state
    return state


def said(instances: int, availability: int, token_class: Hash = CLASS) -> UptimeAcknowledgement:
    return UptimeAcknowledgement(
        node=NODE,
        period=PERIOD,
        token_class=token_class,
        instances=instances,
        availability=availability,
    )


def test_looks_average_what_was_placed_and_what_was_shown() -> None:
    state = after((10, 4, 4), (11, 4, 3), (11, 4, 4))
    assert state.acknowledgements() == (said(10, 9_166),)


def test_a_node_that_showed_nothing_is_not_acknowledged() -> None:
    assert after((10, 4, 0)).acknowledgements() == ()
    assert after().acknowledgements() == ()


def test_more_cannot_be_shown_than_was_asked() -> None:
    assert after((1, 2, 5)).of(CLASS).availability == 10_000


def test_what_is_not_above_the_measurement_is_covered() -> None:
    state = after((10, 4, 3))
    assert state.covers(said(10, 7_500))
    assert state.covers(said(1, 1))
    for claim in (said(11, 7_500), said(10, 7_501), said(0, 7_500), said(10, 0)):
        assert not state.covers(claim)
    assert not state.covers(said(1, 1, OTHER))


def test_a_claim_about_another_node_or_period_is_not_covered() -> None:
    claim = said(1, 1)
    state = after((10, 4, 4))
    strangers = UptimeState(period=PERIOD, node=Address(b"x" * 20), classes=state.classes)
    later = UptimeState(period=PERIOD + 1, node=NODE, classes=state.classes)
    assert not strangers.covers(claim)
    assert not later.covers(claim)


def test_one_of_so_many_anchors_is_honest_while_fewer_than_a_third_lie() -> None:
    assert [anchors_needed(n) for n in (1, 2, 3, 4, 6, 7, 21)] == [1, 1, 2, 2, 3, 3, 8]


def test_the_claim_that_pays_best_is_found() -> None:
    measured = [said(10, 9_000), said(9, 10_000), said(8, 10_000), said(2, 10_000)]
    assert best_claim(measured, 2, 100) == said(9, 9_000)
    assert best_claim(measured, 1, 100) in (said(10, 9_000), said(9, 10_000))
    assert best_claim(measured, 3, 100) == said(8, 9_000)
    assert best_claim(measured, 1, 4) == said(4, 10_000)


def test_too_few_measurements_or_no_paid_instances_give_no_claim() -> None:
    assert best_claim([said(10, 9_000)], 2, 100) is None
    assert best_claim([said(10, 9_000)], 1, 0) is None
    assert best_claim([], 1, 100) is None


pairs = st.tuples(st.integers(1, 50), st.integers(1, 10_000))


@given(st.lists(pairs, min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 60))
def test_no_other_claim_that_enough_anchors_sign_pays_more(
    measured: list[tuple[int, int]], needed: int, most: int
) -> None:
    found = best_claim([said(*pair) for pair in measured], needed, most)
    paying = [
        min(most, *(i for i, _ in chosen)) * min(a for _, a in chosen)
        for chosen in combinations(measured, needed)
    ]
    assert (found.instances * found.availability if found else 0) == max(paying, default=0)
    if found is not None:
        signers = [i for i, a in measured if i >= found.instances and a >= found.availability]
        assert len(signers) >= needed


def test_an_anchor_that_says_a_class_twice_counts_once() -> None:
    gathered = by_class([[said(1, 1), said(9, 9), said(2, 2, OTHER)], [said(3, 3)]])
    assert gathered == {CLASS: [said(1, 1), said(3, 3)], OTHER: [said(2, 2, OTHER)]}
