"""Who may prove what to whom on a link."""

import msgspec
import pytest

from node.net.errors import LinkRefused
from node.net.handshake import Claim, Greeting, Prover, Welcome, parse_step
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature

HUB = Address(bytes(20))
DOMAIN = Domain.of(31337, HUB)
ALICE, BOB, MALLORY = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
BOBS_CERTIFICATE, MALLORYS_CERTIFICATE = Hash(b"b" * 32), Hash(b"m" * 32)


def prover(key: SigningKey, domain: Domain = DOMAIN) -> Prover:
    return Prover(key, domain, lambda size: b"\x07" * size)


CHALLENGE = prover(BOB).challenge()


def bob_checks(signature: Signature, challenge: Hash = CHALLENGE) -> None:
    prover(BOB).check(ALICE.address, challenge, BOBS_CERTIFICATE, signature)


def test_a_proof_for_this_peer_challenge_and_certificate_is_accepted() -> None:
    bob_checks(prover(ALICE).prove(BOB.address, CHALLENGE, BOBS_CERTIFICATE))


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(
            prover(MALLORY).prove(BOB.address, CHALLENGE, BOBS_CERTIFICATE), id="another-key"
        ),
        pytest.param(
            prover(ALICE).prove(MALLORY.address, CHALLENGE, BOBS_CERTIFICATE), id="another-peer"
        ),
        pytest.param(
            prover(ALICE).prove(BOB.address, CHALLENGE, MALLORYS_CERTIFICATE),
            id="made-for-somebody-in-the-middle",
        ),
        pytest.param(
            prover(ALICE).prove(BOB.address, Hash(b"o" * 32), BOBS_CERTIFICATE),
            id="replayed-from-an-older-link",
        ),
        pytest.param(
            prover(ALICE, Domain.of(1, HUB)).prove(BOB.address, CHALLENGE, BOBS_CERTIFICATE),
            id="another-chain",
        ),
        pytest.param(Signature(b""), id="no-signature"),
        pytest.param(Signature(bytes(65)), id="zeros"),
    ],
)
def test_any_other_proof_is_refused(signature: Signature) -> None:
    with pytest.raises(LinkRefused):
        bob_checks(signature)


def test_a_listeners_proof_is_no_dialler_s_proof() -> None:
    as_listener = prover(ALICE).prove(BOB.address, CHALLENGE, Hash(b"a" * 32))
    with pytest.raises(LinkRefused):
        bob_checks(as_listener)


@pytest.mark.parametrize("challenge", [b"", b"short", b"x" * 33])
def test_a_challenge_of_another_length_is_not_signed(challenge: bytes) -> None:
    with pytest.raises(LinkRefused, match="32 bytes"):
        prover(ALICE).prove(BOB.address, Hash(challenge), BOBS_CERTIFICATE)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"challenge":1}', b'{"challenge":"AA==","x":1}', 1000],
)
def test_what_is_no_greeting_is_refused(data: object) -> None:
    with pytest.raises(LinkRefused):
        parse_step(data, Greeting, BOB.address)


def test_each_step_reads_back_what_was_written() -> None:
    claim = Claim(node=ALICE.address, challenge=CHALLENGE, signature=Signature(bytes(65)))
    welcome = Welcome(signature=Signature(bytes(65)))

    assert parse_step(msgspec.json.encode(claim), Claim, BOB.address) == claim
    assert parse_step(msgspec.json.encode(welcome), Welcome, BOB.address) == welcome
