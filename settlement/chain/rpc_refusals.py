"""A JSON-RPC error object as one of ours: clients agree on neither numbers nor words."""

from typing import Any

from settlement.chain.reverts import explain
from settlement.errors import ChainError
from settlement.ports.chain_errors import (
    EndpointBehind,
    QuotaExceeded,
    RangeRefused,
    RpcRefused,
)
from settlement.types import Address

_QUOTA_WORDS = ("rate limit", "too many requests", "quota", "capacity", "throttle")
_RANGE_WORDS = (
    "block range",
    "range is too",
    "query returned more than",
    "too many results",
    "response size",
    "exceeds the range",
    "range limit",
    "limit exceeded",
    "too large",
)
_RANGE_NUMBERS = (-32_005, -32_602)
"""What refuses a search for logs in whatever words; ours has no other parameters to be wrong."""
_REVERT_WORDS = ("revert", "invalid opcode", "invalid jump")
_BEHIND_WORDS = (
    "header not found",
    "unknown block",
    "block not found",
    "cannot be found",
    "could not be found",
    "missing trie node",
    "beyond current head",
    "after last accepted block",
    "blockoutofrange",
    "block out of range",
)
_CALLS = ("eth_call", "eth_estimateGas", "eth_sendRawTransaction")


def refusal_of(shown: str, method: str, parameters: Any, error: Any) -> ChainError:
    """The error that an endpoint's ``error`` object stands for; ``shown`` names the endpoint."""
    fields: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
    code = fields.get("code")
    number = code if isinstance(code, int) else 0
    problem = str(fields.get("message", ""))
    words = problem.lower()
    data = revert_data(fields.get("data"))
    if method in _CALLS and (data is not None or any(word in words for word in _REVERT_WORDS)):
        target = parameters[0] if parameters and isinstance(parameters[0], dict) else {}
        return explain(data or b"", problem, _target(target.get("to")))
    kind = RpcRefused
    if any(word in words for word in _QUOTA_WORDS):
        kind = QuotaExceeded
    elif any(word in words for word in _BEHIND_WORDS):
        kind = EndpointBehind
    elif method == "eth_getLogs" and (
        number in _RANGE_NUMBERS or any(word in words for word in _RANGE_WORDS)
    ):
        kind = RangeRefused
    return kind(endpoint=shown, method=method, number=number, problem=problem)


def range_refused(shown: str, method: str, problem: str) -> RangeRefused:
    """An answer that did not fit."""
    return RangeRefused(endpoint=shown, method=method, number=-32_005, problem=problem)


def revert_data(source: Any) -> bytes | None:
    """The revert's bytes from a JSON-RPC error's ``data``, which comes in several forms."""
    if isinstance(source, dict):
        source = source.get("data") or source.get("result")
    if not isinstance(source, str) or not source.startswith("0x"):
        return None
    try:
        return bytes.fromhex(source[2:])
    except ValueError:
        return None


def _target(text: Any) -> Address | None:
    return Address(bytes.fromhex(text[2:])) if isinstance(text, str) else None
