"""A client for ``bench.payments`` that costs little itself: prepared requests over kept
connections, each connection one request at a time. The connections come from several addresses of
the loopback, since a node takes 32 from one."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ADDRESSES = 4
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class WrongAnswer(Exception):
    """A server answered with something else than 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a server did. ``per_s`` is by the wall's clock."""

    answers: int
    per_s: float
    p50_ms: float
    p99_ms: float
    bytes_each: float


def read_requests(file: Path) -> list[list[bytes]]:
    """The prepared requests, those of one payer together."""
    lines = file.read_bytes().splitlines()
    return [[b64decode(part) for part in line.split(b" ")] for line in lines]


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], taken: list[float]) -> None:
        self._requests = requests
        self._taken = taken
        self._held = b""
        self._sent = 0.0
        self.bytes = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def begin(self) -> None:
        """Send the next request; the connection is done when there is none."""
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        held = self._held = self._held + data if self._held else data
        if (end := held.find(_END)) < 0:
            return
        head = held[:end].lower()
        length = head.find(_LENGTH) + len(_LENGTH)
        stop = head.find(b"\r", length)
        size = int(head[length : stop if stop > 0 else end])
        if len(held) < end + len(_END) + size:
            return
        self._taken.append(time.perf_counter() - self._sent)
        self.bytes += len(held)
        self._held = b""
        if not held.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(WrongAnswer(held[:1_000]))
            return
        self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or WrongAnswer("the server closed the connection"))

    def close(self) -> None:
        self._transport.close()


async def load(address: str, requests: Sequence[Sequence[bytes]]) -> Load:
    """Send all requests, each list over a connection of its own. Raises WrongAnswer."""
    loop = asyncio.get_running_loop()
    host, _, port = address.partition(":")
    taken: list[float] = []
    connections = []
    for index, mine in enumerate(requests):
        source = (f"127.0.0.{2 + index % ADDRESSES}", 0)
        _, connection = await loop.create_connection(
            lambda mine=mine: _Connection(iter(mine), taken), host, int(port), local_addr=source
        )
        connections.append(connection)
    began = time.perf_counter()
    for connection in connections:
        connection.begin()
    await asyncio.gather(*(connection.done for connection in connections))
    passed = time.perf_counter() - began
    taken.sort()
    for connection in connections:
        connection.close()
    return Load(
        answers=len(taken),
        per_s=len(taken) / passed,
        p50_ms=taken[len(taken) // 2] * 1e3,
        p99_ms=taken[len(taken) * 99 // 100] * 1e3,
        bytes_each=sum(connection.bytes for connection in connections) / len(taken),
    )
