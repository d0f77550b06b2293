"""Events of disputes, posted vouchers and session keys, one dataclass each.

As in :mod:`settlement.ports.chain_events`, whose rules hold here too: names follow the contracts',
and a parity test compares them with the committed ABIs.
"""

from dataclasses import dataclass

from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import Offence, PayoutProof, Penalties, ServiceFault
from settlement.types import Address, Hash, Uint32, Uint64, Uint96, Uint128, Uint256

# IChannelHub


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRotated(ChainEvent):
    """From ``from_period`` on ``signer`` signs for the channel that is named by its first key."""

    channel: Address
    signer: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerLimited(ChainEvent):
    """From ``from_period`` on the key spends at most ``cap`` a period (0: all that there is); from
    ``until`` on it signs nothing (0: no end)."""

    signer: Address
    cap: Uint96
    from_period: Uint32
    until: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelClosed(ChainEvent):
    """Both ends closed: ``amount`` stays for what is owed, ``refund`` went back to the owner."""

    signer: Address
    period: Uint32
    amount: Uint96
    refund: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherPosted(ChainEvent):
    """A lane's voucher was posted in time; ``amount`` counts as acknowledged."""

    signer: Address
    node: Address
    period: Uint32
    token_class: Hash
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodVoided(ChainEvent):
    """A root is void; ``challenger`` is zero where a demanded payout was not shown."""

    anchor: Address
    period: Uint32
    challenger: Address
    node: Address
    owed: Uint256
    paid: Uint256


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutDemanded(ChainEvent):
    """Somebody asks what the root pays ``account``; it must be shown until ``answer_until``."""

    anchor: Address
    period: Uint32
    account: Address
    answer_until: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutShown(ChainEvent):
    """The root was shown to pay ``account`` this ``amount``; anybody may use the ``proof``."""

    anchor: Address
    period: Uint32
    account: Address
    amount: Uint128
    proof: PayoutProof


@dataclass(frozen=True, slots=True, kw_only=True)
class BondForfeited(ChainEvent):
    """The bond of a void period left the lock; it was slashed where ``forfeited``."""

    anchor: Address
    period: Uint32
    bond: Uint128
    forfeited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSpentOnRent(ChainEvent):
    """``amount`` of an account's credit bought ``periods`` of rent for a class."""

    account: Address
    token_class: Hash
    periods: Uint32
    amount: Uint128


# IDisputeManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Punished(ChainEvent):
    """``culprit`` lost ``slashed``; of it the reporter and the victim were paid, the rest burnt."""

    culprit: Address
    offence: Offence
    case_id: Hash
    reporter: Address
    victim: Address
    slashed: Uint128
    reward: Uint128
    restitution: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCompensated(ChainEvent):
    """``amount`` of what an over-leasing anchor lost went to a node that it leased to."""

    case_id: Hash
    node: Address
    payout: Address
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltiesScheduled(ChainEvent):
    """What offences cost from period ``from_period`` on."""

    from_period: Uint32
    penalties: Penalties


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(ChainEvent):
    """Anchors found that a node fell short; ``evidence`` is the hash of the bundle at
    ``evidence_uri``."""

    case_id: Hash
    node: Address
    period: Uint32
    fault: ServiceFault
    evidence: Hash
    evidence_uri: str
    executable_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVetoed(ChainEvent):
    """Governance ended a case."""

    case_id: Hash
    node: Address
