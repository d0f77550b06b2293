"""Malformed, slow and greedy clients at the public edge: 4xx or a closed connection, no trace."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from node.net.deadlines import Limits, serve

LIMITS = Limits(
    header_ms=150,
    body_ms=200,
    keepalive_ms=250,
    write_stall_ms=150,
    shutdown_ms=100,
    connections=8,
    connections_per_address=4,
)
HOST = b"Host: node\r\n"


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text=f"read {len(await request.read())}")


async def _big(_: web.Request) -> web.Response:
    return web.Response(body=bytes(64 * 1024 * 1024))


def _app() -> web.Application:
    app = web.Application(client_max_size=LIMITS.body_bytes)
    app.router.add_route("*", "/", _hello)
    app.router.add_get("/big", _big)
    return app


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serve(_app(), "127.0.0.1", 0, LIMITS) as bound:
        yield bound


async def exchange(port: int, sent: bytes, limit_s: float = 2.0) -> bytes:
    """Send raw bytes and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(1_000_000), limit_s)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


MALFORMED = {
    "not http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "bad version": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n\r\n",
    "nul in the path": b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "nul in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "nul in a header name": b"GET / HTTP/1.1\r\n" + HOST + b"X\x00: a\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length : 3\r\n\r\nabc",
    "both lengths": b"POST / HTTP/1.1\r\n" + HOST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST
    + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "negative length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",
    "bad chunk size": b"POST / HTTP/1.1\r\n" + HOST
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\nY\r\n\r\n",
    "bare line feeds in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\nContent-Length: 3\n\n",
    "long request line": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "long header": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST
    + b"".join(b"X%d: a\r\n" % n for n in range(200)) + b"\r\n",
    "headers long in sum": b"GET / HTTP/1.1\r\n" + HOST
    + b"".join(b"X%d: %s\r\n" % (n, b"a" * 1_000) for n in range(9)) + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_is_a_4xx_without_a_trace_in_the_log(
    port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await exchange(port, sent)

    assert 400 <= status(answer) < 500, answer
    assert answer.count(b"HTTP/1.") == 1
    assert b"aiohttp" not in answer
    assert not caplog.records


async def test_a_second_malformed_request_on_a_connection_leaves_no_trace_either(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    good = await reader.readuntil(b"read 0")
    writer.write(b"GET \x00 / HTTP/1.1\r\n\r\n")

    assert b"aiohttp" not in good
    assert status(await reader.read()) == 400
    assert not caplog.records
    writer.close()


async def test_a_good_request_is_answered(port: int) -> None:
    sent = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nConnection: close\r\n\r\nabcd"
    assert (await exchange(port, sent)).endswith(b"read 4")


async def test_a_client_that_sends_nothing_is_cut_at_the_header_deadline(port: int) -> None:
    assert status(await exchange(port, b"", LIMITS.header_ms * 3 / 1000)) == 408


async def test_a_client_that_dribbles_its_header_is_cut_at_the_same_deadline(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n")
    closed = asyncio.create_task(reader.read())
    for _ in range(20):
        if closed.done():
            break
        writer.write(b"X: a\r\n")
        await asyncio.sleep(LIMITS.header_ms / 5_000)

    assert status(await closed) == 408
    writer.close()


async def test_a_second_dribbled_header_on_a_connection_is_cut_too(port: int) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await reader.readuntil(b"read 0")
    writer.write(b"GET / HT")

    assert status(await asyncio.wait_for(reader.read(), LIMITS.header_ms * 3 / 1000)) == 408
    writer.close()


async def test_a_client_that_dribbles_its_body_is_cut_at_the_body_deadline(port: int) -> None:
    sent = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nabc"
    answer = await exchange(port, sent, LIMITS.body_ms * 3 / 1000)
    assert b" 200 " not in answer


async def test_a_client_that_reads_nothing_is_cut(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n")
    await asyncio.sleep(LIMITS.write_stall_ms * 3 / 1000)
    received = 0
    try:
        while chunk := await asyncio.wait_for(reader.read(1 << 20), 1):
            received += len(chunk)
    except ConnectionResetError:
        pass

    assert received < 64 * 1024 * 1024
    writer.close()


async def test_an_idle_connection_is_closed_after_the_keep_alive_time(port: int) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = await exchange(port, sent, LIMITS.keepalive_ms * 4 / 1000)
    assert answer.endswith(b"read 0")


async def test_a_body_over_the_limit_is_refused(port: int) -> None:
    size = LIMITS.body_bytes + 1
    sent = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + bytes(size)
    assert status(await exchange(port, sent)) == 413


async def test_an_endless_chunked_body_is_cut_at_the_upload_limit() -> None:
    limits = replace(LIMITS, upload_bytes=100_000)
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    async with serve(_app(), "127.0.0.1", 0, limits) as port:
        sent = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 20
        answer = await exchange(port, sent)
    assert b" 200 " not in answer


async def test_a_compressed_body_is_not_inflated(port: int) -> None:
    import gzip

    bomb = gzip.compress(bytes(10_000_000))
    head = b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    answer = await exchange(port, b"POST / HTTP/1.1\r\n" + HOST + head + bomb)

    assert answer.endswith(b"read %d" % len(bomb))


async def test_connections_beyond_an_addresss_share_are_shed_and_places_come_back(
    port: int,
) -> None:
    held = [
        await asyncio.open_connection("127.0.0.1", port)
        for _ in range(LIMITS.connections_per_address)
    ]
    shed = await exchange(port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert shed == b"" or (status(shed) == 503 and b"Retry-After" in shed)
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.02)

    sent = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert status(await exchange(port, sent)) == 200


async def test_slow_clients_do_not_hold_a_quick_one(port: int) -> None:
    slow = [
        asyncio.create_task(exchange(port, b"GET / HTTP/1.1\r\n"))
        for _ in range(LIMITS.connections_per_address - 1)
    ]
    await asyncio.sleep(0.02)
    sent = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert status(await exchange(port, sent)) == 200
    assert {status(answer) for answer in await asyncio.gather(*slow)} == {408}
