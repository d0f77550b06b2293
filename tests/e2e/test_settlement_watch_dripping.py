"""An anchor that shows its payouts drop by drop keeps nobody from demanding to see them."""

import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import web
from watched_network import ANCHOR_KEY, NODE_KEYS, payout_of, watched_network

from node.api.application import make_application
from node.net.deadlines import Limits, serve
from settlement.client.watch_client import PAYOUTS_PER_PAGE, WatchClient, leaves_to_json
from settlement.core.payouts import PayoutLeaf
from settlement.services import watch_inspecting
from settlement.types import Address


class SmallPages:
    """An anchor's API whose every page holds ``size`` leaves, however many there are."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/periods/{period}/payouts", self.payouts)

    async def payouts(self, request: web.Request) -> web.Response:
        self.asked += 1
        first = int(request.query["first"])
        leaves = [
            PayoutLeaf(account=Address((first + n + 1).to_bytes(20, "big")), amount=1)
            for n in range(self.size)
        ]
        return web.json_response(leaves_to_json(leaves))


class NeverDone:
    """A source whose last page never comes."""

    async def leaves(self, anchor: Address, period: int, leaf_count: int) -> Sequence[PayoutLeaf]:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    ("size", "requests", "shown"), [(1, 1, 1), (PAYOUTS_PER_PAGE, 4, 3 * PAYOUTS_PER_PAGE + 1)]
)
async def test_a_page_that_is_not_full_is_the_last(size: int, requests: int, shown: int) -> None:
    pages = SmallPages(size)
    async with (
        serve(make_application([pages]), "127.0.0.1", 0, Limits()) as port,
        WatchClient(f"http://127.0.0.1:{port}") as client,
    ):
        assert len(await client.payouts(0, 3 * PAYOUTS_PER_PAGE + 1)) == shown
    assert pages.asked == requests


async def test_a_tree_that_is_still_being_shown_is_demanded_while_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_inspecting, "LONGEST_FETCH_S", 0.01)
    async with watched_network() as network:
        await network.pay()
        windows = await network.home.calendar.windows(0)
        await network.until(windows.closes_at)
        await network.sign()
        await network.until(windows.settle_from)
        await network.settle()
        victim = network.nodes[0]
        victim.acts.inspection.payouts = NeverDone()
        challenge_window = (await network.home.calendar.terms(0)).challenge_window
        await network.until(await network.chain.now() + challenge_window // 4)
        await asyncio.wait_for(victim.watch(), timeout=60)
        watched = await victim.tower.watched(ANCHOR_KEY.address, 0)
        assert [demand.account for demand in watched.demands] == [payout_of(NODE_KEYS[0])]
