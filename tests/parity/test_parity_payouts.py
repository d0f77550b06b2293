"""The payout builder, the Solidity verifier and a recomputation agree on whole periods.

These are some dozens; ``./dev campaign payouts`` runs ten thousand.
"""

from typing import Any

import pytest
from period_sets import built, questions, random_period, recomputed

SEEDS = range(48)


@pytest.mark.parametrize("seed", SEEDS)
def test_payouts_are_those_of_a_recomputation_and_hold_on_chain(lens: Any, seed: int) -> None:
    period = random_period(seed)
    leaves = built(period)
    assert {leaf.account: leaf.amount for leaf in leaves} == recomputed(period)
    assert sum(leaf.amount for leaf in leaves) == sum(row.amount for row in period.rows)
    for question in questions(period, leaves, seed):
        found = lens.call(question.function, *question.arguments)
        assert (found if isinstance(found, bool) else tuple(found)) == question.answer
