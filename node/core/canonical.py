"""Canonical JSON: the one form of a JSON value that is hashed, compared and stored.

Source: RFC 8785 (JSON Canonicalization Scheme), by the ``rfc8785`` library.
"""

import json
from typing import Any

import rfc8785

from node.errors import NotCanonical
from settlement.types import Hash, keccak

Json = Any
"""None, bool, int, float, str, list or dict with text keys. No narrower type reads well."""


def to_bytes(value: Json) -> bytes:
    """The canonical bytes of a JSON value. Raises NotCanonical for what RFC 8785 has no form of
    (Python integers beyond 2**53, infinities, unpaired surrogates, other types)."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical(problem=str(error)) from error


def from_bytes(data: bytes) -> Json:
    """The JSON value of canonical bytes. Raises NotCanonical if they are any other form of it."""
    try:
        value = json.loads(data.decode(), parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(problem=str(error)) from error
    if to_bytes(value) != data:
        raise NotCanonical(problem="the same value has another canonical form")
    return value


def object_from_bytes(data: bytes) -> dict[str, Json]:
    """Like :func:`from_bytes`, for a JSON object. Raises NotCanonical for anything else."""
    value = from_bytes(data)
    if not isinstance(value, dict):
        raise NotCanonical(problem="a JSON object is needed here")
    return value


def hash_of(value: Json) -> Hash:
    """keccak256 of the canonical bytes. Raises NotCanonical."""
    return keccak(to_bytes(value))


def _number(digits: str) -> int | float:
    # JSON has one kind of number: an integer beyond 2**53 is a double that was written in full.
    value = int(digits)
    return value if abs(value) < 2**53 else float(digits)
