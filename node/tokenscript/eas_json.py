"""The two written forms of an off-chain attestation: the SDK's JSON package and compact list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from node.errors import AttestationMalformed
from node.tokenscript.eas_types import DOMAIN_NAME, MAX_DATA, EasContents, EasDomain, Form
from node.tokenscript.strict_json import Json, parse_json
from settlement.errors import InputError
from settlement.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Hash,
    Signature,
    checksum,
    hex_text,
    parse_address,
    parse_bytes,
    parse_hash,
)

T = TypeVar("T")

MAX_PACKAGE = 256 * 1024
_MAX_CHAIN_ID = (1 << 256) - 1
_MAX_TIME = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a package says; nothing of it is verified. None where it does not say."""

    domain: EasDomain
    contents: EasContents
    primary_type: str | None
    members: tuple[tuple[str, str], ...] | None
    uid: Hash
    signer: Address
    signature: Signature


def read_package(package: str | bytes | Mapping[str, Json]) -> Claim:
    """Read ``{"sig": {domain, primaryType, types, message, signature, uid}, "signer": …}``."""
    if isinstance(package, str | bytes):
        if len(package) > MAX_PACKAGE:
            raise _bad("the package", f"it has more than {MAX_PACKAGE} bytes")
        package = _object(_reading(partial(parse_json, package, "the package")), "the package")
    sig = _object(package.get("sig"), "sig")
    message = _object(sig.get("message"), "sig.message")
    domain = _object(sig.get("domain"), "sig.domain")
    signature = _object(sig.get("signature"), "sig.signature")
    if domain.get("name") != DOMAIN_NAME:
        raise _bad("sig.domain.name", f"expected {DOMAIN_NAME!r}")
    version = _version(sig, message)
    primary_type, members = _signed_type(sig)
    return Claim(
        domain=EasDomain(
            version=_text(domain.get("version"), "sig.domain.version"),
            chain_id=_integer(domain.get("chainId"), "sig.domain.chainId", _MAX_CHAIN_ID),
            contract=_address(domain.get("verifyingContract"), "sig.domain.verifyingContract"),
        ),
        contents=_contents(message, version),
        primary_type=primary_type,
        members=members,
        uid=_hash(sig.get("uid"), "sig.uid"),
        signer=_address(package.get("signer"), "signer"),
        signature=_signature(signature.get("r"), signature.get("s"), signature.get("v")),
    )


def read_compact(items: list[Json]) -> Claim:
    """Read the list of the SDK's shared links; "0" stands for zero there."""
    if not 16 <= len(items) <= 18:
        raise _bad("the list", "expected 16 to 18 items")
    recipient, ref_uid = items[9], items[12]
    message: dict[str, Json] = {
        "schema": items[8],
        "recipient": checksum(ZERO_ADDRESS) if recipient == "0" else recipient,
        "time": items[10],
        "expirationTime": items[11],
        "refUID": hex_text(ZERO_HASH) if ref_uid == "0" else ref_uid,
        "revocable": items[13],
        "data": items[14],
    }
    if len(items) == 18:
        message["salt"] = items[17]
    return Claim(
        domain=EasDomain(
            version=_text(items[0], "domain version"),
            chain_id=_integer(items[1], "chain", _MAX_CHAIN_ID),
            contract=_address(items[2], "contract"),
        ),
        contents=_contents(message, _integer(items[16], "version", 2) if len(items) > 16 else 0),
        primary_type=None,
        members=None,
        uid=_hash(items[7], "uid"),
        signer=_address(items[6], "signer"),
        signature=_signature(items[3], items[4], items[5]),
    )


def write_package(
    domain: EasDomain,
    contents: EasContents,
    form: Form,
    uid: Hash,
    signer: Address,
    signature: Signature,
) -> dict[str, Json]:
    """The JSON package; integers that may be large are text, as the SDK writes them."""
    values: dict[str, Json] = {
        "version": contents.version,
        "schema": hex_text(contents.schema),
        "recipient": checksum(contents.recipient),
        "time": str(contents.time),
        "expirationTime": str(contents.expiration),
        "revocable": contents.revocable,
        "refUID": hex_text(contents.ref_uid),
        "data": hex_text(contents.data),
    }
    if "version" not in form.members:
        del values["version"]
    if contents.salt is not None:
        values["salt"] = hex_text(contents.salt)
    members: list[Json] = [{"name": name, "type": kind} for name, kind in form.types]
    return {
        "sig": {
            "version": contents.version,
            "uid": hex_text(uid),
            "domain": {
                "name": DOMAIN_NAME,
                "version": domain.version,
                "chainId": str(domain.chain_id),
                "verifyingContract": checksum(domain.contract),
            },
            "primaryType": form.primary_type,
            "types": {form.primary_type: members},
            "message": values,
            "signature": {
                "r": hex_text(signature[:32]),
                "s": hex_text(signature[32:64]),
                "v": signature[64],
            },
        },
        "signer": checksum(signer),
    }


def _bad(where: str, problem: str) -> AttestationMalformed:
    return AttestationMalformed(where=where, problem=problem)


def _reading(read: Callable[[], T]) -> T:
    try:
        return read()
    except InputError as error:
        raise _bad(error.where, error.problem) from error


def _object(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise _bad(where, "expected an object")
    return value


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise _bad(where, "expected a short text")
    return value


def _integer(value: Json, where: str, highest: int) -> int:
    """An integer, or one as decimal text (large ones have no exact JSON number everywhere)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise _bad(where, f"expected an integer from 0 to {highest}")
    return value


def _boolean(value: Json, where: str) -> bool:
    if not isinstance(value, bool):
        raise _bad(where, "expected true or false")
    return value


def _address(value: Json, where: str) -> Address:
    text = _text(value, where)
    return _reading(lambda: parse_address(text, where))


def _hash(value: Json, where: str) -> Hash:
    text = _text(value, where)
    return _reading(lambda: parse_hash(text, where))


def _data(value: Json) -> bytes:
    if not isinstance(value, str) or len(value) > 2 + 2 * MAX_DATA:
        raise _bad("data", f"expected 0x-text of at most {MAX_DATA} bytes")
    return _reading(lambda: parse_bytes(value, (len(value) - 2) // 2, "data"))


def _signature(r: Json, s: Json, v: Json) -> Signature:
    last = _integer(v, "signature.v", 255)
    return Signature(_hash(r, "signature.r") + _hash(s, "signature.s") + bytes([last]))


def _version(sig: Mapping[str, Json], message: Mapping[str, Json]) -> int:
    said = [one["version"] for one in (sig, message) if one.get("version") is not None]
    versions = {_integer(one, "version", 2) for one in said} or {0}
    if len(versions) != 1:
        raise _bad("version", "the signature and the message name different ones")
    return versions.pop()


def _signed_type(
    sig: Mapping[str, Json],
) -> tuple[str | None, tuple[tuple[str, str], ...] | None]:
    """The struct's name and members. Where ``types`` holds one struct, that one was signed,
    whatever ``primaryType`` says: an early SDK wrote "Attestation" beside the type Attest."""
    named = sig.get("primaryType")
    name = None if named is None else _text(named, "sig.primaryType")
    if sig.get("types") is None:
        return name, None
    types = {
        key: value
        for key, value in _object(sig["types"], "sig.types").items()
        if key != "EIP712Domain"
    }
    if len(types) != 1:
        raise _bad("sig.types", "expected one struct")
    signed, items = types.popitem()
    if not isinstance(items, list) or len(items) > 16:
        raise _bad("sig.types", "the signed members are missing")
    members = [_object(item, "sig.types") for item in items]
    return signed, tuple(
        (_text(one.get("name"), "sig.types"), _text(one.get("type"), "sig.types"))
        for one in members
    )


def _contents(message: Mapping[str, Json], version: int) -> EasContents:
    salt = message.get("salt")
    return EasContents(
        version=version,
        schema=_hash(message.get("schema"), "schema"),
        recipient=_address(message.get("recipient"), "recipient"),
        time=_integer(message.get("time"), "time", _MAX_TIME),
        expiration=_integer(message.get("expirationTime"), "expirationTime", _MAX_TIME),
        revocable=_boolean(message.get("revocable"), "revocable"),
        ref_uid=_hash(message.get("refUID"), "refUID"),
        data=_data(message.get("data")),
        salt=None if salt is None else _hash(salt, "salt"),
    )
