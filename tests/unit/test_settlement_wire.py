"""Typed messages as JSON: what is written is read back, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.errors import InputError
from settlement.protocol.messages import (
    Acknowledgement,
    Close,
    KeyProof,
    Statement,
    Voucher,
)
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import TypedMessage, members
from settlement.protocol.wire import (
    message_from_json,
    message_to_json,
    signed_from_header,
    signed_from_json,
    signed_to_header,
    signed_to_json,
)
from settlement.types import Address, Hash, Signature

MESSAGES = [Voucher, Acknowledgement, Statement, Close, KeyProof]


def values(solidity: str) -> st.SearchStrategy[Any]:
    if solidity == "address":
        return st.binary(min_size=20, max_size=20)
    if solidity == "bytes32":
        return st.binary(min_size=32, max_size=32)
    return st.integers(0, (1 << int(solidity.removeprefix("uint"))) - 1)


@st.composite
def messages(draw: st.DrawFn) -> TypedMessage:
    message_type = draw(st.sampled_from(MESSAGES))
    fields = {m.attribute: draw(values(m.solidity)) for m in members(message_type)}
    return message_type(**fields)


@given(messages(), st.binary(min_size=65, max_size=65))
@settings(max_examples=200, deadline=None)
def test_every_message_survives_the_wire(message: TypedMessage, signature: bytes) -> None:
    signed = Signed(message=message, signature=Signature(signature))
    text = json.dumps(signed_to_json(signed))
    assert signed_from_json(type(message), json.loads(text)) == signed
    assert signed_from_header(type(message), signed_to_header(signed), "voucher") == signed


def good() -> dict[str, Any]:
    return message_to_json(
        Voucher(
            signer=Address(b"s" * 20),
            period=3,
            node=Address(b"n" * 20),
            token_class=Hash(b"c" * 32),
            cumulative=5,
        )
    )


def test_a_message_is_written_in_solidity_s_names() -> None:
    assert good() == {
        "signer": "0x" + b"s".hex() * 20,
        "period": 3,
        "node": "0x" + b"n".hex() * 20,
        "tokenClass": "0x" + b"c".hex() * 32,
        "cumulative": "5",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signer", "0x1234"),
        ("signer", 7),
        ("signer", None),
        ("period", "3"),
        ("period", -1),
        ("period", True),
        ("period", 3.0),
        ("period", 1 << 32),
        ("tokenClass", "0x" + "zz" * 32),
        ("cumulative", 5),
        ("cumulative", "05"),
        ("cumulative", "-5"),
        ("cumulative", "\u0665"),
        ("cumulative", ""),
        ("cumulative", str(1 << 128)),
        ("cumulative", "9" * 5_000),
    ],
)
def test_a_wrong_value_is_refused_by_its_field_s_name(field: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        message_from_json(Voucher, good() | {field: value})
    assert refused.value.where == f"Voucher.{field}"


def test_missing_and_extra_fields_are_refused() -> None:
    missing = good()
    del missing["node"]
    with pytest.raises(InputError) as refused:
        message_from_json(Voucher, missing)
    assert refused.value.where == "Voucher.node"
    with pytest.raises(InputError) as refused:
        message_from_json(Voucher, good() | {"note": "hello"})
    assert refused.value.where == "Voucher.note"


@pytest.mark.parametrize("header", ["", "!!!", "bm90IGpzb24", "W10", "é", "A" * 9_000, "bnVsbA"])
def test_a_header_that_is_no_voucher_is_refused(header: str) -> None:
    with pytest.raises(InputError) as refused:
        signed_from_header(Voucher, header, "Voucher header")
    assert refused.value.where.startswith("Voucher header")


def test_a_statement_does_not_pass_for_a_voucher() -> None:
    statement = Statement(
        anchor=Address(b"a" * 20), period=1, amount=2, vouchers_root=Hash(bytes(32))
    )
    value = signed_to_json(Signed(message=statement, signature=Signature(bytes(65))))
    with pytest.raises(InputError) as refused:
        signed_from_json(Voucher, value)
    assert refused.value.where == "body.type"
