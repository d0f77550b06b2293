"""Attested failures: f + 1 anchors each made the call themselves, and it failed.

Whitepaper, "Handling Failures": only anchors attest failures. One anchor's word is not enough,
since up to f = floor((n - 1) / 3) of n may lie; of f + 1, one is honest.
"""

from collections.abc import Sequence

import msgspec

from node.core.canonical import from_bytes
from node.errors import FailureUnproven, SignerUnknown
from node.protocol.messages import FailureAttestation
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature, keccak


class FailureWord(msgspec.Struct, frozen=True, kw_only=True):
    """One anchor's attested failure, with the canonical JSON list of what it observed."""

    anchor: Address
    attestation: FailureAttestation
    signature: Signature
    outcomes: bytes


def needed_words(anchors: int) -> int:
    """f + 1 with f = floor((n - 1) / 3): 2 of 4, 3 of 7."""
    return (max(anchors, 1) - 1) // 3 + 1


def verify_word(domain: Domain, word: FailureWord, anchors: Sequence[Address]) -> None:
    """Raise unless an anchor signed this attestation of these outcomes.

    Raises SignerUnknown, SignatureInvalid, FailureUnproven, NotCanonical.
    """
    if word.anchor not in anchors:
        raise SignerUnknown(signer=word.anchor, role="anchor")
    if keccak(word.outcomes) != word.attestation.outcomes_hash:
        raise FailureUnproven(problem="the outcomes are not those that were attested")
    if not isinstance(from_bytes(word.outcomes), list):
        raise FailureUnproven(problem="the outcomes are not a list")
    require_signer(domain, word.attestation, word.signature, word.anchor)


def gather_words(
    words: Sequence[FailureWord], anchors: Sequence[Address]
) -> tuple[FailureWord, ...] | None:
    """Just enough words about one call, by anchor, or None while there are too few.

    The words are the caller's own collection of replies, each checked by :func:`verify_word`.
    """
    by_call: dict[tuple[object, ...], dict[Address, FailureWord]] = {}
    for word in words:
        by_call.setdefault(_call(word.attestation), {})[word.anchor] = word
    for found in by_call.values():
        if len(found) >= needed_words(len(anchors)):
            return tuple(found[anchor] for anchor in sorted(found))[: needed_words(len(anchors))]
    return None


def verify_failure(
    domain: Domain, words: Sequence[FailureWord], token: Hash, anchors: Sequence[Address]
) -> None:
    """Raise unless f + 1 distinct anchors attest that one and the same call of ``token`` failed.

    Raises FailureUnproven and what :func:`verify_word` raises.
    """
    if len({word.anchor for word in words}) != len(words):
        raise FailureUnproven(problem="an anchor is counted twice")
    if len(words) < needed_words(len(anchors)):
        raise FailureUnproven(problem=f"{len(words)} of {needed_words(len(anchors))} anchors")
    if len({_call(word.attestation) for word in words}) != 1:
        raise FailureUnproven(problem="the anchors attest different calls")
    if words[0].attestation.token != token:
        raise FailureUnproven(problem="the call is another token's")
    for word in words:
        verify_word(domain, word, anchors)


def _call(word: FailureAttestation) -> tuple[object, ...]:
    """What must be the same in every anchor's word; times and outcomes may differ."""
    return word.token, word.action, word.version, word.attempt, word.method, word.request_hash
