"""What stands on chain, as the contracts' structs tell it.

Solidity owns the shape (``contracts/interfaces/*.sol``); names follow the ABI in snake case, and
a parity test compares them. Windows are seconds, shares basis points, amounts base units.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

from settlement.core.periods import PeriodTerms, windows_of
from settlement.types import (
    ZERO_ADDRESS,
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


class PotStatus(IntEnum):
    """Where a pot stands (``IChannelHub.PotStatus``)."""

    OPEN = 0
    COMMITTED = 1
    VOID = 2


class SkipReason(IntEnum):
    """Why a row was skipped (``IChannelHub.SkipReason``)."""

    NONE = 0
    SIGNATURE_INVALID = 1
    UNKNOWN_CHANNEL = 2
    WRONG_ANCHOR = 3
    ALREADY_SETTLED = 4
    INSUFFICIENT_BALANCE = 5
    ZERO_AMOUNT = 6
    ACKNOWLEDGEMENT_INVALID = 7
    NOTHING_TO_CLAIM = 8
    NOT_SETTLED = 9
    LIMIT_EXCEEDED = 10


class Offence(IntEnum):
    """What a node is punished for (``IDisputeManager.Offence``)."""

    PAYMENT_FRAUD = 0
    ELECTION_EQUIVOCATION = 1
    JOURNAL_EQUIVOCATION = 2
    OVER_LEASING = 3
    SERVICE_LEVEL = 4


class ServiceFault(IntEnum):
    """In what a node fell short of its service level (``IDisputeManager.ServiceFault``)."""

    UNAVAILABLE = 0
    SLOW = 1
    WRONG_ANSWERS = 2
    FAILED_ACTIONS = 3


class CaseStatus(IntEnum):
    """Where a case about a service level stands (``IDisputeManager.CaseStatus``)."""

    NONE = 0
    OPEN = 1
    VETOED = 2
    EXECUTED = 3


class RentState(IntEnum):
    """Where a class's rent stands (``IRentVault.State``)."""

    NONE = 0
    ACTIVE = 1
    GRACE = 2
    SUSPENDED = 3


class RentSkip(IntEnum):
    """Why a row of uptime earned nothing (``IRentVault.RentSkip``)."""

    NONE = 0
    UPTIME_INVALID = 1
    TOO_FEW_ANCHORS = 2
    ANCHOR_INVALID = 3
    ALREADY_EARNED = 4
    NOTHING_DUE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms that hold for one period (``IParameters.Terms``)."""

    acknowledgement_grace: Uint32
    settle_deadline: Uint32
    challenge_window: Uint32
    direct_claim_window: Uint32
    withdrawal_delay: Uint32
    thaw_time: Uint32
    rent_grace: Uint32
    protocol_share: Uint16
    anchor_share: Uint16
    maximum_issuer_share: Uint16
    burn_share: Uint16
    bond_ratio: Uint16
    treasury: Address
    minimum_service_stake: Uint128
    minimum_anchor_stake: Uint128
    rent_price: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRates:
    """What running a token's script costs in one period (``IParameters.ExecutionRates``), in base
    units: a million gas of a read, a million gas of an update, a byte put out, a page of 64 KiB."""

    read_gas: Uint96
    update_gas: Uint96
    output_byte: Uint96
    page: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """When one period's windows open and end, unix seconds (``IParameters.Windows``)."""

    opens_at: Uint64
    closes_at: Uint64
    settle_from: Uint64
    settle_until: Uint64
    direct_until: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParameters:
    """The clock of periods, and the terms of ``period``."""

    genesis: int
    period_length: int
    period: int
    terms: Terms

    def period_at(self, timestamp: int) -> int:
        """The period that a chain time lies in; negative before genesis."""
        return (timestamp - self.genesis) // self.period_length

    def windows_of(self, period: int) -> Windows:
        """The windows of a period for which these terms hold."""
        terms = PeriodTerms(
            genesis=self.genesis,
            period_length=self.period_length,
            acknowledgement_grace=self.terms.acknowledgement_grace,
            settle_deadline=self.terms.settle_deadline,
            challenge_window=self.terms.challenge_window,
            direct_claim_window=self.terms.direct_claim_window,
        )
        found = windows_of(period, terms)
        return Windows(**{item.name: getattr(found, item.name) for item in fields(found)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAccount:
    """A channel as it stands (``IChannelHub.Channel``); all zeros where none exists."""

    owner: Address = ZERO_ADDRESS
    anchor: Address = ZERO_ADDRESS
    next_anchor: Address = ZERO_ADDRESS
    next_anchor_from: Uint32 = 0
    opened_in: Uint32 = 0
    balance: Uint96 = 0
    withdrawal_amount: Uint128 = 0
    withdrawable_at: Uint64 = 0

    @property
    def exists(self) -> bool:
        return self.owner != ZERO_ADDRESS

    def anchor_at(self, period: int) -> Address:
        """The anchor that settles this channel in the current period or a later one."""
        if self.next_anchor != ZERO_ADDRESS and period >= self.next_anchor_from:
            return self.next_anchor
        return self.anchor

    @property
    def spendable(self) -> int:
        """What nodes may count on: the balance less a withdrawal that was asked for."""
        return max(0, self.balance - self.withdrawal_amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredNode:
    """A node as it stands (``INodeRegistry.Node``). Roles: 1 service, 2 anchor, 3 both."""

    key: Address
    number: Uint32
    roles: Uint8
    operator: Address
    payout: Address
    stake: Uint128
    locked: Uint128
    thawing: Uint128
    thawed_at: Uint64
    delegated: Uint128 = 0
    commission: Uint16 = 0
    api_url: str
    link_url: str

    @property
    def weight(self) -> int:
        """Own and delegated active stake: what the node weighs in placement and rewards."""
        return self.stake + self.delegated


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredClass:
    """A token class as it stands (``IIssuerRegistry.TokenClass``)."""

    token_contract: Address
    payout: Address
    script_uri: str
    script_hash: Hash
    registered_in: Uint32
    controller: Address = ZERO_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class RentAccount:
    """A class's rent as it stands (``IRentVault.Rent``)."""

    instances: Uint64
    started_in: Uint32
    paid_until: Uint32
    state: RentState
    expiry: Uint64
    suspended_at: Uint64
    balance: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRent:
    """What a class pays in one period: for how many instances, how much, and what of it was earned
    or returned already."""

    instances: int
    rent: int
    spent: int

    @property
    def left(self) -> int:
        """What can still be earned or returned."""
        return self.rent - self.spent


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodPot:
    """What an anchor collected in one period (``IChannelHub.Pot``)."""

    status: PotStatus
    sum: Uint128
    distributed: Uint128
    chunks: Uint32
    leaf_count: Uint32
    final_at: Uint64
    root: Hash
    bond: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """A signed Statement, compact after EIP-2098 (``IChannelHub.StatementRow``)."""

    amount: Uint128
    vouchers_root: Hash
    r: Hash
    vs: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRow:
    """A Statement that was accepted (``IChannelHub.AcceptedRow``)."""

    signer: Address
    amount: Uint128
    vouchers_root: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """What one account is paid for a period; the zero account's part is burnt."""

    account: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofNode:
    """A node of the payout tree beside the proved range (``IChannelHub.ProofNode``)."""

    hash: Hash
    sum: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectClaimRow:
    """One lane of a node that claims directly (``IChannelHub.DirectClaimRow``)."""

    signer: Address
    token_class: Hash
    cumulative: Uint128
    acknowledged: Uint128
    lease_cap: Uint128
    voucher_r: Hash
    voucher_vs: Hash
    acknowledgement_r: Hash
    acknowledgement_vs: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidLane:
    """What a lane, by its number, was paid directly so far (``IChannelHub.PaidLane``)."""

    lane: Hash
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedLane:
    """A lane that an anchor owes: its Acknowledgement with a compact signature, or with ``r`` and
    ``vs`` zero the voucher that was posted (``IChannelHub.OwedLane``)."""

    signer: Address
    token_class: Hash
    acknowledged: Uint128
    lease_cap: Uint128
    r: Hash
    vs: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutProof:
    """One payout, or two beside each other, with the tree's nodes beside them
    (``IChannelHub.PayoutProof``)."""

    first_index: Uint32
    payouts: tuple[Payout, ...]
    siblings: tuple[ProofNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A payment by ERC-3009 to the hub (``IChannelHub.Authorization``)."""

    valid_after: Uint256
    valid_before: Uint256
    salt: Hash
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What an anchor leased one node in a channel-period (``IDisputeManager.Lease``)."""

    node: Address
    token_class: Hash
    acknowledged: Uint128
    lease_cap: Uint128
    r: Hash
    vs: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties:
    """What offences cost, in basis points (``IDisputeManager.Penalties``)."""

    reward: Uint16
    restitution: Uint16
    equivocation: Uint16
    over_leasing: Uint16
    service_level: Uint16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCase:
    """A case about a service level (``IDisputeManager.ServiceCase``); ``share`` of the slashable
    stake is basis points."""

    node: Address
    period: Uint32
    fault: ServiceFault
    status: CaseStatus
    share: Uint16
    executable_at: Uint64
    evidence: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What an account delegated to a node (``INodeRegistry.Delegation``)."""

    stake: Uint128
    shares: Uint256
    thawing: Uint128
    thawed_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimeRow:
    """What anchors acknowledged of one class (``IRentVault.UptimeRow``): their compact signatures
    (EIP-2098) of UptimeAcknowledgement, in ascending order of their keys."""

    token_class: Hash
    instances: Uint64
    availability: Uint16
    r: tuple[Hash, ...]
    vs: tuple[Hash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedRoot:
    """A root as it was posted (``ICommitments.Root``)."""

    root: Hash
    anchor: Address
    block_number: Uint64
    entries: Uint32
