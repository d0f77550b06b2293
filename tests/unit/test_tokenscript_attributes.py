"""Planning an attribute's call and reading its answer."""

from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode

from node.errors import AttributeFailed
from node.tokenscript.attributes import (
    Known,
    decode_result,
    needs_chain,
    plan_call,
    resolution_order,
    resolve_locally,
)
from node.tokenscript.conversions import convert, convert_entry, map_value
from node.tokenscript.model import As, Attribute, TokenScript
from node.tokenscript.parse import parse_unsigned
from settlement.errors import InputError
from settlement.types import Address, TokenId, keccak

VECTORS = Path(__file__).parent.parent / "vectors" / "tsml"
MUSEUM = (VECTORS / "museum_pass.xml").read_bytes()
OWNER = Address(b"\x77" * 20)
TOKEN = TokenId(chain_id=31337, contract=Address(b"\x22" * 20), number=0x0205)
KNOWN = Known(token=TOKEN, owner=OWNER)


@pytest.fixture(scope="module")
def museum() -> TokenScript:
    return parse_unsigned(MUSEUM)


def named(script: TokenScript, name: str) -> Attribute:
    attribute = script.attribute(name)
    assert attribute is not None
    return attribute


def test_a_call_goes_to_the_contract_on_the_tokens_chain(museum: TokenScript) -> None:
    call = plan_call(museum, named(museum, "visits"), KNOWN)
    assert (call.chain_id, call.contract) == (31337, TOKEN.contract)
    assert call.calldata == keccak(b"visitOf(uint256)")[:4] + TOKEN.number.to_bytes(32, "big")


def test_one_of_several_outputs_is_selected_by_name(museum: TokenScript) -> None:
    attribute = named(museum, "visits")
    call = plan_call(museum, attribute, KNOWN)
    answer = encode(["string", "uint256"], ["east", 12])
    assert decode_result(attribute, call, answer) == 12


def test_bytes32_reads_as_text(museum: TokenScript) -> None:
    attribute = named(museum, "curator")
    call = plan_call(museum, attribute, KNOWN)
    assert decode_result(attribute, call, b"Ada".ljust(32, b"\0")) == "Ada"


def test_without_an_abi_the_conversion_tells_the_output(museum: TokenScript) -> None:
    attribute = named(museum, "open")
    call = plan_call(museum, attribute, KNOWN)
    assert decode_result(attribute, call, (1).to_bytes(32, "big")) is True


def test_an_argument_may_be_another_attribute(museum: TokenScript) -> None:
    attribute = named(museum, "fee")
    known = replace(KNOWN, values={"wing": "West"})
    call = plan_call(museum, attribute, known)
    arguments = encode(["address", "string"], ["0x" + OWNER.hex(), "West"])
    assert call.calldata == keccak(b"feeOf(address,string)")[:4] + arguments
    answer = (25 * 10**17).to_bytes(32, "big")
    assert decode_result(attribute, call, answer) == "2.5"


def test_an_attribute_made_from_another_comes_after_it(museum: TokenScript) -> None:
    names = [one.name for one in resolution_order(museum, ["fee", "visits"])]
    assert names == ["wing", "fee", "visits"]


def test_a_circle_of_attributes_is_refused() -> None:
    circle = MUSEUM.replace(
        b'<tsx:token-id as="uint" bitmask="FF00">', b'<tsx:attribute ref="fee">'
    ).replace(b"</tsx:token-id>", b"</tsx:attribute>")
    with pytest.raises(AttributeFailed, match="made from itself"):
        resolution_order(parse_unsigned(circle), ["fee"])


def test_bits_of_the_tokens_number_are_mapped(museum: TokenScript) -> None:
    wing = named(museum, "wing")
    assert not needs_chain(wing)
    assert resolve_locally(wing, KNOWN) == "West"


def test_a_number_without_mapping_stays(museum: TokenScript) -> None:
    other = replace(KNOWN, token=TokenId(chain_id=1, contract=TOKEN.contract, number=0x0900))
    assert resolve_locally(named(museum, "wing"), other) == 9


def test_a_user_entry_is_taken_from_the_caller(museum: TokenScript) -> None:
    room = museum.cards[0].attributes[0]
    assert resolve_locally(room, replace(KNOWN, entries={"room": "hall"})) == "hall"
    with pytest.raises(AttributeFailed, match="the caller must give it"):
        resolve_locally(room, KNOWN)


@pytest.mark.parametrize(
    ("name", "known", "problem"),
    [
        ("fee", Known(token=TOKEN), "the owner is not known"),
        ("fee", KNOWN, "wing is not known"),
        (
            "visits",
            Known(token=TokenId(chain_id=5, contract=TOKEN.contract, number=1)),
            "no address on chain 5",
        ),
    ],
)
def test_a_call_that_cannot_be_planned_says_why(
    museum: TokenScript, name: str, known: Known, problem: str
) -> None:
    with pytest.raises(AttributeFailed, match=problem):
        plan_call(museum, named(museum, name), known)


@pytest.mark.parametrize("answer", [b"", b"\1" * 31, b"\xff" * 64])
def test_an_answer_that_cannot_be_read_is_refused(museum: TokenScript, answer: bytes) -> None:
    attribute = named(museum, "visits")
    with pytest.raises(AttributeFailed):
        decode_result(attribute, plan_call(museum, attribute, KNOWN), answer)


@pytest.mark.parametrize(
    ("conversion", "value", "expected"),
    [
        (As.UINT, 7, 7),
        (As.UINT, 1 << 255, str(1 << 255)),
        (As.UINT, b"\1\0", 256),
        (As.UINT, "12", 12),
        (As.INT, -3, -3),
        (As.UTF8, "é", "é"),
        (As.UTF8, b"ab\0\0", "ab"),
        (As.UTF8, 0x4142, "AB"),
        (As.UTF8, 0, ""),
        (As.BOOL, 2, True),
        (As.BOOL, False, False),
        (As.ADDRESS, b"\0" * 20, "0x" + "0" * 40),
        (As.ADDRESS, 1, "0x" + "0" * 39 + "1"),
        (As.BYTES, b"\xab", "0xab"),
        (As.BYTES, 1, "0x" + "0" * 63 + "1"),
        (As.E18, 10**18, "1"),
        (As.E18, -(10**17), "-0.1"),
        (As.E8, 1, "0.00000001"),
        (As.E6, 1_500_000, "1.5"),
        (As.E4, 0, "0"),
        (As.E2, 5, "0.05"),
    ],
)
def test_a_conversion(conversion: As, value: object, expected: object) -> None:
    result = convert(conversion, value)
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize(
    ("conversion", "value"),
    [(As.UINT, "x"), (As.UINT, []), (As.ADDRESS, b"\0"), (As.UTF8, b"\xff"), (As.BOOL, "TRUE")],
)
def test_a_conversion_that_makes_no_sense_is_refused(conversion: As, value: object) -> None:
    with pytest.raises(InputError):
        convert(conversion, value)


def test_an_entered_amount_becomes_an_integer() -> None:
    assert convert_entry(As.E18, "1.5") == str(15 * 10**17)
    assert convert_entry(As.E2, 3) == 300
    assert convert_entry(As.UTF8, "text") == "text"
    for wrong in ("1.555", "1e3", "-", "", True, None):
        with pytest.raises(InputError):
            convert_entry(As.E2, wrong)


def test_a_mapping_prefers_the_language(museum: TokenScript) -> None:
    options = named(museum, "wing").origins[0].mapping
    assert map_value(options, 1, "it") == "Est"
    assert map_value(options, 1) == "East"
