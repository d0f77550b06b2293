"""ABI types and the strict decoder."""

import pytest
from eth_abi.abi import encode as independent_encode
from hypothesis import given
from hypothesis import strategies as st

from node.tokenscript.abi import canonical_type, parse_abi, selector
from node.tokenscript.abi_values import decode, encode, from_json, parse_type, to_json
from settlement.errors import InputError

SAMPLES = [
    (["uint256"], [7]),
    (["int8", "bool"], [-5, True]),
    (["string", "uint32", "bytes"], ["grüße", 3, b"\1\2"]),
    (["bytes4", "address"], [b"abcd", b"\x11" * 20]),
    (["uint8[3]", "string[]"], [[1, 2, 3], ["a", "", "c" * 40]]),
    (["(uint256,string)[]"], [[[1, "x"], [2, "y"]]]),
    (["(bool,(int16,bytes))", "uint64[][2]"], [[True, [-9, b"z"]], [[1], [2, 3]]]),
    ([], []),
]


def plain(value: object) -> object:
    """Addresses as the independent encoder wants them."""
    if isinstance(value, bytes) and len(value) == 20:
        return "0x" + value.hex()
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


@pytest.mark.parametrize(("types", "values"), SAMPLES)
def test_decoding_reads_what_another_library_encoded(types: list[str], values: list) -> None:
    assert decode(types, independent_encode(types, plain(values))) == values


@pytest.mark.parametrize(("types", "values"), SAMPLES)
def test_values_survive_json_and_encoding(types: list[str], values: list) -> None:
    kinds = [parse_type(name) for name in types]
    texts = [to_json(kind, value) for kind, value in zip(kinds, values, strict=True)]
    back = [from_json(kind, text, "value") for kind, text in zip(kinds, texts, strict=True)]
    assert decode(types, encode(types, back)) == values


def test_integers_beyond_json_become_text() -> None:
    assert to_json(parse_type("uint256"), 1 << 60) == str(1 << 60)
    assert to_json(parse_type("int256"), -(1 << 53) + 1) == -(1 << 53) + 1


WORD = (1).to_bytes(32, "big")


@pytest.mark.parametrize(
    ("types", "data"),
    [
        (["uint8"], (256).to_bytes(32, "big")),
        (["bool"], (2).to_bytes(32, "big")),
        (["address"], b"\1" * 32),
        (["bytes4"], b"\1" * 32),
        (["int8"], (128).to_bytes(32, "big")),
        (["uint256"], b"\0" * 31),
        (["uint256"], b"\0" * 33),
        (["string"], (64).to_bytes(32, "big") + bytes(32) + (0).to_bytes(32, "big")),
        (["string"], (32).to_bytes(32, "big") + WORD + b"ab" + bytes(30)),
        (["string"], (32).to_bytes(32, "big") + WORD + b"\xff" + bytes(31)),
        (["string"], (32).to_bytes(32, "big") + b"\xff" * 32),
        (["uint256[]"], (32).to_bytes(32, "big") + b"\xff" * 32),
        (["string[]"], (32).to_bytes(32, "big") + (1 << 20).to_bytes(32, "big")),
        (["uint8[999999]"], bytes(64)),
    ],
)
def test_bytes_that_no_compiler_writes_are_refused(types: list[str], data: bytes) -> None:
    with pytest.raises(InputError):
        decode(types, data)


def test_offsets_that_share_one_long_text_are_refused() -> None:
    shared = (4096).to_bytes(32, "big") + b"x" * 4096
    count = 500
    data = (32).to_bytes(32, "big") + count.to_bytes(32, "big")
    data += (count * 32).to_bytes(32, "big") * count + shared
    with pytest.raises(InputError, match="does not point at the next value"):
        decode(["string[]"], data)


@given(st.sampled_from(SAMPLES), st.binary(max_size=512))
def test_any_bytes_are_values_or_a_typed_error(sample: tuple[list[str], list], data: bytes) -> None:
    try:
        values = decode(sample[0], data)
    except InputError:
        return
    assert encode(sample[0], values) == data


@pytest.mark.parametrize(
    "name",
    ["uint7", "uint264", "bytes0", "bytes33", "bool8", "float", "uint256[0]", "uint[01]", "", "[]",
     "uint8" + "[]" * 40, "(" * 40, "uint8[99999999]", "(uint8", "tuple"],
)  # fmt: skip
def test_what_is_not_a_type_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        parse_type(name)


def test_short_names_become_canonical() -> None:
    assert canonical_type("uint") == "uint256"
    assert canonical_type("int[2][]") == "int256[2][]"
    assert canonical_type("byte") == "bytes1"


def test_an_abi_writes_tuples_out() -> None:
    text = """[{"type": "function", "name": "pay", "outputs": [], "inputs": [
        {"name": "order", "type": "tuple[]", "components": [
            {"name": "to", "type": "address"}, {"name": "amount", "type": "uint"}]}]}]"""
    (function,) = parse_abi(text)
    assert function.inputs[0].type == "(address,uint256)[]"
    assert function.selector == selector("pay", ["(address,uint256)[]"])


def test_a_known_selector() -> None:
    assert selector("transfer", ["address", "uint256"]).hex() == "a9059cbb"


@pytest.mark.parametrize(
    "text",
    ["{}", "[1", '[{"type": "function"}]', '[{"type": "function", "name": "f", "inputs": {}}]',
     '[{"type": "function", "name": "f", "inputs": [{}]}]', '[{"a": 1, "a": 2}]', "[" * 100_000],
)  # fmt: skip
def test_what_is_not_an_abi_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_abi(text)
