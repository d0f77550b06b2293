"""Comparing what several endpoints answered to one request.

Only what we use is compared, and nothing else is handed on: an answer that won holds no word of its
voter that the others did not say too (:mod:`settlement.chain.answers`).
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from settlement.chain.answers import normal
from settlement.errors import ChainError
from settlement.ports.chain_errors import AnswerMisshapen, CallReverted, RpcRefused

E = TypeVar("E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Generic[E]):
    """One endpoint's answer: ``key`` is what is compared, None where it failed to answer.
    ``value`` is made of what the key is made of."""

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
    """The vote that an answer is; what has not an answer's shape is a failure to answer."""
    try:
        compared = normal(method, value)
        return Vote(voter=voter, key=_essence(method, compared), value=compared)
    except AnswerMisshapen as error:
        return vote_against(voter, error)


def vote_against(voter: E, error: ChainError) -> Vote[E]:
    """The vote that an error is: a revert is an answer, so is a lasting refusal."""
    key = None
    if isinstance(error, CallReverted):
        key = f"revert {error.error} {error.arguments}"
    elif isinstance(error, RpcRefused) and not error.retryable:
        key = f"refusal {error.number}"
    return Vote(voter=voter, key=key, error=error)


def _essence(method: str, value: Any) -> str:
    """Raises AnswerMisshapen for what is nested too deeply to be written."""
    if method == "eth_estimateGas":
        return "possible" if int(value, 16) else "free"
    try:
        return "nothing" if value is None else repr(_lower(value))
    except (RecursionError, ValueError) as error:
        raise AnswerMisshapen(method=method, problem=type(error).__name__) from error


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
