"""Grants: whose, for whom, for what, until when."""

from dataclasses import replace

import pytest

from node.core.grants import check_grant
from node.errors import (
    GrantExpired,
    GrantForged,
    GrantInterface,
    GrantMissing,
    GrantNotForYou,
    GrantRevoked,
)
from node.protocol.messages import Grant
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TRAVELLER, THIEF = SigningKey(keccak(b"traveller")), SigningKey(keccak(b"thief"))
SITE, TOKEN = Address(b"\x33" * 20), keccak(b"token")
NOW = 1_700_000_000_000
GRANT = Grant(
    holder=TRAVELLER.address,
    integration=SITE,
    token=TOKEN,
    interfaces=("status", "delay"),
    purpose="car rental",
    expires=NOW + 60_000,
    nonce=keccak(b"1"),
)


def check(
    signed: Signed[Grant] | None,
    *,
    token: Hash = TOKEN,
    interface: str = "status",
    integration: Address = SITE,
    holder: Address = TRAVELLER.address,
    now_ms: int = NOW,
    revoked: frozenset[Hash] = frozenset(),
) -> Grant:
    return check_grant(
        signed,
        domain=DOMAIN,
        token=token,
        interface=interface,
        integration=integration,
        holder=holder,
        now_ms=now_ms,
        revoked=revoked,
    )


def signed(grant: Grant = GRANT, key: SigningKey = TRAVELLER) -> Signed[Grant]:
    return Signed.by(key, DOMAIN, grant)


def test_the_holders_grant_opens_the_interfaces_that_it_names() -> None:
    assert check(signed()) == GRANT
    assert check(signed(), interface="delay") == GRANT


def test_a_grant_of_all_interfaces_opens_any() -> None:
    everything = replace(GRANT, interfaces=("*",))
    assert check(signed(everything), interface="seat") == everything


def test_a_call_without_a_grant_is_refused() -> None:
    with pytest.raises(GrantMissing):
        check(None)


def test_a_grant_ends_at_its_time_and_not_before() -> None:
    assert check(signed(), now_ms=GRANT.expires - 1) == GRANT
    with pytest.raises(GrantExpired):
        check(signed(), now_ms=GRANT.expires)


def test_a_grant_for_another_site_or_token_is_refused() -> None:
    with pytest.raises(GrantNotForYou):
        check(signed(), integration=Address(b"\x44" * 20))
    with pytest.raises(GrantNotForYou):
        check(signed(), token=keccak(b"other"))


def test_an_interface_that_was_not_granted_stays_closed() -> None:
    with pytest.raises(GrantInterface):
        check(signed(), interface="passport")


def test_a_revoked_grant_is_refused_and_another_one_is_not() -> None:
    with pytest.raises(GrantRevoked):
        check(signed(), revoked=frozenset({GRANT.struct_hash()}))
    renewed = replace(GRANT, nonce=keccak(b"2"))
    assert check(signed(renewed), revoked=frozenset({GRANT.struct_hash()})) == renewed


@pytest.mark.parametrize(
    "forged",
    [
        signed(key=THIEF),
        signed(replace(GRANT, holder=THIEF.address), THIEF),
        Signed(message=replace(GRANT, expires=NOW + 10**9), signature=signed().signature),
        Signed(message=GRANT, signature=Signature(bytes(65))),
        Signed(message=GRANT, signature=Signature(signed().signature[:64])),
    ],
)
def test_a_grant_that_the_present_holder_has_not_signed_is_refused(forged: Signed[Grant]) -> None:
    with pytest.raises(GrantForged):
        check(forged)


def test_a_grant_ends_when_the_token_is_sold() -> None:
    with pytest.raises(GrantForged):
        check(signed(), holder=THIEF.address)


def test_a_grant_of_another_chain_is_refused() -> None:
    elsewhere = Signed.by(TRAVELLER, Domain.of(1, Address(b"\x11" * 20)), GRANT)
    with pytest.raises(GrantForged):
        check(elsewhere)
