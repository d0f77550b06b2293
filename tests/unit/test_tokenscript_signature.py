"""Verifying and signing token scripts."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from node.errors import (
    ScriptInvalid,
    ScriptSignatureInvalid,
    ScriptUnsigned,
    TokenScriptError,
)
from node.tokenscript.canonical import canonical_bytes, load
from node.tokenscript.keys import KeyKind
from node.tokenscript.signature import sign, verify
from settlement.protocol.signing import SigningKey

VECTORS = Path(__file__).parent.parent / "vectors" / "tsml"
KEY = SigningKey(bytes([1]) * 32)
SCRIPT = (
    b'<?xml version="1.0"?>\n<ts:token xmlns:ts="http://tokenscript.org/2024/01/tokenscript">'
    b"<!-- unsigned --><ts:label a='1'>one</ts:label>\n</ts:token>\n"
)
DS = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


def test_the_frozen_signed_file_still_verifies_to_the_same_signer_and_bytes() -> None:
    script = verify((VECTORS / "museum_pass.signed.xml").read_bytes())
    assert script.signer == KEY.address
    assert script.file_hash.hex().startswith("fe976c998224ff38")
    assert hashlib.sha256(script.canonical).hexdigest().startswith("5968376e0a7acc02")


def test_signing_the_same_file_with_the_same_key_gives_the_frozen_bytes() -> None:
    signed = sign((VECTORS / "museum_pass.xml").read_bytes(), KEY)
    assert signed == (VECTORS / "museum_pass.signed.xml").read_bytes()


def test_signing_keeps_every_byte_of_the_file() -> None:
    signed = sign(SCRIPT, KEY)
    start, end = signed.index(b"<ds:Signature"), signed.index(b"</ds:Signature>")
    assert signed[:start] + signed[end + len(b"</ds:Signature>") :] == SCRIPT


def test_the_canonical_bytes_have_neither_comments_nor_signature() -> None:
    canonical = verify(sign(SCRIPT, KEY)).canonical
    assert b"unsigned" not in canonical
    assert b"Signature" not in canonical
    assert b'<ts:label a="1">one</ts:label>' in canonical


def test_each_altered_byte_is_refused_or_changes_nothing_that_was_signed() -> None:
    signed = sign(SCRIPT, KEY)
    before = verify(signed)
    refused = 0
    for at in range(len(signed)):
        altered = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        try:
            after = verify(altered)
        except TokenScriptError:
            refused += 1
        else:
            assert (after.canonical, after.signer) == (before.canonical, before.signer)
    assert refused > 0.95 * len(signed)


def test_a_changed_text_is_refused() -> None:
    with pytest.raises(ScriptSignatureInvalid, match="changed after it was signed"):
        verify(sign(SCRIPT, KEY).replace(b">one<", b">two<"))


def test_another_key_in_place_of_the_signers_is_refused() -> None:
    own = _part(sign(SCRIPT, KEY), b"<ds:KeyInfo>", b"</ds:KeyInfo>")
    other = _part(sign(SCRIPT, SigningKey(bytes([2]) * 32)), b"<ds:KeyInfo>", b"</ds:KeyInfo>")
    with pytest.raises(ScriptSignatureInvalid):
        verify(sign(SCRIPT, KEY).replace(own, other))


def test_a_file_without_signature_is_unsigned() -> None:
    with pytest.raises(ScriptUnsigned):
        verify(SCRIPT)


def test_a_signed_file_is_not_signed_again() -> None:
    with pytest.raises(ScriptSignatureInvalid, match="signed already"):
        sign(sign(SCRIPT, KEY), KEY)


def test_an_empty_root_cannot_be_signed() -> None:
    with pytest.raises(ScriptInvalid):
        sign(b'<ts:token xmlns:ts="http://tokenscript.org/2024/01/tokenscript"/>', KEY)


def test_a_second_signature_is_refused() -> None:
    signed = sign(SCRIPT, KEY)
    twice = _part(signed, b"<ds:Signature ", b"</ds:Signature>")
    with pytest.raises(ScriptSignatureInvalid, match="more than one"):
        verify(signed.replace(twice, twice + twice))


def test_a_signature_deeper_than_the_root_is_refused() -> None:
    signed = sign(SCRIPT, KEY)
    part = _part(signed, b"<ds:Signature ", b"</ds:Signature>")
    with pytest.raises(ScriptSignatureInvalid, match="not a child of the root"):
        verify(signed.replace(part, b"<ts:meta>" + part + b"</ts:meta>"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<ds:Reference>", b'<ds:Reference URI="#part">'),
        (b"<ds:Reference>", b'<ds:Reference Id="x" Type="y">'),
        (b"xmldsig#enveloped-signature", b"xmldsig#base64"),
        (b"2001/04/xmlenc#sha256", b"2000/09/xmldsig#sha1"),
        (b"REC-xml-c14n-20010315", b"REC-xslt-19991116"),
        (b"xmldsig-more#ecdsa-sha256", b"xmldsig-more#ecdsa-sha1"),
        (b"</ds:SignedInfo>", b"<ds:Reference/></ds:SignedInfo>"),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object/>"),
        (b"urn:oid:1.3.132.0.10", b"urn:oid:1.3.132.0.34"),
        (b"</ds:KeyValue>", b"</ds:KeyValue><ds:KeyValue/>"),
    ],
)
def test_another_form_of_signature_is_refused(old: bytes, new: bytes) -> None:
    signed = sign(SCRIPT, KEY)
    assert old in signed
    with pytest.raises(ScriptSignatureInvalid):
        verify(signed.replace(old, new))


def test_a_root_with_xml_attributes_is_not_accepted_signed() -> None:
    with pytest.raises(ScriptSignatureInvalid, match="xml: attributes"):
        sign(SCRIPT.replace(b"<ts:token ", b'<ts:token xml:lang="en" '), KEY)


def test_an_empty_reference_and_exclusive_canonical_form_are_accepted() -> None:
    private = ec.derive_private_key(7, ec.SECP256K1())
    verified = verify(_sign_like_2020(private))
    assert verified.key.kind is KeyKind.SECP256K1
    assert verified.signer is not None


def test_a_p256_signature_of_the_old_generation_verifies_without_an_account() -> None:
    verified = verify(_sign_like_2020(ec.derive_private_key(7, ec.SECP256R1())))
    assert verified.key.kind is KeyKind.P256
    assert verified.signer is None


def test_an_rsa_signature_of_the_old_generation_verifies_without_an_account() -> None:
    verified = verify(_sign_like_2020(rsa.generate_private_key(65537, 2048)))
    assert verified.key.kind is KeyKind.RSA
    assert verified.signer is None


def test_a_small_rsa_key_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ScriptSignatureInvalid, match="unusual size"):
        verify(_sign_like_2020(weak))


def _part(xml: bytes, first: bytes, last: bytes) -> bytes:
    return xml[xml.index(first) : xml.index(last) + len(last)]


def _sign_like_2020(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """An independent signer: exclusive canonical form, Reference with empty URI."""
    root = load(SCRIPT).getroot()
    digest = hashlib.sha256(canonical_bytes(root.getroottree(), exclusive=True)).digest()
    name = "rsa-sha256" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa-sha256"
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f'<ds:SignatureMethod Algorithm="{MORE}{name}"/><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<ds:DigestValue>{_text(digest)}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    signed = canonical_bytes(etree.fromstring(info), exclusive=True)
    if isinstance(key, rsa.RSAPrivateKey):
        value = key.sign(signed, padding.PKCS1v15(), SHA256())
        numbers = key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(key.key_size // 8, "big")
        described = (
            f"<ds:RSAKeyValue><ds:Modulus>{_text(modulus)}</ds:Modulus>"
            f"<ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue>"
        )
    else:
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
        value = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        point = key.public_key().public_numbers()
        packed = b"\4" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
        curve = "1.3.132.0.10" if key.curve.name == "secp256k1" else "1.2.840.10045.3.1.7"
        described = (
            f'<d:ECKeyValue xmlns:d="http://www.w3.org/2009/xmldsig11#">'
            f'<d:NamedCurve URI="urn:oid:{curve}"/>'
            f"<d:PublicKey>{_text(packed)}</d:PublicKey></d:ECKeyValue>"
        )
    signature = (
        f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{_text(value)}'
        f"</ds:SignatureValue><ds:KeyInfo><ds:KeyValue>{described}</ds:KeyValue>"
        f"</ds:KeyInfo></ds:Signature>"
    )
    return SCRIPT.replace(b"</ts:token>", signature.encode() + b"</ts:token>")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
