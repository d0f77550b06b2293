"""Events of stake, issuers, rent, elections, rewards and the brake, one dataclass each.

As in :mod:`settlement.ports.chain_events`, whose rules hold here too: names follow the contracts',
and a parity test compares them with the committed ABIs.
"""

from dataclasses import dataclass

from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import ExecutionRates, RentSkip
from settlement.types import Address, Hash, Uint16, Uint32, Uint64, Uint128, Uint256

# IParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesScheduled(ChainEvent):
    """What running scripts costs from period ``from_period`` on."""

    from_period: Uint32
    rates: ExecutionRates


# INodeRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputesSet(ChainEvent):
    """The dispute contract was set, once and for good."""

    disputes: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(ChainEvent):
    """The node's key is ``new_key`` from period ``from_period`` on; ``key`` stands for it until
    then.
    """

    key: Address
    new_key: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOffered(ChainEvent):
    """The operator offered the node to another account, or took the offer back (zero)."""

    key: Address
    operator: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChanged(ChainEvent):
    """The node has a new operator, who owns its stake."""

    key: Address
    previous: Address
    operator: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutChanged(ChainEvent):
    """Earnings of period ``from_period`` and later go to ``payout``."""

    key: Address
    payout: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionScheduled(ChainEvent):
    """The node's commission is ``commission`` basis points from period ``from_period`` on."""

    key: Address
    commission: Uint16
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionChanged(ChainEvent):
    """The node's commission is ``commission`` basis points now."""

    key: Address
    commission: Uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeDelegated(ChainEvent):
    """Stake was delegated; ``delegated`` is all that is now."""

    key: Address
    delegator: Address
    amount: Uint128
    shares: Uint256
    delegated: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeUndelegated(ChainEvent):
    """Delegated stake began to thaw; ``delegated`` is all that stays."""

    key: Address
    delegator: Address
    amount: Uint128
    shares: Uint256
    delegated: Uint128
    thawed_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationWithdrawn(ChainEvent):
    """Thawed delegated stake went back to its delegator."""

    key: Address
    delegator: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSlashed(ChainEvent):
    """The dispute contract took ``amount``; what is given after it is what stays."""

    key: Address
    to: Address
    amount: Uint128
    stake: Uint128
    thawing: Uint128
    delegated: Uint128
    delegated_thawing: Uint128


# IIssuerRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerPayoutChanged(ChainEvent):
    """Revenue of period ``from_period`` and later goes to ``payout``."""

    token_class: Hash
    payout: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOffered(ChainEvent):
    """The class was offered to another account, or the offer was taken back (zero)."""

    token_class: Hash
    controller: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTransferred(ChainEvent):
    """The class has a new controller."""

    token_class: Hash
    previous: Address
    controller: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuesSet(ChainEvent):
    """Hub and rent vault were named, once and for good."""

    hub: Address
    rent: Address


# IRentVault


@dataclass(frozen=True, slots=True, kw_only=True)
class GarnishBegan(ChainEvent):
    """From period ``from_period`` on the issuer's revenue goes to the class's purse."""

    token_class: Hash
    purse: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class GarnishEnded(ChainEvent):
    """From period ``from_period`` on the issuer's revenue goes to the issuer again."""

    token_class: Hash
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueGarnished(ChainEvent):
    """The purse was emptied: a part for rent, the rest for the issuer."""

    token_class: Hash
    to_rent: Uint128
    to_issuer: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class RentEarned(ChainEvent):
    """A node earned ``amount`` of a class's rent of ``period``; ``payout`` was credited."""

    token_class: Hash
    node: Address
    period: Uint32
    payout: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class RentSkipped(ChainEvent):
    """A row of a node's uptime earned nothing, for this reason."""

    token_class: Hash
    node: Address
    period: Uint32
    reason: RentSkip


@dataclass(frozen=True, slots=True, kw_only=True)
class RentReturned(ChainEvent):
    """``amount`` of the rent of ``period`` was not earned; the class's balance is ``balance``."""

    token_class: Hash
    period: Uint32
    amount: Uint128
    balance: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class RentWithdrawn(ChainEvent):
    """An account's earned rent left the vault."""

    account: Address
    to: Address
    amount: Uint128


# IBrake


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakePulled(ChainEvent):
    """New money is stopped until ``paused_until``; ``ready_at`` is when the brake works again."""

    guardian: Address
    paused_until: Uint64
    ready_at: Uint64
    reason: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeReleased(ChainEvent):
    """The stop ended early."""

    by: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianChanged(ChainEvent):
    """The account that may pull the brake changed; zero means nobody."""

    guardian: Address


# IRewardPool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesSet(ChainEvent):
    """The registry and the hub were named, once and for good."""

    registry: Address
    hub: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardsFunded(ChainEvent):
    """``amount`` of Service Tokens was shared among all active stake."""

    payer: Address
    amount: Uint128
    stake: Uint256


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesCollected(ChainEvent):
    """Fees were taken from the hub: a part for stakers, the rest for the treasury."""

    to_stakers: Uint128
    to_treasury: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSplitChanged(ChainEvent):
    """From now on stakers get ``staker_share`` basis points of the fees, ``treasury`` the rest."""

    treasury: Address
    staker_share: Uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRewardsClaimed(ChainEvent):
    """A node's own rewards and its commission were paid to its payout account."""

    number: Uint32
    payout: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatorRewardsClaimed(ChainEvent):
    """A delegator's rewards from one node were paid to it."""

    number: Uint32
    delegator: Address
    amount: Uint128


# IAnchorElection


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotCast(ChainEvent):
    """A voter approves exactly these anchors now."""

    voter: Address
    anchors: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotCounted(ChainEvent):
    """A ballot was counted in ``period``; each of its anchors got ``votes`` more."""

    voter: Address
    period: Uint32
    votes: Uint256


# IPlacementSeeds


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFixed(ChainEvent):
    """The seed of ``period`` comes from block ``block_number``."""

    period: Uint32
    block_number: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedDrawn(ChainEvent):
    """The seed of ``period`` is known on chain."""

    period: Uint32
    block_number: Uint64
    seed: Hash


# ICommitments


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPosted(ChainEvent):
    """An anchor posted the root of ``slot``; ``missed`` anchors before it had let the duty pass."""

    slot: Uint64
    anchor: Address
    root: Hash
    entries: Uint32
    block_number: Uint64
    missed: Uint32
