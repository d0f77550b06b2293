"""JSON-RPC over HTTP to one endpoint, with its errors told apart.

Only the endpoint's host and port are ever shown: the rest of its address may hold a key.
"""

import asyncio
import itertools
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from settlement.chain.reverts import explain
from settlement.errors import ChainError
from settlement.ports.chain_errors import (
    QuotaExceeded,
    RangeRefused,
    RpcRefused,
    RpcUnreachable,
    WrongChain,
)
from settlement.types import Address

REQUEST_SECONDS = 10
LARGEST_ANSWER = 64 * 1024 * 1024
READ_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.1

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
_REVERT_WORDS = ("revert", "invalid opcode", "invalid jump")


class JsonRpc:
    """A client of one endpoint. Use as an async context manager; it owns its HTTP session."""

    def __init__(self, endpoint: str, chain_id: int, *, seconds: float = REQUEST_SECONDS) -> None:
        parts = urlsplit(endpoint)
        self.chain_id = chain_id
        self.shown = parts.hostname or "?"
        if parts.port is not None:
            self.shown += f":{parts.port}"
        self._endpoint = endpoint
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._checked = asyncio.Lock()
        self._right_chain = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, method: str, *parameters: object) -> Any:
        """The result of a request that may be repeated: outages and quotas are waited out, a few
        times with doubled pauses. Raises what :meth:`once` raises, and WrongChain."""
        await self._check_chain()
        return await self._repeated(method, parameters)

    async def once(self, method: str, *parameters: object) -> Any:
        """The result of one request, asked once.

        Raises RpcUnreachable, QuotaExceeded, RangeRefused, CallReverted or RpcRefused.
        """
        if self._session is None:
            raise RpcUnreachable(endpoint=self.shown, problem="the client is closed")
        number = next(self._numbers)
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
        try:
            async with self._session.post(self._endpoint, json=body) as answer:
                status = answer.status
                text = await answer.content.read(LARGEST_ANSWER)
                while not answer.content.at_eof():
                    if len(text) >= LARGEST_ANSWER:
                        raise self._range(method, "the answer is too large")
                    text += await answer.content.read(LARGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = str(error).replace(self._endpoint, self.shown) or type(error).__name__
            raise RpcUnreachable(endpoint=self.shown, problem=problem) from error
        return self._result(method, parameters, status, text)

    def _result(self, method: str, parameters: Any, status: int, text: bytes) -> Any:
        if status == 429:
            raise QuotaExceeded(endpoint=self.shown, method=method, number=429, problem="HTTP 429")
        if status == 413:
            raise self._range(method, "HTTP 413")
        try:
            answer = json.loads(text)
        except ValueError as error:
            problem = f"HTTP {status} without JSON"
            raise RpcUnreachable(endpoint=self.shown, problem=problem) from error
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise RpcUnreachable(endpoint=self.shown, problem="an answer that is not JSON-RPC")
        if answer.get("error") is None:
            return answer.get("result")
        raise self._refusal(method, parameters, answer["error"])

    def _refusal(self, method: str, parameters: Any, error: Any) -> ChainError:
        fields: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
        code = fields.get("code")
        number = code if isinstance(code, int) else 0
        problem = str(fields.get("message", ""))
        words = problem.lower()
        data = revert_data(fields.get("data"))
        is_call = method in ("eth_call", "eth_estimateGas", "eth_sendRawTransaction")
        if is_call and (data is not None or any(word in words for word in _REVERT_WORDS)):
            target = parameters[0] if parameters and isinstance(parameters[0], dict) else {}
            return explain(data or b"", problem, _target(target.get("to")))
        if any(word in words for word in _QUOTA_WORDS):
            return QuotaExceeded(endpoint=self.shown, method=method, number=number, problem=problem)
        if method == "eth_getLogs" and any(word in words for word in _RANGE_WORDS):
            return self._range(method, problem, number)
        return RpcRefused(endpoint=self.shown, method=method, number=number, problem=problem)

    def _range(self, method: str, problem: str, number: int = -32_005) -> RangeRefused:
        return RangeRefused(endpoint=self.shown, method=method, number=number, problem=problem)

    async def _check_chain(self) -> None:
        if self._right_chain:
            return
        async with self._checked:
            if not self._right_chain:
                found = int(await self._repeated("eth_chainId", ()), 16)
                if found != self.chain_id:
                    raise WrongChain(expected=self.chain_id, found=found)
                self._right_chain = True

    async def _repeated(self, method: str, parameters: tuple[object, ...]) -> Any:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(READ_ATTEMPTS - 1):
            try:
                return await self.once(method, *parameters)
            except (RpcUnreachable, QuotaExceeded):
                await asyncio.sleep(pause)
                pause *= 2
        return await self.once(method, *parameters)


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
