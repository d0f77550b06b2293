"""JSON files of rows that commands read: statements, payouts, uptimes. Amounts are base units, as
text, so that no reader rounds them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from settlement.chain.calls import compact
from settlement.errors import InputError
from settlement.types import Hash, Signature, parse_bytes, unsigned

LARGEST_FILE = 64 * 1024 * 1024


def entries(path: Path) -> Sequence[dict[str, Any]]:
    """The objects of a file's list. Raises InputError."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(where=str(path), problem=f"it is larger than {LARGEST_FILE} bytes")
        found = json.loads(path.read_text())
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(where=str(path), problem=f"it is not JSON: {error}") from error
    if not isinstance(found, list) or not found:
        raise InputError(where=str(path), problem="expected a list with at least one entry")
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise InputError(where=f"{path}[{index}]", problem="expected an object")
    return found


def text_of(entry: dict[str, Any], name: str, where: str) -> str:
    """A field that is text. Raises InputError."""
    value = entry.get(name)
    if not isinstance(value, str):
        raise InputError(where=f"{where}.{name}", problem="expected text")
    return value


def amount_of(entry: dict[str, Any], name: str, where: str, bits: int = 128) -> int:
    """Base units that fit in ``bits``. Raises InputError."""
    text = text_of(entry, name, where)
    if not text.isascii() or not text.isdigit() or len(text) > 80:
        raise InputError(where=f"{where}.{name}", problem="expected base units as decimal digits")
    return unsigned(int(text), bits, f"{where}.{name}")


def signature_of(entry: dict[str, Any], name: str, where: str) -> tuple[Hash, Hash]:
    """A signature of 65 bytes, in the compact form (EIP-2098). Raises InputError."""
    return compact_signature(text_of(entry, name, where), f"{where}.{name}")


def compact_signature(text: str, where: str) -> tuple[Hash, Hash]:
    """As :func:`signature_of`, of a text alone. Raises InputError."""
    signature = parse_bytes(text, 65, where)
    if signature[64] not in (27, 28):
        raise InputError(where=where, problem="v is neither 27 nor 28")
    return compact(Signature(signature))
