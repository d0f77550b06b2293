"""Bad requests over the real HTTP API: each is refused with its own code and costs nothing."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import Site, person_key
from node.protocol.messages import Grant
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.core.lane import LANE
from settlement.ports.chain_events import WithdrawalRequested
from settlement.ports.store import MachineRow
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_to_header, signed_to_json
from settlement.types import TokenId, hex_text, keccak

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY_MS = 86_400_000
PRICE = 10**15
PROBLEM_FIELDS = {"type", "title", "status", "code", "hint", "retryable", "charged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The network, a ticket, one of its holders, and a site that has paid for three reads."""

    stage: Rehearsal
    token: TokenId
    other_token: TokenId
    sold_token: TokenId
    node: Player
    site: Site

    @property
    def path(self) -> str:
        return f"/tokens/{self.token.path}/status"

    @property
    def domain(self) -> Domain:
        return self.stage.deployment.domain

    def voucher(self, **changed: Any) -> Voucher:
        """An honest voucher for one more read, with some fields changed."""
        honest = Voucher(
            signer=self.site.key.address,
            period=self.stage.chain.period(),
            node=self.node.address,
            token_class=self.token.token_class.id,
            cumulative=4 * PRICE,
        )
        return replace(honest, **changed)

    def grant(self, **changed: Any) -> Signed[Grant]:
        """An honest grant, with some arguments changed."""
        expires = self.stage.clock.now_ms() + DAY_MS
        given = {"integration": self.site.key.address, "token": self.token, "expires_ms": expires}
        return self.stage.people.grant(**(given | changed))

    def headers(
        self,
        voucher: Signed[Voucher] | None = None,
        grant: Signed[Grant] | None = None,
        request_id: bytes = keccak(b"a bad request"),
    ) -> dict[str, str]:
        """The headers of an honest read, or with another voucher or grant."""
        voucher = voucher or Signed.by(self.site.key, self.domain, self.voucher())
        return {
            "SL-Request-Id": hex_text(request_id),
            "SL-Voucher": signed_to_header(voucher),
            "SL-Grant": signed_to_header(grant or self.grant()),
        }

    def lanes(self) -> dict[str, MachineRow]:
        """Everything that was ever charged at the node, as its store has it."""
        return {
            key: row for (kind, key), row in self.node.store.machines.items() if kind == LANE.kind
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("bad")
    async with (
        SandboxPool(PoolConfig(workers=1, cache=folder / "engine")) as pool,
        Rehearsal(folder, pool, services=3) as stage,
    ):
        site = stage.site("site")
        tokens = [stage.mint(number, "SL123", f"H-{number}") for number in (1, 2, 3)]
        for token in tokens:
            await stage.until(lambda token=token: stage.agreed(token, 1))  # type: ignore[misc]  # bound at once
        stage.sell(tokens[2], person_key("buyer").address)

        async def sold() -> bool:
            return all(
                node.base.view.tokens[tokens[2].id].holder == person_key("buyer").address
                for node in stage.services
            )

        await stage.until(sold)
        made = World(
            stage=stage,
            token=tokens[0],
            other_token=tokens[1],
            sold_token=tokens[2],
            node=stage.services[0],
            site=site,
        )
        for count in (1, 2, 3):
            voucher = Signed.by(site.key, made.domain, made.voucher(cumulative=count * PRICE))
            headers = made.headers(voucher, request_id=keccak(b"paid %d" % count))
            async with stage.session.get(made.node.api_url + made.path, headers=headers) as answer:
                assert answer.status == 200
        yield made


async def refused(
    world: World,
    path: str,
    headers: dict[str, str],
    *,
    status: int,
    code: str,
    method: str = "GET",
    data: bytes | None = None,
) -> dict[str, Any]:
    """Send it; the answer must be this problem, and no lane may have moved."""
    before = world.lanes()
    async with world.stage.session.request(
        method, world.node.api_url + path, headers=headers, data=data
    ) as response:
        raw = await response.read()
        assert (response.status, response.content_type) == (
            status,
            "application/problem+json",
        ), raw
    problem: dict[str, Any] = json.loads(raw)
    assert problem.keys() >= PROBLEM_FIELDS
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["charged"] == "no"
    assert problem["hint"]
    assert (response.headers.get("Retry-After") is not None) == problem["retryable"]
    assert world.lanes() == before
    return problem


# --- vouchers ------------------------------------------------------------------------------------


def by_site(world: World, **changed: Any) -> Signed[Voucher]:
    return Signed.by(world.site.key, world.domain, world.voucher(**changed))


def elsewhere(world: World) -> Signed[Voucher]:
    other = Domain.of(world.domain.chain_id + 1, world.domain.hub)
    return Signed.by(world.site.key, other, world.voucher())


def for_another_hub(world: World) -> Signed[Voucher]:
    other = Domain.of(world.domain.chain_id, person_key("another hub").address)
    return Signed.by(world.site.key, other, world.voucher())


def altered(world: World) -> Signed[Voucher]:
    honest = Signed.by(world.site.key, world.domain, world.voucher())
    return replace(honest, message=world.voucher(cumulative=9 * PRICE))


def by_a_stranger(world: World) -> Signed[Voucher]:
    return Signed.by(person_key("stranger"), world.domain, world.voucher())


BAD_VOUCHERS: dict[str, tuple[Callable[[World], Signed[Voucher]], str]] = {
    "below the last one": (lambda world: by_site(world, cumulative=2 * PRICE), "SL-2002"),
    "equal to the last one": (lambda world: by_site(world, cumulative=3 * PRICE), "SL-2001"),
    "one base unit short": (lambda world: by_site(world, cumulative=4 * PRICE - 1), "SL-2001"),
    "of nothing": (lambda world: by_site(world, cumulative=0), "SL-2002"),
    "for another node": (
        lambda world: by_site(world, node=world.stage.services[1].address),
        "SL-2003",
    ),
    "for the next period": (
        lambda world: by_site(world, period=world.stage.chain.period() + 1),
        "SL-2004",
    ),
    "for another class": (
        lambda world: by_site(world, token_class=keccak(b"another class")),
        "SL-2005",
    ),
    "signed for another chain": (elsewhere, "SL-2006"),
    "signed for another hub": (for_another_hub, "SL-2006"),
    "altered after signing": (altered, "SL-2006"),
    "signed by a stranger": (by_a_stranger, "SL-2006"),
}


@pytest.mark.parametrize("name", BAD_VOUCHERS)
async def test_a_bad_voucher_buys_nothing(world: World, name: str) -> None:
    make, code = BAD_VOUCHERS[name]
    await refused(world, world.path, world.headers(make(world)), status=402, code=code)


async def test_a_read_without_a_voucher_is_told_the_price(world: World) -> None:
    headers = world.headers()
    del headers["SL-Voucher"]

    problem = await refused(world, world.path, headers, status=402, code="SL-3021")

    assert problem["fields"] == {"interface": "status", "price": PRICE}


async def test_a_signer_without_a_channel_may_try_again_later(world: World) -> None:
    nobody = person_key("nobody")
    voucher = Signed.by(nobody, world.domain, world.voucher(signer=nobody.address))
    headers = world.headers(voucher, world.grant(integration=nobody.address))

    problem = await refused(world, world.path, headers, status=402, code="SL-2011")

    assert problem["retryable"] is True


async def test_nobody_serves_on_a_deposit_that_is_being_withdrawn(world: World) -> None:
    stage, leaving = world.stage, world.stage.site("leaving site")
    signer = leaving.key.address
    stage.chain.mine(WithdrawalRequested(signer=signer, amount=1, withdrawable_at=2**40))

    async def known() -> bool:
        directory = world.node.base.directory
        return signer in await directory.signers() and (await directory.channel(signer)).withdrawing

    await stage.until(known)
    voucher = Signed.by(leaving.key, world.domain, world.voucher(signer=signer))
    headers = world.headers(voucher, world.grant(integration=signer))
    await refused(world, world.path, headers, status=402, code="SL-2012")


async def test_a_request_id_of_another_lane_is_no_free_answer(world: World) -> None:
    """What one site has paid for answers no other site's request with the same id."""
    nobody = person_key("nobody")
    voucher = Signed.by(nobody, world.domain, world.voucher(signer=nobody.address))
    headers = world.headers(
        voucher, world.grant(integration=nobody.address), request_id=keccak(b"paid 1")
    )
    await refused(world, world.path, headers, status=402, code="SL-2011")


async def test_a_request_id_that_answered_about_another_ticket_is_not_taken_again(
    world: World,
) -> None:
    headers = world.headers(
        by_site(world, cumulative=3 * PRICE),
        world.grant(token=world.other_token),
        request_id=keccak(b"paid 1"),
    )
    path = f"/tokens/{world.other_token.path}/status"
    await refused(world, path, headers, status=409, code="SL-2008")


# --- grants --------------------------------------------------------------------------------------


def altered_grant(world: World) -> Signed[Grant]:
    honest = world.grant()
    return replace(honest, message=replace(honest.message, expires=honest.message.expires + 1))


BAD_GRANTS: dict[str, tuple[Callable[[World], Signed[Grant]], str]] = {
    "expired": (lambda world: world.grant(expires_ms=world.stage.clock.now_ms()), "SL-3002"),
    "for another integration": (
        lambda world: world.grant(integration=person_key("somebody").address),
        "SL-3003",
    ),
    "for another token": (lambda world: world.grant(token=world.other_token), "SL-3003"),
    "for another interface": (lambda world: world.grant(interfaces=("itinerary",)), "SL-3005"),
    "for no interface": (lambda world: world.grant(interfaces=()), "SL-3005"),
    "by somebody else": (lambda world: world.grant(holder=person_key("thief")), "SL-3004"),
    "altered after signing": (altered_grant, "SL-3004"),
}


@pytest.mark.parametrize("name", BAD_GRANTS)
async def test_a_bad_grant_opens_nothing(world: World, name: str) -> None:
    make, code = BAD_GRANTS[name]
    await refused(world, world.path, world.headers(grant=make(world)), status=403, code=code)


async def test_a_read_without_a_grant_is_told_whom_to_ask(world: World) -> None:
    headers = world.headers()
    del headers["SL-Grant"]

    problem = await refused(world, world.path, headers, status=403, code="SL-3001")

    assert problem["fields"]["interface"] == "status"


async def test_a_grant_of_the_former_holder_opens_nothing_any_more(world: World) -> None:
    headers = world.headers(grant=world.grant(token=world.sold_token))
    path = f"/tokens/{world.sold_token.path}/status"
    await refused(world, path, headers, status=403, code="SL-3004")


async def test_a_grant_of_the_new_holder_passes(world: World) -> None:
    """It comes as far as the payment, which is refused for its own reason."""
    grant = world.grant(token=world.sold_token, holder=person_key("buyer"))
    headers = world.headers(by_site(world, cumulative=3 * PRICE), grant)
    path = f"/tokens/{world.sold_token.path}/status"
    await refused(world, path, headers, status=402, code="SL-2001")


# --- headers, paths, bodies ----------------------------------------------------------------------


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without_a_field(world: World) -> str:
    shown = signed_to_json(Signed.by(world.site.key, world.domain, world.voucher()))
    del shown["message"]["cumulative"]
    return encoded(shown)


def with_a_field_too_many(world: World) -> str:
    shown = signed_to_json(Signed.by(world.site.key, world.domain, world.voucher()))
    shown["message"]["tip"] = "1"
    return encoded(shown)


def with_a_negative_amount(world: World) -> str:
    shown = signed_to_json(Signed.by(world.site.key, world.domain, world.voucher()))
    shown["message"]["cumulative"] = "-1"
    return encoded(shown)


def with_too_wide_an_amount(world: World) -> str:
    shown = signed_to_json(Signed.by(world.site.key, world.domain, world.voucher()))
    shown["message"]["cumulative"] = str(1 << 128)
    return encoded(shown)


def with_a_short_signature(world: World) -> str:
    shown = signed_to_json(Signed.by(world.site.key, world.domain, world.voucher()))
    shown["signature"] = shown["signature"][:-2]
    return encoded(shown)


BAD_HEADERS: dict[str, tuple[str, Callable[[World], str]]] = {
    "a voucher that is no base64": ("SL-Voucher", lambda _: "*not base64*"),
    "a voucher that is no JSON": ("SL-Voucher", lambda _: encoded("x")[:-3]),
    "a voucher that is a list": ("SL-Voucher", lambda _: encoded([])),
    "a voucher that is nested deeply": (
        "SL-Voucher",
        lambda _: base64.urlsafe_b64encode(b"[" * 4_000).decode(),
    ),
    "a voucher without a field": ("SL-Voucher", without_a_field),
    "a voucher with a field too many": ("SL-Voucher", with_a_field_too_many),
    "a voucher of a negative amount": ("SL-Voucher", with_a_negative_amount),
    "a voucher of too wide an amount": ("SL-Voucher", with_too_wide_an_amount),
    "a voucher with a short signature": ("SL-Voucher", with_a_short_signature),
    "a grant in the voucher's place": ("SL-Voucher", lambda w: signed_to_header(w.grant())),
    "a voucher in the grant's place": (
        "SL-Grant",
        lambda w: signed_to_header(Signed.by(w.site.key, w.domain, w.voucher())),
    ),
    "a request id that is no hash": ("SL-Request-Id", lambda _: "0x1234"),
    "a request id in words": ("SL-Request-Id", lambda _: "mine"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
async def test_a_header_that_cannot_be_read_is_named(world: World, name: str) -> None:
    header, make = BAD_HEADERS[name]
    headers = world.headers() | {header: make(world)}
    problem = await refused(world, world.path, headers, status=400, code="SL-1000")
    assert header in problem["detail"]


async def test_a_signature_of_zeros_is_refused(world: World) -> None:
    honest = Signed.by(world.site.key, world.domain, world.voucher())
    headers = world.headers(replace(honest, signature=bytes(65)))  # type: ignore[arg-type]  # what a stranger may send
    await refused(world, world.path, headers, status=401, code="SL-1002")


async def test_a_read_without_a_request_id_is_refused(world: World) -> None:
    headers = world.headers()
    del headers["SL-Request-Id"]
    await refused(world, world.path, headers, status=400, code="SL-1000")


ADDRESS = "0x" + "11" * 20
BAD_PATHS = {
    "/tokens/x/" + ADDRESS + "/1/status": (400, "SL-1000"),
    "/tokens/-1/" + ADDRESS + "/1/status": (400, "SL-1000"),
    "/tokens/31337/0x1234/1/status": (400, "SL-1000"),
    "/tokens/31337/" + ADDRESS + "/one/status": (400, "SL-1000"),
    "/tokens/31337/" + ADDRESS + f"/{1 << 256}/status": (400, "SL-1001"),
    "/tokens/31337/" + ADDRESS + "/" + "9" * 400 + "/status": (400, "SL-1000"),
    "/tokens/31337/" + ADDRESS + "/1/status": (404, "SL-5010"),
    "/routes/31337/" + ADDRESS + "/1": (404, "SL-5010"),
    "/journals/31337/" + ADDRESS + "/1?first=x": (400, "SL-1000"),
    "/feeds/0x12/flight-status/0": (400, "SL-1000"),
    "/feeds/" + ADDRESS + "/flight-status/4294967296": (400, "SL-1001"),
    "/nothing/here": (404, "SL-1003"),
    "/tokens": (404, "SL-1003"),
    "/tokens/31337/..%2f..%2fetc/1/status": (400, "SL-1000"),
}


@pytest.mark.parametrize("path", BAD_PATHS, ids=[path[:48] for path in BAD_PATHS])
async def test_a_path_that_names_nothing_is_refused(world: World, path: str) -> None:
    status, code = BAD_PATHS[path]
    await refused(world, path, world.headers(), status=status, code=code)


async def test_an_interface_that_the_script_does_not_have_is_unknown(world: World) -> None:
    path = f"/tokens/{world.token.path}/passport"
    problem = await refused(world, path, world.headers(), status=404, code="SL-3020")
    assert "status" in problem["hint"]


async def test_an_argument_given_twice_is_refused(world: World) -> None:
    path = world.path + "?a=1&a=2"
    await refused(world, path, world.headers(), status=400, code="SL-1000")


async def test_too_many_arguments_are_refused(world: World) -> None:
    path = world.path + "?" + "&".join(f"a{n}=1" for n in range(17))
    await refused(world, path, world.headers(), status=400, code="SL-1000")


async def test_a_method_that_the_path_does_not_have_is_refused(world: World) -> None:
    await refused(world, world.path, {}, status=405, code="SL-1003", method="DELETE")


async def test_headers_beyond_the_limit_are_refused_before_they_are_read(world: World) -> None:
    before = world.lanes()
    headers = world.headers() | {"SL-Grant": "A" * 9_000}
    async with world.stage.session.get(world.node.api_url + world.path, headers=headers) as answer:
        assert answer.status in (400, 431)
    assert world.lanes() == before


async def test_a_body_beyond_the_limit_is_refused(world: World) -> None:
    data = b"[" + b" " * (300 * 1024) + b"]"
    await refused(world, "/feeds", {}, status=413, code="SL-1003", method="POST", data=data)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b"[]", b'{"entry": 1}', b"null"]
)
async def test_a_body_that_cannot_be_read_is_refused(world: World, data: bytes) -> None:
    await refused(world, "/feeds", {}, status=400, code="SL-1000", method="POST", data=data)


async def test_after_all_of_it_an_honest_read_is_still_answered(world: World) -> None:
    headers = world.headers(request_id=keccak(b"honest"))
    url = world.node.api_url + world.path
    async with world.stage.session.get(url, headers=headers) as answer:
        assert answer.status == 200
