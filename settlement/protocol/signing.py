"""Keys and signatures over EIP-712 digests, on libsecp256k1 through coincurve.

The fast path of the product: no account library between a digest and its signature.
Malleable forms are refused everywhere (high s, v outside {27, 28}, 64-byte signatures).
"""

from coincurve import PrivateKey, PublicKey

from settlement.errors import SignatureInvalid
from settlement.protocol.typed_data import Domain, TypedMessage
from settlement.types import Address, Hash, Signature, keccak

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_V_OFFSET = 27


def _address_of(public_key: PublicKey) -> Address:
    return Address(keccak(public_key.format(compressed=False)[1:])[12:])


class SigningKey:
    """A secp256k1 private key that never shows itself: no repr, no pickle, no attribute."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise SignatureInvalid(message="key", problem="a private key has 32 bytes")
        self._key = PrivateKey(secret)
        self.address: Address = _address_of(self._key.public_key)

    def __repr__(self) -> str:
        return f"SigningKey(0x{self.address.hex()})"

    def __reduce__(self) -> str:
        raise SignatureInvalid(message="key", problem="a private key is not serialisable")

    def public_key(self) -> bytes:
        """The uncompressed public point, 64 bytes (x | y)."""
        return self._key.public_key.format(compressed=False)[1:]

    def sign_digest(self, digest: Hash) -> Signature:
        """Sign 32 bytes as they are; r | s | v with low s."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return Signature(raw[:64] + bytes([raw[64] + _V_OFFSET]))

    def sign(self, domain: Domain, message: TypedMessage) -> Signature:
        """Sign a message in its domain."""
        return self.sign_digest(domain.digest(message))


def recover_digest(digest: Hash, signature: Signature, what: str) -> Address:
    """The address whose key signed ``digest``; raises SignatureInvalid."""
    if len(signature) != 65:
        raise SignatureInvalid(message=what, problem="a signature has 65 bytes")
    if signature[64] not in (27, 28):
        raise SignatureInvalid(message=what, problem="v is neither 27 nor 28")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise SignatureInvalid(message=what, problem="s is in the upper half of the order")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - _V_OFFSET]), digest, hasher=None
        )
    except Exception as error:  # coincurve raises bare Exception where no point fits
        raise SignatureInvalid(message=what, problem="no key can have made it") from error
    return _address_of(key)


def recover(domain: Domain, message: TypedMessage, signature: Signature) -> Address:
    """The address whose key signed ``message`` in ``domain``; raises SignatureInvalid."""
    return recover_digest(domain.digest(message), signature, type(message).__name__)


def require_signer(
    domain: Domain, message: TypedMessage, signature: Signature, expected: Address
) -> None:
    """Raise SignatureInvalid unless ``expected`` signed ``message`` in ``domain``."""
    found = recover(domain, message, signature)
    if found != expected:
        raise SignatureInvalid(
            message=type(message).__name__,
            problem=f"signed by 0x{found.hex()}, expected 0x{expected.hex()}",
        )
