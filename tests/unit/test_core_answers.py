"""Signed answers: an integration verifies them offline, and no field can be slipped in."""

import json
from dataclasses import replace

import pytest

from node.core.answers import (
    Expected,
    SignedAnswer,
    answer_bytes,
    answer_from_json,
    contradiction,
    draft_answer,
    evidence_of,
    proven_fields,
    verify_answer,
)
from node.core.canonical import object_from_bytes, to_bytes
from node.core.journal import JournalState
from node.core.state import state_root
from node.errors import AnswerInvalid, CommitInvalid, ProofInvalid
from node.protocol.frames import Commit
from node.protocol.messages import JournalEntry
from settlement.errors import InputError, SignatureInvalid
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
NODES = [SigningKey(keccak(b"node %d" % i)) for i in range(3)]
STRANGER = SigningKey(keccak(b"stranger"))
TOKEN, REQUEST = keccak(b"token"), keccak(b"request")
STATE = to_bytes({"status": "delayed", "delay": 90, "lounge": {"gate": "B"}, "log": [1]})
ROOT = state_root(object_from_bytes(STATE))
EXPECTED = Expected(
    token=TOKEN,
    interface="status",
    request_id=REQUEST,
    holders=tuple(node.address for node in NODES),
)


def committed(state: bytes = STATE, signers: int = 2) -> JournalState:
    root = state_root(object_from_bytes(state))
    entry = JournalEntry(
        token=TOKEN,
        version=7,
        lease_version=6,
        attempt=0,
        executor=NODES[0].address,
        previous=ZERO_HASH,
        input_hash=keccak(b"input"),
        state_root=root,
        output_hash=keccak(b"output"),
        time=5,
    )
    signatures = tuple((n.address, n.sign(DOMAIN, entry)) for n in NODES[:signers])
    return JournalState(
        token=TOKEN,
        node=NODES[2].address,
        version=7,
        state=state,
        state_root=root,
        tip=Commit(entry=entry, signatures=signatures, input=b""),
    )


def answered(result: object, *, state: JournalState | None = None) -> SignedAnswer:
    return answer_from_json(json.loads(sent(result, state=state)))


def sent(result: object, *, state: JournalState | None = None) -> bytes:
    base, data = state or committed(), to_bytes(result)
    draft = draft_answer(
        base, data, request_id=REQUEST, interface="status", charged=10**18, now_ms=9
    )
    evidence = evidence_of(base, data, "status")
    return answer_bytes(Signed.by(NODES[2], DOMAIN, draft), data, evidence)


def test_fields_that_stand_in_the_state_are_proven_and_computed_ones_are_not() -> None:
    signed = answered({"status": "delayed", "lounge": {"gate": "B"}, "minutes": 90, "delay": 91})
    assert verify_answer(DOMAIN, signed, EXPECTED) == ("lounge", "status")


def test_a_bare_result_is_proven_by_the_field_of_the_interfaces_name() -> None:
    assert verify_answer(DOMAIN, answered("delayed"), EXPECTED) == ("status",)
    assert verify_answer(DOMAIN, answered("on time"), EXPECTED) == ()


def test_an_answer_travels_as_json() -> None:
    base = committed()
    signed = answered({"status": "delayed", "delay": 90, "town": "Zürich"}, state=base)
    assert signed.result == to_bytes({"status": "delayed", "delay": 90, "town": "Zürich"})
    assert base.tip is not None
    assert signed.tip == base.tip.entry
    assert signed.signatures == base.tip.signatures
    assert verify_answer(DOMAIN, signed, EXPECTED) == ("delay", "status")


@pytest.mark.parametrize("part", ["result", "answer", "proofs", "commit"])
def test_an_answer_with_a_part_missing_cannot_be_read(part: str) -> None:
    body = json.loads(sent({"status": "delayed"}))
    del body[part]
    with pytest.raises(InputError):
        answer_from_json(body)


def test_an_answer_to_another_request_is_refused() -> None:
    signed = answered("delayed")
    for other in (
        replace(EXPECTED, token=REQUEST),
        replace(EXPECTED, interface="delay"),
        replace(EXPECTED, request_id=TOKEN),
    ):
        with pytest.raises(AnswerInvalid):
            verify_answer(DOMAIN, signed, other)


def test_an_answer_by_a_node_that_does_not_hold_the_token_is_refused() -> None:
    others = tuple(n.address for n in NODES[:2])
    with pytest.raises(AnswerInvalid):
        verify_answer(DOMAIN, answered("delayed"), replace(EXPECTED, holders=others))


def test_an_altered_result_is_refused() -> None:
    altered = replace(answered("delayed"), result=to_bytes("on time"))
    with pytest.raises(AnswerInvalid):
        verify_answer(DOMAIN, altered, EXPECTED)


def test_another_nodes_signature_is_refused() -> None:
    signed = answered("delayed")
    forged = replace(signed, answer=Signed.by(STRANGER, DOMAIN, signed.answer.message))
    with pytest.raises(SignatureInvalid):
        verify_answer(DOMAIN, forged, EXPECTED)


def test_a_state_that_no_majority_signed_is_refused() -> None:
    alone = answered("delayed", state=committed(signers=1))
    with pytest.raises(CommitInvalid):
        verify_answer(DOMAIN, alone, EXPECTED)


def test_a_node_cannot_show_a_commit_of_another_state() -> None:
    invented = answered("on time", state=committed(to_bytes({"status": "on time"})))
    borrowed = replace(invented, tip=answered("delayed").tip)
    with pytest.raises(AnswerInvalid):
        verify_answer(DOMAIN, borrowed, EXPECTED)


def test_a_field_that_is_claimed_to_be_proven_and_is_not_is_refused() -> None:
    signed = answered({"status": "delayed", "delay": 91})
    (honest,) = signed.proven
    claimed = replace(honest, key="delay", path="delay")
    with pytest.raises(ProofInvalid):
        verify_answer(DOMAIN, replace(signed, proven=(claimed,)), EXPECTED)
    hidden = replace(honest, key="lounge", path="status")
    with pytest.raises(AnswerInvalid):
        verify_answer(DOMAIN, replace(signed, proven=(hidden,)), EXPECTED)


def test_there_is_no_answer_before_the_first_commit() -> None:
    with pytest.raises(AnswerInvalid):
        answered("x", state=JournalState(token=TOKEN))


def test_an_answer_is_completed_only_on_the_state_it_was_drafted_from() -> None:
    signed = answered("delayed")
    moved = evidence_of(replace(committed(), version=8), signed.result, "status")
    with pytest.raises(AnswerInvalid):
        answer_bytes(signed.answer, signed.result, moved)


def test_two_answers_of_one_version_contradict_when_root_or_result_differ() -> None:
    one, same, other = (answered(r).answer for r in ("delayed", "delayed", "on time"))
    elsewhere = answered("delayed", state=committed(to_bytes({"status": "x"}))).answer
    assert contradiction(DOMAIN, one, other)
    assert contradiction(DOMAIN, one, elsewhere)
    assert not contradiction(DOMAIN, one, same)


def test_at_most_64_fields_are_proven() -> None:
    wide = to_bytes({f"f{i}": i for i in range(100)})
    assert len(proven_fields(wide, wide, "all")) == 64
    assert state_root(object_from_bytes(wide)) != ROOT
