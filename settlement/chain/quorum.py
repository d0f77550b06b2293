"""One chain behind several RPC endpoints: fail-over for plain reads, a majority for money.

A majority of the *configured* endpoints (2 of 3) must give the same answer, whatever state the
others are in: one that lies, lags, hangs, limits us or shows another chain is outvoted, and left
alone for a while. "Latest" differs between honest endpoints; where it does, the newest block that a
majority has is agreed on first, and the question is asked again about that block.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self

from settlement.chain.ballot import Ballot, Vote, vote_against, vote_for
from settlement.chain.rpc import REQUEST_SECONDS, JsonRpc, Rpc, with_patience
from settlement.chain.standing import Fault, Standing
from settlement.errors import ChainError, InputError
from settlement.ports.chain_errors import (
    AnswerMisshapen,
    EndpointsDisagree,
    QuorumMissing,
    RangeRefused,
    RpcRefused,
    WrongChain,
)
from settlement.types import hex_text

HEDGE_SECONDS = 1.0
"""How long an endpoint may take before another one is asked as well."""
LAG_BLOCKS = 3
"""How far behind the agreed head an endpoint is asked last."""
_FORK_STEPS = (0, 1, 2, 4, 8, 16, 32, 64)
_HEAD = "eth_getBlockByNumber"
_LATEST, _PENDING = "latest", "pending"


def endpoints_of(text: str) -> tuple[str, ...]:
    """The endpoints in a list by commas or blanks. Raises InputError for none."""
    found = tuple(text.replace(",", " ").split())
    if not found:
        raise InputError(where="the RPC endpoints", problem="name at least one")
    return found


class RpcQuorum:
    """A client of several endpoints. Use as an async context manager. Raises InputError."""

    def __init__(
        self,
        endpoints: Sequence[str],
        chain_id: int,
        *,
        seconds: float = REQUEST_SECONDS,
        hedge_seconds: float = HEDGE_SECONDS,
    ) -> None:
        self.chain_id = chain_id
        self.needed = len(endpoints) // 2 + 1
        if len(set(endpoints)) < len(endpoints):
            raise InputError(where="the RPC endpoints", problem="one of them is named twice")
        self._endpoints = tuple(JsonRpc(one, chain_id, seconds=seconds) for one in endpoints)
        for number, endpoint in enumerate(self._endpoints, 1):  # two keys at one host are two
            if sum(endpoint.shown == other.shown for other in self._endpoints) > 1:
                endpoint.standing.shown += f"#{number}"
        self._hedge = hedge_seconds
        self._strange = 0
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for endpoint in self._endpoints:
            await self._exits.enter_async_context(endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exits.aclose()

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(endpoint.standing for endpoint in self._endpoints)

    async def read(self, method: str, *parameters: object) -> Any:
        """The first answer of any endpoint, best ones first; slow ones are hedged by others."""
        return await with_patience(lambda: self._result(1, method, parameters))

    async def agreed(self, method: str, *parameters: object) -> Any:
        """What a majority of the endpoints answers. Raises QuorumMissing where too few answer,
        EndpointsDisagree, WrongChain, and what a majority refuses it with."""
        return await with_patience(lambda: self._agreed(method, parameters))

    async def everyone(self, method: str, *parameters: object) -> list[Any]:
        """What every endpoint answers, the benched ones too; raises what any of them fails with."""
        asked = (endpoint.everyone(method, *parameters) for endpoint in self._endpoints)
        return [answer for (answer,) in await asyncio.gather(*asked)]

    async def broadcast(self, raw: bytes) -> None:
        """Send a signed transaction to every endpoint, and return when one has taken it and the
        others have answered or had their time. Raises what the most of them refused it with."""
        text = hex_text(raw)
        ballot = Ballot[JsonRpc](method="eth_sendRawTransaction", needed=1)
        asked = {
            asyncio.create_task(self._ask(endpoint, ballot.method, (text,)))
            for endpoint in self._endpoints
            if not endpoint.standing.closed(_now())
        }
        try:
            while asked:
                taken = any(vote.error is None for vote in ballot.votes)
                done, asked = await asyncio.wait(
                    asked,
                    timeout=self._hedge if taken else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                ballot.votes += [task.result() for task in done]
                if not done:
                    break
        finally:
            await _cancelled(asked)
        if not any(vote.error is None for vote in ballot.votes):
            raise self._refused(ballot)

    # Asking for agreement

    async def _agreed(self, method: str, parameters: tuple[object, ...]) -> Any:
        floating = _LATEST in parameters or _PENDING in parameters
        if not floating:
            return await self._result(self.needed, method, parameters)
        ballot = await self._vote(self.needed, method, parameters, known_block=False)
        if (winner := ballot.winner()) is not None:
            return _given(winner)
        # They may merely be at different heights.
        head = await self._head(ballot if method == _HEAD else None)
        if method == _HEAD:
            return head
        block = head["number"]
        pinned = tuple(block if part in (_LATEST, _PENDING) else part for part in parameters)
        return await self._result(self.needed, method, pinned)

    async def _head(self, seen: Ballot[JsonRpc] | None) -> Any:
        """The newest block that a majority has."""
        if seen is None:
            seen = await self._vote(self.needed, _HEAD, (_LATEST, False), known_block=False)
            if (winner := seen.winner()) is not None:
                return _given(winner)
        newest = {vote.voter: int(vote.value["number"], 16) for vote in seen.votes if vote.value}
        if len(newest) < self.needed:
            raise self._undecided(seen)
        height = sorted(newest.values(), reverse=True)[self.needed - 1]
        for voter, number in newest.items():
            if number + LAG_BLOCKS < height:
                voter.standing.failed(Fault.BEHIND, _now())
        for back in _FORK_STEPS:
            block = (hex(max(height - back, 0)), False)
            ballot = await self._vote(self.needed, _HEAD, block, known_block=False)
            winner = ballot.winner()
            if winner is not None and winner.value is not None:
                return winner.value
        raise self._undecided(ballot)

    async def _result(self, needed: int, method: str, parameters: tuple[object, ...]) -> Any:
        ballot = await self._vote(needed, method, parameters, known_block=True)
        if (winner := ballot.winner()) is None:
            raise self._undecided(ballot)
        return _given(winner)

    async def _vote(
        self, needed: int, method: str, parameters: tuple[object, ...], *, known_block: bool
    ) -> Ballot[JsonRpc]:
        """Ask as many endpoints as can decide it, and one more for each that fails, is slow or
        says something else. ``known_block``: who is outvoted here was not merely behind."""
        ballot = Ballot[JsonRpc](method=method, needed=needed)
        waiting = self._ranked()
        asked: dict[asyncio.Task[Vote[JsonRpc]], JsonRpc] = {}
        try:
            while (winner := ballot.winner()) is None:
                while waiting and ballot.leading + len(asked) < needed:
                    asked |= self._start(waiting.pop(0), method, parameters)
                if not asked:
                    return ballot
                done, _ = await asyncio.wait(
                    asked, timeout=self._hedge, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del asked[task]
                    ballot.votes.append(task.result())
                if not done and waiting:
                    for endpoint in asked.values():
                        endpoint.standing.failed(Fault.SLOW, _now())
                    asked |= self._start(waiting.pop(0), method, parameters)
        finally:
            await _cancelled(set(asked))
        if needed > 1:
            self._judge(ballot, winner, Fault.OUTVOTED if known_block else Fault.BEHIND)
        return ballot

    def _judge(self, ballot: Ballot[JsonRpc], winner: Vote[JsonRpc], fault: Fault) -> None:
        for vote in ballot.votes:
            if vote.key == winner.key:
                vote.voter.standing.confirmed()
            elif vote.key is not None:
                vote.voter.standing.failed(fault, _now())

    def _start(
        self, endpoint: JsonRpc, method: str, parameters: tuple[object, ...]
    ) -> dict[asyncio.Task[Vote[JsonRpc]], JsonRpc]:
        return {asyncio.create_task(self._ask(endpoint, method, parameters)): endpoint}

    async def _ask(
        self, endpoint: JsonRpc, method: str, parameters: tuple[object, ...]
    ) -> Vote[JsonRpc]:
        try:
            vote = vote_for(endpoint, method, await endpoint.checked(method, *parameters))
        except ChainError as error:
            if isinstance(error, WrongChain):
                self._strange = error.found
            return vote_against(endpoint, error)
        except Exception as error:  # noqa: BLE001 - what one provokes must not cost the others' votes
            problem = type(error).__name__
            vote = vote_against(endpoint, AnswerMisshapen(method=method, problem=problem))
        if vote.error is not None:
            endpoint.standing.failed(Fault.OUTVOTED, _now())
        return vote

    def _ranked(self) -> list[JsonRpc]:
        """Whom to ask, in order: benched ones last, and not those that must be left alone."""
        now = _now()
        open_ones = [one for one in self._endpoints if not one.standing.closed(now)]
        return sorted(open_ones, key=lambda one: one.standing.benched(now))

    # Failing

    def _undecided(self, ballot: Ballot[JsonRpc]) -> ChainError:
        strangers = [
            endpoint
            for endpoint in self._endpoints
            if endpoint.standing.benched_for is Fault.WRONG_CHAIN
        ]
        if len(strangers) > len(self._endpoints) - ballot.needed:
            return WrongChain(expected=self.chain_id, found=self._strange)
        failures = ballot.failures
        narrow = [error for error in failures if isinstance(error, RangeRefused)]
        if narrow and ballot.leading + len(narrow) >= ballot.needed:
            return narrow[0]
        silent = len(self._endpoints) - len(ballot.votes) + len(failures)
        problem = "; ".join(self._states(ballot))
        kind = QuorumMissing if ballot.leading + silent >= ballot.needed else EndpointsDisagree
        return kind(
            method=ballot.method, needed=ballot.needed, agreed=ballot.leading, problem=problem
        )

    def _states(self, ballot: Ballot[JsonRpc]) -> list[str]:
        voted = {vote.voter: vote for vote in ballot.votes}
        states: list[str] = []
        for endpoint in self._endpoints:
            vote = voted.get(endpoint)
            fault = endpoint.standing.benched_for
            if vote is not None and vote.key is not None:
                states.append(f"{endpoint.shown} answered")
            elif vote is not None and vote.error is not None:
                states.append(f"{endpoint.shown}: {vote.error.title}")
            else:
                states.append(f"{endpoint.shown} left alone" + (f" ({fault})" if fault else ""))
        return states

    def _refused(self, ballot: Ballot[JsonRpc]) -> ChainError:
        """The answer of endpoints that all turned a transaction down: what most of them said,
        where they could be reached at all."""
        refusals = [
            vote.error
            for vote in ballot.votes
            if isinstance(vote.error, RpcRefused) and not vote.error.retryable
        ]
        others = [vote.error for vote in ballot.votes if vote.error is not None]
        if len(refusals) >= self.needed or (refusals and len(refusals) == len(others)):
            return max(refusals, key=lambda e: sum(e.problem == o.problem for o in refusals))
        return others[0] if others else self._undecided(ballot)


@asynccontextmanager
async def open_rpc(
    endpoints: Sequence[str], chain_id: int, *, seconds: float = REQUEST_SECONDS
) -> AsyncIterator[Rpc]:
    """The client of one endpoint, or of several. Raises InputError."""
    async with AsyncExitStack() as stack:
        if len(endpoints) == 1:
            one = JsonRpc(endpoints[0], chain_id, seconds=seconds)
            yield await stack.enter_async_context(one)
        else:
            several = RpcQuorum(endpoints, chain_id, seconds=seconds)
            yield await stack.enter_async_context(several)


def _given(winner: Vote[JsonRpc]) -> Any:
    if winner.error is not None:
        raise winner.error
    return winner.value


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _cancelled(tasks: set[asyncio.Task[Vote[JsonRpc]]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
