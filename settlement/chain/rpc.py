"""JSON-RPC over HTTP: one endpoint, and what the chain client asks of one or of several.

Only an endpoint's host and port are ever shown: the rest of its address may hold a key.
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import aiohttp

from settlement.chain.answers import normal
from settlement.chain.rpc_refusals import range_refused, refusal_of
from settlement.chain.standing import Fault, Standing, fault_of
from settlement.errors import ChainError, InputError
from settlement.ports.chain_errors import (
    AnswerMisshapen,
    EndpointBehind,
    EndpointsDisagree,
    QuorumMissing,
    QuotaExceeded,
    RpcUnreachable,
    WrongChain,
)
from settlement.types import hex_text

REQUEST_SECONDS = 10
LARGEST_ANSWER = 64 * 1024 * 1024
READ_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.1
LARGEST_BATCH = 40
"""Requests in one HTTP body; common providers take 100."""
_PASSING = (
    RpcUnreachable,
    QuotaExceeded,
    EndpointBehind,
    AnswerMisshapen,
    QuorumMissing,
    EndpointsDisagree,
)
"""What a moment's wait may help."""


class Rpc(Protocol):
    """A chain behind one endpoint (:class:`JsonRpc`) or behind several (``quorum.RpcQuorum``)."""

    @property
    def chain_id(self) -> int:
        """The chain that every answer must come from."""
        ...

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How each endpoint has served."""
        ...

    async def read(self, method: str, *parameters: object) -> Any:
        """The answer of any endpoint that has one; outages and quotas are waited out a while."""
        ...

    async def agreed(self, method: str, *parameters: object) -> Any:
        """The answer that a majority of the configured endpoints gives, made only of what they were
        compared by; for all that decides about money. Also raises QuorumMissing and
        EndpointsDisagree."""
        ...

    async def everyone(self, method: str, *parameters: object) -> list[Any]:
        """What each configured endpoint answers; raises what any of them fails with."""
        ...

    async def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to every endpoint; one that takes it is enough."""
        ...


class JsonRpc:
    """A client of one endpoint. Use as an async context manager; it owns its HTTP session.

    Reads that are made at the same moment travel in one HTTP body. Raises InputError for an
    address that is none.
    """

    def __init__(self, endpoint: str, chain_id: int, *, seconds: float = REQUEST_SECONDS) -> None:
        self.shown = shown_endpoint(endpoint)
        self.chain_id = chain_id
        self.standing = Standing(shown=self.shown)
        self._endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._checked = asyncio.Lock()
        self._right_chain = False
        self._takes_batches = True
        self._gathered: list[_Asked] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def standings(self) -> tuple[Standing, ...]:
        return (self.standing,)

    async def read(self, method: str, *parameters: object) -> Any:
        """The result of a request that may be repeated: outages and quotas are waited out, a few
        times with doubled pauses. Raises what :meth:`once` raises, and WrongChain."""
        return await with_patience(lambda: self.checked(method, *parameters))

    async def agreed(self, method: str, *parameters: object) -> Any:
        """What :meth:`read` returns, in its one form: one endpoint is a quorum of one. Also raises
        AnswerMisshapen."""
        result = await with_patience(lambda: self._formed(method, parameters))
        self.standing.confirmed()
        return result

    async def everyone(self, method: str, *parameters: object) -> list[Any]:
        """The one endpoint's answer. Raises what :meth:`agreed` raises."""
        return [await with_patience(lambda: self._formed(method, parameters))]

    async def _formed(self, method: str, parameters: tuple[object, ...]) -> Any:
        result = await self.checked(method, *parameters)
        try:
            return normal(method, result)
        except AnswerMisshapen:
            self.standing.failed(Fault.OUTVOTED, asyncio.get_running_loop().time())
            raise

    async def broadcast(self, raw: bytes) -> None:
        """Send a signed transaction, once. Raises what :meth:`checked` raises."""
        await self.checked("eth_sendRawTransaction", hex_text(raw))

    async def checked(self, method: str, *parameters: object) -> Any:
        """The result of one request, once the endpoint has shown the right chain.

        Raises what :meth:`once` raises, and WrongChain. Keeps the endpoint's standing.
        """
        try:
            await self._check_chain()
            result = await self._ask(method, parameters)
        except ChainError as error:
            if (fault := fault_of(error)) is not None:
                self.standing.failed(fault, asyncio.get_running_loop().time())
                # Who knows what comes up there next.
                self._right_chain = self._right_chain and fault is not Fault.OUTAGE
            raise
        self.standing.answered()
        return result

    async def once(self, method: str, *parameters: object) -> Any:
        """The result of one request, asked once and in an HTTP body of its own.

        Raises RpcUnreachable, QuotaExceeded, RangeRefused, EndpointBehind, CallReverted,
        AnswerMisshapen or RpcRefused.
        """
        asked = _Asked(next(self._numbers), method, parameters)
        await self._send([asked])
        return await asked.result

    async def _check_chain(self) -> None:
        if self._right_chain:
            return
        async with self._checked:
            if not self._right_chain:
                found = int(normal("eth_chainId", await self.once("eth_chainId")), 16)
                if found != self.chain_id:
                    raise WrongChain(expected=self.chain_id, found=found)
                self._right_chain = True

    # Requests of one moment

    async def _ask(self, method: str, parameters: tuple[object, ...]) -> Any:
        if not self._takes_batches:
            return await self.once(method, *parameters)
        asked = _Asked(next(self._numbers), method, parameters)
        self._gathered.append(asked)
        if len(self._gathered) == 1:
            task = asyncio.create_task(self._send_gathered())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await asked.result

    async def _send_gathered(self) -> None:
        await asyncio.sleep(0)  # all that is ready to run may still join
        gathered, self._gathered = self._gathered, []
        parts = (gathered[at : at + LARGEST_BATCH] for at in range(0, len(gathered), LARGEST_BATCH))
        await asyncio.gather(*map(self._send, parts))

    async def _send(self, asked: "list[_Asked]") -> None:
        """Send requests in one HTTP body; every one of them gets its result or its error."""
        try:
            status, answer = await self._post([one.body for one in asked])
            self._hand_out(asked, status, answer)
        except ChainError as error:
            for one in asked:
                one.fail(error)
        except asyncio.CancelledError:
            for one in asked:
                one.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
            for one in asked:
                one.fail(_misshapen(one, error))
        if singly := [one for one in asked if not one.result.done()]:
            self._takes_batches = False
            await asyncio.gather(*(self._send([one]) for one in singly))

    def _hand_out(self, asked: "list[_Asked]", status: int, answer: Any) -> None:
        parts = [answer]
        if len(asked) > 1:
            if not isinstance(answer, list):
                self._batch_refused(asked, answer)
                return
            numbered = [part for part in answer if isinstance(part, dict)]
            by_number = {part["id"]: part for part in numbered if isinstance(part.get("id"), int)}
            parts = [by_number.get(one.number) for one in asked]
        for one, part in zip(asked, parts, strict=True):
            try:
                one.succeed(self._result(one, status, part))
            except ChainError as error:
                one.fail(error)
            except Exception as error:  # noqa: BLE001 - one part must not cost the others theirs
                one.fail(_misshapen(one, error))

    def _batch_refused(self, asked: "list[_Asked]", answer: Any) -> None:
        """One answer to many requests: a quota, or an endpoint that takes no batches; requests
        that have no result then are sent one by one."""
        error = answer.get("error") if isinstance(answer, dict) else None
        refusal = refusal_of(self.shown, asked[0].method, (), self._safe(error))
        if isinstance(refusal, QuotaExceeded):
            for one in asked:
                one.fail(refusal)

    async def _post(self, bodies: list[dict[str, Any]]) -> tuple[int, Any]:
        if self._session is None:
            raise RpcUnreachable(endpoint=self.shown, problem="the client is closed")
        method = str(bodies[0]["method"])
        body = bodies[0] if len(bodies) == 1 else bodies
        try:
            async with self._session.post(self._endpoint, json=body) as answer:
                status = answer.status
                text = await answer.content.read(LARGEST_ANSWER)
                while not answer.content.at_eof():
                    if len(text) >= LARGEST_ANSWER:
                        raise range_refused(self.shown, method, "the answer is too large")
                    text += await answer.content.read(LARGEST_ANSWER)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Its text and its trace may carry the whole address.
            problem = type(error).__name__
            raise RpcUnreachable(endpoint=self.shown, problem=problem) from None
        if status == 429:
            raise QuotaExceeded(endpoint=self.shown, method=method, number=429, problem="HTTP 429")
        if status == 413:
            raise range_refused(self.shown, method, "HTTP 413")
        try:
            return status, json.loads(text)
        except (ValueError, RecursionError) as error:
            problem = f"HTTP {status} without JSON"
            raise RpcUnreachable(endpoint=self.shown, problem=problem) from error

    def _result(self, asked: "_Asked", status: int, answer: Any) -> Any:
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            problem = f"HTTP {status} with an answer that is not JSON-RPC"
            raise RpcUnreachable(endpoint=self.shown, problem=problem)
        if answer.get("error") is None:
            return answer.get("result")
        raise refusal_of(self.shown, asked.method, asked.parameters, self._safe(answer["error"]))

    def _safe(self, error: Any) -> Any:
        """An endpoint's error without the secret parts of its address, which some repeat."""
        parts = urlsplit(self._endpoint)
        secrets = (self._endpoint, *parts.path.split("/"), parts.query, parts.password or "")
        text = json.dumps(error)
        for secret in secrets:
            if len(secret) >= 6:
                text = text.replace(secret, "…")
        return json.loads(text)


class _Asked:
    """A request on its way."""

    def __init__(self, number: int, method: str, parameters: tuple[object, ...]) -> None:
        self.number = number
        self.method = method
        self.parameters = parameters
        self.body = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def succeed(self, value: Any) -> None:
        if not self.result.done():
            self.result.set_result(value)

    def fail(self, error: ChainError) -> None:
        if not self.result.done():
            self.result.set_exception(error)


def _misshapen(asked: _Asked, error: Exception) -> AnswerMisshapen:
    """For what reading an answer provoked; without its text, which may repeat the address."""
    return AnswerMisshapen(method=asked.method, problem=type(error).__name__)


async def with_patience(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again after an error that a little waiting may help, a few times."""
    pause = FIRST_PAUSE_SECONDS
    for _ in range(READ_ATTEMPTS - 1):
        try:
            return await ask()
        except _PASSING:
            await asyncio.sleep(pause)
            pause *= 2
    return await ask()


def shown_endpoint(endpoint: str) -> str:
    """Host and port of an endpoint's address, which is all that may be shown of it.

    Raises InputError, which does not repeat the address.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or urlsplit(endpoint).scheme not in ("http", "https"):
        raise InputError(where="an RPC endpoint", problem="expected http:// or https:// and a host")
    return host if port is None else f"{host}:{port}"
