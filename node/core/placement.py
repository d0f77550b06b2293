"""Which service nodes hold a token: the R smallest of -log2(u)/weight, in integers.

``u`` is drawn per node from H(seed | token | node), so nobody can choose a node's place near a
token, and a departure moves only what the departing node held. The order is the same for any base
of the logarithm, so base 2 serves. All arithmetic fits 256-bit unsigned integers; the vectors in
``tests/vectors/placement.json`` are the spec for Solidity and JavaScript.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.core.members import Member, MemberList
from node.errors import PlacementInvalid, TooFewNodes
from node.protocol.messages import Placement
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature, TokenId, keccak

LOG_BITS = 64
"""Fraction bits of :func:`log2_fixed`."""
DRAW_BITS = 128
SERVICE = 1
ANCHOR = 2
"""Roles in the registry's bitmask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a node eligible, and how many are drawn. ``minimum_stake`` in base units."""

    replicas: int = 3
    minimum_stake: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A node in the draw. ``weight`` is a positive integer below 2**128."""

    key: Address
    weight: int


def log2_fixed(value: int) -> int:
    """floor-ish log2(value) * 2**64 for 1 <= value < 2**128, by repeated squaring.

    The result r satisfies log2(value) - 2**-64 - 2**-125 < r / 2**64 <= log2(value): each of the
    64 squarings of a mantissa with 127 fraction bits loses at most 2**-127 of it, halved in the
    result by every further step, and what comes after the last bit is below 2**-64.
    """
    whole = value.bit_length() - 1
    mantissa = value << (127 - whole)
    fraction = 0
    for _ in range(LOG_BITS):
        mantissa = (mantissa * mantissa) >> 127
        carry = mantissa >> 128
        fraction = (fraction << 1) | carry
        mantissa >>= carry
    return (whole << LOG_BITS) | fraction


def cost(seed: Hash, token: Hash, candidate: Candidate) -> int:
    """-log2(u) / weight, scaled by 2**192, u = (first 128 bits of H(seed | token | node) + 1) /
    2**128; below 2**200. Smaller is better."""
    draw = int.from_bytes(keccak(seed + token + candidate.key)[:16], "big") + 1
    # u = 1 is the one draw of 2**128 that the logarithm's range leaves out; its cost is zero.
    distance = (DRAW_BITS << LOG_BITS) - log2_fixed(draw) if draw < 1 << DRAW_BITS else 0
    return (distance << DRAW_BITS) // candidate.weight


def draw_holders(
    seed: Hash, token: Hash, candidates: Iterable[Candidate], replicas: int
) -> tuple[Address, ...]:
    """The ``replicas`` candidates of lowest cost, best first; ties go to the lower address.

    Raises TooFewNodes.
    """
    ranked = sorted((cost(seed, token, each), each.key) for each in candidates)
    if len(ranked) < replicas:
        raise TooFewNodes(needed=replicas, found=len(ranked))
    return tuple(key for _, key in ranked[:replicas])


def stake_weight(member: Member) -> int:
    """A node's weight: all of its active stake, in whole units of 10**15 base units, at least 1.

    Declared class and measured service are factors of 1 for now; they enter here.
    """
    return max(1, member.weight // 10**15)


def eligible(members: MemberList, activation_block: int, rules: Rules) -> tuple[Candidate, ...]:
    """Service nodes that were registered before the activation block, with enough stake in it."""
    known = members.active_at(activation_block, SERVICE)
    return tuple(
        Candidate(key=member.key, weight=stake_weight(member))
        for member in known
        if member.since_block < activation_block and member.stake >= rules.minimum_stake
    )


def place(
    token: TokenId, activation_block: int, seed: Hash, members: MemberList, rules: Rules
) -> Placement:
    """The first placement of a token. Raises TooFewNodes."""
    candidates = eligible(members, activation_block, rules)
    return Placement(
        token=token.id,
        token_class=token.token_class.id,
        number=token.number,
        activation_block=activation_block,
        seed=seed,
        holders=draw_holders(seed, token.id, candidates, rules.replicas),
        version=1,
    )


def verify_placement(
    placement: Placement, token: TokenId, members: MemberList, rules: Rules
) -> None:
    """Raise PlacementInvalid unless the record is what its seed and the member list give.

    The caller compares ``seed`` with the beacon at ``activation_block``. Only first versions can
    be recomputed so far; a later one needs the quorum-signed exclusions that led to it.
    """
    expected = place(token, placement.activation_block, placement.seed, members, rules)
    if placement != expected:
        raise PlacementInvalid(problem="the members and the seed give another record")


def verify_announcement(
    domain: Domain,
    placement: Placement,
    anchor: Address,
    signature: Signature,
    anchors: Sequence[Address],
) -> None:
    """Raise PlacementInvalid or SignatureInvalid unless one of ``anchors`` signed the record."""
    if anchor not in anchors:
        raise PlacementInvalid(problem="it is not signed by an anchor")
    require_signer(domain, placement, signature, anchor)


def rendezvous(key: bytes, nodes: Iterable[Address]) -> tuple[Address, ...]:
    """The nodes by falling H(key | node)."""
    return tuple(sorted(nodes, key=lambda node: keccak(key + node), reverse=True))


def homes(token: Hash, anchors: Iterable[Address], copies: int = 3) -> tuple[Address, ...]:
    """The anchors at which a record of the hash table is kept, first home first."""
    return rendezvous(keccak(b"homes" + token), anchors)[:copies]


def coordinator(token: Hash, anchors: Iterable[Address]) -> tuple[Address, ...]:
    """The anchors in the order in which they coordinate a token: the first one does, the next
    ones when it does not answer."""
    return rendezvous(keccak(b"coordinator" + token), anchors)
