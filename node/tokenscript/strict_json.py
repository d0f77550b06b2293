"""JSON as it is meant: no duplicate keys, no NaN, no bottomless nesting."""

import json
from collections.abc import Mapping

import rfc8785

from settlement.errors import InputError

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def parse_json(text: str | bytes, where: str) -> Json:
    """Parse JSON text; raises :class:`InputError` naming ``where``."""
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        raise InputError(where=where, problem=f"not JSON: {_short(error)}") from error
    return value


def canonical_json(value: Json, where: str) -> bytes:
    """RFC 8785 bytes; raises InputError for integers beyond 2**53 and broken text."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError) as error:
        raise InputError(where=where, problem=f"no canonical JSON: {_short(error)}") from error


class _Refused(ValueError):
    """Raised inside the decoder only; never leaves this module."""


def _short(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]


def _unique(pairs: list[tuple[str, Json]]) -> Mapping[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Json:
    raise _Refused(f"{name} is not JSON")


def _integer(digits: str) -> int:
    # quadratic conversion of a million digits is a cheap attack
    if len(digits) > 80:
        raise _Refused("an integer has more than 80 digits")
    return int(digits)
