"""Signed answers: what a node replies to a read, and how anybody verifies it offline.

An answer names the version and the state root that it was read from. With it come the newest
commit's signatures by a majority of the holders over that root, and a Merkle proof for every
field of the result that stands in the state as it is. What the script computed beyond such fields
rests on the node's own signature, which is evidence when another replica answers differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from node.core.canonical import Json, from_bytes, object_from_bytes, to_bytes
from node.core.commits import verify_signatures
from node.core.journal import JournalState
from node.core.state import Proof, ProofStep, prove, verify
from node.errors import AnswerInvalid
from node.protocol.messages import Answer, JournalEntry
from settlement.errors import InputError
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import (
    message_from_json,
    message_to_json,
    signed_from_json,
    signed_to_json,
)
from settlement.types import Address, Hash, Signature, hex_text, keccak, parse_bytes, parse_hash

WHOLE = ""
"""The path of a proven field when the result itself is that field's value."""
MAX_PROVEN = 64
"""Fields proven in one answer, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A field of the state that the result shows: ``key`` in the state, ``path`` in the result
    (the same key, or WHOLE)."""

    key: str
    path: str
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAnswer:
    """An answer with all that verifies it. ``result`` is canonical JSON."""

    answer: Signed[Answer]
    result: bytes
    proven: tuple[Proven, ...]
    tip: JournalEntry
    signatures: tuple[tuple[Address, Signature], ...]


def proven_fields(state: bytes, result: bytes, interface: str) -> tuple[Proven, ...]:
    """A proof for each top-level field of the result that is equal to the state's field of that
    name; where the result is no object, for the state's field named as the interface."""
    fields, shown = object_from_bytes(state), from_bytes(result)
    if not isinstance(shown, dict):
        if interface in fields and to_bytes(fields[interface]) == result:
            return (Proven(key=interface, path=WHOLE, proof=prove(fields, interface)),)
        return ()
    same = [k for k in shown if k in fields and to_bytes(fields[k]) == to_bytes(shown[k])]
    return tuple(Proven(key=k, path=k, proof=prove(fields, k)) for k in same[:MAX_PROVEN])


def draft_answer(
    state: JournalState,
    result: bytes,
    *,
    request_id: Hash,
    interface: str,
    charged: int,
    now_ms: int,
) -> Answer:
    """What the node signs. Raises AnswerInvalid before the token's activation is committed."""
    if state.tip is None:
        raise AnswerInvalid(problem="the token has no committed state yet")
    return Answer(
        node=state.node,
        request_id=request_id,
        token=state.token,
        interface=interface,
        version=state.version,
        state_root=state.state_root,
        result_hash=keccak(result),
        charged=charged,
        time=now_ms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What proves a result against one state: the end of an answer's JSON, the same for every
    caller. ``version`` and ``state_root`` are those of the state."""

    version: int
    state_root: Hash
    json: bytes


def evidence_of(state: JournalState, result: bytes, interface: str) -> Evidence:
    """The evidence for a result. Raises AnswerInvalid before the activation is committed."""
    if state.tip is None:
        raise AnswerInvalid(problem="the token has no committed state yet")
    proven = proven_fields(state.state, result, interface)
    body = {
        "proofs": [_proven_to_json(field) for field in proven],
        "commit": {
            "entry": message_to_json(state.tip.entry),
            "signatures": [
                {"node": hex_text(node), "signature": hex_text(signature)}
                for node, signature in state.tip.signatures
            ],
        },
    }
    tail = msgspec.json.encode(body)[1:]
    return Evidence(version=state.version, state_root=state.state_root, json=tail)


def answer_bytes(answer: Signed[Answer], result: bytes, evidence: Evidence) -> bytes:
    """The answer as the API sends it, JSON; ``result`` is canonical and stands in it as it is.

    Raises AnswerInvalid when the evidence is of another state than the answer.
    """
    drafted = answer.message
    if (drafted.version, drafted.state_root) != (evidence.version, evidence.state_root):
        raise AnswerInvalid(problem="it was drafted from another state")
    signed = msgspec.json.encode(signed_to_json(answer))
    return b'{"result":%b,"answer":%b,%b' % (result, signed, evidence.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the caller knows from elsewhere: its own request, and the token's placement."""

    token: Hash
    interface: str
    request_id: Hash
    holders: tuple[Address, ...]


def verify_answer(domain: Domain, signed: SignedAnswer, expected: Expected) -> tuple[str, ...]:
    """Verify an answer offline; returns the keys of the state that are proven to be as shown.

    Raises AnswerInvalid, CommitInvalid, ProofInvalid, SignatureInvalid, NotCanonical.
    """
    answer, tip = signed.answer.message, signed.tip
    asked = (expected.token, expected.interface, expected.request_id)
    if (answer.token, answer.interface, answer.request_id) != asked:
        raise AnswerInvalid(problem="it answers another request")
    if answer.node not in expected.holders:
        raise AnswerInvalid(problem="its node does not hold the token")
    signed.answer.require(domain, answer.node)
    if keccak(signed.result) != answer.result_hash:
        raise AnswerInvalid(problem="the result is not the signed one")
    if (tip.token, tip.version, tip.state_root) != (
        answer.token,
        answer.version,
        answer.state_root,
    ):
        raise AnswerInvalid(problem="the commit shown is of another state")
    verify_signatures(domain, tip, signed.signatures, expected.holders)
    shown = from_bytes(signed.result)
    for field in signed.proven:
        verify(answer.state_root, field.key, _value_at(shown, field), field.proof)
    return tuple(field.key for field in signed.proven)


def _value_at(shown: Json, field: Proven) -> Json:
    if field.path == WHOLE and not isinstance(shown, dict):
        return shown
    if field.path != field.key or not isinstance(shown, dict) or field.key not in shown:
        raise AnswerInvalid(problem=f"the result does not show the field {field.key}")
    return shown[field.key]


def contradiction(domain: Domain, one: Signed[Answer], other: Signed[Answer]) -> bool:
    """Whether two answers cannot both be right: one version, one interface, other root or result.

    Only for reads without arguments; with them, compare the requests as well. Raises
    SignatureInvalid for an answer that its node has not signed.
    """
    first, second = one.message, other.message
    for signed in (one, other):
        signed.require(domain, signed.message.node)
    if (first.token, first.version) != (second.token, second.version):
        return False
    if first.state_root != second.state_root:
        return True
    return first.interface == second.interface and first.result_hash != second.result_hash


# As JSON, for the API


def _proven_to_json(field: Proven) -> dict[str, Any]:
    return {
        "key": field.key,
        "path": field.path,
        "steps": [{"left": step.left, "sibling": hex_text(step.sibling)} for step in field.proof],
    }


def answer_from_json(value: Json) -> SignedAnswer:
    """Read an answer; nothing is verified yet. Raises InputError and NotCanonical."""
    body = _fields(value, "answer", {"result", "answer", "proofs", "commit"})
    commit = _fields(body["commit"], "answer.commit", {"entry", "signatures"})
    return SignedAnswer(
        answer=signed_from_json(Answer, body["answer"], "answer.answer"),
        result=to_bytes(body["result"]),
        proven=tuple(_read_proven(each) for each in _items(body["proofs"], MAX_PROVEN)),
        tip=message_from_json(JournalEntry, commit["entry"], "answer.commit.entry"),
        signatures=tuple(_read_signature(each) for each in _items(commit["signatures"], 64)),
    )


def _read_proven(value: Json) -> Proven:
    found = _fields(value, "answer.proofs", {"key", "path", "steps"})
    steps = tuple(_read_step(each) for each in _items(found["steps"], 32))
    return Proven(key=_text(found["key"]), path=_text(found["path"]), proof=steps)


def _read_step(value: Json) -> ProofStep:
    found = _fields(value, "answer.proofs.steps", {"left", "sibling"})
    if not isinstance(found["left"], bool):
        raise InputError(where="answer.proofs.steps.left", problem="expected true or false")
    return ProofStep(left=found["left"], sibling=parse_hash(_text(found["sibling"])))


def _read_signature(value: Json) -> tuple[Address, Signature]:
    where = "answer.commit.signatures"
    found = _fields(value, where, {"node", "signature"})
    node = parse_bytes(_text(found["node"]), 20, f"{where}.node")
    return Address(node), Signature(parse_bytes(_text(found["signature"]), 65, where))


def _fields(value: Json, where: str, keys: set[str]) -> dict[str, Json]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise InputError(where=where, problem=f"expected an object with {', '.join(sorted(keys))}")
    return value


def _items(value: Json, most: int) -> Sequence[Json]:
    if not isinstance(value, list) or len(value) > most:
        raise InputError(where="answer", problem=f"expected an array of at most {most} items")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise InputError(where="answer", problem="expected text")
    return value
