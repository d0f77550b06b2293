"""One guarded HTTP exchange: one connection, no redirect, no proxy, no cookie, bounded all round.

The address is checked where the socket is made, after any resolution: a name that resolves
differently the second time, and a literal that skips the resolver, both end up there.
"""

import asyncio
import errno
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from node.effects.errors import GuardRefused, NoAnswer, NotConnected
from node.effects.guard import Target, closed_address

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What to send, and its bounds: time in milliseconds, the answer's body in bytes."""

    method: str
    target: Target
    headers: Mapping[str, str]
    body: bytes
    timeout_ms: int
    body_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer; ``media_type`` without parameters, in lower case, may be empty."""

    status: int
    media_type: str
    body: bytes


@dataclass(slots=True)
class _Progress:
    """How far a call came; decides what its failure means."""

    connected: bool = False
    closed: str = ""


class Exchanger:
    """Makes guarded exchanges. ``private_hosts`` may have any address; all others a public one."""

    def __init__(
        self,
        *,
        private_hosts: frozenset[str],
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.private_hosts = private_hosts
        self._resolver = resolver
        self._tls = tls or ssl.create_default_context()

    async def exchange(self, outgoing: Outgoing) -> Answer:
        """Make one call. Raises GuardRefused, NotConnected (nothing was sent) or NoAnswer."""
        progress = _Progress()
        url = outgoing.target.url
        try:
            async with asyncio.timeout(outgoing.timeout_ms / 1000):
                return await self._call(outgoing, progress)
        except (aiohttp.ClientError, OSError, zlib.error) as error:
            problem = f"{type(error).__name__}: {error}"[:300]
            if progress.connected:
                raise NoAnswer(url=url, problem=problem) from error
            if progress.closed:
                raise GuardRefused(
                    url=url, problem=f"{progress.closed} is no public address"
                ) from error
            raise NotConnected(url=url, problem=problem) from error

    async def _call(self, outgoing: Outgoing, progress: _Progress) -> Answer:
        async with (
            self._session(outgoing, progress) as session,
            session.request(
                outgoing.method,
                URL(outgoing.target.url, encoded=True),
                data=outgoing.body or None,
                headers={"Accept-Encoding": "identity", **outgoing.headers},
                allow_redirects=False,
            ) as response,
        ):
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            return Answer(
                status=response.status,
                media_type=response.headers.get("Content-Type", "").partition(";")[0].lower(),
                body=_decoded(outgoing, encoding, await _bounded(outgoing, response)),
            )

    def _session(self, outgoing: Outgoing, progress: _Progress) -> aiohttp.ClientSession:
        open_to_all = outgoing.target.authority in self.private_hosts

        def make_socket(info: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, where = info
            if closed_address(where[0]) and not open_to_all:
                progress.closed = str(where[0])
                raise OSError(errno.EACCES, "no public address")
            return socket.socket(family, kind, protocol)

        async def connected(*_: object) -> None:
            progress.connected = True

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(connected)
        connector = aiohttp.TCPConnector(
            socket_factory=make_socket,
            resolver=self._resolver,
            ssl=self._tls,
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "smart-layer"},
            skip_auto_headers=("Content-Type", "Accept"),
            trust_env=False,
            auto_decompress=False,
        )


async def _bounded(outgoing: Outgoing, response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > outgoing.body_limit:
            raise _too_large(outgoing)
    return bytes(received)


def _decoded(outgoing: Outgoing, encoding: str, body: bytes) -> bytes:
    """Undo a compression that we did not ask for, without following a bomb."""
    if encoding == "identity" or not body:
        return body
    if encoding not in ("gzip", "deflate"):
        raise NoAnswer(url=outgoing.target.url, problem=f"the answer is encoded as {encoding}")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    inflated = inflater.decompress(body, outgoing.body_limit + 1)
    if len(inflated) > outgoing.body_limit:
        raise _too_large(outgoing)
    if not inflater.eof or inflater.unused_data:
        raise NoAnswer(url=outgoing.target.url, problem="the compressed answer is damaged")
    return inflated


def _too_large(outgoing: Outgoing) -> NoAnswer:
    problem = f"the answer is longer than {outgoing.body_limit} bytes"
    return NoAnswer(url=outgoing.target.url, problem=problem)
