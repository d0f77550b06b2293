"""The one form of XML signature that a script may carry, read into a value.

A script has exactly one ``ds:Signature``, a child of the root, with one Reference to the whole
document, transformed by "enveloped-signature" and one canonicalisation, and nothing else: no
Object, no Id to point at, no second Reference. Signature wrapping needs one of those.

Source: XML Signature Syntax and Processing 1.1; RFC 4050 for ``ECDSAKeyValue``, which the files
of 2022 on use with base64 text where the RFC has decimal attributes.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import Enum

from lxml.etree import _Element, _ElementTree

from node.errors import ScriptSignatureInvalid, ScriptUnsigned
from node.tokenscript.positions import SIGNATURE_NAMESPACE

DS = f"{{{SIGNATURE_NAMESPACE}}}"
MORE_NAMESPACE = "http://www.w3.org/2001/04/xmldsig-more#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
INCLUSIVE_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
XML_ATTRIBUTE = "{http://www.w3.org/XML/1998/namespace}"


class SignatureMethod(Enum):
    """The signature algorithms in use, by their URI."""

    ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureForm:
    """A Signature element that has the accepted form; nothing in it is verified yet."""

    element: _Element
    signed_info: _Element
    info_exclusive: bool
    reference_exclusive: bool
    method: SignatureMethod
    digest: bytes
    value: bytes
    key_info: _Element


def find_signature(tree: _ElementTree) -> _Element:
    """The document's only Signature, a child of the root."""
    root = tree.getroot()
    found = list(root.iter(f"{DS}Signature"))
    if not found:
        raise ScriptUnsigned
    if len(found) > 1:
        raise _invalid("there is more than one Signature")
    if found[0].getparent() is not root:
        raise _invalid("the Signature is not a child of the root")
    # Canonical XML 1.0 copies xml:* attributes of the root into SignedInfo; implementations
    # differ in whether they do, so such a file would verify here and not there.
    if any(str(name).startswith(XML_ATTRIBUTE) for name in root.attrib):
        raise _invalid("a signed root must not carry xml: attributes")
    return found[0]


def read_form(signature: _Element) -> SignatureForm:
    """Check the Signature's form piece by piece; raises ScriptSignatureInvalid."""
    _attributes(signature, allowed=("Id",))
    info, value, key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    _attributes(info, allowed=("Id",))
    canonicalisation, method, reference = _children(
        info, "CanonicalizationMethod", "SignatureMethod", "Reference"
    )
    _attributes(reference, allowed=("URI",))
    if reference.get("URI", "") != "":
        raise _invalid("the Reference is not to the whole document")
    transforms, digest_method, digest = _children(
        reference, "Transforms", "DigestMethod", "DigestValue"
    )
    _attributes(transforms, allowed=())
    enveloped, canonical = _children(transforms, "Transform", "Transform")
    if _algorithm(enveloped) != ENVELOPED:
        raise _invalid("the first transform is not enveloped-signature")
    if _algorithm(digest_method) != SHA256:
        raise _invalid("the digest is not SHA-256")
    return SignatureForm(
        element=signature,
        signed_info=info,
        info_exclusive=_is_exclusive(canonicalisation),
        reference_exclusive=_is_exclusive(canonical),
        method=_method(method),
        digest=base64_text(digest, "the digest"),
        value=base64_text(value, "the signature value"),
        key_info=key_info,
    )


def detach(signature: _Element) -> None:
    """Take the Signature out of its tree and leave the text that followed it."""
    parent = signature.getparent()
    assert parent is not None, "a Signature is looked for below the root only"
    previous = signature.getprevious()
    tail = signature.tail or ""
    if previous is None:
        parent.text = (parent.text or "") + tail
    else:
        previous.tail = (previous.tail or "") + tail
    parent.remove(signature)


def base64_text(element: _Element, what: str) -> bytes:
    """An element's text as bytes; only the one encoding of those bytes is accepted."""
    text = "".join(plain_text(element).split())
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _invalid(f"{what} is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise _invalid(f"{what} has stray bits after its base64")
    return data


def plain_text(element: _Element) -> str:
    """The text of an element that has nothing but text."""
    if len(element):
        raise _invalid(f"{element.tag} may hold text only")
    return element.text or ""


def _invalid(problem: str) -> ScriptSignatureInvalid:
    return ScriptSignatureInvalid(problem=problem)


def _children(parent: _Element, *names: str) -> list[_Element]:
    children = list(parent)
    if [child.tag for child in children] != [DS + name for name in names]:
        raise _invalid(f"{parent.tag} must hold exactly {', '.join(names)}")
    return children


def _attributes(element: _Element, *, allowed: tuple[str, ...]) -> None:
    for name in element.attrib:
        if name not in allowed:
            raise _invalid(f"the attribute {name!r} is not accepted on {element.tag}")


def _algorithm(element: _Element) -> str:
    _attributes(element, allowed=("Algorithm",))
    if len(element):
        raise _invalid("an algorithm takes no parameters")
    return str(element.get("Algorithm", ""))


def _is_exclusive(element: _Element) -> bool:
    match _algorithm(element):
        case name if name == INCLUSIVE_C14N:
            return False
        case name if name == EXCLUSIVE_C14N:
            return True
        case name:
            raise _invalid(f"the canonicalisation {name!r} is not accepted")


def _method(element: _Element) -> SignatureMethod:
    name = _algorithm(element)
    for method in SignatureMethod:
        if method.value == name:
            return method
    raise _invalid(f"the signature method {name!r} is not accepted")
