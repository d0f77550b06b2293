"""The state root: a Merkle root over the top-level fields of a token's state.

leaf = keccak(0x00 | keccak(key in UTF-8) | keccak(canonical value)), node = keccak(0x01 | left |
right), fields in the order of RFC 8785 (UTF-16 code units of the key), an odd node carried up
unchanged. The root of an empty state is 32 zero bytes. An integration checks any field that it
was told against the root that a majority of the replicas signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from node.core.canonical import Json, hash_of
from node.errors import ProofInvalid
from settlement.types import ZERO_HASH, Hash, keccak

MAX_PROOF_STEPS = 32
"""A state with more fields than 2**32 does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStep:
    """A sibling on the way up; ``left`` when it is the left one of the two."""

    left: bool
    sibling: Hash


Proof = tuple[ProofStep, ...]
"""The siblings from a leaf to the root, lowest first; empty where the leaf is the root."""


def leaf(key: str, value: Json) -> Hash:
    """The leaf of one field. Raises NotCanonical."""
    return keccak(b"\x00" + keccak(key.encode()) + hash_of(value))


def state_root(state: Mapping[str, Json]) -> Hash:
    """The root of a state. Raises NotCanonical for a value without a canonical form."""
    level = [leaf(key, state[key]) for key in _ordered(state)]
    if not level:
        return ZERO_HASH
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def prove(state: Mapping[str, Json], key: str) -> Proof:
    """The proof of one field. Raises ProofInvalid where the state has no such field."""
    keys = _ordered(state)
    if key not in state:
        raise ProofInvalid(problem=f"the state has no field {key}")
    index = keys.index(key)
    level = [leaf(name, state[name]) for name in keys]
    steps: list[ProofStep] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            steps.append(ProofStep(left=sibling < index, sibling=level[sibling]))
        level, index = _parents(level), index // 2
    return tuple(steps)


def verify(root: Hash, key: str, value: Json, proof: Proof) -> None:
    """Raise ProofInvalid unless the state with this root has this value at this key."""
    if len(proof) > MAX_PROOF_STEPS:
        raise ProofInvalid(problem="the proof is too long")
    found = leaf(key, value)
    for step in proof:
        pair = step.sibling + found if step.left else found + step.sibling
        found = keccak(b"\x01" + pair)
    if found != root:
        raise ProofInvalid(problem=f"the field {key} is not in this state")


def _ordered(state: Mapping[str, Json]) -> list[str]:
    return sorted(state, key=lambda key: key.encode("utf-16-be"))


def _parents(level: list[Hash]) -> list[Hash]:
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [keccak(b"\x01" + left + right) for left, right in pairs]
    return parents + level[len(parents) * 2 :]
