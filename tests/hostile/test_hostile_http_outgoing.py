"""Tricks by which a script would reach what it may not: none leaves this node.

Every case is refused before a socket connects; a listener on loopback counts what got through.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from node.effects.errors import GuardRefused, ScriptSchemeUnsupported
from node.effects.exchange import Exchanger
from node.effects.guard import check_url, closed_address
from node.effects.outgoing import GuardedHttp
from node.effects.scripts import HttpScripts
from node.net.deadlines import Limits, serve
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind
from node.tokenscript.service import fits
from settlement.ports.clock import VirtualClock
from settlement.types import Hash

HOTEL = "https://hotel.example/bookings/*"


class FakeResolver(AbstractResolver):
    """Answers each question for a name with the next address of a list."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        address = self.answers[min(self.asked, len(self.answers)) - 1]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
        ]

    async def close(self) -> None: ...


def call(url: str, *allow: str, method: str = "PUT") -> HttpCall:
    return HttpCall(
        method=method,
        url=url,
        body=b"{}",
        allow=allow or (HOTEL,),
        idempotency_key=Hash(bytes(32)),
        timeout_ms=1_000,
    )


class Bait:
    """A server on loopback that no call may reach."""

    def __init__(self) -> None:
        self.hits = 0
        self.port = 0

    async def hit(self, _: web.Request) -> web.Response:
        self.hits += 1
        return web.Response(text="the secret")


@pytest.fixture
async def bait() -> AsyncIterator[Bait]:
    found, app = Bait(), web.Application()
    app.router.add_route("*", "/{path:.*}", found.hit)
    async with serve(app, "127.0.0.1", 0, Limits()) as found.port:
        yield found


async def attempt(request: HttpCall, *answers: str) -> HttpOutcome:
    exchanger = Exchanger(private_hosts=frozenset(), resolver=FakeResolver(*answers))
    return await GuardedHttp(exchanger, VirtualClock()).call(request)


ODD_URLS = [
    "http://hotel.example/bookings/1",
    "HTTP://hotel.example/bookings/1",
    "ftp://hotel.example/bookings/1",
    "file:///etc/passwd",
    "gopher://hotel.example:70/_x",
    "ws://hotel.example/bookings/1",
    "data:text/plain,x",
    "//hotel.example/bookings/1",
    "hotel.example/bookings/1",
    "https:hotel.example/bookings/1",
    "https:/hotel.example/bookings/1",
    "https:///bookings/1",
    "https://user:secret@hotel.example/bookings/1",
    "https://hotel.example@127.0.0.1/bookings/1",
    "https://127.0.0.1#@hotel.example/bookings/1",
    "https://127.0.0.1\\@hotel.example/bookings/1",
    "https://hotel.example\\.evil.example/bookings/1",
    "https://hotel.example/bookings/1#fragment",
    "https://hotel.example:80/bookings/1",
    "https://hotel.example:22/bookings/1",
    "https://hotel.example:0443/bookings/1",
    "https://hotel.example:99999/bookings/1",
    "https://hotel.example:/bookings/1",
    "https://hotel.example:443:80/bookings/1",
    "https://hotel.example./bookings/1",
    "https://.hotel.example/bookings/1",
    "https://hotel..example/bookings/1",
    "https://hotel%2eexample/bookings/1",
    "https://hotel.example%00.evil.example/bookings/1",
    "https://hotel。example/bookings/1",
    "https://hôtel.example/bookings/1",
    "https://ⓗotel.example/bookings/1",
    "https://xn--htel-vqa.example/bookings/1",
    "https://evil.example/bookings/1",
    "https://hotel.example.evil.example/bookings/1",
    "https://evil.example/hotel.example/bookings/1",
    "https://localhost/bookings/1",
    "https://metadata/bookings/1",
    "https://hotel.example/admin",
    "https://hotel.example/bookings/",
    "https://hotel.example/bookings/1/cancel",
    "https://hotel.example/bookings/../admin",
    "https://hotel.example/bookings/./1",
    "https://hotel.example/bookings/..;/admin",
    "https://hotel.example/bookings/%2e%2e/admin",
    "https://hotel.example/bookings/..%2fadmin",
    "https://hotel.example/bookings/1%2f..%2f..%2fadmin",
    "https://hotel.example/bookings/1%5c..%5cadmin",
    "https://hotel.example/bookings/%0d%0aX-Admin:%20yes",
    "https://hotel.example/bookings/1%00",
    "https://hotel.example/bookings/1%zz",
    "https://hotel.example/bookings/1?admin=1",
    "https://hotel.example/bookings/1\r\nX-Admin: yes",
    "https://hotel.example/bookings/1 HTTP/1.1",
    " https://hotel.example/bookings/1",
    "https://hotel.example/bookings/1\t",
    "https://hotel.example\t/bookings/1",
    "https://hotel.example/bookings/*",
    "https://hotel.example/bookings/" + "a" * 3_000,
    "",
]


@pytest.mark.parametrize("url", ODD_URLS)
async def test_a_url_that_is_not_plainly_the_allowed_one_is_refused(url: str) -> None:
    outcome = await attempt(call(url), "192.0.2.1")
    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD


ODD_HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
    "0177.0.0.1", "017700000001", "127.0.0.01", "127.0.0.1.", "1.2.3", "0", "0.0.0.0",
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2001::1]", "[fe80::1]",
    "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[::1",
    "[127.0.0.1]", "[1]",
]  # fmt: skip


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_a_literal_address_that_is_not_public_is_refused_though_listed(
    bait: Bait, host: str
) -> None:
    url = f"https://{host}:{bait.port}/x"
    outcome = await attempt(call(url, url))

    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert bait.hits == 0


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_a_script_file_at_such_an_address_is_not_fetched(bait: Bait, host: str) -> None:
    scripts = HttpScripts(Exchanger(private_hosts=frozenset(), resolver=FakeResolver("::1")))
    with pytest.raises(GuardRefused):
        await scripts.fetch(f"https://{host}:{bait.port}/x")
    assert bait.hits == 0


@pytest.mark.parametrize(
    "answer",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fd00::1",
     "64:ff9b::7f00:1"],
)  # fmt: skip
async def test_a_public_name_that_resolves_to_a_closed_address_is_refused(answer: str) -> None:
    outcome = await attempt(call("https://hotel.example/bookings/1"), answer)

    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert "no public address" in outcome.detail


async def test_a_name_is_resolved_once_and_the_address_checked_is_the_one_connected_to(
    bait: Bait,
) -> None:
    pattern = f"https://hotel.example:{bait.port}/*"
    rebinding = FakeResolver("127.0.0.1", "192.0.2.1")
    exchanger = Exchanger(private_hosts=frozenset(), resolver=rebinding)
    http = GuardedHttp(exchanger, VirtualClock())
    outcome = await http.call(call(f"https://hotel.example:{bait.port}/x", pattern))

    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert (rebinding.asked, bait.hits) == (1, 0)


async def test_opening_one_private_host_opens_no_other_port_on_it(bait: Bait) -> None:
    exchanger = Exchanger(private_hosts=frozenset({"127.0.0.1:1"}))
    url = f"http://127.0.0.1:{bait.port}/x"
    outcome = await GuardedHttp(exchanger, VirtualClock()).call(call(url, url))

    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert bait.hits == 0


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "CONNECT", "TRACE", "put", "PUT /x", ""])
async def test_other_methods_are_refused(method: str) -> None:
    request = call("https://hotel.example/bookings/1", method=method)
    assert (await attempt(request, "192.0.2.1")).kind is HttpOutcomeKind.REFUSED_BY_GUARD


@pytest.mark.parametrize(
    "pattern",
    ["*", "https://*", "https://*/bookings/*", "https://*.example/bookings/*", "https://hotel.*/*",
     "http://hotel.example/bookings/*", "https://hotel.example:444/bookings/*", ""],
)  # fmt: skip
async def test_a_pattern_never_stands_for_a_host_scheme_or_port(pattern: str) -> None:
    outcome = await attempt(call("https://hotel.example/bookings/1", pattern), "192.0.2.1")
    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD


async def test_an_ipfs_address_is_refused_by_name() -> None:
    scripts = HttpScripts(Exchanger(private_hosts=frozenset()))
    with pytest.raises(ScriptSchemeUnsupported, match="SL-6513"):
        await scripts.fetch("ipfs://bafy/ticket.tsml")


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_open(text: str) -> None:
    assert not closed_address(text)


def test_what_is_no_address_is_closed() -> None:
    assert closed_address("not an address")


def test_scheme_and_host_are_read_in_any_case() -> None:
    assert check_url("HTTPS://Hotel.Example/Bookings", frozenset()).url == (
        "https://hotel.example/Bookings"
    )


@given(
    st.text(alphabet="a*/.", max_size=8),
    st.text(alphabet="ab/.*", max_size=10),
)
def test_the_linear_matcher_agrees_with_the_plain_regular_expression(
    pattern: str, text: str
) -> None:
    pieces = map(re.escape, pattern.split("*"))
    slow = "*" not in text and re.fullmatch("[A-Za-z0-9._~-]+".join(pieces), text)
    if "*" in pattern:
        assert fits(pattern, text) == bool(slow)
    else:
        assert fits(pattern, text) == (pattern == text)


async def test_a_pattern_with_many_stars_takes_no_time() -> None:
    hostile = "https://hotel.example/" + "*a" * 500 + "!"
    async with asyncio.timeout(1):
        outcome = await attempt(call("https://hotel.example/" + "a" * 2_000, hostile), "::1")
    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert not fits("*a" * 500 + "*-", "a" * 2_000)
