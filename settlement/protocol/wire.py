"""Typed messages as JSON, for HTTP bodies and headers.

Keys are the struct's own (camel case). Addresses, hashes and bytes are 0x-prefixed hexadecimal
text; integers of up to 32 bits are JSON numbers, wider ones decimal text, since a JSON number is
only safe to 53 bits. A signed message is ``{"type", "message", "signature"}``. Reading is strict:
every field exactly once, nothing else, each of its own type; otherwise InputError names the field.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import msgspec

from settlement.errors import InputError, SmartLayerError
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import Member, TypedMessage, members, type_name
from settlement.types import Signature, hex_text, parse_address, parse_bytes, parse_hash

M = TypeVar("M", bound=TypedMessage)
Json = Any
"""A value that ``json`` reads and writes."""

_NUMBER_BITS = 32
_LONGEST_HEADER = 8_192
_SIGNED = frozenset({"type", "message", "signature"})


def message_to_json(message: TypedMessage) -> dict[str, Json]:
    """A message as a JSON object."""
    return {
        member.name: _write(member, member.solidity, getattr(message, member.attribute))
        for member in members(type(message))
    }


def message_from_json(message_type: type[M], value: Json, where: str = "") -> M:
    """Read a message. Raises InputError with the path of the field that is wrong."""
    where = where or type_name(message_type)
    readers = _readers(message_type)
    found = _object(value, where, readers.keys())
    parsed = {
        reader.attribute: reader.read(found[name], f"{where}.{name}")
        for name, reader in readers.items()
    }
    return message_type(**parsed)


def signed_to_json(signed: Signed[M]) -> dict[str, Json]:
    """A signed message as a JSON object."""
    return {
        "type": type_name(type(signed.message)),
        "message": message_to_json(signed.message),
        "signature": hex_text(signed.signature),
    }


def signed_from_json(message_type: type[M], value: Json, where: str = "body") -> Signed[M]:
    """Read a signed message; its signature is well-formed, not yet checked. Raises InputError."""
    found = _object(value, where, _SIGNED)
    if found["type"] != type_name(message_type):
        raise InputError(where=f"{where}.type", problem=f"expected {type_name(message_type)}")
    signature = parse_bytes(
        _text(found["signature"], f"{where}.signature"), 65, f"{where}.signature"
    )
    return Signed(
        message=message_from_json(message_type, found["message"], f"{where}.message"),
        signature=Signature(signature),
    )


def signed_to_header(signed: Signed[M]) -> str:
    """A signed message as one header value: base64url of its JSON, unpadded."""
    text = json.dumps(signed_to_json(signed), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def signed_from_header(message_type: type[M], header: str, where: str) -> Signed[M]:
    """Read what :func:`signed_to_header` wrote. Raises InputError."""
    if len(header) > _LONGEST_HEADER:
        raise InputError(where=where, problem=f"more than {_LONGEST_HEADER} characters")
    padded = header + "=" * (-len(header) % 4)
    try:
        value = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise InputError(where=where, problem="expected base64url of a JSON object") from error
    return signed_from_json(message_type, value, where)


def error_to_json(error: SmartLayerError) -> dict[str, Json]:
    """An error as an RFC 9457 problem document, with the fields of the tree beside it."""
    return {
        "type": f"/errors/{error.code}",
        "title": error.title,
        "detail": error.advice(),
        "code": error.code,
        "retryable": error.retryable,
        "fields": error.details(),
    }


def _object(value: Json, where: str, keys: Set[str]) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise InputError(where=where, problem="expected a JSON object")
    if value.keys() != keys:
        for missing in sorted(keys - value.keys()):
            raise InputError(where=f"{where}.{missing}", problem="the field is missing")
        for extra in sorted(value.keys() - keys):
            raise InputError(where=f"{where}.{extra}", problem="no such field")
    return value


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(where=where, problem="expected text")
    return value


def _write(member: Member, solidity: str, value: Any) -> Json:
    if solidity.endswith("[]"):
        return [_write(member, solidity[:-2], item) for item in value]
    if member.struct is not None:
        return message_to_json(value)
    if solidity.startswith("uint"):
        return value if int(solidity[4:]) <= _NUMBER_BITS else str(value)
    return hex_text(value) if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class _Reader:
    """How one field is read: the attribute it becomes, and from which JSON."""

    attribute: str
    read: Callable[[Json, str], Any]


def _readers(message_type: type[TypedMessage]) -> Mapping[str, _Reader]:
    """The struct's fields by their name in JSON, in order."""
    hashable: Any = message_type
    return _cached_readers(hashable)


# As in typed_data: a class is hashable whatever its instances are.
@cache
def _cached_readers(message_type: Any) -> dict[str, _Reader]:
    return {
        member.name: _Reader(member.attribute, _reader(member, member.solidity))
        for member in members(message_type)
    }


def _reader(member: Member, solidity: str) -> Callable[[Json, str], Any]:
    if solidity.endswith("[]"):
        return _list_reader(_reader(member, solidity[:-2]))
    if member.struct is not None:
        return partial(message_from_json, member.struct)
    if solidity.startswith("uint"):
        bits = int(solidity[4:])
        return lambda value, where: _integer(value, bits, where)
    return {
        "bool": _bool,
        "address": lambda value, where: parse_address(_text(value, where), where),
        "bytes32": lambda value, where: parse_hash(_text(value, where), where),
        "bytes": _bytes,
    }.get(solidity, _text)


def _list_reader(read: Callable[[Json, str], Any]) -> Callable[[Json, str], Any]:
    def read_all(value: Json, where: str) -> Any:
        if not isinstance(value, list):
            raise InputError(where=where, problem="expected a list")
        return tuple(read(each, f"{where}[{index}]") for index, each in enumerate(value))

    return read_all


def _bool(value: Json, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(where=where, problem="expected true or false")
    return value


def _bytes(value: Json, where: str) -> bytes:
    text = _text(value, where)
    return parse_bytes(text, max(0, len(text) - 2) // 2, where)


def _integer(value: Json, bits: int, where: str) -> int:
    if bits <= _NUMBER_BITS:
        number = value if isinstance(value, int) and not isinstance(value, bool) else -1
    else:
        number = _decimal(value)
    if not 0 <= number < 1 << bits:
        form = "a number" if bits <= _NUMBER_BITS else "decimal text"
        raise InputError(where=where, problem=f"expected a uint{bits} as {form}")
    return number


def _decimal(value: Json) -> int:
    """Canonical decimal text as an integer, -1 for anything else."""
    if not isinstance(value, str) or not 1 <= len(value) <= 78:
        return -1
    if not (value.isascii() and value.isdigit()) or (value[0] == "0" and len(value) > 1):
        return -1
    return int(value)
