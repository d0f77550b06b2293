"""The integration's client: concurrent, durable before it signs, and offline about statements."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from settlement.client.anchor_client import (
    AnchorApiRefused,
    AnchorApiUnreachable,
    AnchorClient,
)
from settlement.client.channel import ChannelClient
from settlement.client.closing import CloseClient
from settlement.client.watch_client import WatchClient
from settlement.core.draft_json import draft_to_json
from settlement.core.purse import Budgets
from settlement.core.refusals import BudgetExceeded, ChannelShut, CloseRefused, DraftEmpty
from settlement.core.statements import LaneAmount, draft_of
from settlement.errors import SignatureInvalid, StoreFailed
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Close, Statement
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_from_json
from settlement.services.closing import CloseOffer
from settlement.types import Address, checksum, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
KEY = SigningKey(keccak(b"integration"))
NODE = Address(b"n" * 20)
ANCHOR = Address(b"a" * 20)
CLASS = keccak(b"tickets")
OFFER = CloseOffer(signer=KEY.address, period=5, final_amount=40, balance=100, deadline=10**9)


def client(store: MemoryStore, budgets: Budgets | None = None) -> ChannelClient:
    return ChannelClient(key=KEY, domain=DOMAIN, store=store, clock=VirtualClock(), budgets=budgets)


async def test_a_hundred_calls_at_once_promise_a_hundred_different_amounts() -> None:
    channel = client(MemoryStore())
    vouchers = await asyncio.gather(*(channel.voucher(NODE, CLASS, 3, 0) for _ in range(100)))
    assert sorted(v.message.cumulative for v in vouchers) == [3 * n for n in range(1, 101)]
    for voucher in vouchers:
        voucher.require(DOMAIN, KEY.address)


async def test_calls_at_once_never_pass_the_budget() -> None:
    channel = client(MemoryStore(), Budgets(per_hour=30))
    outcomes = await asyncio.gather(
        *(channel.voucher(NODE, CLASS, 3, 0) for _ in range(64)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetExceeded)]
    assert len(refused) == 54
    assert (await channel.state()).promised(0) == 30


async def test_a_promise_is_remembered_by_the_next_process() -> None:
    store = MemoryStore()
    await client(store).voucher(NODE, CLASS, 3, 0)
    voucher = await client(store).voucher(NODE, CLASS, 4, 0)
    assert voucher.message.cumulative == 7


async def test_no_voucher_leaves_when_the_disk_refuses() -> None:
    store = MemoryStore()
    channel = client(store)
    store.fail_next_commit = StoreFailed(problem="disk full")
    with pytest.raises(StoreFailed):
        await channel.voucher(NODE, CLASS, 3, 0)
    assert (await channel.voucher(NODE, CLASS, 3, 0)).message.cumulative == 3


async def test_a_voucher_of_another_key_is_not_taken_for_our_own() -> None:
    channel = client(MemoryStore())
    voucher = await channel.voucher(NODE, CLASS, 3, 0)
    stranger = SigningKey(keccak(b"stranger"))
    with pytest.raises(SignatureInvalid):
        await channel.remember(Signed.by(stranger, DOMAIN, voucher.message))


async def test_a_close_that_keeps_too_much_or_is_anothers_is_not_signed() -> None:
    channel = client(MemoryStore())
    with pytest.raises(CloseRefused):
        await channel.close(OFFER, keep_at_most=39)
    with pytest.raises(CloseRefused):
        await channel.close(replace(OFFER, signer=NODE), keep_at_most=40)
    await channel.voucher(NODE, CLASS, 3, 5)


async def test_after_a_close_no_voucher_is_signed_for_its_period_by_any_process() -> None:
    store = MemoryStore()
    request_id = keccak(b"before the close")
    before = await client(store).voucher(NODE, CLASS, 3, 5, request_id=request_id)
    agreed = await client(store).close(OFFER, keep_at_most=40)
    agreed.require(DOMAIN, KEY.address)
    assert agreed.message == OFFER.agreement()
    with pytest.raises(ChannelShut):
        await client(store).voucher(NODE, CLASS, 3, 5)
    with pytest.raises(ChannelShut):
        await client(store).voucher(NODE, CLASS, 3, 4)
    assert await client(store).voucher(NODE, CLASS, 9, 6, request_id=request_id) == before
    await client(store).voucher(NODE, CLASS, 3, 6)


class FakeAnchor:
    """An anchor's two routes on the loopback."""

    def __init__(self) -> None:
        self.drafts_to_come: list[int] = []
        self.statements: list[Signed[Statement]] = []
        self.closes: list[Signed[Close]] = []
        self.status = 200
        self.detail: object = "Open a channel."

    async def get_draft(self, request: web.Request) -> web.Response:
        assert request.match_info["signer"] == "0x" + KEY.address.hex()
        if self.status != 200:
            problem = {"code": "SL-2011", "detail": self.detail}
            return web.json_response(problem, status=self.status)
        amount = self.drafts_to_come.pop(0) if self.drafts_to_come else 6
        lane = LaneAmount(node=NODE, token_class=CLASS, amount=amount)
        return web.json_response(draft_to_json(draft_of(ANCHOR, KEY.address, 0, [lane])))

    async def take(self, request: web.Request) -> web.Response:
        body: Any = await request.json()
        self.statements.append(signed_from_json(Statement, body))
        return web.json_response({})

    async def get_offer(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "signer": checksum(OFFER.signer),
                "period": str(OFFER.period),
                "finalAmount": str(OFFER.final_amount),
                "balance": str(OFFER.balance),
                "deadline": str(OFFER.deadline),
            }
        )

    async def close(self, request: web.Request) -> web.Response:
        self.closes.append(signed_from_json(Close, await request.json()))
        return web.json_response({"stage": "sent", "problem": ""}, status=202)


@pytest.fixture
async def anchor() -> AsyncIterator[tuple[FakeAnchor, str]]:
    fake = FakeAnchor()
    app = web.Application()
    app.router.add_get("/channels/{signer}/periods/{period}/draft", fake.get_draft)
    app.router.add_post("/statements", fake.take)
    app.router.add_get("/channels/{signer}/close", fake.get_offer)
    app.router.add_post("/closes", fake.close)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield fake, f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_statement_goes_from_draft_to_anchor_over_http(
    anchor: tuple[FakeAnchor, str],
) -> None:
    fake, url = anchor
    channel = client(MemoryStore())
    await channel.voucher(NODE, CLASS, 6, 0)
    async with AnchorClient(url) as api:
        draft = await api.draft(channel.signer, 0)
        await api.send_statement(await channel.statement(draft, ANCHOR))
    (signed,) = fake.statements
    assert signed.signer(DOMAIN) == KEY.address
    assert signed.message.amount == 6


async def test_a_draft_is_waited_for_until_it_covers_what_was_spent(
    anchor: tuple[FakeAnchor, str],
) -> None:
    fake, url = anchor
    fake.drafts_to_come = [0, 4]
    async with AnchorClient(url) as api:
        assert (await api.draft_covering(KEY.address, 0, 6)).amount == 6
        fake.drafts_to_come = [4]
        assert (await api.draft_covering(KEY.address, 0, 6, patience_s=0)).amount == 4


async def test_an_empty_draft_is_not_signed() -> None:
    channel = client(MemoryStore())
    await channel.voucher(NODE, CLASS, 6, 0)
    with pytest.raises(DraftEmpty) as refused:
        await channel.statement(draft_of(ANCHOR, KEY.address, 0, ()), ANCHOR)
    assert refused.value.spent == 6


async def test_a_channel_is_closed_over_http(anchor: tuple[FakeAnchor, str]) -> None:
    fake, url = anchor
    channel = client(MemoryStore())
    async with CloseClient(url) as api:
        offer = await api.offer(channel.signer)
        assert offer == OFFER
        await api.send(await channel.close(offer, keep_at_most=40))
    (signed,) = fake.closes
    assert signed.message == OFFER.agreement()


async def test_an_anchor_s_refusal_and_its_absence_are_different_errors(
    anchor: tuple[FakeAnchor, str],
) -> None:
    fake, url = anchor
    async with AnchorClient(url) as api:
        fake.status = 404
        with pytest.raises(AnchorApiRefused) as refused:
            await api.draft(KEY.address, 0)
        assert refused.value.problem_code == "SL-2011"
        fake.status = 503
        with pytest.raises(AnchorApiUnreachable):
            await api.draft(KEY.address, 0)
    async with AnchorClient("http://127.0.0.1:1") as api:
        with pytest.raises(AnchorApiUnreachable) as away:
            await api.draft(KEY.address, 0)
        assert away.value.retryable


@pytest.mark.parametrize(
    "url",
    [
        "http://a..example",
        "http://" + "a" * 64 + ".example",
        "http://127.0.0.1:99999",
        "http://[::1",
        "http://a b/",
        "foo://anchor",
        "",
    ],
    ids=["empty label", "long label", "port", "bracket", "blank", "scheme", "nothing"],
)
@pytest.mark.parametrize("client", [AnchorClient, WatchClient, CloseClient])
async def test_an_address_that_no_resolver_takes_is_an_anchor_that_is_away(
    client: type[AnchorClient], url: str
) -> None:
    async with client(url) as api:
        with pytest.raises(AnchorApiUnreachable) as away:
            await api.draft(KEY.address, 0)
    assert away.value.retryable


@pytest.mark.parametrize("detail", ["half a character \ud800", ["a", "list"], 7, "long" * 1_000])
async def test_whatever_an_anchor_gives_as_its_reason_can_be_stored(
    anchor: tuple[FakeAnchor, str], detail: object
) -> None:
    fake, url = anchor
    fake.status, fake.detail = 409, detail
    async with AnchorClient(url) as api:
        with pytest.raises(AnchorApiRefused) as refused:
            await api.draft(KEY.address, 0)
    assert len(str(refused.value).encode()) < 2_000
