"""What one guarded call reports, against a real server on loopback that the operator opened."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from node.effects.exchange import Exchanger
from node.effects.outgoing import BODY_LIMIT, GuardedHttp
from node.effects.scripts import SCRIPT_LIMIT, HttpScripts
from node.errors import PeerUnreachable
from node.net.deadlines import Limits, serve
from node.net.tls import listening_context, make_certificate
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind
from settlement.ports.clock import VirtualClock
from settlement.types import Hash, hex_text

KEY = Hash(b"\x2a" * 32)
UNKNOWN, UNREACHABLE = HttpOutcomeKind.UNKNOWN, HttpOutcomeKind.UNREACHABLE


class Hotel:
    """A server whose next answer a test sets."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.ok

    async def ok(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"booking": 7})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.raw_path, body, dict(request.headers)))
        return await self.answer(request)

    def answers(self, response: Callable[[], web.Response]) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return response()

        self.answer = answer

    async def call(
        self, path: str = "/bookings/7", *, method: str = "PUT", timeout_ms: int = 2_000
    ) -> HttpOutcome:
        authority = f"127.0.0.1:{self.port}"
        http = GuardedHttp(Exchanger(private_hosts=frozenset({authority})), VirtualClock())
        return await http.call(
            HttpCall(
                method=method,
                url=f"http://{authority}{path}",
                body=b"" if method == "GET" else b'{"nights":1}',
                allow=(f"http://{authority}/bookings/*",),
                idempotency_key=KEY,
                timeout_ms=timeout_ms,
            )
        )

    async def fetch(self, path: str) -> bytes:
        authority = f"127.0.0.1:{self.port}"
        scripts = HttpScripts(Exchanger(private_hosts=frozenset({authority})))
        return await scripts.fetch(f"http://{authority}{path}")


@pytest.fixture
async def hotel() -> AsyncIterator[Hotel]:
    found, app = Hotel(), web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    async with serve(app, "127.0.0.1", 0, Limits(shutdown_ms=50)) as found.port:
        yield found


async def test_an_answer_comes_back_with_status_and_body(hotel: Hotel) -> None:
    outcome = await hotel.call()

    assert (outcome.kind, outcome.status) == (HttpOutcomeKind.ANSWERED, 200)
    assert outcome.body == b'{"booking": 7}'
    assert outcome.succeeded


async def test_the_request_is_exactly_what_the_script_asked_for(hotel: Hotel) -> None:
    await hotel.call()
    method, path, body, headers = hotel.seen[0]

    assert (method, path, body) == ("PUT", "/bookings/7", b'{"nights":1}')
    assert headers["Idempotency-Key"] == hex_text(KEY)
    assert headers["Content-Type"] == "application/json"
    assert set(headers) == {
        "Host", "Accept", "Accept-Encoding", "Idempotency-Key", "Content-Type",
        "Content-Length", "User-Agent", "Connection",
    }  # fmt: skip


async def test_a_get_carries_no_body(hotel: Hotel) -> None:
    await hotel.call(method="GET")
    assert hotel.seen[0][2] == b""


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
async def test_a_failure_status_is_an_answer_that_did_not_succeed(
    hotel: Hotel, status: int
) -> None:
    hotel.answers(lambda: web.Response(status=status, text="<p>no</p>", content_type="text/html"))
    outcome = await hotel.call()

    assert (outcome.kind, outcome.status) == (HttpOutcomeKind.ANSWERED, status)
    assert outcome.body == b"<p>no</p>"
    assert not outcome.succeeded


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest", "/bookings/8", "https://evil.example/"]
)
async def test_a_redirect_is_an_answer_and_is_not_followed(hotel: Hotel, where: str) -> None:
    hotel.answers(lambda: web.Response(status=302, headers={"Location": where}))
    outcome = await hotel.call()

    assert (outcome.kind, outcome.status) == (HttpOutcomeKind.ANSWERED, 302)
    assert len(hotel.seen) == 1


async def test_no_server_is_unreachable(hotel: Hotel) -> None:
    used, hotel.port = hotel.port, 1
    outcome = await hotel.call()
    hotel.port = used

    assert outcome.kind is UNREACHABLE


async def test_an_answer_that_does_not_come_in_time_is_unknown(hotel: Hotel) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    hotel.answer = never
    outcome = await hotel.call(timeout_ms=100)

    assert outcome.kind is UNKNOWN
    assert len(hotel.seen) == 1


async def test_a_connection_closed_without_an_answer_is_unknown(hotel: Hotel) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    hotel.answer = hang_up
    assert (await hotel.call()).kind is UNKNOWN


async def test_an_answer_broken_off_in_its_body_is_unknown(hotel: Hotel) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        response.content_type = "application/json"
        await response.prepare(request)
        await response.write(b'{"booking"')
        assert request.transport is not None
        request.transport.close()
        return response

    hotel.answer = half
    assert (await hotel.call()).kind is UNKNOWN


async def test_an_answer_over_one_mebibyte_is_unknown(hotel: Hotel) -> None:
    hotel.answers(lambda: web.Response(text="x" * (BODY_LIMIT + 1)))
    outcome = await hotel.call()

    assert outcome.kind is UNKNOWN
    assert "longer than" in outcome.detail


async def test_an_answer_of_one_mebibyte_is_read(hotel: Hotel) -> None:
    hotel.answers(lambda: web.Response(text="x" * BODY_LIMIT))
    assert len((await hotel.call()).body) == BODY_LIMIT


def compressed(body: bytes, encoding: str = "gzip") -> web.Response:
    response = web.Response(body=body, content_type="application/json")
    response.headers["Content-Encoding"] = encoding
    return response


async def test_an_unasked_compression_is_undone(hotel: Hotel) -> None:
    hotel.answers(lambda: compressed(gzip.compress(b"{}")))
    assert (await hotel.call()).body == b"{}"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(gzip.compress(bytes(20_000_000)), "gzip", id="bomb"),
        pytest.param(gzip.compress(b"{}")[:-4], "gzip", id="cut"),
        pytest.param(gzip.compress(b"{}") * 2, "gzip", id="two-members"),
        pytest.param(b"not gzip", "gzip", id="garbage"),
        pytest.param(b"x", "br", id="another"),
    ],
)
async def test_a_compressed_answer_that_cannot_be_read_is_unknown(
    hotel: Hotel, body: bytes, encoding: str
) -> None:
    hotel.answers(lambda: compressed(body, encoding))
    assert (await hotel.call()).kind is UNKNOWN


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/zip"])
async def test_a_body_of_another_type_is_left_out(hotel: Hotel, kind: str) -> None:
    hotel.answers(lambda: web.Response(body=b"\x00\x01", content_type=kind))
    outcome = await hotel.call()

    assert (outcome.kind, outcome.status, outcome.body) == (HttpOutcomeKind.ANSWERED, 200, b"")
    assert kind in outcome.detail


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x02",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" * 2 + b"\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_not_http_is_unknown(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        hotel = Hotel()
        hotel.port = server.sockets[0].getsockname()[1]
        assert (await hotel.call()).kind is UNKNOWN


async def test_a_server_whose_certificate_nobody_trusts_is_sent_nothing(tmp_path: Path) -> None:
    hotel, app = Hotel(), web.Application()
    app.router.add_route("*", "/{path:.*}", hotel.handle)
    tls = listening_context(make_certificate(tmp_path))
    async with serve(app, "127.0.0.1", 0, Limits(), tls=tls) as port:
        authority = f"127.0.0.1:{port}"
        exchanger = Exchanger(
            private_hosts=frozenset({authority}), tls=ssl.create_default_context()
        )
        url = f"https://{authority}/bookings/7"
        outcome = await GuardedHttp(exchanger, VirtualClock()).call(
            HttpCall(
                method="PUT", url=url, body=b"", allow=(url,), idempotency_key=KEY, timeout_ms=2_000
            )
        )

    assert outcome.kind is UNREACHABLE
    assert hotel.seen == []


async def test_a_script_file_is_fetched_as_it_is(hotel: Hotel) -> None:
    hotel.answers(lambda: web.Response(body=b"<ts:token/>", content_type="application/xml"))
    assert await hotel.fetch("/ticket.tsml") == b"<ts:token/>"


async def test_a_script_file_over_two_mebibytes_is_refused(hotel: Hotel) -> None:
    hotel.answers(lambda: web.Response(body=bytes(SCRIPT_LIMIT + 1)))
    with pytest.raises(PeerUnreachable, match="longer than"):
        await hotel.fetch("/ticket.tsml")


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_a_script_file_that_is_not_there_is_a_retryable_error(
    hotel: Hotel, status: int
) -> None:
    hotel.answers(lambda: web.Response(status=status))
    with pytest.raises(PeerUnreachable, match=str(status)) as caught:
        await hotel.fetch("/ticket.tsml")
    assert caught.value.retryable
