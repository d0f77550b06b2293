"""The signed messages of settlement. Solidity owns their shape.

Source: ``contracts/interfaces/ISmartLayerMessages.sol``; whitepaper, "State Channels and
Settlement". The domain is :class:`settlement.protocol.typed_data.Domain` for all of them.
"""

from dataclasses import dataclass

from settlement.protocol.typed_data import TypedMessage
from settlement.types import Address, Hash, Uint8, Uint16, Uint32, Uint64, Uint128


@dataclass(frozen=True, kw_only=True)
class Voucher(TypedMessage):
    """Integration's session key to a service node: all that is owed in this lane so far.

    A lane is (signer, node, token class, period). ``cumulative`` only grows, so the order in
    which vouchers arrive does not matter.
    """

    signer: Address
    period: Uint32
    node: Address
    token_class: Hash
    cumulative: Uint128


@dataclass(frozen=True, kw_only=True)
class Acknowledgement(TypedMessage):
    """Anchor to a service node: ``acknowledged`` will be paid; serve up to ``lease_cap``."""

    signer: Address
    period: Uint32
    node: Address
    token_class: Hash
    acknowledged: Uint128
    lease_cap: Uint128


@dataclass(frozen=True, kw_only=True)
class Statement(TypedMessage):
    """Integration's session key to its anchor: the channel's balance for one period.

    ``vouchers_root`` is the Merkle-sum root over the channel's lanes; its sum is ``amount``.
    """

    anchor: Address
    period: Uint32
    amount: Uint128
    vouchers_root: Hash


@dataclass(frozen=True, kw_only=True)
class Close(TypedMessage):
    """Both ends agree that ``final_amount`` is owed for the period; the rest is refunded."""

    signer: Address
    period: Uint32
    final_amount: Uint128
    deadline: Uint64


@dataclass(frozen=True, kw_only=True)
class KeyProof(TypedMessage):
    """A node's key to its operator: this key consents to be registered by that account."""

    operator: Address
    key: Address


@dataclass(frozen=True, kw_only=True)
class UptimeAcknowledgement(TypedMessage):
    """Anchor to a service node: in ``period`` it kept ``instances`` of the class and answered
    ``availability`` (basis points) of the probes. Rent is paid by it."""

    node: Address
    period: Uint32
    token_class: Hash
    instances: Uint64
    availability: Uint16


@dataclass(frozen=True, kw_only=True)
class ServiceFinding(TypedMessage):
    """Anchor to everybody: in ``period`` the node fell short of its service level.

    ``fault`` is a ``ServiceFault``; ``evidence`` is keccak256 of the bundle that shows it.
    """

    node: Address
    period: Uint32
    fault: Uint8
    evidence: Hash


@dataclass(frozen=True, kw_only=True)
class ClassClaim(TypedMessage):
    """The account that deployed a token contract: ``issuer`` may act for its class."""

    token_contract: Address
    issuer: Address
