"""Strangers at the link port: in the middle, with garbage, with half a handshake."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from node.net.deadlines import Limits, serve
from node.net.handshake import Claim, Greeting, Prover
from node.net.link import LinkLimits
from node.net.members import LINK_PATH, Member
from node.net.mesh import Mesh
from node.net.tls import dialling_context, listening_context, make_certificate
from node.protocol.frames import AnyBody, Done
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash

DOMAIN = Domain.of(31337, Address(bytes(20)))
LOW, HIGH = sorted((SigningKey(bytes([n]) * 32) for n in (1, 2)), key=lambda key: key.address)
MALLORY = SigningKey(b"\x09" * 32)
LIMITS = LinkLimits(first_redial_ms=20, longest_redial_ms=50, handshake_ms=300)


async def answer(_peer: Address, _body: AnyBody) -> AnyBody | None:
    return Done()


def mesh(key: SigningKey, folder: Path) -> Mesh:
    made = Mesh(
        key=key,
        domain=DOMAIN,
        folder=folder / key.address.hex(),
        host="127.0.0.1",
        port=0,
        random_bytes=os.urandom,
        limits=LIMITS,
    )
    made.serve(answer)
    return made


def member(key: SigningKey, port: int) -> Member:
    return Member(key=key.address, link_url=f"wss://127.0.0.1:{port}")


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Mesh]:
    """The higher node, which expects the lower one to dial."""
    async with mesh(HIGH, tmp_path) as node:
        node.set_members([member(LOW, 1)])
        yield node


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[aiohttp.ClientWebSocketResponse[bool]]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"wss://127.0.0.1:{port}{LINK_PATH}", ssl=dialling_context()) as ws,
    ):
        yield ws


async def greeted(ws: aiohttp.ClientWebSocketResponse[bool]) -> Greeting:
    return msgspec.json.decode((await ws.receive()).data, type=Greeting)


def certificate_of(ws: aiohttp.ClientWebSocketResponse[bool]) -> Hash:
    import hashlib

    shown = ws.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return Hash(hashlib.sha256(shown).digest())


def claim_by(
    key: SigningKey, named: Address, greeting: Greeting, certificate: Hash, peer: Address
) -> bytes:
    prover = Prover(key, DOMAIN, os.urandom)
    signature = prover.prove(peer, greeting.challenge, certificate)
    return msgspec.json.encode(Claim(node=named, challenge=prover.challenge(), signature=signature))


async def no_link(node: Mesh, peer: Address) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.until_linked([peer]), 0.25)


async def test_the_right_key_on_the_right_connection_gets_a_link(listener: Mesh) -> None:
    async with dialled(listener.port) as ws:
        greeting = await greeted(ws)
        await ws.send_bytes(claim_by(LOW, LOW.address, greeting, certificate_of(ws), listener.key))
        await asyncio.wait_for(listener.until_linked([LOW.address]), 1)


async def test_a_stranger_with_a_members_name_gets_none(listener: Mesh) -> None:
    async with dialled(listener.port) as ws:
        greeting = await greeted(ws)
        await ws.send_bytes(
            claim_by(MALLORY, LOW.address, greeting, certificate_of(ws), listener.key)
        )
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert listener.peers() == []


async def test_a_claim_heard_on_another_link_gets_none(listener: Mesh) -> None:
    async with dialled(listener.port) as first, dialled(listener.port) as second:
        greeting = await greeted(first)
        await greeted(second)
        claim = claim_by(LOW, LOW.address, greeting, certificate_of(first), listener.key)
        await second.send_bytes(claim)
        assert (await second.receive()).type is aiohttp.WSMsgType.CLOSE
    assert listener.peers() == []


@pytest.mark.parametrize(
    "sent", [b"", b"\x00" * 1_000, b"{}", b"[" * 10_000, b'{"node":"AAAA"}', b"x" * 70_000]
)
async def test_garbage_in_place_of_a_claim_closes_the_connection(
    listener: Mesh, sent: bytes
) -> None:
    async with dialled(listener.port) as ws:
        await greeted(ws)
        await ws.send_bytes(sent)
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert listener.peers() == []


async def test_half_a_handshake_is_cut_at_its_deadline(listener: Mesh) -> None:
    async with dialled(listener.port) as ws:
        await greeted(ws)
        closing = await asyncio.wait_for(ws.receive(), LIMITS.handshake_ms * 3 / 1000)
        assert closing.type is aiohttp.WSMsgType.CLOSE


async def test_a_connection_older_than_tls_1_3_is_refused(listener: Mesh) -> None:
    old = dialling_context()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", listener.port, ssl=old)


async def test_plain_http_is_refused(listener: Mesh) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /link HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP" not in await reader.read()
    writer.close()


Relay = Callable[[web.Request], Awaitable[web.StreamResponse]]


def relay_to(port: int) -> Relay:
    """Mallory's listener: shows her own certificate and passes every message on, both ways."""

    async def relay(request: web.Request) -> web.StreamResponse:
        inner = web.WebSocketResponse()
        await inner.prepare(request)
        async with dialled(port) as outer:

            async def pump(
                source: web.WebSocketResponse[bool] | aiohttp.ClientWebSocketResponse[bool],
                sink: web.WebSocketResponse[bool] | aiohttp.ClientWebSocketResponse[bool],
            ) -> None:
                async for message in source:
                    await sink.send_bytes(message.data)

            pumps = [
                asyncio.create_task(pump(inner, outer)),
                asyncio.create_task(pump(outer, inner)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        return inner

    return relay


async def test_somebody_in_the_middle_gets_a_link_to_nobody(tmp_path: Path) -> None:
    app = web.Application()
    async with AsyncExitStack() as stack:
        low = await stack.enter_async_context(mesh(LOW, tmp_path))
        high = await stack.enter_async_context(mesh(HIGH, tmp_path))
        app.router.add_get(LINK_PATH, relay_to(high.port))
        tls = listening_context(make_certificate(tmp_path / "mallory"))
        between = await stack.enter_async_context(
            serve(app, "127.0.0.1", 0, Limits(shutdown_ms=50), tls=tls)
        )
        low.set_members([member(HIGH, between)])
        high.set_members([member(LOW, low.port)])
        await no_link(low, HIGH.address)
        await no_link(high, LOW.address)

        low.set_members([member(HIGH, high.port)])
        await asyncio.wait_for(low.until_linked([HIGH.address]), 2)


async def test_a_listener_that_cannot_prove_the_expected_key_gets_no_link(tmp_path: Path) -> None:
    async with mesh(LOW, tmp_path) as low, mesh(MALLORY, tmp_path) as mallory:
        mallory.set_members([member(LOW, low.port)])
        low.set_members([Member(key=HIGH.address, link_url=f"wss://127.0.0.1:{mallory.port}")])
        await no_link(low, HIGH.address)
