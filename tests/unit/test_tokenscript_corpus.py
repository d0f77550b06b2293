"""Real files against what others say of them. Needs the folder named by SMARTLAYER_CORPUS.

It holds ``corpus/`` (files, MANIFEST.json, ENGINE-JS-ORACLE.json), ``xsd/`` (the published
schemas) and ``eas-offchain-vectors.json``.
"""

import io
import json
import os
import random
import re
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from eth_abi.abi import encode
from lxml import etree

from node.errors import (
    ScriptInvalid,
    ScriptSignatureInvalid,
    ScriptUnsafe,
    ScriptUnsigned,
    TokenScriptError,
)
from node.tokenscript.abi import canonical_type, selector
from node.tokenscript.attributes import Known, decode_result, needs_chain, plan_call
from node.tokenscript.build import build
from node.tokenscript.eas import EasAttestation
from node.tokenscript.parse import parse_unsigned
from node.tokenscript.signature import verify
from settlement.types import Address, TokenId, hex_text, keccak

FOLDER = os.environ.get("SMARTLAYER_CORPUS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="SMARTLAYER_CORPUS does not name the folder of real files"
)
ROOT = Path(FOLDER or "absent")
TESTS = Path(__file__).parent.parent
READ = {"2020/06", "2022/09", "2024/01"}


def load_json(name: str) -> Any:
    return json.loads((ROOT / name).read_text()) if FOLDER else []


MANIFEST = load_json("corpus/MANIFEST.json")
ORACLE = load_json("corpus/ENGINE-JS-ORACLE.json")


def content(item: dict) -> bytes:
    return (ROOT / "corpus" / item["file"]).read_bytes()


def without_entities(xml: bytes) -> bytes:
    """A file of 2020 as its build step would have left it."""
    xml = re.sub(rb"<!DOCTYPE.*?\]>", b"", xml, flags=re.DOTALL)
    return re.sub(rb"&[a-zA-Z][\w.-]*;(?<!&lt;)(?<!&gt;)(?<!&amp;)", b"", xml)


@pytest.mark.parametrize("item", MANIFEST, ids=lambda item: item["file"][-40:])
def test_signatures_are_judged_as_the_manifest_says(item: dict) -> None:
    signature = item["signature"]
    if item["dtd"] or item["build_placeholders"]:
        with pytest.raises(ScriptUnsafe):
            verify(content(item))
    elif signature is None:
        with pytest.raises(ScriptUnsigned):
            verify(content(item))
    elif not (signature["dig"] and signature["sig"] == "ok"):
        with pytest.raises(ScriptSignatureInvalid):
            verify(content(item))
    else:
        verify(content(item))


def signed_files() -> list[dict]:
    return [item for item in MANIFEST if item["signature"] and item["signature"]["dig"]]


@pytest.mark.parametrize("item", signed_files(), ids=lambda item: item["file"][-40:])
def test_an_altered_byte_is_refused_or_changes_nothing_signed(item: dict) -> None:
    original = content(item)
    before = verify(original)
    draw = random.Random(item["file"])
    end = original.index(b"Signature ")
    for _ in range(60):
        at = draw.randrange(end + 600)
        altered = original[:at] + bytes([original[at] ^ 1]) + original[at + 1 :]
        try:
            after = verify(altered)
        except TokenScriptError:
            continue
        assert after.canonical == before.canonical


@pytest.mark.parametrize("item", signed_files(), ids=lambda item: item["file"][-40:])
def test_the_signer_is_the_one_that_the_other_engine_finds(item: dict) -> None:
    signer = ORACLE[item["file"]]["signer"]
    if not signer:
        pytest.skip("the other engine finds no signer")
    public = bytes.fromhex(signer["signingKey"].removeprefix("0x04"))
    assert verify(content(item)).signer == keccak(public)[12:]


@pytest.mark.parametrize("item", MANIFEST, ids=lambda item: item["file"][-40:])
def test_every_file_of_a_known_edition_parses_as_the_other_engine_reads_it(item: dict) -> None:
    xml = content(item)
    if item["build_placeholders"]:
        pytest.skip("it is a template")
    if item["ns"] not in READ:
        with pytest.raises(ScriptInvalid, match="not an edition"):
            parse_unsigned(xml)
        return
    script = parse_unsigned(without_entities(xml) if item["dtd"] else xml)
    assert bool(script.warnings) <= (item["ns"] == "2020/06")
    oracle = ORACLE[item["file"]]
    if isinstance(oracle, str):
        return
    assert script.name == oracle["name"]
    assert script.label.text() == oracle["label"]
    assert [one.name for one in script.attributes] == oracle["attrs"]
    assert set(script.origins) == set(oracle["origins"])
    assert {
        contract.name: {str(one.chain_id): hex_text(one.address) for one in contract.addresses}
        for contract in script.contracts
    } == {
        name: {chain: one["address"].lower() for chain, one in places.items()}
        for name, places in oracle["contracts"].items()
    }
    named = {(card.name, str(card.kind)) for card in script.cards}
    assert {(name, kind) for name, kind, _ in oracle["cards"]} <= named


@pytest.mark.parametrize("item", MANIFEST, ids=lambda item: item["file"][-40:])
def test_calls_are_those_that_the_other_engine_makes(item: dict) -> None:
    oracle = ORACLE[item["file"]]
    if isinstance(oracle, str) or not oracle["calls"]:
        pytest.skip("the other engine makes no calls")
    script = parse_unsigned(content(item))
    own = script.contract(None)
    assert own is not None
    place = own.addresses[0]
    token = TokenId(chain_id=place.chain_id, contract=place.address, number=7)
    known = Known(token=token, owner=Address(b"\x22" * 20))
    attributes = [one for one in script.attributes if needs_chain(one)]
    for attribute, expected in zip(attributes, oracle["calls"], strict=True):
        call = plan_call(script, attribute, known)
        types = [canonical_type(kind) for kind, _ in expected["args"]]
        values = [int(value) if "int" in kind else value for kind, value in expected["args"]]
        assert call.chain_id == expected["chain"]
        assert hex_text(call.contract) == expected["addr"].lower()
        assert call.calldata == selector(expected["method"], types) + encode(types, values)
        answer = decode_result(attribute, call, bytes(32))
        # it writes numbers as text, and the zero address as 0
        assert str(answer) in {str(oracle["values"][attribute.name]), "0x" + "0" * 40}


def test_real_attestations_are_genuine() -> None:
    for compact in load_json("eas-offchain-vectors.json"):
        attestation = EasAttestation.from_compact(compact)
        assert hex_text(attestation.attester) == compact[6].lower()
        assert hex_text(attestation.uid) == compact[7]
        assert EasAttestation.from_json(attestation.to_json()) == attestation


@cache
def schema(edition: str) -> xmlschema.XMLSchema11:
    return xmlschema.XMLSchema11(ROOT / "xsd" / edition / "tokenscript.xsd")


def faults(edition: str, xml: bytes) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", xmlschema.XMLSchemaTypeTableWarning)
        return [str(error.reason) for error in schema(edition).iter_errors(io.BytesIO(xml))]


def samples() -> Iterator[tuple[str, bytes]]:
    yield "2022-09", (TESTS / "vectors" / "tsml" / "museum_pass.xml").read_bytes()
    template = (TESTS.parent / "node" / "devnet" / "flight_ticket" / "ticket.tsml.xml").read_bytes()
    short, long = "0x" + "11" * 20, "0x" + "22" * 32
    values = {
        "chain_id": "1", "ticket_address": short, "flight_attester": short, "flight_schema": long,
        "hotel_url": "https://hotel.example", "hotel_timeout": "2s", "hotel_attester": short,
        "booking_schema": long,
    }  # fmt: skip
    yield "2024-01", build(template, values)


@pytest.mark.parametrize(("edition", "xml"), samples(), ids=["museum", "ticket"])
def test_our_samples_are_valid_under_the_published_schemas(edition: str, xml: bytes) -> None:
    assert faults(edition, xml) == []


def mutations(xml: bytes) -> Iterator[tuple[str, bytes]]:
    """Each attribute removed, each element removed, renamed, doubled or moved, one at a time.

    The HTML of views is left out: a node does not read it.
    """
    for at, original in enumerate(etree.fromstring(xml).iter("*")):
        if etree.QName(original).namespace == "http://www.w3.org/1999/xhtml":
            continue
        for kind in ("drop", "rename", "double", "stray", "swap"):
            root = etree.fromstring(xml)
            element = list(root.iter("*"))[at]
            parent = element.getparent()
            if kind == "rename":
                element.tag = f"{{{etree.QName(element).namespace or ''}}}x-{at}".replace("{}", "")
            elif kind == "stray":
                element.set("x-stray", "1")
            elif parent is None:
                continue
            elif kind == "swap":
                following = element.getnext()
                if following is None:
                    continue
                following.addnext(element)
            elif kind == "drop":
                parent.remove(element)
            else:
                element.addnext(etree.fromstring(etree.tostring(element)))
            yield f"{kind} {element.tag}", etree.tostring(root)
        for name in etree.fromstring(xml).xpath(f"(//*)[{at + 1}]")[0].attrib:
            root = etree.fromstring(xml)
            element = list(root.iter("*"))[at]
            del element.attrib[name]
            yield f"without {name} on {element.tag}", etree.tostring(root)


@pytest.mark.parametrize(("edition", "xml"), samples(), ids=["museum", "ticket"])
@pytest.mark.timeout(120)
def test_what_the_schemas_refuse_is_refused(edition: str, xml: bytes) -> None:
    accepted = []
    for what, mutant in mutations(xml):
        if not faults(edition, mutant):
            continue
        try:
            parse_unsigned(mutant)
        except TokenScriptError:
            continue
        accepted.append(what)
    assert accepted == []
