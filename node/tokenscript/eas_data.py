"""The data of an attestation, by its schema string: ``string flightNumber,uint32 delayMinutes``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from node.errors import AttestationMalformed
from node.tokenscript.abi_values import decode, encode, from_json, parse_type, to_json
from node.tokenscript.strict_json import Json
from settlement.errors import InputError

_FIELD = re.compile(r"(\S+)\s+([A-Za-z_]\w*)", re.ASCII)
MAX_FIELDS = 64
MAX_SCHEMA = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """One field: its name and Solidity type."""

    name: str
    type: str


@lru_cache(maxsize=256)
def parse_schema(schema: str) -> tuple[SchemaField, ...]:
    """The fields of a schema string; raises AttestationMalformed. Tuples are not read."""
    parts = schema.split(",")
    if len(schema) > MAX_SCHEMA or len(parts) > MAX_FIELDS:
        raise _bad("the schema", "it is too long")
    fields = []
    for part in parts:
        found = _FIELD.fullmatch(part.strip())
        if found is None:
            raise _bad("the schema", f"{part.strip()[:40]!r} is not a type and a name")
        try:
            parse_type(found[1])
        except InputError as error:
            raise _bad("the schema", f"{error.where}: {error.problem}") from error
        fields.append(SchemaField(name=found[2], type=found[1]))
    if len({field.name for field in fields}) != len(fields):
        raise _bad("the schema", "a name stands twice")
    return tuple(fields)


def decode_fields(schema: str, data: bytes) -> dict[str, Json]:
    """The data as JSON values by field name; raises AttestationMalformed.

    Integers beyond 2**53 become decimal text, addresses checksummed text, bytes 0x-text.
    """
    fields = parse_schema(schema)
    try:
        values = decode([field.type for field in fields], data)
    except InputError as error:
        raise _bad("data", error.problem) from error
    return {
        field.name: to_json(parse_type(field.type), value)
        for field, value in zip(fields, values, strict=True)
    }


def encode_fields(schema: str, values: Mapping[str, Json]) -> bytes:
    """The inverse of :func:`decode_fields`; raises AttestationMalformed."""
    fields = parse_schema(schema)
    if {field.name for field in fields} != set(values):
        raise _bad("data", "the fields are not those of the schema")
    try:
        return encode(
            [field.type for field in fields],
            [from_json(parse_type(field.type), values[field.name], field.name) for field in fields],
        )
    except InputError as error:
        raise _bad(error.where, error.problem) from error


def _bad(where: str, problem: str) -> AttestationMalformed:
    return AttestationMalformed(where=where, problem=problem)
