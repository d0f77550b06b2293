"""One proven link: frames out through a bounded queue, frames in to a callback, a heartbeat."""

import asyncio
import contextlib
import itertools
import socket
from asyncio.trsock import TransportSocket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientWebSocketResponse, WebSocketError, WSMsgType, web

from node.errors import FrameInvalid, PeerUnreachable
from node.protocol.frames import FRAME_LIMIT, AnyBody, Frame, decode_frame, encode_frame
from settlement.types import Address

WebSocket = ClientWebSocketResponse[bool] | web.WebSocketResponse[bool]

LONGEST_MESSAGE = FRAME_LIMIT + 1
"""aiohttp refuses a message of its limit or more, so that this admits a frame of FRAME_LIMIT."""

_HEARTBEAT = b""
_CLOSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """Times in milliseconds, sizes in bytes; queues and work are counted per peer."""

    heartbeat_ms: int = 2_000
    silent_heartbeats: int = 3
    handshake_ms: int = 5_000
    first_redial_ms: int = 100
    longest_redial_ms: int = 5_000
    queue_frames: int = 1_024
    queue_bytes: int = 4_194_304
    handlers: int = 64
    waiting_frames: int = 512
    waiting_bytes: int = 4_194_304


FrameCallback = Callable[["Link", Frame, int], None]
"""Takes (link, frame, its size); called for requests and one-way messages, not for replies."""

InvalidCallback = Callable[["Link", str], None]


class Link:
    """A link to ``peer``; :meth:`run` carries frames until it ends, for whatever reason.

    Nobody awaits the socket but ``run``: sending only queues, so a slow peer slows nobody.
    """

    def __init__(
        self,
        ws: WebSocket,
        peer: Address,
        limits: LinkLimits,
        on_frame: FrameCallback,
        on_invalid: InvalidCallback,
    ) -> None:
        self.peer = peer
        self.ended_because = ""
        self._ws = ws
        self._raw: TransportSocket | None = transport_info(ws, "socket")
        self._limits = limits
        self._on_frame = on_frame
        self._on_invalid = on_invalid
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._queue_grew = asyncio.Event()
        self._end_asked = asyncio.Event()
        self._silent_heartbeats = 0
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[AnyBody | None]] = {}

    async def run(self) -> None:
        """Carry frames until the link ends. Raises only what ``on_frame`` raised (a bug)."""
        try:
            async with asyncio.TaskGroup() as group:
                parts = [
                    group.create_task(part)
                    for part in (self._read(), self._write(), self._beat(), self._end_asked.wait())
                ]
                await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in parts:
                    part.cancel()
        finally:
            self.end("closed")
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.set_result(None)
            await self._sever()

    def end(self, reason: str) -> None:
        """Make ``run`` return soon."""
        self.ended_because = self.ended_because or reason
        self._end_asked.set()

    def send(self, body: AnyBody) -> bool:
        """Queue a one-way message; False when it was dropped for want of room."""
        return self._put(encode_frame(Frame(id=0, reply_to=0, body=body)), share=1)

    def reply(self, request_id: int, body: AnyBody) -> bool:
        """Queue a reply. Replies have as much room again, lest questions crowd out answers."""
        return self._put(encode_frame(Frame(id=0, reply_to=request_id, body=body)), share=2)

    async def request(self, body: AnyBody, timeout_ms: int) -> AnyBody:
        """Send a request and wait for its reply; raises PeerUnreachable."""
        request_id = next(self._ids)
        data = encode_frame(Frame(id=request_id, reply_to=0, body=body))
        waiting: asyncio.Future[AnyBody | None] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = waiting
        try:
            if self._end_asked.is_set() or not self._put(data, share=1):
                raise PeerUnreachable(peer=self.peer, problem="the link is down or its queue full")
            async with asyncio.timeout(timeout_ms / 1000):
                reply = await waiting
        except TimeoutError as error:
            problem = f"no reply in {timeout_ms} ms"
            raise PeerUnreachable(peer=self.peer, problem=problem) from error
        finally:
            del self._pending[request_id]
        if reply is None:
            raise PeerUnreachable(peer=self.peer, problem="the link went down before the reply")
        return reply

    def _put(self, data: bytes, share: int) -> bool:
        full = len(self._queue) >= self._limits.queue_frames * share
        if full or self._queued_bytes + len(data) > self._limits.queue_bytes * share:
            return False
        self._queue.append(data)
        self._queued_bytes += len(data)
        self._queue_grew.set()
        return True

    async def _write(self) -> None:
        try:
            while True:
                while self._queue:
                    data = self._queue.popleft()
                    self._queued_bytes -= len(data)
                    await self._ws.send_bytes(data)
                self._queue_grew.clear()
                await self._queue_grew.wait()
        except ConnectionError:
            self.end("the connection broke while writing")

    async def _beat(self) -> None:
        # Heartbeats are counted, not timed: if this process stalls, it must not blame the peer.
        while self._silent_heartbeats < self._limits.silent_heartbeats:
            await asyncio.sleep(self._limits.heartbeat_ms / 1000)
            self._silent_heartbeats += 1
            if not self._queue:
                self._put(_HEARTBEAT, share=1)
        self.end("silence")

    async def _read(self) -> None:
        while True:
            message = await self._ws.receive()
            self._silent_heartbeats = 0
            match message.type:
                case WSMsgType.BINARY:
                    if message.data != _HEARTBEAT:
                        self._take(bytes(message.data))
                case WSMsgType.TEXT:
                    self._on_invalid(self, "a text message")
                case _:
                    if isinstance(message.data, WebSocketError):
                        self._on_invalid(self, str(message.data))
                    return

    def _take(self, data: bytes) -> None:
        try:
            frame = decode_frame(data)
        except FrameInvalid as error:
            self._on_invalid(self, error.problem)
            return
        if not frame.reply_to:
            self._on_frame(self, frame, len(data))
            return
        # A reply that nobody waits for any more came late; that is no fault.
        waiting = self._pending.get(frame.reply_to)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.body)

    async def _sever(self) -> None:
        # Shut the socket first: closing politely would wait for a peer that may be gone.
        if self._raw is not None:
            with contextlib.suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._ws.close()


def transport_info(ws: WebSocket, name: str) -> Any:
    """The transport's ``get_extra_info``, or None when the connection is already gone."""
    # asyncio's TLS transport forgets its protocol when it closes, and then raises AttributeError.
    with contextlib.suppress(AttributeError):
        return ws.get_extra_info(name)
    return None
