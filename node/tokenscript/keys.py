"""The public key that a Signature names, and verifying with it.

Two generations: since 2022 a secp256k1 key in ``ECDSAKeyValue`` (or the standard
``ECKeyValue``), before that RSA or P-256 with an X.509 certificate. Whether a certificate is to
be trusted, and at which time, is not decided here: its key only has to be the one that signed.
"""

from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml.etree import _Element

from node.errors import ScriptSignatureInvalid
from node.tokenscript.xmldsig import DS, MORE_NAMESPACE, SignatureMethod, base64_text
from settlement.types import Address, keccak

ECDSA = f"{{{MORE_NAMESPACE}}}"
DS11 = "{http://www.w3.org/2009/xmldsig11#}"
SECP256K1_OID = "urn:oid:1.3.132.0.10"
P256_OID = "urn:oid:1.2.840.10045.3.1.7"
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    SECP256K1_OID: ec.SECP256K1,
    P256_OID: ec.SECP256R1,
}
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_MAX_CERTIFICATES = 8

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyKind(StrEnum):
    """What a script was signed with."""

    SECP256K1 = "secp256k1"
    P256 = "P-256"
    RSA = "RSA"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptKey:
    """The key of a signature.

    ``public`` is x | y (64 bytes) for a curve and DER SubjectPublicKeyInfo for RSA; ``address``
    is the Ethereum account of a secp256k1 key, else None; ``certificates`` are DER, the signer's
    own first.
    """

    kind: KeyKind
    public: bytes
    address: Address | None
    certificates: tuple[bytes, ...]


def read_key(key_info: _Element) -> tuple[Key, ScriptKey]:
    """The key in a KeyInfo; a certificate beside a key value must hold the same key."""
    values = [_key_value(found) for found in key_info.iter(f"{DS}KeyValue")]
    if len(values) > 1:
        raise _invalid("there is more than one KeyValue")
    certificates = [
        base64_text(found, "a certificate") for found in key_info.iter(f"{DS}X509Certificate")
    ]
    if len(certificates) > _MAX_CERTIFICATES:
        raise _invalid(f"there are more than {_MAX_CERTIFICATES} certificates")
    keys = values + [_certificate_key(der) for der in certificates[:1]]
    if not keys:
        raise _invalid("the signature names no key")
    described = [_describe(key, tuple(certificates)) for key in keys]
    if len(keys) == 2 and described[0].public != described[1].public:
        raise _invalid("the certificate holds another key than the KeyValue")
    return keys[0], described[0]


def verify_value(key: Key, method: SignatureMethod, value: bytes, data: bytes) -> None:
    """Raise ScriptSignatureInvalid unless ``value`` is the key's signature of ``data``."""
    try:
        match key, method:
            case ec.EllipticCurvePublicKey(), SignatureMethod.ECDSA_SHA256:
                key.verify(_der(value), data, ec.ECDSA(SHA256()))
            case rsa.RSAPublicKey(), SignatureMethod.RSA_SHA256:
                key.verify(value, data, padding.PKCS1v15(), SHA256())
            case _:
                raise _invalid("the signature method is not one for this key")
    except InvalidSignature as error:
        raise _invalid("the signature value is not of this key") from error


def _invalid(problem: str) -> ScriptSignatureInvalid:
    return ScriptSignatureInvalid(problem=problem)


def _der(value: bytes) -> bytes:
    if len(value) != 64:
        raise _invalid("an ECDSA signature has 64 bytes")
    return encode_dss_signature(
        int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
    )


def _key_value(element: _Element) -> Key:
    if len(element) != 1:
        raise _invalid("a KeyValue holds exactly one key")
    key = element[0]
    match key.tag:
        case tag if tag == f"{ECDSA}ECDSAKeyValue":
            curve = _find(key, f"{ECDSA}DomainParameters/{ECDSA}NamedCurve").get("URI")
            x = base64_text(_find(key, f"{ECDSA}PublicKey/{ECDSA}X"), "X")
            y = base64_text(_find(key, f"{ECDSA}PublicKey/{ECDSA}Y"), "Y")
            return _point(curve, x, y)
        case tag if tag == f"{DS11}ECKeyValue":
            curve = _find(key, f"{DS11}NamedCurve").get("URI")
            point = base64_text(_find(key, f"{DS11}PublicKey"), "the point")
            if len(point) != 65 or point[0] != 4:
                raise _invalid("the point is not uncompressed")
            return _point(curve, point[1:33], point[33:])
        case tag if tag == f"{DS}RSAKeyValue":
            return _rsa(
                base64_text(_find(key, f"{DS}Modulus"), "the modulus"),
                base64_text(_find(key, f"{DS}Exponent"), "the exponent"),
            )
        case tag:
            raise _invalid(f"a key in the form {tag!r} is not accepted")


def _find(parent: _Element, path: str) -> _Element:
    found = parent.findall(path)
    if len(found) != 1:
        raise _invalid(f"the key needs exactly one {path}")
    return found[0]


def _point(curve: str | None, x: bytes, y: bytes) -> Key:
    chosen = _CURVES.get(curve or "")
    if chosen is None:
        raise _invalid(f"the curve {curve!r} is not accepted")
    if len(x) > 32 or len(y) > 32:
        raise _invalid("a coordinate has more than 32 bytes")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), chosen()
    )
    try:
        return numbers.public_key()
    except ValueError as error:
        raise _invalid("the point is not on its curve") from error


def _rsa(modulus: bytes, exponent: bytes) -> Key:
    try:
        return _sized(
            rsa.RSAPublicNumbers(
                int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
            ).public_key()
        )
    except ValueError as error:
        raise _invalid("the RSA key is not valid") from error


def _sized(key: rsa.RSAPublicKey) -> rsa.RSAPublicKey:
    # the exponent bounds the work of one verification as much as the modulus does
    if (
        not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS
        or key.public_numbers().e.bit_length() > 32
    ):
        raise _invalid("the RSA key has an unusual size")
    return key


def _certificate_key(der: bytes) -> Key:
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid("the certificate cannot be read") from error
    match key:
        case ec.EllipticCurvePublicKey():
            return key
        case rsa.RSAPublicKey():
            return _sized(key)
        case _:
            raise _invalid("the certificate's kind of key is not accepted")


def _describe(key: Key, certificates: tuple[bytes, ...]) -> ScriptKey:
    if isinstance(key, rsa.RSAPublicKey):
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return ScriptKey(kind=KeyKind.RSA, public=spki, address=None, certificates=certificates)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    match key.curve:
        case ec.SECP256K1():
            return ScriptKey(
                kind=KeyKind.SECP256K1,
                public=point,
                address=Address(keccak(point)[12:]),
                certificates=certificates,
            )
        case ec.SECP256R1():
            return ScriptKey(
                kind=KeyKind.P256, public=point, address=None, certificates=certificates
            )
        case curve:
            raise _invalid(f"the curve {curve.name} is not accepted")
