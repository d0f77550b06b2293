"""A signature is good for one struct on one chain at one contract, in one form.

The frozen vectors are eth-account's; ``tests/contracts/Signatures.t.sol`` reads the same files.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.protocol import messages as node_messages
from settlement.errors import SignatureInvalid
from settlement.protocol import messages
from settlement.protocol.signing import SigningKey, recover_digest, require_signer
from settlement.protocol.typed_data import (
    Domain,
    Member,
    TypedMessage,
    members,
    type_name,
)
from settlement.types import Address, Hash, Signature, Uint256, hex_text, keccak

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
KEY = SigningKey(keccak(b"who signs"))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ALL = [
    found
    for room in (messages, node_messages)
    for found in vars(room).values()
    if isinstance(found, type) and issubclass(found, TypedMessage) and found is not TypedMessage
]


@dataclass(frozen=True, kw_only=True)
class Permit(TypedMessage):
    """ERC-2612."""

    owner: Address
    spender: Address
    value: Uint256
    nonce: Uint256
    deadline: Uint256


@dataclass(frozen=True, kw_only=True)
class TransferWithAuthorization(TypedMessage):
    """ERC-3009; ``sender`` stands for ``from``, which is a word of Python's."""

    sender: Address
    to: Address
    value: Uint256
    valid_after: Uint256
    valid_before: Uint256
    nonce: Hash


@dataclass(frozen=True, kw_only=True)
class CancelAuthorization(TypedMessage):
    """ERC-3009."""

    authorizer: Address
    nonce: Hash


def cases(name: str) -> list[dict[str, Any]]:
    """The rows of a file of columns."""
    columns = json.loads((VECTORS / name).read_text())
    assert columns.pop("madeBy") == "eth-account"
    signer, _ = columns.pop("signer"), columns.pop("deployer")
    assert signer == hex_text(KEY.address)
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def accepts(digest: Hash, signature: bytes) -> bool:
    """Whether Python takes it for the signer's."""
    try:
        return recover_digest(digest, Signature(signature), "vector") == KEY.address
    except SignatureInvalid:
        return False


def value_of(member: Member, text: str) -> Any:
    return int(text) if member.solidity.startswith("uint") else bytes.fromhex(text[2:])


def test_every_struct_of_both_sides_is_in_the_vectors() -> None:
    lens = json.loads((ROOT / "settlement/abi/MessageHashesLens.json").read_text())["abi"]
    hashed = {e["name"][4:] for e in lens if e["type"] == "function" and e["name"][:4] == "hash"}
    assert {case["struct"] for case in cases("signatures.json")} == hashed


def test_a_message_is_valid_as_it_was_signed_and_nowhere_else() -> None:
    by_name = {type_name(found): found for found in ALL}
    wrong = []
    for case in cases("signatures.json"):
        kind = by_name[case["struct"]]
        fields = {m.attribute: value_of(m, case["fields"][m.name]) for m in members(kind)}
        domain = Domain.of(case["chainId"], Address(bytes.fromhex(case["hub"][2:])))
        digest = domain.digest(kind(**fields))
        assert hex_text(digest) == case["digest"], (case["struct"], case["case"])
        if accepts(digest, bytes.fromhex(case["signature"][2:])) != case["valid"]:
            wrong.append((case["struct"], case["case"]))
    assert wrong == []


def test_our_own_signature_is_that_of_the_other_implementation() -> None:
    for case in cases("signatures.json"):
        if case["valid"]:
            digest = Hash(bytes.fromhex(case["digest"][2:]))
            assert hex_text(KEY.sign_digest(digest)) == case["signature"]


def test_permits_and_authorizations_hash_as_the_tokens_do() -> None:
    kinds = {
        "Permit": Permit,
        "TransferWithAuthorization": TransferWithAuthorization,
        "ReceiveWithAuthorization": TransferWithAuthorization,
        "CancelAuthorization": CancelAuthorization,
    }
    wrong = []
    for case in cases("tokens.json"):
        kind = kinds[case["struct"]]
        named = {m.attribute: "from" if m.attribute == "sender" else m.name for m in members(kind)}
        fields = {
            m.attribute: value_of(m, case["fields"][named[m.attribute]]) for m in members(kind)
        }
        digest = token_digest(case, struct_hash(case["struct"], kind(**fields), named))
        assert hex_text(digest) == case["digest"], (case["struct"], case["case"])
        if accepts(digest, bytes.fromhex(case["signature"][2:])) != case["valid"]:
            wrong.append((case["struct"], case["case"]))
    assert wrong == []


def struct_hash(name: str, message: TypedMessage, named: dict[str, str]) -> Hash:
    """hashStruct under the names that the ERC gives the members."""
    kinds = ",".join(f"{m.solidity} {named[m.attribute]}" for m in members(type(message)))
    words = [keccak(f"{name}({kinds})".encode())]
    for member in members(type(message)):
        value = getattr(message, member.attribute)
        word = value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")
        words.append(word)
    return keccak(b"".join(words))


def token_digest(case: dict[str, Any], struct: Hash) -> Hash:
    """What is signed for a token: its own name, version 1, the chain and its address."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    separator = keccak(
        keccak(kind)
        + keccak(case["token"].encode())
        + keccak(b"1")
        + case["chainId"].to_bytes(32, "big")
        + bytes.fromhex(case["address"][2:]).rjust(32, b"\0")
    )
    return keccak(b"\x19\x01" + separator + struct)


def sample_of(solidity: str, label: str) -> Any:
    """A value of a Solidity type."""
    if solidity.endswith("[]"):
        inner = solidity.removesuffix("[]")
        return (sample_of(inner, label + "1"), sample_of(inner, label + "2"))
    word = keccak(label.encode())
    match solidity:
        case "address":
            return Address(word[12:])
        case "bytes32":
            return Hash(word)
        case "string":
            return label
        case "bytes":
            return bytes(word)
        case _ if solidity.startswith("uint"):
            return int.from_bytes(word, "big") % 2 ** int(solidity[4:])
        case _:
            return pytest.fail(f"no sample of {solidity}")


def other_value(value: Any) -> Any:
    match value:
        case int():
            return value ^ 1
        case bytes():
            return type(value)(value[:-1] + bytes([value[-1] ^ 1]))
        case str():
            return value + "!"
        case _:
            return value[:1]


@pytest.mark.parametrize("kind", ALL, ids=type_name)
@given(chain=st.integers(1, 2**64), hub=st.binary(min_size=20, max_size=20))
@settings(max_examples=5, deadline=None)
def test_no_field_of_a_signed_message_can_be_changed(
    kind: type[TypedMessage], chain: int, hub: bytes
) -> None:
    values = {m.attribute: sample_of(m.solidity, m.attribute) for m in members(kind)}
    message, domain = kind(**values), Domain.of(chain, Address(hub))
    signature = KEY.sign(domain, message)
    require_signer(domain, message, signature, KEY.address)
    for name, value in values.items():
        changed = replace(message, **{name: other_value(value)})
        with pytest.raises(SignatureInvalid):
            require_signer(domain, changed, signature, KEY.address)
    for elsewhere in (Domain.of(chain + 1, Address(hub)), Domain.of(chain, other_value(hub))):
        with pytest.raises(SignatureInvalid):
            require_signer(elsewhere, message, signature, KEY.address)


@given(secret=st.integers(1, ORDER - 1), digest=st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_the_other_forms_of_a_signature_are_refused(secret: int, digest: bytes) -> None:
    key = SigningKey(secret.to_bytes(32, "big"))
    signature = key.sign_digest(Hash(digest))
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    twin = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    compact = r + (s | (v - 27) << 255).to_bytes(32, "big")
    for form in (twin, compact, signature[:64] + bytes([v - 27]), signature + b"\0", b""):
        assert not accepts(Hash(digest), form)
