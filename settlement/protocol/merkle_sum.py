"""Merkle-sum trees: every node carries the sum of the amounts below it.

Format (shared with ``contracts/libraries/MerkleSum.sol``)::

    payout leaf   keccak256(0x00 | account (20) | amount (16, big-endian))
    lane leaf     keccak256(0x00 | lane id (32) | amount (16)),
                  lane id = keccak256(abi.encode(node, tokenClass))
    inner node    keccak256(0x01 | left hash | left sum (16) | right hash | right sum (16)),
                  its sum is left sum + right sum, within 128 bits

Levels pair from the left; an odd last node is carried up unchanged. The three preimages have 37,
49 and 97 bytes, so none can stand for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from settlement.errors import InputError
from settlement.types import Address, Hash, Uint128, keccak, unsigned

_SUM_BITS = 128
_SUM_BYTES = 16


@dataclass(frozen=True, slots=True)
class SumNode:
    """A node of a tree: its hash and the sum of all amounts below it."""

    hash: Hash
    sum: Uint128


def payout_leaf(account: Address, amount: int) -> SumNode:
    """The leaf that pays ``amount`` to ``account``."""
    unsigned(amount, _SUM_BITS, "amount")
    return SumNode(keccak(b"\x00" + account + amount.to_bytes(_SUM_BYTES, "big")), amount)


def lane_id(node: Address, token_class: Hash) -> Hash:
    """keccak256(abi.encode(node, tokenClass)): names a lane within one channel and period."""
    return keccak(bytes(12) + node + token_class)


def lane_leaf(node: Address, token_class: Hash, amount: int) -> SumNode:
    """The leaf of a lane that holds ``amount``."""
    unsigned(amount, _SUM_BITS, "amount")
    lane = lane_id(node, token_class)
    return SumNode(keccak(b"\x00" + lane + amount.to_bytes(_SUM_BYTES, "big")), amount)


def parent(left: SumNode, right: SumNode) -> SumNode:
    """The node above two others. Raises AmountOutOfRange where the sum passes 128 bits."""
    total = unsigned(left.sum + right.sum, _SUM_BITS, "sum")
    return SumNode(
        keccak(
            b"\x01"
            + left.hash
            + left.sum.to_bytes(_SUM_BYTES, "big")
            + right.hash
            + right.sum.to_bytes(_SUM_BYTES, "big")
        ),
        total,
    )


@dataclass(frozen=True, slots=True)
class Tree:
    """All levels of a tree, leaves first; what proofs are cut from."""

    levels: tuple[tuple[SumNode, ...], ...]

    @classmethod
    def of(cls, leaves: Sequence[SumNode]) -> "Tree":
        """Build the tree. Raises InputError without leaves, AmountOutOfRange on overflow."""
        if not leaves:
            raise InputError(where="leaves", problem="a tree has at least one leaf")
        levels = [tuple(leaves)]
        while len(levels[-1]) > 1:
            levels.append(_level_above(levels[-1]))
        return cls(tuple(levels))

    @property
    def root(self) -> SumNode:
        return self.levels[-1][0]

    def range_proof(self, first: int, count: int) -> tuple[SumNode, ...]:
        """The siblings of leaves ``first`` to ``first + count - 1``, from the leaves up.

        On each level: where the range's first index is odd, the node left of it; then, where its
        last index is even and not the level's last node, the node right of it.
        """
        if first < 0 or count < 1 or first + count > len(self.levels[0]):
            raise InputError(
                where="range",
                problem=f"{count} leaves from {first} do not lie in {len(self.levels[0])}",
            )
        siblings: list[SumNode] = []
        last = first + count - 1
        for level in self.levels[:-1]:
            if first & 1:
                siblings.append(level[first - 1])
            if not last & 1 and last + 1 < len(level):
                siblings.append(level[last + 1])
            first >>= 1
            last >>= 1
        return tuple(siblings)


def root(leaves: Sequence[SumNode]) -> SumNode:
    """The root over ``leaves``; its sum is the sum of their amounts."""
    return Tree.of(leaves).root


def range_proof(leaves: Sequence[SumNode], first: int, count: int) -> tuple[SumNode, ...]:
    """As :meth:`Tree.range_proof`, for one proof."""
    return Tree.of(leaves).range_proof(first, count)


def verify_range(
    expected: SumNode,
    size: int,
    first: int,
    leaves: Sequence[SumNode],
    siblings: Sequence[SumNode],
) -> bool:
    """Whether ``leaves``, from index ``first`` on, stand in the tree of ``size`` leaves whose root
    is ``expected``. False for anything malformed; never raises."""
    nodes = list(leaves)
    if not nodes or first < 0 or first + len(nodes) > size:
        return False
    rest = list(reversed(siblings))
    try:
        while size > 1:
            last = first + len(nodes) - 1
            if first & 1:
                nodes.insert(0, rest.pop())
            if not last & 1 and last + 1 < size:
                nodes.append(rest.pop())
            nodes = list(_level_above(nodes))
            first >>= 1
            size = (size + 1) >> 1
    except (IndexError, InputError):
        return False
    return not rest and nodes == [expected]


def _level_above(level: Sequence[SumNode]) -> tuple[SumNode, ...]:
    above = [parent(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    if len(level) & 1:
        above.append(level[-1])
    return tuple(above)
