"""Whether a holder's grant lets an integration call an interface of a token now.

Whitepaper, "Read-Only Access": using a ticket at a site authorises the site. Checked on every
call; nothing about a grant is remembered but its withdrawal.
"""

from collections.abc import Callable, Container

from node.errors import (
    GrantExpired,
    GrantForged,
    GrantInterface,
    GrantMissing,
    GrantNotForYou,
    GrantRevoked,
)
from node.protocol.messages import Grant
from settlement.errors import SignatureInvalid
from settlement.protocol.signed import Signed
from settlement.protocol.signing import recover
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature

Recover = Callable[[Domain, Grant, Signature], Address]
"""Whose key signed a grant; raises SignatureInvalid."""

ALL_INTERFACES = "*"
"""In a grant's list, stands for every interface of the token."""


def check_grant(
    signed: Signed[Grant] | None,
    *,
    domain: Domain,
    token: Hash,
    interface: str,
    integration: Address,
    holder: Address,
    now_ms: int,
    revoked: Container[Hash] = (),
    recover: Recover = recover,
) -> Grant:
    """The grant that covers this call. ``integration`` is the signer of the call's voucher,
    ``holder`` the token's holder as the chain shows it now, ``revoked`` the hashStructs of
    withdrawn grants. ``recover`` may remember what it recovered before.

    Raises GrantMissing, GrantNotForYou, GrantInterface, GrantExpired, GrantRevoked, GrantForged.
    """
    if signed is None:
        raise GrantMissing(token=token, interface=interface)
    grant = signed.message
    if grant.token != token:
        raise GrantNotForYou(what="token", found=grant.token, expected=token)
    if grant.integration != integration:
        raise GrantNotForYou(what="integration", found=grant.integration, expected=integration)
    if interface not in grant.interfaces and ALL_INTERFACES not in grant.interfaces:
        raise GrantInterface(interface=interface, granted=", ".join(grant.interfaces))
    if now_ms >= grant.expires:
        raise GrantExpired(expires=grant.expires, now=now_ms)
    if grant.struct_hash() in revoked:
        raise GrantRevoked
    _require_holder(domain, signed, holder, recover)
    return grant


def _require_holder(
    domain: Domain, signed: Signed[Grant], holder: Address, recover: Recover
) -> None:
    """A grant ends with the holding: a new holder's token is not open to the old one's sites."""
    if signed.message.holder != holder:
        raise GrantForged(problem="somebody else holds the token now")
    try:
        signer = recover(domain, signed.message, signed.signature)
    except SignatureInvalid as error:
        raise GrantForged(problem=error.problem) from error
    if signer != holder:
        raise GrantForged(problem="another key signed it")
