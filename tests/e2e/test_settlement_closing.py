"""A channel closed in agreement, on a real chain and over HTTP: refunded at once, all owed paid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from watched_network import (
    ANCHOR_KEY,
    DEPOSIT,
    FOUNDER,
    NODE_KEYS,
    PAYER_KEYS,
    PRICE,
    TOKEN,
    WatchedNetwork,
    watched_network,
)

from node.api.application import make_application
from node.api.closing import ClosingRoutes
from node.net.deadlines import Limits, serve
from settlement.chain.dispute_calls import DisputeCalls
from settlement.client.anchor_client import AnchorApiRefused
from settlement.client.closing import CloseClient
from settlement.core.month_events import Stage
from settlement.core.refusals import ChannelShut
from settlement.ports.dispute_events import ChannelClosed
from settlement.services.closing import Closing
from settlement.services.engine import Outbox

PAYER = PAYER_KEYS[0]
LEAST_REFUND = TOKEN


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


class ClosingAnchor:
    """The anchor's closing service; ``boot`` starts it again over the same store."""

    def __init__(self, network: WatchedNetwork) -> None:
        self.network = network
        self.writer = network.chain.sender(ANCHOR_KEY, network.deployment)
        self.boot()

    def boot(self) -> None:
        home = self.network.home
        self.closing = Closing(
            engine=home.engine,
            domain=self.network.deployment.domain,
            key=ANCHOR_KEY,
            anchor=self.network.anchor,
            directory=home.directory,
            calendar=home.calendar,
            writer=self.writer,
            calls=DisputeCalls(self.network.deployment),
            least_refund=LEAST_REFUND,
        )
        self.outbox = Outbox(home.engine, self.closing.performers)

    async def act(self) -> None:
        await self.outbox.perform_due()
        head = await self.network.home.reader.head()
        await self.network.follow()
        events = await self.network.home.reader.events(0, head.number, frozenset())
        await self.closing.receive(events)


@asynccontextmanager
async def served(anchor: ClosingAnchor) -> AsyncIterator[CloseClient]:
    application = make_application([ClosingRoutes(anchor.closing)])
    async with (
        serve(application, "127.0.0.1", 0, Limits()) as port,
        CloseClient(f"http://127.0.0.1:{port}") as client,
    ):
        yield client


async def test_a_closed_channel_is_refunded_at_once_and_owes_what_it_owed(
    network: WatchedNetwork,
) -> None:
    await network.pay(2)
    anchor, domain = ClosingAnchor(network), network.deployment.domain
    before = await network.home.reader.balance(FOUNDER.address)
    async with served(anchor) as client:
        offer = await client.offer(PAYER.address)
        owed = len(NODE_KEYS) * 2 * PRICE
        assert owed <= offer.final_amount < offer.balance == DEPOSIT
        for _ in range(2):
            await client.close(PAYER, domain, offer)
        assert await client.stage(offer) == "sent"
        anchor.boot()  # it died before the transaction left
        await anchor.act()
        await anchor.act()
        assert await client.stage(offer) == "closed"
    refund = offer.balance - offer.final_amount
    assert await network.home.reader.balance(FOUNDER.address) == before + refund

    node = network.nodes[0]
    voucher = await network.clients[0].voucher(node.key.address, network.token_class, PRICE, 0)
    with pytest.raises(ChannelShut):
        await node.collector.admit(
            voucher, token_class=network.token_class, price=PRICE, request_id=bytes(32)
        )

    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.settle()
    month = await network.settler.month(0)
    assert month.stage is Stage.CHALLENGE
    assert month.total == len(PAYER_KEYS) * owed
    channel = await network.home.reader.channel(PAYER.address)
    assert channel.balance == offer.final_amount - owed
    head = await network.home.reader.head()
    events = await network.home.reader.events(0, head.number, frozenset())
    assert len([event for event in events if isinstance(event, ChannelClosed)]) == 1


async def test_a_close_below_what_is_leased_is_not_agreed_to_and_leases_go_on(
    network: WatchedNetwork,
) -> None:
    await network.pay(2)
    anchor, domain = ClosingAnchor(network), network.deployment.domain
    async with served(anchor) as client:
        offer = await client.offer(PAYER.address)
        for wrong in (
            replace(offer, final_amount=offer.final_amount - 1),
            replace(offer, final_amount=DEPOSIT),
            replace(offer, period=1),
            replace(offer, deadline=1),
            replace(offer, final_amount=0, deadline=0),
        ):
            with pytest.raises(AnchorApiRefused) as refused:
                await client.close(PAYER, domain, wrong)
            assert refused.value.problem_code == "SL-2019"
        with pytest.raises(AnchorApiRefused) as refused:
            await client.close(NODE_KEYS[0], domain, offer)
        assert refused.value.problem_code == "SL-1002"
    ledger = await network.anchor.ledger(PAYER.address, 0)
    await network.pay(1, start=2)
    assert (await network.anchor.ledger(PAYER.address, 0)).leased > ledger.leased


async def test_an_agreed_close_takes_no_lease_with_it(network: WatchedNetwork) -> None:
    """What was leased stays leased, and nothing more is: the anchor cannot be framed by a close."""
    await network.pay(2)
    anchor, domain = ClosingAnchor(network), network.deployment.domain
    async with served(anchor) as client:
        offer = await client.offer(PAYER.address)
        await client.close(PAYER, domain, offer)
    sealed = await network.anchor.ledger(PAYER.address, 0)
    for price in (PRICE, 30 * TOKEN):
        node = network.nodes[0]
        voucher = await network.clients[0].voucher(node.key.address, network.token_class, price, 0)
        await network.anchor.acknowledge(voucher)
    assert (await network.anchor.ledger(PAYER.address, 0)).leased == sealed.leased
    assert sealed.leased <= offer.final_amount
