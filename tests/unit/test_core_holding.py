"""Comparing what replicas answer to one nonce."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.holding import Shown, holding_proof, judge_holding
from settlement.types import Address, Hash, keccak

A, B, C, D = (Address(letter * 20) for letter in (b"a", b"b", b"c", b"d"))
NONCE = Hash(b"n" * 32)


def shown(version: int = 3, state: bytes = b"state") -> Shown:
    return Shown(version=version, proof=holding_proof(NONCE, version, state))


def test_replicas_that_agree_hold_the_state() -> None:
    assert judge_holding({A: shown(), B: shown(), C: shown()}) == {A: True, B: True, C: True}


def test_who_gives_no_answer_does_not_hold_it() -> None:
    assert judge_holding({A: shown(), B: None, C: shown()}) == {A: True, B: False, C: True}
    assert judge_holding({A: None, B: None}) == {A: False, B: False}


def test_the_only_one_that_answers_is_believed() -> None:
    assert judge_holding({A: None, B: None, C: shown()}) == {A: False, B: False, C: True}


def test_another_state_at_the_same_version_is_not_the_state() -> None:
    assert judge_holding({A: shown(), B: shown(state=b"other"), C: shown()})[B] is False


def test_a_replica_on_its_way_to_a_newer_version_is_not_judged() -> None:
    assert judge_holding({A: shown(4), B: shown(3), C: shown(4)}) == {A: True, B: None, C: True}


def test_where_two_stand_against_two_nobody_is_judged() -> None:
    other = shown(state=b"other")
    assert judge_holding({A: shown(), B: shown(), C: other, D: other}) == dict.fromkeys(
        (A, B, C, D)
    )


def test_an_answer_of_another_nonce_proves_nothing() -> None:
    old = Shown(version=3, proof=holding_proof(Hash(keccak(b"old")), 3, b"state"))
    assert judge_holding({A: shown(), B: old, C: shown()})[B] is False


@given(st.binary(max_size=40), st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_proof_names_its_version(state: bytes, one: int, other: int) -> None:
    assert (holding_proof(NONCE, one, state) == holding_proof(NONCE, other, state)) == (
        one == other
    )
