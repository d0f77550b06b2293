"""What a period pays to whom: a pure function of accepted rows, shares and accounts.

Any watcher computes the same leaves from the same rows. The rules, to the last unit:

* every lane of every row is split on its own (:func:`settlement.core.splits.split`): the protocol's
  part is rounded up, the anchor's and the issuer's down, and the node gets what is left;
* a node that is not registered is paid on its key's own account; a class without an issuer has no
  issuer's part, so its node gets that too;
* the burnt part goes to the zero account, which the hub burns;
* what one account is owed in all its roles is one leaf; a leaf of zero does not exist;
* leaves are sorted by account.

Σ leaves = Σ rows, exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from settlement.core.splits import Shares, split
from settlement.core.statements import LaneAmount, draft_of
from settlement.errors import OurError
from settlement.protocol.merkle_sum import SumNode, payout_leaf
from settlement.types import ZERO_ADDRESS, Address, Hash, Uint16, Uint128


@dataclass(kw_only=True, eq=False, repr=False)
class PayoutsUnbalanced(OurError):
    """Rows and lanes do not add up: our own records are damaged. Nothing is committed."""

    code: ClassVar[str] = "SL-8101"
    title: ClassVar[str] = "The period's payouts do not add up"
    fix: ClassVar[str] = "Restore the ledgers from a backup; nothing was committed: {problem}."

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerTerms:
    """Where an issuer is paid and its share, in basis points."""

    payout: Address
    share: Uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Who is behind the keys and classes of one period."""

    treasury: Address
    anchor: Address
    nodes: Mapping[Address, Address]
    issuers: Mapping[Hash, IssuerTerms]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRow:
    """A Statement that the hub accepted, with the lanes that it sums."""

    signer: Address
    amount: Uint128
    root: Hash
    lanes: tuple[LaneAmount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutLeaf:
    """What one account is paid for a period; the zero account's part is burnt."""

    account: Address
    amount: Uint128

    def node(self) -> SumNode:
        """The leaf in the payout tree."""
        return payout_leaf(self.account, self.amount)


def payouts(
    rows: Sequence[AcceptedRow], shares: Shares, accounts: Accounts
) -> tuple[PayoutLeaf, ...]:
    """The leaves of a period's payout tree, in order. Raises PayoutsUnbalanced."""
    owed: dict[Address, int] = {}
    for row in rows:
        _require_consistent(row)
        for lane in row.lanes:
            for account, amount in _lane_parts(lane, shares, accounts):
                owed[account] = owed.get(account, 0) + amount
    leaves = tuple(
        PayoutLeaf(account=account, amount=amount)
        for account, amount in sorted(owed.items())
        if amount
    )
    total, paid = sum(row.amount for row in rows), sum(leaf.amount for leaf in leaves)
    if total != paid:
        raise PayoutsUnbalanced(problem=f"rows of {total} make payouts of {paid}")
    return leaves


def _lane_parts(
    lane: LaneAmount, shares: Shares, accounts: Accounts
) -> tuple[tuple[Address, int], ...]:
    issuer = accounts.issuers.get(lane.token_class)
    has_issuer = issuer is not None and issuer.payout != ZERO_ADDRESS
    parts = split(lane.amount, shares, issuer.share if issuer and has_issuer else 0)
    return (
        (accounts.treasury, parts.treasury),
        (ZERO_ADDRESS, parts.burnt),
        (accounts.anchor, parts.anchor),
        (issuer.payout if issuer else ZERO_ADDRESS, parts.issuer),
        (accounts.nodes.get(lane.node, lane.node), parts.node),
    )


def _require_consistent(row: AcceptedRow) -> None:
    again = draft_of(row.signer, row.signer, 0, row.lanes)
    if (again.amount, again.root) != (row.amount, row.root):
        raise PayoutsUnbalanced(
            problem=f"the lanes of 0x{row.signer.hex()} are not its Statement's"
        )
