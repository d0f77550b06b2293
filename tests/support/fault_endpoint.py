"""A JSON-RPC proxy in front of a local chain that misbehaves as real endpoints do.

::

    async with FaultEndpoint(chain.endpoint) as bad:
        bad.lag = 5
        rpc = RpcQuorum([good.address, other.address, bad.address], chain.chain_id)

Faults can be set and taken back at any time, several at once. Single requests and batches alike.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
from aiohttp import web

SECRET = "s3cret-key-of-an-account"
"""Part of every address, as hosted endpoints have it."""
LONG_S = 3_600


class FaultEndpoint:
    """An endpoint on the loopback address. ``asked`` counts the requests by method.

    ``chain_id`` answers as another chain; ``lag`` hides the newest blocks; ``lying`` alters
    balances, views, logs and receipts; ``quota`` answers 429; ``widest`` refuses wider ranges of
    logs in the words of ``range_words``; ``hanging`` never answers; ``down`` drops connections;
    ``lose_answer_to`` passes requests of a method on and answers 502, ``lost`` times;
    ``receipts_hidden`` knows no receipt; ``swallows`` takes transactions and forgets them.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.address = ""
        self.asked: Counter[str] = Counter()
        self.heal()

    def heal(self) -> None:
        """Take every fault back."""
        self.chain_id: int | None = None
        self.lag = 0
        self.lying = False
        self.quota = False
        self.widest: int | None = None
        self.range_words = (-32_602, "eth_getLogs block range is too wide")
        self.hanging = False
        self.down = False
        self.lose_answer_to: str | None = None
        self.lost = 1
        self.receipts_hidden = False
        self.swallows = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        application = web.Application(client_max_size=1 << 26)
        application.router.add_post("/{secret}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}/{SECRET}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        asked = body if isinstance(body, list) else [body]
        self.asked.update(one["method"] for one in asked)
        if self.hanging:
            await asyncio.sleep(LONG_S)
        if self.down:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.quota:
            return web.Response(status=429)
        answers = [await self._answer(one) for one in asked]
        if self.lost and any(one["method"] == self.lose_answer_to for one in asked):
            self.lost -= 1
            return web.Response(status=502, text="<html>bad gateway</html>")
        return web.json_response(answers if isinstance(body, list) else answers[0])

    async def _answer(self, one: Mapping[str, Any]) -> dict[str, Any]:
        number, method, parameters = one["id"], one["method"], list(one["params"])
        if method == "eth_chainId" and self.chain_id is not None:
            return _result(number, hex(self.chain_id))
        if method == "eth_sendRawTransaction" and self.swallows:
            return _result(number, "0x" + "00" * 32)
        if method == "eth_getLogs" and self._too_wide(parameters[0]):
            code, words = self.range_words
            return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}}
        newest = None
        if self.lag:
            newest = max(0, int(await self._behind("eth_blockNumber"), 16) - self.lag)
            parameters = [
                hex(newest) if part in ("latest", "pending") else part for part in parameters
            ]
        if newest is not None and (hidden := _hidden(method, parameters, newest)) is not None:
            return {"jsonrpc": "2.0", "id": number} | hidden
        answer = await self._post(
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        )
        if "result" not in answer:
            return answer
        result = answer["result"]
        if newest is not None:
            result = _without_newer(method, result, newest)
        if method == "eth_getTransactionReceipt" and self.receipts_hidden:
            result = None
        return _result(number, altered(method, result) if self.lying else result)

    def _too_wide(self, wanted: Mapping[str, str]) -> bool:
        width = int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) + 1
        return self.widest is not None and width > self.widest

    async def _behind(self, method: str) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
        return (await self._post(body))["result"]

    async def _post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._session.post(self.behind, json=body) as answer:
            return dict(await answer.json())


def _result(number: Any, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _hidden(method: str, parameters: list[Any], newest: int) -> dict[str, Any] | None:
    """What an endpoint says about a block that it does not have yet."""
    block = parameters[1] if method in ("eth_call", "eth_getBalance") else None
    if method == "eth_getBlockByNumber" and int(parameters[0], 16) > newest:
        return {"result": None}
    if block is not None and int(block, 16) > newest:
        return {"error": {"code": -32_000, "message": "header not found"}}
    if method == "eth_blockNumber":
        return {"result": hex(newest)}
    return None


def _without_newer(method: str, result: Any, newest: int) -> Any:
    """Logs and receipts of blocks that it has; it says nothing about those that it has not."""
    if method == "eth_getLogs":
        return [log for log in result if int(log["blockNumber"], 16) <= newest]
    if method == "eth_getTransactionReceipt" and result is not None:
        return result if int(result["blockNumber"], 16) <= newest else None
    return result


def altered(method: str, result: Any) -> Any:
    """A lie in the shape of the truth."""
    match method:
        case "eth_call" if isinstance(result, str) and len(result) >= 66:
            return result[:-1] + ("1" if result[-1] != "1" else "2")
        case "eth_getBalance" | "eth_getTransactionCount":
            return hex(int(result, 16) + 7)
        case "eth_getLogs":
            return result[:-1] if len(result) > 1 else []
        case "eth_getBlockByNumber" if result is not None:
            return result | {"hash": "0x" + "66" * 32}
        case "eth_getTransactionReceipt" if result is not None:
            return result | {"status": "0x0"}
        case "eth_estimateGas":
            return hex(21_000)
        case _:
            return result
