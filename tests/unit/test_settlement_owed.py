"""What a period owes a node: beside rationals, and beside the payouts of honest anchors."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.core.owed import (
    MOST_LANES,
    OwedLane,
    OwedNode,
    is_tree,
    judge,
    node_share,
    show,
)
from settlement.core.payouts import AcceptedRow, Accounts, IssuerTerms, PayoutLeaf, payouts
from settlement.core.splits import Shares
from settlement.core.statements import LaneAmount, draft_of
from settlement.protocol.merkle_sum import SumNode, Tree, verify_range
from settlement.types import Address, Hash, Signature

SHARES = Shares(protocol=200, burn=5_000, anchor=500)
NODES = [Address(bytes([n + 1]) * 20) for n in range(4)]
ACCOUNTS = [Address(bytes([n + 101]) * 20) for n in range(4)]
SIGNERS = [Address(bytes([n + 31]) * 20) for n in range(3)]
CLASSES = [Hash(bytes([n + 61]) * 32) for n in range(2)]
THIEF = Address(b"\xfe" * 20)
ISSUERS = {CLASSES[0]: IssuerTerms(payout=Address(b"i" * 20), share=1_234)}
LANES = st.dictionaries(
    st.tuples(st.sampled_from(SIGNERS), st.sampled_from(NODES), st.sampled_from(CLASSES)),
    st.integers(min_value=1, max_value=10**20),
    min_size=1,
    max_size=12,
)


def owed(lanes: dict[tuple[Address, Address, Hash], int]) -> list[OwedNode]:
    """What the lanes owe, by node."""
    found = []
    for number, node in enumerate(NODES):
        rows = tuple(
            OwedLane(
                signer=signer,
                token_class=token_class,
                acknowledged=gross,
                lease_cap=gross,
                signature=Signature(bytes(65)),
                share=node_share(gross, SHARES, share_of(token_class)),
            )
            for (signer, to, token_class), gross in lanes.items()
            if to == node
        )
        if rows:
            found.append(OwedNode(node=node, account=ACCOUNTS[number], lanes=rows))
    return found


def share_of(token_class: Hash) -> int:
    issuer = ISSUERS.get(token_class)
    return issuer.share if issuer else 0


def honest(lanes: dict[tuple[Address, Address, Hash], int]) -> tuple[PayoutLeaf, ...]:
    """The payouts of an anchor that settles all lanes."""
    rows = []
    for signer in SIGNERS:
        ours = [
            LaneAmount(node=node, token_class=token_class, amount=gross)
            for (of, node, token_class), gross in lanes.items()
            if of == signer
        ]
        if ours:
            draft = draft_of(signer, signer, 0, ours)
            rows.append(
                AcceptedRow(signer=signer, amount=draft.amount, root=draft.root, lanes=draft.lanes)
            )
    accounts = Accounts(
        treasury=Address(b"t" * 20),
        anchor=Address(b"a" * 20),
        nodes=dict(zip(NODES, ACCOUNTS, strict=True)),
        issuers=ISSUERS,
    )
    return payouts(rows, SHARES, accounts)


@given(gross=st.integers(min_value=0, max_value=10**30), issuer=st.integers(0, 3_000))
def test_a_share_is_the_rational_one_less_at_most_the_rounding(gross: int, issuer: int) -> None:
    exact = (
        Fraction(gross)
        - ceil(Fraction(gross * SHARES.protocol, 10_000))
        - floor(Fraction(gross * SHARES.anchor, 10_000))
        - floor(Fraction(gross * issuer, 10_000))
    )
    assert node_share(gross, SHARES, issuer) == max(0, exact - 2)


@settings(max_examples=60, deadline=None)
@given(lanes=LANES)
def test_an_honest_tree_is_never_disproved(lanes: dict[tuple[Address, Address, Hash], int]) -> None:
    leaves = honest(lanes)
    assert judge(leaves, owed(lanes)) is None


@settings(max_examples=60, deadline=None)
@given(
    lanes=LANES,
    more=st.dictionaries(
        st.tuples(st.sampled_from(SIGNERS), st.sampled_from(NODES), st.sampled_from(CLASSES)),
        st.integers(min_value=1, max_value=10**20),
        max_size=12,
    ),
)
def test_a_statement_that_pays_more_than_was_acknowledged_is_no_fault(
    lanes: dict[tuple[Address, Address, Hash], int],
    more: dict[tuple[Address, Address, Hash], int],
) -> None:
    settled = {name: lanes.get(name, 0) + more.get(name, 0) for name in lanes.keys() | more.keys()}
    assert judge(honest(settled), owed(lanes)) is None


@settings(max_examples=80, deadline=None)
@given(lanes=LANES, number=st.integers(0, 3), stolen=st.integers(min_value=0, max_value=10**20))
def test_a_tree_that_takes_from_a_node_is_disproved_by_a_proof_that_holds(
    lanes: dict[tuple[Address, Address, Hash], int], number: int, stolen: int
) -> None:
    """Whatever is taken beyond the rounding shows, and the proof is one that the hub accepts."""
    paid = {leaf.account: leaf.amount for leaf in honest(lanes)}
    victim = ACCOUNTS[number]
    taken = min(stolen, paid.get(victim, 0))
    paid[THIEF] = paid.get(THIEF, 0) + taken
    paid[victim] = paid.get(victim, 0) - taken
    leaves = [PayoutLeaf(account=a, amount=n) for a, n in sorted(paid.items()) if n]
    debts = [debt for debt in owed(lanes) if debt.account == victim]
    disproof = judge(leaves, debts)
    short = bool(debts) and debts[0].total > paid[victim]
    assert (disproof is not None) == short
    if disproof is None:
        return
    assert disproof.debt is not None
    chosen = disproof.debt.beyond(disproof.paid)
    assert sum(lane.share for lane in chosen) > paid[victim] == disproof.paid
    assert list(chosen) == sorted(chosen, key=lambda lane: (lane.signer, lane.token_class))
    shown = disproof.shown
    top = Tree.of([leaf.node() for leaf in leaves]).root
    nodes = [leaf.node() for leaf in shown.leaves]
    assert verify_range(top, len(leaves), shown.first, nodes, shown.siblings)


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.dictionaries(st.integers(0, 20), st.integers(1, 100), min_size=1),
    asked=st.integers(0, 20),
)
def test_whatever_is_asked_is_shown_as_a_leaf_or_as_its_absence(
    amounts: dict[int, int], asked: int
) -> None:
    leaves = [
        PayoutLeaf(account=Address(bytes([n]) * 20), amount=amounts[n]) for n in sorted(amounts)
    ]
    tree = Tree.of([leaf.node() for leaf in leaves])
    account = Address(bytes([asked]) * 20)
    shown, paid = show(tree, leaves, account)
    assert paid == amounts.get(asked, 0)
    named = [leaf.account for leaf in shown.leaves]
    if paid:
        assert named == [account]
    elif len(named) == 2:
        assert named[0] < account < named[1]
    else:
        assert named in ([leaves[0].account], [leaves[-1].account])
    nodes = [leaf.node() for leaf in shown.leaves]
    assert verify_range(tree.root, len(leaves), shown.first, nodes, shown.siblings)


@pytest.mark.parametrize("swapped", [0, 1, 2])
def test_accounts_out_of_order_are_shown_where_they_are(swapped: int) -> None:
    lanes = {(SIGNERS[0], node, CLASSES[0]): 1_000 for node in NODES}
    leaves = list(honest(lanes))
    leaves[swapped], leaves[swapped + 1] = leaves[swapped + 1], leaves[swapped]
    disproof = judge(leaves, owed(lanes))
    assert disproof is not None
    assert disproof.debt is None
    assert [leaf.account for leaf in disproof.shown.leaves] == [
        leaves[swapped].account,
        leaves[swapped + 1].account,
    ]


def test_only_the_tree_under_the_root_is_judged() -> None:
    leaves = honest({(SIGNERS[0], NODES[0], CLASSES[0]): 1_000})
    top: SumNode = Tree.of([leaf.node() for leaf in leaves]).root
    assert is_tree(leaves, top.hash, top.sum)
    assert not is_tree(leaves[1:], top.hash, top.sum)
    assert not is_tree((), top.hash, top.sum)
    assert not is_tree(leaves, top.hash, top.sum + 1)


def test_evidence_stays_within_one_transaction() -> None:
    lanes = tuple(
        OwedLane(
            signer=Address(number.to_bytes(20, "big")),
            token_class=CLASSES[0],
            acknowledged=10,
            lease_cap=10,
            signature=Signature(bytes(65)),
            share=1,
        )
        for number in range(MOST_LANES * 2)
    )
    debt = OwedNode(node=NODES[0], account=ACCOUNTS[0], lanes=lanes)
    assert len(debt.beyond(MOST_LANES - 1)) == MOST_LANES
    assert debt.beyond(MOST_LANES) == ()
    assert len(debt.beyond(0)) == 1
