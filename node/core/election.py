"""The election of a token's single executor: windows, winner, votes, certificate.

Source: design of the network, "Election of the single executor". Everything here can be computed
by anybody: the window is fixed by the trigger's time, the winner by the placement's seed. Anchors
only say, by signature, that the trigger is real and that nobody else holds a lease now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.errors import CertificateInvalid, SignerUnknown
from node.protocol.frames import Lease
from node.protocol.messages import ElectionVote, Placement
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import recover
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature, keccak

MAX_COMMITTEE = 21
"""Anchors of a committee, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fence:
    """(version, attempt) of a lease, ordered; every guarded sink refuses a lower one."""

    version: int
    attempt: int


NO_FENCE = Fence(version=0, attempt=0)
"""Below every lease: the first version that one is asked for is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The lengths that windows are made of, in milliseconds; the same on every node.

    ``lease_ms`` a window, ``gap_ms`` the pause after it, ``skew_ms`` how far two clocks may be
    apart, ``margin_ms`` how much of a window must be left for its holder to act.
    """

    lease_ms: int = 10_000
    gap_ms: int = 1_000
    skew_ms: int = 100
    margin_ms: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One attempt's window: [start_ms, end_ms)."""

    attempt: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """Two votes by one anchor on one fence of one token; anyone can verify it."""

    anchor: Address
    first: ElectionVote
    first_signature: Signature
    second: ElectionVote
    second_signature: Signature


def fence_of(vote: ElectionVote) -> Fence:
    """The fence that a vote's lease writes under."""
    return Fence(version=vote.version, attempt=vote.attempt)


def window_at(trigger_ms: int, now_ms: int, timing: Timing) -> Window:
    """The window that ``now_ms`` falls in (its gap included), counted from the trigger's time.

    A time before the trigger belongs to attempt 0: clocks may differ.
    """
    stride = timing.lease_ms + timing.gap_ms
    attempt = max(0, now_ms - trigger_ms) // stride
    start = trigger_ms + attempt * stride
    return Window(attempt=attempt, start_ms=start, end_ms=start + timing.lease_ms)


def seed_of(placement_seed: Hash, token: Hash, version: int, attempt: int) -> Hash:
    """H(placement seed | token | version | attempt), integers as 8 bytes big-endian."""
    return keccak(placement_seed + token + version.to_bytes(8, "big") + attempt.to_bytes(8, "big"))


def winner(
    placement: Placement, version: int, attempt: int, scrutiny: Iterable[Address] = ()
) -> Address:
    """The holder that may ask for this lease: rendezvous among those not in scrutiny.

    When every holder is in scrutiny, all of them stand: a token is never left without executor.
    """
    watched = frozenset(scrutiny)
    standing = [node for node in placement.holders if node not in watched]
    seed = seed_of(placement.seed, placement.token, version, attempt)
    return max(standing or placement.holders, key=lambda node: keccak(seed + node))


def quorum(anchors: int) -> int:
    """Votes that make a certificate: floor(2n/3) + 1, with n at most MAX_COMMITTEE."""
    return 2 * min(anchors, MAX_COMMITTEE) // 3 + 1


def committee(anchors: Iterable[Address], seed: Hash) -> tuple[Address, ...]:
    """The anchors that vote: all of them up to MAX_COMMITTEE, else those drawn by ``seed``."""
    known = sorted(set(anchors))
    if len(known) <= MAX_COMMITTEE:
        return tuple(known)
    drawn = sorted(known, key=lambda anchor: keccak(seed + anchor))[:MAX_COMMITTEE]
    return tuple(sorted(drawn))


def assemble(
    domain: Domain,
    vote: ElectionVote,
    signatures: Iterable[tuple[Address, Signature]],
    anchors: Sequence[Address],
) -> Lease | None:
    """A certificate from what anchors sent, or None while fewer than a quorum are valid.

    Signatures that are no committee member's over this very vote are left out.
    """
    members = committee(anchors, vote.token)
    valid = {a: s for a, s in signatures if a in members and _signed(domain, vote, a, s)}
    if len(valid) < quorum(len(members)):
        return None
    return Lease(vote=vote, signatures=tuple(sorted(valid.items())))


def verify_lease(domain: Domain, lease: Lease, anchors: Sequence[Address]) -> None:
    """Raise CertificateInvalid unless a quorum of the committee signed this vote.

    Raises SignerUnknown or SignatureInvalid for a signature that is not a committee member's.
    """
    members = committee(anchors, lease.vote.token)
    voters = {anchor for anchor, _ in lease.signatures}
    if len(voters) != len(lease.signatures):
        raise CertificateInvalid(problem="an anchor is counted twice")
    if len(voters) < quorum(len(members)):
        raise CertificateInvalid(problem=f"{len(voters)} of {quorum(len(members))} votes")
    for anchor, signature in lease.signatures:
        if anchor not in members:
            raise SignerUnknown(signer=anchor, role="anchor of the committee")
        if not _signed(domain, lease.vote, anchor, signature):
            raise SignatureInvalid(message="ElectionVote", problem="another key signed it")


def equivocation(
    domain: Domain,
    one: tuple[ElectionVote, Signature],
    other: tuple[ElectionVote, Signature],
) -> Equivocation | None:
    """The proof that one anchor voted twice on one fence, or None if these two are no proof."""
    (first, first_signature), (second, second_signature) = one, other
    same_fence = first.token == second.token and fence_of(first) == fence_of(second)
    if not same_fence or first == second:
        return None
    anchor = recover(domain, first, first_signature)
    if recover(domain, second, second_signature) != anchor:
        return None
    return Equivocation(
        anchor=anchor,
        first=first,
        first_signature=first_signature,
        second=second,
        second_signature=second_signature,
    )


def _signed(domain: Domain, vote: ElectionVote, anchor: Address, signature: Signature) -> bool:
    try:
        return recover(domain, vote, signature) == anchor
    except SignatureInvalid:
        return False
