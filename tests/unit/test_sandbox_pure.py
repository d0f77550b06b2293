"""The pure functions that a script may call outside of its engine."""

import pytest
from coincurve import PrivateKey

from node.sandbox.pure import pure
from settlement.types import keccak

KEY = PrivateKey(b"\x07" * 32)
DIGEST = keccak(b"a message")
SIGNATURE = KEY.sign_recoverable(DIGEST, hasher=None)
V = bytes([SIGNATURE[64] + 27])
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def recovered(signature: bytes, digest: bytes = DIGEST) -> bytes:
    return pure(b"e" + (digest + signature).hex().encode())


def test_keccak_is_the_chains() -> None:
    empty = b"c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert pure(b"k") == empty
    assert pure(b"k00ff") == keccak(b"\x00\xff").hex().encode()


def test_a_signature_gives_its_signers_address() -> None:
    address = keccak(KEY.public_key.format(compressed=False)[1:])[12:]
    assert recovered(SIGNATURE[:64] + V) == address.hex().encode()


def test_a_malleable_signature_recovers_nobody() -> None:
    high = ORDER - int.from_bytes(SIGNATURE[32:64], "big")
    flipped = bytes([55 - V[0]])
    assert recovered(SIGNATURE[:32] + high.to_bytes(32, "big") + flipped) == b""


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:64],
        SIGNATURE[:64] + b"\x00",
        SIGNATURE[:64] + b"\x1d",
        bytes(64) + b"\x1b",
        b"\xff" * 32 + b"\x11" * 32 + b"\x1b",
    ],
)
def test_a_malformed_signature_recovers_nobody(signature: bytes) -> None:
    assert recovered(signature) == b""


@pytest.mark.parametrize("text", [b"", b"x00", b"k0", b"kzz", b"k\xff", b"e00", b"k 00 \xe2"])
def test_what_cannot_be_read_is_answered_with_nothing(text: bytes) -> None:
    assert pure(text) == b""
