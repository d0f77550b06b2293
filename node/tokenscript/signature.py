"""Verifying a script's signature, and signing one.

:func:`verify` returns the canonical bytes over which the digest was taken. Whoever goes on reads
those and nothing else, so what is trusted and what is read cannot differ.

The signature does not cover the file's comments, its XML declaration, nor the certificate beside
the key. The file as a whole is identified by ``file_hash``, which the issuer puts on chain.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol

from lxml import etree
from lxml.etree import _Element

from node.errors import ScriptInvalid, ScriptSignatureInvalid
from node.tokenscript.canonical import canonical_bytes, load
from node.tokenscript.keys import ECDSA, SECP256K1_OID, ScriptKey, read_key, verify_value
from node.tokenscript.positions import SIGNATURE_NAMESPACE, root_end_tag
from node.tokenscript.xmldsig import (
    DS,
    ENVELOPED,
    INCLUSIVE_C14N,
    MORE_NAMESPACE,
    SHA256,
    SignatureMethod,
    detach,
    find_signature,
    read_form,
)
from settlement.types import Address, Hash, Signature, keccak


class DigestSigner(Protocol):
    """A secp256k1 key that signs 32 bytes; ``settlement.protocol.signing.SigningKey`` is one."""

    def public_key(self) -> bytes:
        """The point x | y, 64 bytes."""

    def sign_digest(self, digest: Hash) -> Signature:
        """r | s | v over the digest as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedScript:
    """Bytes whose signature holds.

    ``canonical`` is what was signed; ``signer`` the account of a secp256k1 key (None for the
    RSA and P-256 keys of 2019 and 2020); ``file_hash`` is keccak256 of the file as it came.
    """

    canonical: bytes
    original: bytes
    signer: Address | None
    key: ScriptKey
    file_hash: Hash


def verify(xml: bytes) -> VerifiedScript:
    """Verify a signed script.

    Raises ScriptUnsafe, ScriptInvalid (not well-formed), ScriptUnsigned or
    ScriptSignatureInvalid.
    """
    tree = load(xml)
    form = read_form(find_signature(tree))
    key, described = read_key(form.key_info)
    info = canonical_bytes(form.signed_info, exclusive=form.info_exclusive)
    verify_value(key, form.method, form.value, info)
    detach(form.element)
    canonical = canonical_bytes(tree, exclusive=form.reference_exclusive)
    if not hmac.compare_digest(hashlib.sha256(canonical).digest(), form.digest):
        raise ScriptSignatureInvalid(problem="the document was changed after it was signed")
    return VerifiedScript(
        canonical=canonical,
        original=xml,
        signer=described.address,
        key=described,
        file_hash=keccak(xml),
    )


def sign(xml: bytes, key: DigestSigner) -> bytes:
    """Sign an unsigned script in the form of 2022 and later; the result passes :func:`verify`.

    The file keeps its own bytes; the Signature is put before the root's end tag. Raises
    ScriptUnsafe, ScriptInvalid, or ScriptSignatureInvalid for a file that is signed already.
    """
    tree = load(xml)
    root = tree.getroot()
    if next(root.iter(f"{DS}Signature"), None) is not None:
        raise ScriptSignatureInvalid(problem="the file is signed already")
    end = root_end_tag(xml)
    if not xml.startswith(b"</", end):
        raise ScriptInvalid(where="the root", problem="it is empty", line=1, column=1)
    digest = hashlib.sha256(canonical_bytes(tree, exclusive=False)).digest()
    signature = _build(root, digest, key)
    text = etree.tostring(_standalone(signature), encoding="unicode").encode()
    signed = xml[:end] + text + xml[end:]
    verify(signed)
    return signed


def _build(root: _Element, digest: bytes, key: DigestSigner) -> _Element:
    signature = etree.SubElement(root, f"{DS}Signature", nsmap={"ds": SIGNATURE_NAMESPACE})
    info = _add(signature, "SignedInfo")
    _add(info, "CanonicalizationMethod", algorithm=INCLUSIVE_C14N)
    _add(info, "SignatureMethod", algorithm=SignatureMethod.ECDSA_SHA256.value)
    reference = _add(info, "Reference")
    transforms = _add(reference, "Transforms")
    _add(transforms, "Transform", algorithm=ENVELOPED)
    _add(transforms, "Transform", algorithm=INCLUSIVE_C14N)
    _add(reference, "DigestMethod", algorithm=SHA256)
    _add(reference, "DigestValue").text = base64.b64encode(digest).decode()
    signed = canonical_bytes(info, exclusive=False)
    value = key.sign_digest(Hash(hashlib.sha256(signed).digest()))[:64]
    _add(signature, "SignatureValue").text = base64.b64encode(value).decode()
    _add_key(_add(_add(signature, "KeyInfo"), "KeyValue"), key.public_key())
    return signature


def _add(parent: _Element, name: str, *, algorithm: str | None = None) -> _Element:
    element = etree.SubElement(parent, f"{DS}{name}")
    if algorithm is not None:
        element.set("Algorithm", algorithm)
    return element


def _add_key(parent: _Element, public: bytes) -> None:
    value = etree.SubElement(parent, f"{ECDSA}ECDSAKeyValue", nsmap={"ecdsa": MORE_NAMESPACE})
    domain = etree.SubElement(value, f"{ECDSA}DomainParameters")
    etree.SubElement(domain, f"{ECDSA}NamedCurve").set("URI", SECP256K1_OID)
    point = etree.SubElement(value, f"{ECDSA}PublicKey")
    etree.SubElement(point, f"{ECDSA}X").text = base64.b64encode(public[:32]).decode()
    etree.SubElement(point, f"{ECDSA}Y").text = base64.b64encode(public[32:]).decode()


def _standalone(signature: _Element) -> _Element:
    """A copy that declares only its own namespaces, to be written into the file as text."""
    copy = etree.fromstring(canonical_bytes(signature, exclusive=True))
    etree.cleanup_namespaces(copy, top_nsmap={"ds": SIGNATURE_NAMESPACE})
    return copy
