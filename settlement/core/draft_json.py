"""A Statement draft as JSON: the answer of ``/channels/{signer}/periods/{period}/draft``.

The form follows :mod:`settlement.protocol.wire`: camel case, hexadecimal text, amounts as decimal
text, read strictly.
"""

from typing import Any

from settlement.core.statements import LaneAmount, StatementDraft
from settlement.errors import InputError
from settlement.types import Hash, hex_text, parse_address, parse_hash, unsigned

MOST_LANES = 65_536


def draft_to_json(draft: StatementDraft) -> dict[str, Any]:
    """A draft as a JSON object."""
    return {
        "anchor": hex_text(draft.anchor),
        "signer": hex_text(draft.signer),
        "period": draft.period,
        "amount": str(draft.amount),
        "vouchersRoot": hex_text(draft.root),
        "lanes": [
            {
                "node": hex_text(lane.node),
                "tokenClass": hex_text(lane.token_class),
                "amount": str(lane.amount),
            }
            for lane in draft.lanes
        ],
    }


def draft_from_json(value: Any, where: str = "draft") -> StatementDraft:
    """Read a draft. Raises InputError with the field's name; whether it adds up, and was
    promised, is for the purse to check."""
    found = _object(value, where, ("anchor", "signer", "period", "amount", "vouchersRoot", "lanes"))
    period = found["period"]
    if not isinstance(period, int) or isinstance(period, bool):
        raise InputError(where=f"{where}.period", problem="expected a number")
    lanes = found["lanes"]
    if not isinstance(lanes, list) or len(lanes) > MOST_LANES:
        raise InputError(where=f"{where}.lanes", problem=f"expected at most {MOST_LANES} lanes")
    return StatementDraft(
        anchor=parse_address(_text(found, where, "anchor"), f"{where}.anchor"),
        signer=parse_address(_text(found, where, "signer"), f"{where}.signer"),
        period=unsigned(period, 32, f"{where}.period"),
        amount=_amount(found, where),
        root=_hash(found, where, "vouchersRoot"),
        lanes=tuple(_lane(lane, f"{where}.lanes[{i}]") for i, lane in enumerate(lanes)),
    )


def _lane(value: Any, where: str) -> LaneAmount:
    found = _object(value, where, ("node", "tokenClass", "amount"))
    return LaneAmount(
        node=parse_address(_text(found, where, "node"), f"{where}.node"),
        token_class=_hash(found, where, "tokenClass"),
        amount=_amount(found, where),
    )


def _object(value: Any, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where=where, problem="expected a JSON object")
    for name in sorted(value.keys() ^ set(names)):
        problem = "the field is missing" if name in names else "no such field"
        raise InputError(where=f"{where}.{name}", problem=problem)
    return value


def _text(found: dict[str, Any], where: str, name: str) -> str:
    if not isinstance(found[name], str):
        raise InputError(where=f"{where}.{name}", problem="expected text")
    return str(found[name])


def _hash(found: dict[str, Any], where: str, name: str) -> Hash:
    return parse_hash(_text(found, where, name), f"{where}.{name}")


def _amount(found: dict[str, Any], where: str) -> int:
    text = _text(found, where, "amount")
    if not (text.isascii() and text.isdigit()) or len(text) > 39:
        raise InputError(where=f"{where}.amount", problem="expected decimal text")
    return unsigned(int(text), 128, f"{where}.amount")
