"""The state root and its proofs; canonical JSON beneath them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.canonical import from_bytes, hash_of, object_from_bytes, to_bytes
from node.core.state import ProofStep, leaf, prove, state_root, verify
from node.errors import NotCanonical, ProofInvalid
from settlement.types import ZERO_HASH, Hash, keccak

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
STATES = st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=9)


def test_the_root_of_an_empty_state_is_zero() -> None:
    assert state_root({}) == ZERO_HASH


def test_three_fields_hash_as_the_definition_says() -> None:
    a, b, c = leaf("a", 1), leaf("b", [True]), leaf("c", {"x": None})
    left = keccak(b"\x01" + a + b)
    assert a == keccak(b"\x00" + keccak(b"a") + keccak(b"1"))
    assert state_root({"c": {"x": None}, "a": 1, "b": [True]}) == keccak(b"\x01" + left + c)


@given(STATES)
def test_every_field_is_proven_and_no_other_value_is(state: dict[str, object]) -> None:
    root = state_root(state)
    for key, value in state.items():
        proof = prove(state, key)
        verify(root, key, value, proof)
        with pytest.raises(ProofInvalid):
            verify(root, key, [value], proof)
        with pytest.raises(ProofInvalid):
            verify(root, key + "'", value, proof)


@given(STATES, STATES)
def test_two_states_have_one_root_only_if_they_are_equal(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert (state_root(one) == state_root(other)) == (to_bytes(one) == to_bytes(other))


def test_a_field_that_is_not_there_cannot_be_proven() -> None:
    with pytest.raises(ProofInvalid):
        prove({"a": 1}, "b")


def test_an_endless_proof_is_refused() -> None:
    step = ProofStep(left=True, sibling=ZERO_HASH)
    with pytest.raises(ProofInvalid):
        verify(Hash(bytes(32)), "a", 1, (step,) * 33)


@given(JSON)
def test_canonical_bytes_come_back_as_the_same_bytes(value: object) -> None:
    assert to_bytes(from_bytes(to_bytes(value))) == to_bytes(value)


@pytest.mark.parametrize(
    "data",
    [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1.0}', b'{"a":1,"a":2}', b"[1,]", b"\xff", b"", b"NaN"],
)
def test_bytes_in_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        from_bytes(data)


@pytest.mark.parametrize("value", [2**60, float("inf"), {1: 2}, b"x", "\ud800"])
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        hash_of(value)


def test_an_object_is_asked_for_and_a_list_is_refused() -> None:
    assert object_from_bytes(b'{"a":[1]}') == {"a": [1]}
    with pytest.raises(NotCanonical):
        object_from_bytes(b"[1]")
