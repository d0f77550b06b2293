"""The Merkle-sum tree against its frozen vectors and against its own rules."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.errors import AmountOutOfRange, InputError
from settlement.protocol.merkle_sum import (
    SumNode,
    lane_leaf,
    payout_leaf,
    range_proof,
    root,
    verify_range,
)
from settlement.types import Address, Hash, keccak

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle_sum.json").read_text())

amounts = st.integers(min_value=0, max_value=1 << 100)
trees = st.lists(st.tuples(st.binary(min_size=20, max_size=20), amounts), min_size=1, max_size=40)


def leaves_of(rows: list[tuple[bytes, int]]) -> list[SumNode]:
    return [payout_leaf(Address(account), amount) for account, amount in rows]


@pytest.mark.parametrize("vector", VECTORS["payout_trees"], ids=lambda v: v["name"])
def test_frozen_trees_and_their_proofs_stay_as_they_are(vector: dict[str, Any]) -> None:
    leaves = [
        payout_leaf(Address(bytes.fromhex(leaf["account"][2:])), int(leaf["amount"]))
        for leaf in vector["leaves"]
    ]
    found = root(leaves)
    assert "0x" + found.hash.hex() == vector["root"]["hash"]
    assert found.sum == int(vector["root"]["sum"])
    for proof in vector["proofs"]:
        siblings = range_proof(leaves, proof["first"], proof["count"])
        assert [
            {"hash": "0x" + node.hash.hex(), "sum": str(node.sum)} for node in siblings
        ] == proof["siblings"]


@pytest.mark.parametrize("vector", VECTORS["lanes"])
def test_frozen_lane_leaves_stay_as_they_are(vector: dict[str, str]) -> None:
    leaf = lane_leaf(
        Address(bytes.fromhex(vector["node"][2:])),
        Hash(bytes.fromhex(vector["token_class"][2:])),
        int(vector["amount"]),
    )
    assert "0x" + leaf.hash.hex() == vector["leaf"]


@given(trees, st.data())
@settings(max_examples=200, deadline=None)
def test_every_range_of_every_tree_proves_itself(
    rows: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    leaves = leaves_of(rows)
    first = data.draw(st.integers(0, len(leaves) - 1))
    count = data.draw(st.integers(1, len(leaves) - first))
    proof = range_proof(leaves, first, count)
    top = root(leaves)
    assert top.sum == sum(amount for _, amount in rows)
    assert verify_range(top, len(leaves), first, leaves[first : first + count], proof)


@given(trees, st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_amount_never_proves_itself(
    rows: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    leaves = leaves_of(rows)
    index = data.draw(st.integers(0, len(leaves) - 1))
    account, amount = rows[index]
    other = data.draw(amounts.filter(lambda value: value != amount))
    proof = range_proof(leaves, index, 1)
    forged = payout_leaf(Address(account), other)
    assert not verify_range(root(leaves), len(leaves), index, [forged], proof)
    # Nor with the honest hash beside a dishonest sum.
    lying = SumNode(leaves[index].hash, other)
    assert not verify_range(root(leaves), len(leaves), index, [lying], proof)


@given(trees, st.data())
@settings(max_examples=100, deadline=None)
def test_a_proof_with_a_sibling_more_or_less_is_refused(
    rows: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    leaves = leaves_of(rows)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = range_proof(leaves, index, 1)
    top = root(leaves)
    extra = SumNode(keccak(b"extra"), 0)
    assert not verify_range(top, len(leaves), index, leaves[index : index + 1], (*proof, extra))
    if proof:
        assert not verify_range(top, len(leaves), index, leaves[index : index + 1], proof[:-1])


def test_a_tree_without_leaves_is_refused() -> None:
    with pytest.raises(InputError):
        root([])


def test_a_range_outside_the_tree_is_refused() -> None:
    leaves = leaves_of([(bytes(20), 1)])
    with pytest.raises(InputError):
        range_proof(leaves, 0, 2)
    assert not verify_range(root(leaves), 1, 1, leaves, ())


def test_a_sum_above_128_bits_is_refused() -> None:
    half = payout_leaf(Address(bytes(20)), 1 << 127)
    with pytest.raises(AmountOutOfRange):
        root([half, half])
    assert not verify_range(half, 2, 0, [half, half], ())
