"""The channel's balance as a list of lanes, and the Merkle-sum root that a Statement signs.

Lanes are sorted by lane id and those of zero are left out, so that everybody who holds the same
amounts computes the same root. Source: ``contracts/libraries/MerkleSum.sol`` for the leaves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from settlement.core.refusals import DraftInconsistent
from settlement.protocol.merkle_sum import lane_id, lane_leaf, root
from settlement.protocol.messages import Statement
from settlement.types import ZERO_HASH, Address, Hash, Uint32, Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneAmount:
    """What a channel owes in one lane."""

    node: Address
    token_class: Hash
    amount: Uint128

    @property
    def lane_id(self) -> Hash:
        return lane_id(self.node, self.token_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDraft:
    """What an anchor proposes for a channel's Statement. ``root`` is zero where nothing is owed."""

    anchor: Address
    signer: Address
    period: Uint32
    amount: Uint128
    root: Hash
    lanes: tuple[LaneAmount, ...]

    def statement(self) -> Statement:
        """The message that the integration signs."""
        return Statement(
            anchor=self.anchor, period=self.period, amount=self.amount, vouchers_root=self.root
        )


def draft_of(
    anchor: Address, signer: Address, period: int, lanes: Iterable[LaneAmount]
) -> StatementDraft:
    """The draft over ``lanes``, in any order; zero lanes are left out."""
    kept = tuple(sorted((lane for lane in lanes if lane.amount), key=lambda lane: lane.lane_id))
    if not kept:
        return StatementDraft(
            anchor=anchor, signer=signer, period=period, amount=0, root=ZERO_HASH, lanes=()
        )
    top = root([lane_leaf(lane.node, lane.token_class, lane.amount) for lane in kept])
    return StatementDraft(
        anchor=anchor, signer=signer, period=period, amount=top.sum, root=top.hash, lanes=kept
    )


def require_consistent(draft: StatementDraft) -> None:
    """Raise DraftInconsistent unless amount and root are those of the draft's own lanes."""
    ids = [lane.lane_id for lane in draft.lanes]
    if len(set(ids)) != len(ids):
        raise DraftInconsistent(problem="a lane is listed twice")
    again = draft_of(draft.anchor, draft.signer, draft.period, draft.lanes)
    if (again.amount, again.root) != (draft.amount, draft.root):
        raise DraftInconsistent(problem="amount and root are not those of its lanes")
