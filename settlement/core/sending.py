"""What is remembered of a transaction until it is deep in the chain, and what it may cost.

A *claim* is one wish to change the chain, under a name that stays the same however often it is
asked for. At most one transaction of a claim is ever live: its versions share one nonce, and it
gets another nonce only after the first was spent by something else.

Source of the replacement rule: clients accept a replacement that pays at least 10 % more in both
fees; we pay an eighth more. Fees are those of EIP-1559, in wei per gas.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from settlement.types import Address, Hash, keccak


class Stage(StrEnum):
    """Where a claim stands."""

    SENT = "sent"
    """Persisted with its nonce; it may be out."""
    MINED = "mined"
    REVERTED = "reverted"
    """Mined, and refused by the contract: it may be sent anew."""
    FREED = "freed"
    """Its nonce went to something else, or no endpoint took it: it may be sent anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One signed form of a transaction; ``raw`` is dropped once nobody can need it."""

    hash: Hash
    raw: bytes
    priority_fee: int
    maximum_fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim and its transaction; ``cap`` is the most that a gas may cost it, in wei.

    ``transaction``, ``block``, ``gas_used`` and ``fee`` (wei) are of the version that was mined.
    """

    name: str
    purpose: str
    contract: Address | None
    data: bytes
    value: int
    gas: int
    nonce: int
    cap: int
    versions: tuple[Version, ...]
    stage: Stage = Stage.SENT
    transaction: Hash | None = None
    block: int = 0
    block_hash: Hash | None = None
    gas_used: int = 0
    fee: int = 0

    @property
    def newest(self) -> Version:
        """The version that was sent last."""
        return self.versions[-1]

    @property
    def most(self) -> int:
        """What it can cost at most, in wei, with what it sends along."""
        return self.gas * self.newest.maximum_fee + self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one key has out: names of its live claims, by nonce."""

    next_nonce: int = 0
    live: tuple[str, ...] = ()


def slimmed(claim: Claim) -> Claim:
    """A claim that is over, without the bytes that nobody will send again."""
    versions = tuple(replace(version, raw=b"") for version in claim.versions)
    return replace(claim, data=b"", versions=versions)


def tint(name: str) -> int:
    """Less than a fiftieth of a gwei more of priority fee, by the claim's name: equal calls of two
    claims are then two transactions, and neither is taken for the other."""
    return int.from_bytes(keccak(name.encode())[:3], "big")


def cap_for(fee_cap: int, gas: int, worth: int | None, percent: int) -> int:
    """The most that a gas may cost: the sender's own cap, and no more than ``percent`` of what the
    transaction is worth (wei) in all, where that is known. Rounded down."""
    return fee_cap if worth is None else min(fee_cap, worth * percent // 100 // max(gas, 1))


def opening_fees(base: int, priority: int, cap: int) -> tuple[int, int] | None:
    """Priority and maximum fee of a first version: room for the base fee to double. None where the
    cap does not even cover the base fee of now."""
    if base + priority > cap:
        return None
    return priority, min(2 * base + priority, cap)


def replacement_fees(sent: Version, base: int, cap: int) -> tuple[int, int] | None:
    """Fees that replace a version, enough for the base fee of now; None where the cap leaves no
    room for a replacement that clients accept."""
    priority = sent.priority_fee * 9 // 8 + 1
    maximum = min(max(sent.maximum_fee * 9 // 8 + 1, 2 * base + priority), cap)
    least = -(-sent.maximum_fee * 11 // 10)
    if maximum < least or priority > maximum:
        return None
    return priority, maximum
