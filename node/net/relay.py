"""One node's links, used by several of its workers.

A node has one link to each peer, and it is the leading worker that holds them. It opens a socket
in the node's folder (:func:`relaying`), over which its fellow workers ask and tell peers
(:class:`RelayedLinks`). What arrives from peers is for the leading worker alone.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from node.errors import PeerRefused, PeerUnreachable
from node.ports.network import Handler, Network
from node.protocol.frames import AnyBody, Frame, Refused, decode_frame, encode_frame
from settlement.types import Address

SOCKET = "links.sock"
LOOK_S = 0.5
"""How often a worker looks which peers are linked."""
_SLACK_S = 1.0
_PEER, _TIMEOUT = "SL-Peer", "SL-Timeout-Ms"


@asynccontextmanager
async def relaying(network: Network, folder: Path) -> AsyncIterator[None]:
    """Serve ``network`` to the workers that share ``folder``; only this account may connect."""
    path = folder / SOCKET

    async def peers(_request: web.Request) -> web.Response:
        return web.json_response([peer.hex() for peer in network.peers()])

    async def send(request: web.Request) -> web.Response:
        await network.send(_peer_of(request), decode_frame(await request.read()).body)
        return web.Response()

    async def ask(request: web.Request) -> web.Response:
        body = decode_frame(await request.read()).body
        reply: AnyBody
        try:
            reply = await network.request(_peer_of(request), body, int(request.headers[_TIMEOUT]))
        except PeerUnreachable as error:
            return web.Response(status=503, text=error.problem)
        except PeerRefused as error:
            reply = Refused(code=error.refusal, reason=error.reason)
        return web.Response(body=encode_frame(Frame(id=0, reply_to=1, body=reply)))

    application = web.Application(client_max_size=1 << 20)
    application.add_routes(
        [web.get("/peers", peers), web.post("/send", send), web.post("/ask", ask)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    path.unlink(missing_ok=True)  # whoever made it has ended: the lead is ours
    await web.UnixSite(runner, path).start()
    path.chmod(0o600)
    try:
        yield
    finally:
        await runner.cleanup()


def _peer_of(request: web.Request) -> Address:
    return Address(bytes.fromhex(request.headers[_PEER]))


class RelayedLinks:
    """Implements :class:`node.ports.network.Network` over the leading worker's links.

    Enter it before use. While there is no leading worker, no peer is linked.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET
        self._peers: Sequence[Address] = ()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            "http://links", connector=aiohttp.UnixConnector(path=str(self._path), limit=64)
        )
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        await self._session.close()

    def serve(self, handler: Handler) -> None:
        """Nothing arrives here."""

    def peers(self) -> Sequence[Address]:
        """The leading worker's peers, as of a moment ago."""
        return self._peers

    async def send(self, peer: Address, body: AnyBody) -> None:
        """Have the leading worker send; dropped where there is none."""
        try:
            await self._post("/send", peer, body, 1_000)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return

    async def request(self, peer: Address, body: AnyBody, timeout_ms: int) -> AnyBody:
        """Have the leading worker ask. Raises PeerUnreachable (retryable) or PeerRefused."""
        try:
            status, answer = await self._post("/ask", peer, body, timeout_ms)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            problem = "no worker of this node holds its links"
            raise PeerUnreachable(peer=peer, problem=problem) from error
        if status != 200:
            raise PeerUnreachable(peer=peer, problem=answer.decode())
        reply = decode_frame(answer).body
        if isinstance(reply, Refused):
            raise PeerRefused(peer=peer, refusal=reply.code, reason=reply.reason)
        return reply

    async def _post(
        self, path: str, peer: Address, body: AnyBody, timeout_ms: int
    ) -> tuple[int, bytes]:
        data = encode_frame(Frame(id=1, reply_to=0, body=body))
        headers = {_PEER: peer.hex(), _TIMEOUT: str(timeout_ms)}
        limit = aiohttp.ClientTimeout(total=timeout_ms / 1000 + _SLACK_S)
        async with self._session.post(path, data=data, headers=headers, timeout=limit) as answer:
            return answer.status, await answer.read()

    async def _look(self) -> None:
        while True:
            try:
                async with self._session.get("/peers") as answer:
                    self._peers = [Address(bytes.fromhex(peer)) for peer in await answer.json()]
            except (aiohttp.ClientError, OSError, TimeoutError):
                self._peers = ()
            await asyncio.sleep(LOOK_S)
