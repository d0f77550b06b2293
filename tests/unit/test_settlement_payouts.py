"""Payouts against an independent recomputation in rationals."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.core.payouts import (
    AcceptedRow,
    Accounts,
    IssuerTerms,
    PayoutsUnbalanced,
    payouts,
)
from settlement.core.splits import Shares
from settlement.core.statements import LaneAmount, draft_of
from settlement.protocol.merkle_sum import root
from settlement.types import ZERO_ADDRESS, Address, Hash

NODES = [Address(bytes([1, n]) * 10) for n in range(5)]
CLASSES = [Hash(bytes([2, n]) * 16) for n in range(3)]
PAYERS = [Address(bytes([3, n]) * 10) for n in range(6)]
# Few accounts for many roles, so that one account often has several.
PEOPLE = [Address(bytes([4, n]) * 10) for n in range(4)]

people = st.sampled_from(PEOPLE)
all_shares = st.builds(
    Shares, protocol=st.integers(0, 500), burn=st.integers(0, 10_000), anchor=st.integers(0, 1_000)
)
all_accounts = st.builds(
    Accounts,
    treasury=people,
    anchor=people,
    nodes=st.dictionaries(st.sampled_from(NODES), people),
    issuers=st.dictionaries(
        st.sampled_from(CLASSES),
        st.builds(IssuerTerms, payout=people | st.just(ZERO_ADDRESS), share=st.integers(0, 3_000)),
    ),
)


@st.composite
def rows_of(draw: st.DrawFn) -> list[AcceptedRow]:
    rows = []
    for signer in draw(st.lists(st.sampled_from(PAYERS), unique=True, min_size=1)):
        places = draw(
            st.lists(
                st.tuples(st.sampled_from(NODES), st.sampled_from(CLASSES)),
                unique=True,
                min_size=1,
                max_size=8,
            )
        )
        amounts = st.integers(1, 50) | st.integers(1, 10**30)
        lanes = [
            LaneAmount(node=node, token_class=token_class, amount=draw(amounts))
            for node, token_class in places
        ]
        draft = draft_of(PEOPLE[0], signer, 0, lanes)
        rows.append(
            AcceptedRow(signer=signer, amount=draft.amount, root=draft.root, lanes=draft.lanes)
        )
    return rows


def recomputed(
    rows: list[AcceptedRow], shares: Shares, accounts: Accounts
) -> dict[Address, Fraction]:
    """The same in rationals, role by role instead of lane by lane."""
    owed: dict[Address, Fraction] = {}

    def owe(account: Address, amount: Fraction) -> None:
        owed[account] = owed.get(account, Fraction(0)) + amount

    lanes = [lane for row in rows for lane in row.lanes]
    for lane in lanes:
        gross = Fraction(lane.amount)
        protocol = Fraction(ceil(gross * Fraction(shares.protocol, 10_000)))
        burnt = Fraction(floor(protocol * Fraction(shares.burn, 10_000)))
        anchor = Fraction(floor(gross * Fraction(shares.anchor, 10_000)))
        terms = accounts.issuers.get(lane.token_class)
        issuer = Fraction(0)
        if terms is not None and terms.payout != ZERO_ADDRESS:
            issuer = Fraction(floor(gross * Fraction(terms.share, 10_000)))
            owe(terms.payout, issuer)
        owe(ZERO_ADDRESS, burnt)
        owe(accounts.treasury, protocol - burnt)
        owe(accounts.anchor, anchor)
        owe(accounts.nodes.get(lane.node, lane.node), gross - protocol - anchor - issuer)
    return {account: amount for account, amount in owed.items() if amount}


@given(rows_of(), all_shares, all_accounts)
@settings(max_examples=100, deadline=None)
def test_payouts_equal_an_independent_recomputation_and_sum_to_the_statements(
    rows: list[AcceptedRow], shares: Shares, accounts: Accounts
) -> None:
    leaves = payouts(rows, shares, accounts)
    assert {leaf.account: leaf.amount for leaf in leaves} == recomputed(rows, shares, accounts)
    assert sum(leaf.amount for leaf in leaves) == sum(row.amount for row in rows)
    assert root([leaf.node() for leaf in leaves]).sum == sum(row.amount for row in rows)
    assert [leaf.account for leaf in leaves] == sorted({leaf.account for leaf in leaves})


@given(rows_of(), all_shares, all_accounts, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_does_not_matter(
    rows: list[AcceptedRow], shares: Shares, accounts: Accounts, random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' seeded Random
    assert payouts(shuffled, shares, accounts) == payouts(rows, shares, accounts)


@given(rows_of(), all_shares, all_accounts, st.data())
@settings(max_examples=100, deadline=None)
def test_rows_whose_lanes_are_not_the_statement_s_are_never_paid(
    rows: list[AcceptedRow], shares: Shares, accounts: Accounts, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    bad = rows[index]
    lanes = (*bad.lanes[1:], LaneAmount(node=NODES[0], token_class=Hash(bytes(32)), amount=5))
    damaged = AcceptedRow(signer=bad.signer, amount=bad.amount, root=bad.root, lanes=lanes)
    with pytest.raises(PayoutsUnbalanced):
        payouts([*rows[:index], damaged, *rows[index + 1 :]], shares, accounts)
