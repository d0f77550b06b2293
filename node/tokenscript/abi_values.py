"""ABI bytes to values and back, and values to JSON.

The decoder accepts the one layout that compilers write: tails in the order of their heads,
without gaps, padding zero. So the work is linear in the bytes; a decoder that follows any offset
can be made to unpack one long string thousands of times.

Values are int, bool, str, bytes (also for addresses), lists for arrays and tuples. Source:
Solidity, "Contract ABI Specification", "Formal Specification of the Encoding".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from eth_abi.abi import encode as encode_abi
from eth_abi.exceptions import EncodingError

from node.tokenscript.abi import canonical_type
from node.tokenscript.strict_json import Json
from settlement.errors import InputError
from settlement.types import Address, checksum, hex_text, parse_address

AbiValue = int | bool | str | bytes | list["AbiValue"]

WORD = 32
MAX_PARTS = 32
"""Arrays, and tuples, in one type."""
MAX_JSON_INTEGER = (1 << 53) - 1
"""Beyond it a JSON number is not exact everywhere (RFC 8785); such integers become text."""


@dataclass(frozen=True, slots=True)
class Elementary:
    """A type without parts: its kind and its size in bits (integers) or bytes (bytesN)."""

    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Array:
    """An array; ``length`` None is a dynamic one."""

    element: "AbiType"
    length: int | None


@dataclass(frozen=True, slots=True)
class Struct:
    """A tuple."""

    parts: "tuple[AbiType, ...]"


AbiType = Elementary | Array | Struct


def decode(types: Sequence[str], data: bytes, *, exact: bool = True) -> list[AbiValue]:
    """Decode ABI-encoded values; raises InputError.

    With ``exact``, bytes after the last value are refused.
    """
    values, end = _sequence([parse_type(name) for name in types], data, 0)
    if exact and end != len(data):
        raise _bad(f"{len(data) - end} bytes follow the last value")
    return values


def encode(types: Sequence[str], values: Sequence[AbiValue]) -> bytes:
    """ABI-encode values; raises InputError for one that does not fit its type."""
    try:
        return encode_abi(list(types), list(values))
    except (EncodingError, TypeError, ValueError, OverflowError) as error:
        raise InputError(where="the values", problem=f"they do not fit: {error}") from error


@lru_cache(maxsize=1024)
def parse_type(name: str) -> AbiType:
    """A type by its canonical name, tuples written out; raises InputError."""
    if max(name.count("["), name.count("(")) > MAX_PARTS:
        raise InputError(where=f"type {name[:40]}", problem="it is nested too deep")
    if name.endswith("]"):
        element, _, length = name[:-1].rpartition("[")
        if length and (not length.isdigit() or length.startswith("0") or len(length) > 6):
            raise InputError(where=f"type {name[:40]}", problem="its length is not reasonable")
        return Array(parse_type(element), int(length) if length else None)
    if name.startswith("(") and name.endswith(")"):
        return Struct(tuple(parse_type(part) for part in _split(name[1:-1])))
    canonical = canonical_type(name)
    kind = canonical.rstrip("0123456789")
    digits = canonical.removeprefix(kind)
    return Elementary(kind, int(digits) if digits else 0)


def to_json(kind: AbiType, value: AbiValue) -> Json:
    """A value for a script: addresses in checksum form, bytes as 0x-text, big integers as text."""
    match kind, value:
        case Elementary(kind="address"), bytes():
            return checksum(Address(value))
        case _, bytes():
            return hex_text(value)
        case Array(element=element), list():
            return [to_json(element, one) for one in value]
        case Struct(parts=parts), list():
            return [to_json(part, one) for part, one in zip(parts, value, strict=True)]
        case _, bool() | str():
            return value
        case _, int():
            return value if abs(value) <= MAX_JSON_INTEGER else str(value)
        case _:
            raise _bad("a value is not of its type")


def from_json(kind: AbiType, value: Json, where: str) -> AbiValue:
    """The inverse of :func:`to_json`; also takes hexadecimal text for integers."""
    match kind, value:
        case Elementary(kind="uint" | "int"), int() if not isinstance(value, bool):
            return value
        case Elementary(kind="uint" | "int"), str():
            return _integer(value, where)
        case Elementary(kind="bool"), bool():
            return value
        case Elementary(kind="bool"), "true" | "TRUE" | "false" | "FALSE":
            return value in {"true", "TRUE"}
        case Elementary(kind="string"), str():
            return value
        case Elementary(kind="address"), str():
            return parse_address(value, where)
        case Elementary(kind="bytes", size=size), str():
            return _bytes(value, size, where)
        case Array(element=element, length=length), list() if length in {None, len(value)}:
            return [from_json(element, one, where) for one in value]
        case Struct(parts=parts), list() if len(parts) == len(value):
            return [from_json(part, one, where) for part, one in zip(parts, value, strict=True)]
        case _:
            raise InputError(where=where, problem="the value is not of its type")


def _bad(problem: str) -> InputError:
    return InputError(where="ABI data", problem=problem)


def _integer(text: str, where: str) -> int:
    digits = text.removeprefix("-").removeprefix("0x")
    if len(text) > 80 or not digits.isalnum() or not digits.isascii():
        raise InputError(where=where, problem="it is not an integer")
    try:
        return int(text, 16 if text.startswith("0x") else 10)
    except ValueError as error:
        raise InputError(where=where, problem="it is not an integer") from error


def _bytes(text: str, size: int, where: str) -> bytes:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise InputError(where=where, problem="it is not hexadecimal") from error
    if size and len(data) != size:
        raise InputError(where=where, problem=f"it has not {size} bytes")
    return data


def _split(parts: str) -> list[str]:
    """Split at the commas that are not inside parentheses."""
    found, depth, start = [], 0, 0
    for at, character in enumerate(parts):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append(parts[start:at])
            start = at + 1
    return [*found, parts[start:]] if parts else []


@lru_cache(maxsize=1024)
def _is_dynamic(kind: AbiType) -> bool:
    match kind:
        case Elementary(kind=name, size=size):
            return name == "string" or (name == "bytes" and size == 0)
        case Array(element=element, length=length):
            return length is None or _is_dynamic(element)
        case Struct(parts=parts):
            return any(_is_dynamic(part) for part in parts)


@lru_cache(maxsize=1024)
def _head(kind: AbiType) -> int:
    """Bytes in the head: an offset, or the value itself."""
    if _is_dynamic(kind):
        return WORD
    match kind:
        case Array(element=element, length=length):
            return _head(element) * (length or 0)
        case Struct(parts=parts):
            return sum(_head(part) for part in parts)
        case Elementary():
            return WORD


def _word(data: bytes, at: int) -> bytes:
    if at + WORD > len(data):
        raise _bad("it ends too early")
    return data[at : at + WORD]


def _sequence(kinds: Sequence[AbiType], data: bytes, base: int) -> tuple[list[AbiValue], int]:
    """Heads, then the tails that they point to, in order; the values and where they end."""
    at, tail = base, base + sum(_head(kind) for kind in kinds)
    if tail > len(data):
        raise _bad("it ends too early")
    values: list[AbiValue] = []
    for kind in kinds:
        if _is_dynamic(kind):
            if base + int.from_bytes(_word(data, at), "big") != tail:
                raise _bad("an offset does not point at the next value")
            value, tail = _tail(kind, data, tail)
        else:
            value = _static(kind, data, at)
        values.append(value)
        at += _head(kind)
    return values, tail


def _tail(kind: AbiType, data: bytes, at: int) -> tuple[AbiValue, int]:
    match kind:
        case Elementary(kind=name):
            return _text_or_bytes(name, data, at)
        case Array(element=element, length=None):
            length = int.from_bytes(_word(data, at), "big")
            return _sequence(_repeat(element, length, len(data) - at), data, at + WORD)
        case Array(element=element, length=int(length)):
            return _sequence(_repeat(element, length, len(data) - at), data, at)
        case Struct(parts=parts):
            return _sequence(parts, data, at)
        case _:
            raise _bad("a type is not known")


def _repeat(element: AbiType, length: int, room: int) -> list[AbiType]:
    if length * max(_head(element), WORD) > room:
        raise _bad("an array is longer than the data")
    return [element] * length


def _text_or_bytes(name: str, data: bytes, at: int) -> tuple[AbiValue, int]:
    length = int.from_bytes(_word(data, at), "big")
    start = at + WORD
    end = start + (length + WORD - 1) // WORD * WORD
    if end > len(data):
        raise _bad("it ends too early")
    value = data[start : start + length]
    if any(data[start + length : end]):
        raise _bad("padding is not zero")
    if name == "bytes":
        return value, end
    try:
        return value.decode(), end
    except UnicodeDecodeError as error:
        raise _bad("text is not UTF-8") from error


def _static(kind: AbiType, data: bytes, at: int) -> AbiValue:
    match kind:
        case Elementary():
            return _elementary(kind, _word(data, at))
        case Array(element=element, length=length):
            return _sequence(_repeat(element, length or 0, len(data) - at), data, at)[0]
        case Struct(parts=parts):
            return _sequence(parts, data, at)[0]


def _elementary(kind: Elementary, word: bytes) -> AbiValue:
    number = int.from_bytes(word, "big")
    match kind.kind:
        case "uint" if number < 1 << kind.size:
            return number
        case "int":
            signed = int.from_bytes(word, "big", signed=True)
            if -(1 << kind.size - 1) <= signed < 1 << kind.size - 1:
                return signed
        case "bool" if number <= 1:
            return number == 1
        case "address" if number < 1 << 160:
            return word[12:]
        case "bytes" if not any(word[kind.size :]):
            return word[: kind.size]
    raise _bad(f"a value does not fit {kind.kind}{kind.size or ''}")
