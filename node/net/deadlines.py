"""An aiohttp server that a slow, greedy or malformed client cannot hold.

aiohttp has no deadline for reading headers or bodies, accepts any number of connections, bounds
each header but not their sum, and logs a traceback for every malformed request.
:class:`DeadlineHandler` closes these gaps; :func:`serve` runs an application behind it.

Source of the limits: the architecture's "Limits shipped by default".
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.typedefs import Handler

_SERVER = "smart-layer"
_HEADER_END = b"\r\n\r\n"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one listener accepts. Times in milliseconds, sizes in bytes.

    ``body_bytes`` is for the application: ``web.Application(client_max_size=limits.body_bytes)``.
    ``upload_bytes`` is the hard bound on any body, enforced on the connection itself.
    ``write_stall_ms``: how long a client may leave our answer unread in its buffers.
    """

    header_ms: int = 5_000
    body_ms: int = 10_000
    keepalive_ms: int = 15_000
    write_stall_ms: int = 10_000
    shutdown_ms: int = 2_000
    connections: int = 512
    connections_per_address: int = 32
    header_bytes: int = 8_192
    body_bytes: int = 262_144
    upload_bytes: int = 2_097_152


class Gate:
    """Counts the live connections of one listener, in all and by address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_address: Counter[str] = Counter()
        self._total = 0

    def enter(self, address: str) -> bool:
        """Take a place, or return False when there is none left."""
        full = self._total >= self._limits.connections
        if full or self._by_address[address] >= self._limits.connections_per_address:
            return False
        self._total += 1
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Give the place back."""
        self._total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class DeadlineHandler(web.RequestHandler):
    """One connection, with a deadline for each phase: header, body, and a stalled reader."""

    def __init__(self, server: web.Server, gate: Gate, limits: Limits) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.keepalive_ms / 1000,
            access_log=None,  # type: ignore[arg-type]  # None is how AppRunner turns it off
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=64,
            lingering_time=1.0,
            auto_decompress=False,
        )
        self._gate = gate
        self._limits = limits
        self._admitted: str | None = None
        self._body: StreamReader | None = None
        self._header_seen = 0
        self._body_seen = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        super().connection_made(transport)
        if not self._gate.enter(address):
            self._answer_and_close(_BUSY)
            return
        self._admitted = address
        self._arm_header()

    def connection_lost(self, exc: BaseException | None) -> None:
        for timer in (self._header_timer, self._body_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        if self._admitted is not None:
            self._gate.leave(self._admitted)
            self._admitted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._upgraded or not data:
            super().data_received(data)
            return
        if self._in_header():
            end = data.find(_HEADER_END)
            self._header_seen += len(data) if end < 0 else end
            if self._header_seen > self._limits.header_bytes:
                self._answer_and_close(_TOO_LARGE)
                return
        else:
            self._body_seen += len(data)
            if self._body_seen > self._limits.upload_bytes:
                self._abort()
                return
        requests_before = self._request_count
        super().data_received(data)
        if self._request_count > requests_before:
            self._headers_complete()
        elif self._in_header() and self._header_timer is None:
            self._arm_header()
        if self._body_timer is not None and not self._in_body():
            self._body_timer.cancel()
            self._body_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self._later(self._limits.write_stall_ms, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a client's mistake without a traceback in our log; our own keep theirs."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        named = {"Server": _SERVER}
        response = web.Response(status=status, text="The request cannot be read.\n", headers=named)
        response.force_close()
        return response

    def _in_body(self) -> bool:
        return self._body is not None and not self._body.is_eof()

    def _in_header(self) -> bool:
        return not self._in_body()

    def _headers_complete(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        self._header_seen = self._body_seen = 0
        # The parser has just queued the message; its task has not run yet.
        self._body = self._messages[-1][1] if self._messages else None
        if self._in_body() and self._body_timer is None:
            self._body_timer = self._later(self._limits.body_ms, self._abort)

    def _arm_header(self) -> None:
        self._header_timer = self._later(self._limits.header_ms, self._header_late)

    def _header_late(self) -> None:
        self._answer_and_close(_TIMED_OUT)

    def _later(self, delay_ms: int, action: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(delay_ms / 1000, action)

    def _answer_and_close(self, answer: bytes) -> None:
        # While an earlier request is being answered, a second answer would garble the first.
        if self.transport is not None and self._current_request is None:
            self.transport.write(answer)
        self.force_close()

    def _abort(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Say who answers, not which version of which library."""
    response.headers["Server"] = _SERVER


@web.middleware
async def _refuse_old_http(request: web.Request, handler: Handler) -> web.StreamResponse:
    """aiohttp takes a line without a version for HTTP/0.9 and serves it; proxies disagree."""
    if request.version < HttpVersion10:
        raise web.HTTPBadRequest(text="HTTP/1.1 is spoken here.\n")
    return await handler(request)


@asynccontextmanager
async def serve(
    app: web.Application,
    host: str,
    port: int,
    limits: Limits,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Run ``app`` on ``host:port`` (0 picks a port) and yield the bound port.

    On leaving, no connection is accepted any more, requests under way get ``shutdown_ms``, and
    every connection is closed. Raises OSError when the address cannot be bound.
    """
    app.on_response_prepare.append(_name_server)
    app.middlewares.insert(0, _refuse_old_http)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=limits.shutdown_ms / 1000)
    await runner.setup()
    try:
        server = runner.server
        assert server is not None
        gate = Gate(limits)
        listener = await asyncio.get_running_loop().create_server(
            lambda: DeadlineHandler(server, gate, limits),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=limits.header_ms / 1000 if tls else None,
            backlog=128,
        )
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        await runner.cleanup()
