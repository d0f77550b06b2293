"""Solidity owns the shape of every signed struct; Python cannot drift from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.protocol.messages import ElectionVote, JournalEntry
from settlement.protocol import messages
from settlement.protocol.signing import SigningKey, recover_digest
from settlement.protocol.typed_data import (
    Domain,
    Member,
    TypedMessage,
    camel_case,
    members,
    type_name,
    type_string,
)
from settlement.types import Address, Signature, checksum, hex_text

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors" / "messages.json"
LENS = json.loads((ROOT / "settlement" / "abi" / "MessageHashesLens.json").read_text())
HASHERS = {
    entry["name"].removeprefix("hash"): entry
    for entry in LENS["abi"]
    if entry["type"] == "function" and entry["name"].startswith("hash")
}
MESSAGES = [
    found
    for found in vars(messages).values()
    if isinstance(found, type) and issubclass(found, TypedMessage) and found is not TypedMessage
] + [ElectionVote, JournalEntry]
EACH = pytest.mark.parametrize("message_type", MESSAGES, ids=type_name)


def values_of(member: Member) -> st.SearchStrategy[Any]:
    if member.solidity == "address":
        return st.binary(min_size=20, max_size=20)
    if member.solidity == "bytes32":
        return st.binary(min_size=32, max_size=32)
    return st.integers(0, 2 ** int(member.solidity.removeprefix("uint")) - 1)


def instances(message_type: type[TypedMessage]) -> st.SearchStrategy[TypedMessage]:
    fields = {member.attribute: values_of(member) for member in members(message_type)}
    return st.builds(message_type, **fields)


def for_chain(message: TypedMessage) -> dict[str, Any]:
    return {
        member.name: checksum(getattr(message, member.attribute))
        if member.solidity == "address"
        else getattr(message, member.attribute)
        for member in members(type(message))
    }


def test_every_message_is_hashed_on_chain_and_no_other() -> None:
    assert {type_name(message) for message in MESSAGES} == set(HASHERS)


@EACH
def test_fields_are_the_structs_components(message_type: type[TypedMessage]) -> None:
    components = HASHERS[type_name(message_type)]["inputs"][1]["components"]
    ours = [(member.name, member.solidity) for member in members(message_type)]
    assert ours == [(component["name"], component["type"]) for component in components]


@EACH
@given(data=st.data(), hub=st.binary(min_size=20, max_size=20))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_digests_are_those_of_the_contract(
    lens: Any, message_type: type[TypedMessage], data: st.DataObject, hub: bytes
) -> None:
    message = data.draw(instances(message_type))
    domain = Domain.of(lens.chain_id, Address(hub))
    on_chain = lens.call(
        f"hash{type_name(message_type)}", checksum(Address(hub)), for_chain(message)
    )
    assert domain.digest(message) == on_chain


def test_the_domain_separator_is_that_of_the_contract(lens: Any) -> None:
    hub = Address(bytes(range(20)))
    assert Domain.of(lens.chain_id, hub).separator == lens.call("domainSeparator", checksum(hub))


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())["messages"]
    return found


def test_every_message_has_a_frozen_vector() -> None:
    assert {vector["type"] for vector in vectors()} == set(HASHERS)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["type"])
def test_frozen_vectors_still_hold(vector: dict[str, Any]) -> None:
    """They catch both sides changing together, and are the specification for other languages."""
    message_type = next(m for m in MESSAGES if type_name(m) == vector["type"])
    message = message_type(
        **{
            member.attribute: int(vector["fields"][member.name])
            if member.solidity.startswith("uint")
            else bytes.fromhex(vector["fields"][member.name][2:])
            for member in members(message_type)
        }
    )
    domain = Domain.of(vector["chainId"], Address(bytes.fromhex(vector["hub"][2:])))
    key = SigningKey(bytes.fromhex(vector["secret"][2:]))
    signature = Signature(bytes.fromhex(vector["signature"][2:]))

    assert type_string(message_type) == vector["typeString"]
    assert hex_text(message.struct_hash()) == vector["structHash"]
    assert hex_text(domain.digest(message)) == vector["digest"]
    assert hex_text(key.sign(domain, message)) == vector["signature"]
    assert recover_digest(domain.digest(message), signature, vector["type"]) == key.address


def test_names_differ_in_case_style_only() -> None:
    assert camel_case("token_class") == "tokenClass"
