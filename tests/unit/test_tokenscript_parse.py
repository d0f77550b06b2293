"""Parsing token scripts into values, and refusing what is not one, with its place."""

from pathlib import Path

import pytest

from node.errors import ScriptInvalid
from node.tokenscript.model import (
    As,
    Call,
    CardKind,
    FromTokenId,
    Generation,
    Syntax,
    TokenScript,
    UserEntry,
)
from node.tokenscript.parse import parse_signed, parse_unsigned
from node.tokenscript.signature import verify

VECTORS = Path(__file__).parent.parent / "vectors" / "tsml"
MUSEUM = (VECTORS / "museum_pass.xml").read_bytes()
COUPON = (VECTORS / "old_coupon.xml").read_bytes()


@pytest.fixture(scope="module")
def museum() -> TokenScript:
    return parse_unsigned(MUSEUM)


def refused(old: bytes, new: bytes, source: bytes = MUSEUM) -> ScriptInvalid:
    """The error for a script in which ``old`` stands as ``new``."""
    assert old in source
    with pytest.raises(ScriptInvalid) as caught:
        parse_unsigned(source.replace(old, new, 1))
    return caught.value


def test_prefixes_do_not_matter(museum: TokenScript) -> None:
    assert museum.generation is Generation.G2022_09
    assert museum.name == "MuseumPass"
    assert museum.warnings == ()


def test_a_signed_file_parses_to_the_same_values(museum: TokenScript) -> None:
    signed = verify((VECTORS / "museum_pass.signed.xml").read_bytes())
    assert parse_signed(signed) == museum


def test_a_label_is_chosen_by_language_and_number(museum: TokenScript) -> None:
    assert museum.label.text("en", "other") == "Museum passes"
    assert museum.label.text("it", "other") == "Tessera"
    assert museum.label.text("fr") == "Museum pass"


def test_a_contract_has_an_address_per_chain_and_an_abi(museum: TokenScript) -> None:
    contract = museum.contract("Pass")
    assert contract is not None
    assert contract.on(31337) == bytes.fromhex("22" * 20)
    assert contract.on(5) is None
    assert [one.name for one in contract.functions] == ["visitOf", "curator"]
    assert museum.contract(None) == contract


def test_an_attribute_keeps_its_call_with_references(museum: TokenScript) -> None:
    visits = museum.attribute("visits")
    assert visits is not None
    assert visits.syntax is Syntax.INTEGER
    call = visits.origins[0]
    assert isinstance(call, Call)
    assert (call.function, call.conversion, call.select) == ("visitOf", As.UINT, "count")
    assert [(one.type, one.reference) for one in call.arguments] == [("uint256", "tokenId")]


def test_a_token_id_origin_keeps_bitmask_and_mapping(museum: TokenScript) -> None:
    wing = museum.attribute("wing")
    assert wing is not None
    origin = wing.origins[0]
    assert isinstance(origin, FromTokenId)
    assert origin.bitmask == 0xFF00
    assert [option.key for option in origin.mapping] == ["1", "2"]


def test_cards_keep_kind_origins_exclusions_and_transaction(museum: TokenScript) -> None:
    enter, visits = museum.cards
    assert enter.kind is CardKind.ACTION
    assert enter.exclude == ("expired",)
    assert enter.origins == ("Pass", "Membership")
    assert isinstance(enter.attributes[0].origins[0], UserEntry)
    assert enter.transaction is not None
    assert enter.transaction.value is not None
    assert enter.transaction.value.constant == "1000"
    assert visits.events[0].filter == "passId=${tokenId}"


def test_an_attestation_source_knows_its_attesters_account(museum: TokenScript) -> None:
    source = museum.attestations[0]
    # the account of the secp256k1 generator point
    assert source.attesters[0].hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    assert source.schema == bytes([0x33]) * 32
    assert source.id_fields == ("memberId", "level")


def test_a_declared_event_keeps_its_fields(museum: TokenScript) -> None:
    fields = museum.events[0].fields
    assert [(one.name, one.type, one.indexed) for one in fields] == [
        ("passId", "uint256", True),
        ("room", "string", False),
    ]


def test_the_edition_of_2020_is_forgiven_with_warnings() -> None:
    script = parse_unsigned(COUPON)
    assert script.generation is Generation.G2020_06
    assert [warning.split(":")[0] for warning in script.warnings] == ["line 2", "line 9", "line 9"]


def test_an_error_names_line_and_column_of_the_original_file() -> None:
    error = refused(b'<tsx:ethereum contract="Pass"/>', b'<tsx:ethereum contract="Nobody"/>')
    lines = MUSEUM.split(b"\n")
    assert lines[error.line - 1].index(b"<tsx:ethereum") + 1 == error.column
    assert error.where == "ts:ethereum"


def test_an_error_in_a_signed_file_names_its_place_in_that_file_too() -> None:
    place = b"  <tsx:origins>\n    <tsx:ethereum"
    before = b"<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>\n<ds:x/></ds:Signature>"
    faulty = MUSEUM.replace(place, before + b"\n<tsx:stray/>\n" + place)
    with pytest.raises(ScriptInvalid) as caught:
        parse_unsigned(faulty)
    assert faulty.split(b"\n")[caught.value.line - 1] == b"<tsx:stray/>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"org/2022/09", b"org/2031/01"),
        (b"org/2022/09", b"org/2019/05"),
        (b'name="MuseumPass"', b""),
        (b'name="MuseumPass"', b'name="Museum Pass"'),
        (b'name="MuseumPass"', b'name="MuseumPass" colour="red"'),
        (b'network="31337"', b'network="1"'),
        (b'network="31337"', b'network="-1"'),
        (b'network="31337"', b'network="0x1"'),
        (b'network="31337"', b""),
        (b"0x2222222222222222222222222222222222222222", b"0x22"),
        (
            b"0x2222222222222222222222222222222222222222",
            b"0xAbcdefabcdefabcdefabcdefabcdefabcdefabcd",
        ),
        (b'"type": "uint256"}],', b'"type": "uint257"}],'),
        (b'[\n      {"type"', b'{\n      {"type"'),
        (b'contract="Pass" function="curator"', b'contract="Passs" function="curator"'),
        (b'contract="Pass" function="curator"', b'contract="Pass"'),
        (b'as="uint" select="count"', b'as="float"'),
        (b"<tsx:uint256 ref=", b"<tsx:uint255 ref="),
        (b'<tsx:uint256 ref="tokenId"/>', b'<tsx:uint256 ref="tokenId">5</tsx:uint256>'),
        (b'<tsx:uint256 ref="tokenId"/>', b"<tsx:uint256/>"),
        (b'name="expired" filter', b'name="expired" filtre'),
        (b"visits&gt;=10", b"visits&gt;="),
        (b'exclude="expired"', b'exclude="unknown"'),
        (b'origins="Pass Membership"', b'origins="Pass Nobody"'),
        (b'type="action"', b'type="joke"'),
        (b'name="Enter" type="action"', b'name="Enter"'),
        (b'name="Visits"', b'name="Enter"'),
        (b'<tsx:attribute name="open">', b'<tsx:attribute name="fee">'),
        (
            b'<tsx:attestation name="Membership" type="eas">',
            b'<tsx:attestation name="Pass" type="eas">',
        ),
        (b'type="eas"', b'type="other"'),
        (b"0279be667ef9", b"0579be667ef9"),
        (b'schemaUID="0x33', b'schemaUID="0x'),
        (b'type="Visited" contract', b'type="Unheard" contract'),
        (b'quantity="one"', b'quantity="single"'),
        (b'bitmask="FF00"', b'bitmask="FG"'),
        (b'bitmask="FF00"', b'bitmask="00"'),
        (b'<tsx:option key="2">', b'<tsx:option key="1">'),
        (b"1.3.6.1.4.1.1466.115.121.1.27", b"1.2.3"),
        (b"<tsx:cards>", b"<tsx:cards>text"),
        (b"<tsx:cards>", b"<tsx:cards/><tsx:cards>"),
        (b"<tsx:cards>", b"<tsx:cards><tsx:unknown/>"),
        (b'<tsx:address network="1">', b'<tsx:address network="1"><b/>'),
        (b"<eth:transaction ", b"<tsx:transaction "),
    ],
)
def test_structural_nonsense_is_refused_at_its_place(old: bytes, new: bytes) -> None:
    if old.startswith(b"<eth:transaction"):
        source = MUSEUM.replace(b"</eth:transaction>", b"</tsx:transaction>")
    else:
        source = MUSEUM
    error = refused(old, new, source)
    assert error.line > 0
    assert error.column > 0


def test_a_comment_inside_an_address_does_not_shorten_it() -> None:
    whole = b"0x2222222222222222222222222222222222222222"
    script = parse_unsigned(MUSEUM.replace(whole, whole[:20] + b"<!-- cut -->" + whole[20:]))
    contract = script.contract("Pass")
    assert contract is not None
    assert contract.on(31337) == bytes.fromhex("22" * 20)


def test_an_instruction_inside_an_address_is_refused() -> None:
    whole = b"0x2222222222222222222222222222222222222222"
    error = refused(whole, whole[:20] + b"<?cut here?>" + whole[20:])
    assert "only text" in error.problem


def test_too_many_breaches_are_not_forgiven_even_in_2020() -> None:
    many = b"<ts:card type='action'/>" * 300
    with pytest.raises(ScriptInvalid):
        parse_unsigned(COUPON.replace(b"<ts:cards>", b"<ts:cards>" + many))
