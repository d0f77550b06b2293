"""The pure functions that a script may call outside of its engine; each has its price in gas.

The engine passes one text, a letter and its argument, and takes one text back. What cannot be
read is answered with an empty text, which the guest turns into a TypeError.
"""

from typing import Final

from coincurve import PublicKey

from settlement.types import keccak

_HASH_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 65
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def pure(text: bytes) -> bytes:
    """``k`` and hexadecimal bytes: their keccak256. ``e``, a hash and a signature (65 bytes,
    r | s | v) in hexadecimal: the signer's address."""
    try:
        argument = bytes.fromhex(text[1:].decode("ascii"))
    except ValueError:
        return b""
    match text[:1]:
        case b"k":
            return keccak(argument).hex().encode()
        case b"e":
            return _recovered(argument)
        case _:
            return b""


def _recovered(argument: bytes) -> bytes:
    """The address in hexadecimal; nothing for a malformed or malleable signature."""
    if len(argument) != _HASH_BYTES + _SIGNATURE_BYTES:
        return b""
    digest, signature = argument[:_HASH_BYTES], argument[_HASH_BYTES:]
    if signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return b""
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception:  # noqa: BLE001 - the binding raises bare Exception for a point off the curve
        return b""
    return keccak(key.format(compressed=False)[1:])[12:].hex().encode()
