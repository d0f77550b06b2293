"""Who and what the tests through ape are about."""

from dataclasses import dataclass
from typing import Any

from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address

PERIOD = 30 * 24 * 3600
HOUR = 3600
DAY = 24 * HOUR
TOKEN = 10**18
SERVICE, ANCHOR = 1, 2
SCRIPT_HASH = bytes(31) + b"\x01"


def address_of(account: Any) -> Address:
    """Twenty bytes from what ape calls an address."""
    return Address(bytes.fromhex(str(account)[2:]))


def signing_key(account: Any) -> SigningKey:
    """The key of one of ape's test accounts, for signatures that no wallet would ask for."""
    return SigningKey(bytes.fromhex(account.private_key.removeprefix("0x")))


@dataclass(frozen=True)
class Actors:
    """Accounts with a role in the story. Node keys send transactions too, so all are accounts."""

    owner: Any
    operator: Any
    payer: Any
    airline: Any
    treasury: Any
    anchor: Any
    node: Any
    session: Any
    anchor_payout: Any
    node_payout: Any
    issuer_payout: Any


@dataclass(frozen=True)
class Deployment:
    """The contracts, and the domain that messages are signed in."""

    stake: Any
    service: Any
    parameters: Any
    nodes: Any
    issuers: Any
    rent: Any
    hub: Any
    ticket: Any
    ticket_class: bytes
    domain: Domain


def terms(actors: Actors) -> dict[str, Any]:
    """The design's own windows and shares."""
    return {
        "acknowledgementGrace": 24 * HOUR,
        "settleDeadline": 72 * HOUR,
        "challengeWindow": 72 * HOUR,
        "directClaimWindow": 7 * 24 * HOUR,
        "withdrawalDelay": 14 * 24 * HOUR,
        "thawTime": 28 * 24 * HOUR,
        "rentGrace": 10 * 24 * HOUR,
        "protocolShare": 250,
        "anchorShare": 500,
        "maximumIssuerShare": 3_000,
        "burnShare": 4_000,
        "bondRatio": 1_000,
        "treasury": actors.treasury,
        "minimumServiceStake": 1_000 * TOKEN,
        "minimumAnchorStake": 10_000 * TOKEN,
        "rentPrice": 10**15,
    }


def rates() -> dict[str, Any]:
    """What running scripts costs."""
    return {"readGas": 10**15, "updateGas": 10**15, "outputByte": 10**11, "page": 10**12}
