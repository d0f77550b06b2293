"""Comparing what several endpoints answered to one request.

Clients add fields of their own to blocks, receipts and logs, so that only what we use is compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from settlement.errors import ChainError
from settlement.ports.chain_errors import CallReverted, RpcRefused

E = TypeVar("E")

_BLOCK = ("number", "hash", "parentHash", "timestamp", "mixHash", "baseFeePerGas")
_LOG = ("address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex")
_RECEIPT = (
    "transactionHash",
    "blockHash",
    "blockNumber",
    "status",
    "gasUsed",
    "effectiveGasPrice",
    "contractAddress",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Generic[E]):
    """One endpoint's answer: ``key`` is what is compared, None where it failed to answer."""

    voter: E
    key: str | None
    value: Any = None
    error: ChainError | None = None


@dataclass(kw_only=True)
class Ballot(Generic[E]):
    """The votes on one request; ``needed`` equal ones win."""

    method: str
    needed: int
    votes: list[Vote[E]] = field(default_factory=list)

    @property
    def leading(self) -> int:
        """How many votes the strongest answer has."""
        return max((len(same) for same in self._sides().values()), default=0)

    def winner(self) -> Vote[E] | None:
        """The vote that won; of estimates of gas the highest on the winning side."""
        for same in self._sides().values():
            if len(same) >= self.needed:
                if self.method == "eth_estimateGas" and same[0].error is None:
                    return max(same, key=lambda vote: int(vote.value, 16))
                return same[0]
        return None

    @property
    def failures(self) -> list[ChainError]:
        """The errors of those that failed to answer."""
        return [vote.error for vote in self.votes if vote.key is None and vote.error is not None]

    def _sides(self) -> dict[str, list[Vote[E]]]:
        sides: dict[str, list[Vote[E]]] = {}
        for vote in self.votes:
            if vote.key is not None:
                sides.setdefault(vote.key, []).append(vote)
        return sides


def vote_for(voter: E, method: str, value: Any) -> Vote[E]:
    """The vote that an answer is."""
    try:
        return Vote(voter=voter, key=_essence(method, value), value=value)
    except (AttributeError, KeyError, TypeError, ValueError):
        # It is no answer of the method's shape; it can still agree with nobody but its like.
        return Vote(voter=voter, key=f"misshapen {value!r}", value=value)


def vote_against(voter: E, error: ChainError) -> Vote[E]:
    """The vote that an error is: a revert is an answer, so is a lasting refusal."""
    key = None
    if isinstance(error, CallReverted):
        key = f"revert {error.error} {error.arguments}"
    elif isinstance(error, RpcRefused) and not error.retryable:
        key = f"refusal {error.number}"
    return Vote(voter=voter, key=key, error=error)


def _essence(method: str, value: Any) -> str:
    if value is None:
        return "nothing"
    return repr(_ESSENCES.get(method, _text)(value))


def _text(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _number(value: Any) -> int:
    return int(value, 16)


def _fields(names: tuple[str, ...], source: Any) -> list[Any]:
    return [_lower(source.get(name)) for name in names]


def _lower(value: Any) -> Any:
    return [_lower(part) for part in value] if isinstance(value, list) else _text(value)


def _logs(value: Any) -> list[Any]:
    kept = [_fields(_LOG, log) for log in value if not log.get("removed")]
    return sorted(kept, key=lambda log: (int(log[3], 16), int(log[6], 16)))


def _receipt(value: Any) -> Any:
    if value.get("blockNumber") is None:
        return "not mined"
    return [*_fields(_RECEIPT, value), _logs(value["logs"])]


_ESSENCES: dict[str, Callable[[Any], Any]] = {
    "eth_getBlockByNumber": lambda value: _fields(_BLOCK, value),
    "eth_getBlockByHash": lambda value: _fields(_BLOCK, value),
    "eth_getLogs": _logs,
    "eth_getTransactionReceipt": _receipt,
    "eth_getTransactionCount": _number,
    "eth_getBalance": _number,
    "eth_estimateGas": lambda value: "possible" if _number(value) else "free",
}
