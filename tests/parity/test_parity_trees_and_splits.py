"""Trees and splits are made off chain and checked on chain: both agree to the last unit."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settlement.core.splits import Shares, split
from settlement.protocol import merkle_sum
from settlement.types import Address, Hash, checksum

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
addresses = st.binary(min_size=20, max_size=20)
hashes = st.binary(min_size=32, max_size=32)
amounts = st.integers(0, 2**128 - 1)
payouts = st.lists(st.tuples(addresses, st.integers(0, 2**120)), min_size=1, max_size=20)


@given(account=addresses, amount=amounts)
@QUICK
def test_payout_leaves_agree(lens: Any, account: bytes, amount: int) -> None:
    leaf = merkle_sum.payout_leaf(Address(account), amount)
    assert leaf.hash == lens.call("payoutLeaf", checksum(Address(account)), amount)


@given(node=addresses, token_class=hashes, amount=amounts)
@QUICK
def test_lane_leaves_agree(lens: Any, node: bytes, token_class: bytes, amount: int) -> None:
    leaf = merkle_sum.lane_leaf(Address(node), Hash(token_class), amount)
    assert leaf.hash == lens.call("laneLeaf", checksum(Address(node)), token_class, amount)


@given(leaves=payouts, data=st.data())
@QUICK
def test_range_proofs_made_off_chain_hold_on_chain(
    lens: Any, leaves: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(leaves) - 1))
    count = data.draw(st.integers(1, len(leaves) - first))
    tree = merkle_sum.Tree.of([merkle_sum.payout_leaf(Address(a), n) for a, n in leaves])
    siblings = tree.range_proof(first, count)
    part = [(checksum(Address(a)), n) for a, n in leaves[first : first + count]]

    def verified(root: bytes, total: int, proof: list[tuple[bytes, int]]) -> bool:
        answer: bool = lens.call("verifyRange", first, len(leaves), part, proof, root, total)
        return answer

    proof = [(node.hash, node.sum) for node in siblings]
    assert verified(tree.root.hash, tree.root.sum, proof)
    assert not verified(tree.root.hash, tree.root.sum + 1, proof)
    assert not verified(bytes(32), tree.root.sum, proof)
    assert not verified(tree.root.hash, tree.root.sum, [*proof, (bytes(32), 0)])


@given(
    gross=amounts,
    protocol=st.integers(0, 500),
    burn=st.integers(0, 10_000),
    anchor=st.integers(0, 1_000),
    issuer=st.integers(0, 3_000),
)
@QUICK
def test_splits_agree_to_the_last_unit(
    lens: Any, gross: int, protocol: int, burn: int, anchor: int, issuer: int
) -> None:
    ours = split(gross, Shares(protocol=protocol, burn=burn, anchor=anchor), issuer)
    theirs = lens.call("split", gross, protocol, burn, anchor, issuer)
    assert tuple(theirs) == (ours.treasury, ours.burnt, ours.anchor, ours.issuer, ours.node)
