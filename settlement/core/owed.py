"""What an anchor's period owes a node, and whether the payouts that it committed pay it.

The rules are those by which the hub judges a challenge (``contracts/hub/Challenges.sol``): a lane
owes what the anchor acknowledged, or what was posted on chain; the node's share of it is what is
left when protocol, anchor and issuer took theirs, less two units for rounding. All lanes of a node
together must not exceed what its account is paid. Amounts are base units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from settlement.core.payouts import PayoutLeaf
from settlement.core.splits import Shares, share_down, share_up
from settlement.protocol.merkle_sum import SumNode, Tree
from settlement.types import Address, Hash, Signature, Uint32, Uint128

ROUNDING = 2
MOST_LANES = 128
"""Lanes of one challenge, at most; the largest ones are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedLane:
    """One lane that an anchor owes. ``signature`` is its Acknowledgement's, empty where the lane's
    voucher was posted; ``share`` is the node's part, less the rounding."""

    signer: Address
    token_class: Hash
    acknowledged: Uint128
    lease_cap: Uint128
    signature: Signature
    share: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedNode:
    """What one node is owed, and the account that it is to be paid on."""

    node: Address
    account: Address
    lanes: tuple[OwedLane, ...]

    @property
    def total(self) -> int:
        return sum(lane.share for lane in self.lanes)

    def beyond(self, paid: int) -> tuple[OwedLane, ...]:
        """The largest lanes that together exceed ``paid``, in the order of a challenge (by signer,
        then class); empty where MOST_LANES of them do not."""
        chosen: list[OwedLane] = []
        for lane in sorted(self.lanes, key=lambda lane: -lane.share)[:MOST_LANES]:
            chosen.append(lane)
            if sum(found.share for found in chosen) > paid:
                return tuple(sorted(chosen, key=lambda lane: (lane.signer, lane.token_class)))
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRange:
    """One leaf of a committed tree or two beside each other, with the tree's nodes beside them."""

    first: Uint32
    leaves: tuple[PayoutLeaf, ...]
    siblings: tuple[SumNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disproof:
    """Why a root is wrong: accounts out of order (``debt`` None), or a node that is underpaid."""

    shown: ShownRange
    debt: OwedNode | None = None
    paid: Uint128 = 0


def node_share(gross: int, shares: Shares, issuer_share: int) -> int:
    """The least that a node must be paid for a lane of ``gross``."""
    rest = (
        gross
        - share_up(gross, shares.protocol)
        - share_down(gross, shares.anchor)
        - share_down(gross, issuer_share)
    )
    return max(0, rest - ROUNDING)


def is_tree(leaves: Sequence[PayoutLeaf], root: Hash, total: int) -> bool:
    """Whether these are the payouts under a committed root."""
    if not leaves or sum(leaf.amount for leaf in leaves) != total:
        return False
    top = Tree.of([leaf.node() for leaf in leaves]).root
    return (top.hash, top.sum) == (root, total)


def judge(leaves: Sequence[PayoutLeaf], debts: Iterable[OwedNode]) -> Disproof | None:
    """Why the tree over ``leaves`` is wrong, None where nothing is wrong with it for ``debts``."""
    tree = Tree.of([leaf.node() for leaf in leaves])
    for first in range(len(leaves) - 1):
        if leaves[first].account >= leaves[first + 1].account:
            return Disproof(shown=_range(tree, leaves, first, 2))
    for debt in debts:
        shown, paid = show(tree, leaves, debt.account)
        if debt.beyond(paid):
            return Disproof(shown=shown, debt=debt, paid=paid)
    return None


def show_all(
    leaves: Sequence[PayoutLeaf], accounts: Iterable[Address]
) -> tuple[tuple[Address, int, ShownRange], ...]:
    """What a tree in order pays each of these accounts, with its proof."""
    tree = Tree.of([leaf.node() for leaf in leaves])
    found = []
    for account in accounts:
        shown, paid = show(tree, leaves, account)
        found.append((account, paid, shown))
    return tuple(found)


def show(tree: Tree, leaves: Sequence[PayoutLeaf], account: Address) -> tuple[ShownRange, int]:
    """What a tree in order pays ``account``: its leaf, or those between which it would stand."""
    place = next((i for i, leaf in enumerate(leaves) if leaf.account >= account), len(leaves))
    if place < len(leaves) and leaves[place].account == account:
        return _range(tree, leaves, place, 1), leaves[place].amount
    if place in (0, len(leaves)):
        return _range(tree, leaves, max(0, place - 1), 1), 0
    return _range(tree, leaves, place - 1, 2), 0


def _range(tree: Tree, leaves: Sequence[PayoutLeaf], first: int, count: int) -> ShownRange:
    return ShownRange(
        first=first,
        leaves=tuple(leaves[first : first + count]),
        siblings=tree.range_proof(first, count),
    )
