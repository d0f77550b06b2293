"""Every event that the contracts emit, one dataclass each.

Class names are the events' names, field names their arguments in snake case; a parity test
compares both with the committed ABIs. ``TokenMoved`` alone is renamed: it is the ``Transfer`` of a
watched ERC-721 contract.
"""

from dataclasses import dataclass

from settlement.ports.chain_records import AcceptedRow, Payout, SkipReason, Terms
from settlement.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Hash,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uint96,
    Uint128,
    Uint256,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvent:
    """Where and when an event happened. ``contract`` emitted it; ``timestamp`` is its block's.

    The fields here are filled in by whoever shows the event (a reader, or the in-memory chain).
    """

    block: int = 0
    block_hash: Hash = ZERO_HASH
    timestamp: int = 0
    transaction: Hash = ZERO_HASH
    log_index: int = 0
    contract: Address = ZERO_ADDRESS

    @property
    def position(self) -> tuple[int, int]:
        """The order of events on the chain."""
        return self.block, self.log_index


# INodeRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRegistered(ChainEvent):
    """A node joined; ``number`` is its index, counted from 1, for good."""

    key: Address
    operator: Address
    number: Uint32
    payout: Address
    roles: Uint8
    api_url: str
    link_url: str
    stake: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeAdded(ChainEvent):
    """Stake was added; ``stake`` is the new active stake."""

    key: Address
    amount: Uint128
    stake: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ThawRequested(ChainEvent):
    """``amount`` began to thaw; ``stake`` stays active, ``thawing`` is all that thaws."""

    key: Address
    amount: Uint128
    stake: Uint128
    thawing: Uint128
    thawed_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ThawWithdrawn(ChainEvent):
    """Thawed stake went back to the operator."""

    key: Address
    operator: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLeft(ChainEvent):
    """All stake of the node thaws; it is no member until stake is added."""

    key: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlsUpdated(ChainEvent):
    """The node is reached at new addresses."""

    key: Address
    api_url: str
    link_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BondLocked(ChainEvent):
    """The hub holds ``amount`` of the node's stake; ``locked`` is the sum of its bonds."""

    key: Address
    amount: Uint128
    locked: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class BondUnlocked(ChainEvent):
    """The hub released a bond; ``locked`` is the sum of those that stay."""

    key: Address
    amount: Uint128
    locked: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSet(ChainEvent):
    """The hub was named, once and for good."""

    hub: Address


# IIssuerRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRegistered(ChainEvent):
    """A class was registered; ``issuer_share`` holds from period ``from_period`` on."""

    token_class: Hash
    token_contract: Address
    issuer: Address
    payout: Address
    issuer_share: Uint16
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPublished(ChainEvent):
    """The class's TokenScript is now the one with this hash."""

    token_class: Hash
    script_uri: str
    script_hash: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareScheduled(ChainEvent):
    """The issuer's share is ``issuer_share`` from period ``from_period`` on."""

    token_class: Hash
    issuer_share: Uint16
    from_period: Uint32


# IParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsScheduled(ChainEvent):
    """New terms were scheduled; they hold from ``from_period`` on."""

    from_period: Uint32
    terms: Terms


# IRentVault


@dataclass(frozen=True, slots=True, kw_only=True)
class RentStarted(ChainEvent):
    """Rent began for periods ``from_period`` to ``paid_until`` (not included)."""

    token_class: Hash
    payer: Address
    instances: Uint64
    from_period: Uint32
    paid_until: Uint32
    expiry: Uint64
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class RentToppedUp(ChainEvent):
    """Rent was extended to, not including, period ``paid_until``."""

    token_class: Hash
    payer: Address
    paid_until: Uint32
    expiry: Uint64
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRolled(ChainEvent):
    """``period`` is over: ``amount`` of rent was due in it, over all classes."""

    period: Uint32
    amount: Uint128


# IChannelHub


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOpened(ChainEvent):
    """A channel was opened for session key ``signer``; ``amount`` is its first deposit."""

    signer: Address
    owner: Address
    anchor: Address
    period: Uint32
    amount: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelToppedUp(ChainEvent):
    """``amount`` was added; ``balance`` is the channel's new one."""

    signer: Address
    payer: Address
    amount: Uint96
    balance: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorChanged(ChainEvent):
    """From period ``from_period`` on the channel's anchor is ``anchor``."""

    signer: Address
    anchor: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequested(ChainEvent):
    """The owner will withdraw up to ``amount`` at ``withdrawable_at``; zero cancels."""

    signer: Address
    amount: Uint128
    withdrawable_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(ChainEvent):
    """``amount`` went back to the owner; ``balance`` is what stays."""

    signer: Address
    owner: Address
    amount: Uint96
    balance: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementsAccepted(ChainEvent):
    """Channels were debited by their Statements; ``chunk`` counts from 0 within the pot."""

    anchor: Address
    period: Uint32
    chunk: Uint32
    commitment: Hash
    rows: tuple[AcceptedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSkipped(ChainEvent):
    """Row ``index`` of a settleChunk call was skipped; ``signer`` is what was recovered."""

    anchor: Address
    period: Uint32
    index: Uint256
    signer: Address
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementsRestored(ChainEvent):
    """Debits of an uncommitted or void pot were given back to their channels."""

    anchor: Address
    period: Uint32
    chunk: Uint32
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCommitted(ChainEvent):
    """The period's payouts are committed; ``sum`` is the root's sum."""

    anchor: Address
    period: Uint32
    root: Hash
    sum: Uint128
    leaf_count: Uint32
    final_at: Uint64
    bond: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class BondReleased(ChainEvent):
    """The bond of a final period went back to the anchor's stake."""

    anchor: Address
    period: Uint32
    bond: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutsDistributed(ChainEvent):
    """Payouts from ``first_index`` on were proved; those paid before were not paid again."""

    anchor: Address
    period: Uint32
    first_index: Uint32
    payouts: tuple[Payout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectClaimed(ChainEvent):
    """A lane was claimed directly for ``amount`` gross; ``claimed`` is its new total."""

    signer: Address
    node: Address
    period: Uint32
    token_class: Hash
    amount: Uint128
    claimed: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRowSkipped(ChainEvent):
    """Row ``index`` of a claimDirect call was skipped."""

    node: Address
    period: Uint32
    index: Uint256
    signer: Address
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditWithdrawn(ChainEvent):
    """``amount`` of an account's credit left the hub."""

    account: Address
    to: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditBurnt(ChainEvent):
    """``amount`` of protocol fees was burnt."""

    amount: Uint128


# Watched ERC-721 contracts


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMoved(ChainEvent):
    """``number`` of ``contract`` went from ``sender`` to ``receiver``; zero mints or burns."""

    sender: Address
    receiver: Address
    number: Uint256
