"""Endpoints that answer with what is no answer: each is outvoted or named, and ends nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from settlement.chain.quorum import RpcQuorum
from settlement.chain.rpc import JsonRpc
from settlement.errors import ChainError
from settlement.ports.chain_errors import AnswerMisshapen, RpcUnreachable

CHAIN = 31_337
WAIT_S = 20.0
DEEP = "[" * 200_000
Body = Callable[[list[dict[str, Any]]], web.Response]


def block(number: int) -> dict[str, str]:
    word = "0x" + f"{number:064x}"
    return {
        "number": hex(number),
        "hash": word,
        "parentHash": word,
        "timestamp": "0x1",
        "mixHash": word,
    }


def honest(one: dict[str, Any], head: int) -> Any:
    match one["method"]:
        case "eth_chainId":
            return hex(CHAIN)
        case "eth_getBlockByNumber":
            asked = one["params"][0]
            return block(head if asked == "latest" else int(asked, 16))
        case _:
            return "0x10"


def told(asked: list[dict[str, Any]], results: list[Any]) -> web.Response:
    parts = [
        {"jsonrpc": "2.0", "id": one["id"], "result": result}
        for one, result in zip(asked, results, strict=True)
    ]
    return web.json_response(parts if len(parts) > 1 else parts[0])


def honestly(head: int = 16) -> Body:
    return lambda asked: told(asked, [honest(one, head) for one in asked])


def but(method: str, result: Any) -> Body:
    return lambda asked: told(
        asked, [result if one["method"] == method else honest(one, 16) for one in asked]
    )


def deep_but_for_the_chain(asked: list[dict[str, Any]]) -> web.Response:
    if asked[0]["method"] == "eth_chainId":
        return honestly()(asked)
    return web.Response(text=DEEP, content_type="application/json")


def numbered_by_lists(asked: list[dict[str, Any]]) -> web.Response:
    if asked[0]["method"] == "eth_chainId":
        return honestly()(asked)
    return web.json_response([{"id": [], "result": "0x1"} for _ in asked])


def fails_once_and_forgets_its_chain() -> Body:
    seen: list[int] = []

    def answer(asked: list[dict[str, Any]]) -> web.Response:
        seen.append(len(asked))
        if len(seen) == 2:
            return web.Response(status=500, text="x")
        return honestly()(asked) if len(seen) < 2 else but("eth_chainId", None)(asked)

    return answer


@asynccontextmanager
async def served(body: Body) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        return body(asked if isinstance(asked, list) else [asked])

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def soon(asked: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(asked, WAIT_S)


@pytest.mark.parametrize(
    "bad",
    [
        but("eth_chainId", None),
        lambda _asked: web.Response(text=DEEP, content_type="application/json"),
        deep_but_for_the_chain,
        numbered_by_lists,
        but("eth_getBlockByNumber", [1]),
        but("eth_getBlockByNumber", {"number": "zz"}),
        fails_once_and_forgets_its_chain(),
    ],
    ids=["no chain", "deep", "deep later", "numbers", "list", "number", "forgets"],
)
@pytest.mark.parametrize("apart", [0, 1], ids=["one head", "different heads"])
async def test_whatever_one_endpoint_of_three_answers_the_majority_is_heard(
    bad: Body, apart: int
) -> None:
    async with AsyncExitStack() as stack:
        bodies = [bad, honestly(16), honestly(16 + apart)]
        urls = [await stack.enter_async_context(served(body)) for body in bodies]
        rpc = await stack.enter_async_context(RpcQuorum(urls, CHAIN))
        for _ in range(3):
            assert await soon(rpc.agreed("eth_getBlockByNumber", "latest", False)) == block(16)
            assert await soon(rpc.agreed("eth_getBlockByNumber", "0x9", False)) == block(9)
            assert await soon(rpc.agreed("eth_getBalance", "0x" + "11" * 20, "latest")) == "0x10"
        assert rpc.standings[0].faults.total() > 0


@pytest.mark.parametrize(
    "body",
    [deep_but_for_the_chain, numbered_by_lists, but("eth_getBalance", [1])],
    ids=["deep", "numbers", "list"],
)
async def test_every_request_of_a_batch_gets_an_end(body: Body) -> None:
    async with served(body) as url, JsonRpc(url, CHAIN) as rpc:
        asked = (rpc.agreed("eth_getBalance", "0x" + "11" * 20, hex(n)) for n in range(5))
        ends = await soon(asyncio.gather(*asked, return_exceptions=True))
    assert all(isinstance(end, (AnswerMisshapen, RpcUnreachable)) for end in ends)


async def test_an_endpoint_without_a_chain_number_is_refused_as_misshapen() -> None:
    async with served(but("eth_chainId", None)) as url, JsonRpc(url, CHAIN) as rpc:
        with pytest.raises(ChainError) as error:
            await soon(rpc.checked("eth_blockNumber"))
    assert isinstance(error.value, AnswerMisshapen)
    assert error.value.retryable
