"""Endpoints that misbehave: outages, quotas, narrow ranges, hangs, lies, reverts in many forms."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from typing import Any

import pytest
from aiohttp import web
from eth_abi.abi import encode
from founding import FOUNDING

from settlement.chain.abi import artifact
from settlement.chain.deploy import deploy, plan_for
from settlement.chain.deployment import Deployment
from settlement.chain.follower import Follower, FollowerOptions
from settlement.chain.local import LocalChain
from settlement.chain.reader import RpcChainReader, latest_block
from settlement.chain.rpc import READ_ATTEMPTS, JsonRpc
from settlement.chain.sender import RpcSender
from settlement.ports.chain_errors import (
    CallReverted,
    EndpointBehind,
    NotDeployed,
    QuotaExceeded,
    RangeRefused,
    RpcRefused,
    RpcUnreachable,
    WrongChain,
)
from settlement.ports.chain_events import ChainEvent
from settlement.ports.clock import VirtualClock
from settlement.protocol.signing import SigningKey
from settlement.types import hex_text, keccak

FOUNDER = SigningKey(keccak(b"founder"))
Answer = Callable[[str, list[Any]], web.Response]


class ScriptedEndpoint:
    """A JSON-RPC endpoint whose answers a test gives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Answer = lambda _method, _parameters: result("0x1")
        self.hang = False

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.asked.append(body["method"])
        if self.hang:
            await asyncio.sleep(3_600)
        if body["method"] == "eth_chainId":
            return result("0x1")
        return self.answer(body["method"], body["params"])

    def count(self, method: str) -> int:
        return self.asked.count(method)


def result(value: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": 1, "result": value})


def refusal(code: int, message: str, data: Any = None, status: int = 200) -> web.Response:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return web.json_response({"jsonrpc": "2.0", "id": 1, "error": error}, status=status)


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[ScriptedEndpoint, JsonRpc]]:
    scripted = ScriptedEndpoint()
    application = web.Application()
    application.router.add_post("/key/{secret}", scripted.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/key/s3cret"
    async with JsonRpc(address, 1, seconds=0.3) as rpc:
        yield scripted, rpc
    await runner.cleanup()


Endpoint = tuple[ScriptedEndpoint, JsonRpc]


async def test_a_quota_is_waited_out(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    answers = iter(
        [web.Response(status=429), refusal(-32_005, "rate limit reached"), result("0x2")]
    )
    scripted.answer = lambda _m, _p: next(answers)
    assert await rpc.read("eth_blockNumber") == "0x2"


async def test_a_quota_that_lasts_is_raised_as_one(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: web.Response(status=429)
    with pytest.raises(QuotaExceeded) as error:
        await rpc.read("eth_blockNumber")
    assert error.value.retryable
    assert scripted.count("eth_blockNumber") == READ_ATTEMPTS


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=502, text="<html>bad gateway</html>"),
        lambda: web.Response(text="not json"),
        lambda: web.json_response(["unexpected"]),
        lambda: web.json_response({"jsonrpc": "2.0", "id": 1}),
    ],
    ids=["502", "text", "list", "empty"],
)
async def test_an_answer_that_is_not_json_rpc_counts_as_an_outage(
    endpoint: Endpoint, answer: Callable[[], web.Response]
) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: answer()
    with pytest.raises(RpcUnreachable) as error:
        await rpc.read("eth_blockNumber")
    assert error.value.retryable
    assert "s3cret" not in str(error.value)


async def test_a_hanging_endpoint_is_given_up_in_time(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    scripted.hang = True
    with pytest.raises(RpcUnreachable) as error:
        await rpc.once("eth_blockNumber")
    assert "s3cret" not in str(error.value)


async def test_an_endpoint_of_another_chain_is_refused_before_any_answer_is_believed(
    endpoint: Endpoint,
) -> None:
    scripted, rpc = endpoint
    rpc.chain_id = 5
    with pytest.raises(WrongChain) as error:
        await rpc.read("eth_blockNumber")
    assert (error.value.expected, error.value.found) == (5, 1)
    assert scripted.count("eth_blockNumber") == 0


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32_005, "query returned more than 10000 results"),
        (-32_602, "eth_getLogs block range is too wide: 5000 > 1000"),
        (-32_000, "exceeds the range allowed for your plan"),
        (-32_602, "Log response size exceeded. You can make eth_getLogs requests with up to 2K"),
        (-32_005, "limit exceeded"),
        (-32_602, "Block range limit. See https://example.org"),
        (-32_602, "please keep it short"),
    ],
)
async def test_a_refused_range_is_told_apart_whatever_its_words(
    endpoint: Endpoint, code: int, message: str
) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: refusal(code, message)
    with pytest.raises(RangeRefused):
        await rpc.read("eth_getLogs", {})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32_000, "header not found"),
        (-32_001, "Unknown block"),
        (-32_000, "One of the blocks specified in filter cannot be found"),
        (-32_000, "missing trie node 1234 (path )"),
    ],
)
async def test_an_endpoint_that_lacks_the_block_is_told_apart(
    endpoint: Endpoint, code: int, message: str
) -> None:
    scripted, rpc = endpoint
    answers = iter([refusal(code, message), result("0x" + "00" * 32)])
    scripted.answer = lambda _m, _p: next(answers)
    with pytest.raises(EndpointBehind) as error:
        await rpc.once("eth_call", {}, "0x10")
    assert error.value.retryable


async def test_an_endpoint_that_repeats_its_address_gives_no_key_away(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: refusal(-32_000, "no plan for /key/s3cret: key s3cret")
    with pytest.raises(RpcRefused) as error:
        await rpc.read("eth_blockNumber")
    assert "s3cret" not in str(error.value)


async def test_an_unknown_refusal_is_not_repeated(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: refusal(-32_601, "method not found")
    with pytest.raises(RpcRefused) as error:
        await rpc.read("eth_frobnicate")
    assert not error.value.retryable
    assert (error.value.number, error.value.method) == (-32_601, "eth_frobnicate")
    assert scripted.count("eth_frobnicate") == 1


ALREADY_PAID = next(
    shape
    for shape in artifact("ChannelHub").errors.values()
    if shape.name == "ChannelHub_AlreadyPaid"
)
REVERT = hex_text(
    ALREADY_PAID.selector + encode(["address", "uint32", "uint32"], [bytes(20), 3, 7])
)


@pytest.mark.parametrize(
    "data",
    [REVERT, {"data": REVERT}, {"result": REVERT}],
    ids=["text", "object with data", "object with result"],
)
async def test_revert_data_is_found_in_every_form_that_clients_use(
    endpoint: Endpoint, data: Any
) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: refusal(3, "execution reverted", data)
    with pytest.raises(CallReverted) as error:
        await rpc.read("eth_call", {"to": "0x" + "11" * 20}, "latest")
    assert error.value.error == "ChannelHub_AlreadyPaid"
    assert error.value.advice().startswith("Payout 7 of period 3 was paid already")
    assert scripted.count("eth_call") == 1


async def test_a_revert_without_data_is_still_a_revert(endpoint: Endpoint) -> None:
    scripted, rpc = endpoint
    scripted.answer = lambda _m, _p: refusal(-32_000, "VM Exception: revert")
    with pytest.raises(CallReverted) as error:
        await rpc.read("eth_estimateGas", {})
    assert "VM Exception: revert" in error.value.advice()


async def test_a_follower_reads_every_event_through_an_endpoint_of_one_block_ranges(
    embedded_chain: LocalChain,
) -> None:
    deployment = await embedded_chain.found(FOUNDER)

    class Narrow(RpcChainReader):
        async def events(self, first: int, last: int, watched: Any) -> Any:
            if last > first:
                raise RangeRefused(endpoint="narrow", method="eth_getLogs", number=0, problem="")
            return await super().events(first, last, watched)

    reader = Narrow(embedded_chain.rpc, deployment)
    follower = Follower(
        reader=reader,
        clock=VirtualClock(),
        first_block=deployment.first_block,
        options=FollowerOptions(widest_range=8),
    )
    head, seen = await reader.head(), list[ChainEvent]()
    while follower.next_block <= head.number:
        try:
            batch = await follower.step()
        except RangeRefused:
            continue
        assert batch is not None
        seen += batch.events
        await follower.done(batch)
    assert [type(event).__name__ for event in seen] == FOUNDING


async def test_a_deployment_of_another_chain_is_noticed(embedded_chain: LocalChain) -> None:
    deployment = await embedded_chain.found(FOUNDER)
    await embedded_chain.reader(deployment).require_deployed()
    async with LocalChain(kind="embedded") as empty:
        with pytest.raises(NotDeployed) as error:
            await empty.reader(deployment).require_deployed()
        assert error.value.name == "Parameters"
        with pytest.raises(NotDeployed):
            await empty.reader(deployment).parameters()


async def test_the_same_founder_deploys_the_same_network_on_any_chain(
    embedded_chain: LocalChain,
) -> None:
    await embedded_chain.fund(FOUNDER.address)
    head = await latest_block(embedded_chain.rpc)
    sender = RpcSender(embedded_chain.rpc, FOUNDER)
    first = await deploy(sender, embedded_chain.chain_id, head, plan_for(FOUNDER.address, head))
    assert first.first_block == head.number + 1
    # the voting power emits nothing, and the claims' logs are the hub's, in whose storage they run;
    # time lock and governor come with the hand-over
    silent = {"chain_id", "first_block", "claims", "votes", "timelock", "governor"}
    telling = [field for field in fields(Deployment) if field.name not in silent]
    assert len(set(first.contracts()) | set(first.tokens())) == len(telling)
