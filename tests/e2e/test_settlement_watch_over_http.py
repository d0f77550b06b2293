"""Watching over HTTP: payouts from an anchor's API, lanes handed to another's watchtower."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import aiohttp
import pytest
from watched_network import (
    ANCHOR_KEY,
    NODE_KEYS,
    PAYER_KEYS,
    WatchedNetwork,
    WatchingNode,
    payout_of,
    take_from,
    watched_network,
)

from node.api.application import make_application
from node.api.watching import PayoutRoutes, WatchRoutes
from node.core.members import Member, MemberJoined, MemberList
from node.net.deadlines import Limits, serve
from node.services.chain_view import ChainView
from node.services.handing_over import HandingOver
from node.services.payout_source import MemberPayouts
from settlement.client.anchor_client import AnchorApiRefused, AnchorApiUnreachable
from settlement.client.watch_client import WatchClient
from settlement.core.lane import LaneState
from settlement.ports.chain_records import PotStatus
from settlement.protocol.signed import Signed


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


def view_with(api_url: str) -> ChainView:
    view = ChainView(31_337)
    member = Member(
        key=ANCHOR_KEY.address,
        operator=ANCHOR_KEY.address,
        roles=2,
        api_url=api_url,
        link_url="",
        stake=1,
        since_block=0,
        payout=ANCHOR_KEY.address,
    )
    view.members = MemberList().after(MemberJoined(block=0, member=member))
    return view


def handing_over(node: WatchingNode, url: str) -> HandingOver:
    return HandingOver(
        towers=(url,),
        collector=node.collector,
        calendar=node.calendar,
        clock=node.clock,
        every_ms=1_000,
    )


async def settle(network: WatchedNetwork) -> None:
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.settle()


async def test_a_node_that_was_away_is_protected_by_the_watchtower_that_it_chose(
    network: WatchedNetwork,
) -> None:
    victim = payout_of(NODE_KEYS[0])
    network.settler.cheat = take_from(victim, payout_of(ANCHOR_KEY), 10**15)
    await network.pay()
    away, tower = network.nodes
    async with serve(
        make_application([WatchRoutes(tower.tower)]), "127.0.0.1", 0, Limits()
    ) as port:
        url = f"http://127.0.0.1:{port}"
        handing = handing_over(away, url)
        assert await handing.hand_over(url) == len(PAYER_KEYS)
        assert await handing.hand_over(url) == 0, "nothing is new"
        async with serve(
            make_application([PayoutRoutes(network.settler)]), "127.0.0.1", 0, Limits()
        ) as anchor_port:
            tower.acts.inspection.payouts = MemberPayouts(
                view_with(f"http://127.0.0.1:{anchor_port}")
            )
            await settle(network)
            await tower.watch()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/watch") as answer,
        ):
            shown: dict[str, Any] = await answer.json()
    assert (await network.home.reader.pot(ANCHOR_KEY.address, 0)).status is PotStatus.VOID
    assert [row["stage"] for row in shown["periods"]] == ["void"]


async def test_only_what_an_anchor_signed_is_watched_and_no_more_than_was_offered(
    network: WatchedNetwork,
) -> None:
    await network.pay(1)
    away, tower = network.nodes
    lanes = await away.collector.lanes(0)
    vouchers = [lane.best_voucher for lane in lanes]
    answers = [lane.best_acknowledgement for lane in lanes]
    voucher, answer = vouchers[0], answers[0]
    assert voucher is not None
    assert answer is not None
    forged = Signed.by(NODE_KEYS[0], network.deployment.domain, answer.message)
    tower.evidence._most_lanes = 1
    async with (
        serve(make_application([WatchRoutes(tower.tower)]), "127.0.0.1", 0, Limits()) as port,
        WatchClient(f"http://127.0.0.1:{port}") as client,
    ):
        for given, code in (
            ((voucher, forged), "SL-1002"),
            ((vouchers[1], answer), "SL-2016"),
        ):
            with pytest.raises(AnchorApiRefused) as refused:
                await client.hand_over([cast("Any", given)])
            assert refused.value.problem_code == code
        assert await client.hand_over([(voucher, answer)]) == 1
        with pytest.raises(AnchorApiUnreachable, match="503"):
            await client.hand_over([cast("Any", (vouchers[1], answers[1]))])
        assert await client.hand_over([(voucher, answer)]) == 1, "the first is still taken"


async def test_payouts_are_not_shown_before_they_are_counted(network: WatchedNetwork) -> None:
    async with (
        serve(make_application([PayoutRoutes(network.settler)]), "127.0.0.1", 0, Limits()) as port,
        WatchClient(f"http://127.0.0.1:{port}") as client,
    ):
        assert await client.payouts(0, 10) == ()
        await network.pay(1)
        await settle(network)
        leaves = await client.payouts(0, 1_000)
        assert leaves == await network.settler.leaves(0)


async def test_a_lane_that_is_refused_keeps_no_other_from_being_watched(
    network: WatchedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    await network.pay(1)
    away, tower = network.nodes
    lanes = list(await away.collector.lanes(0))
    assert len(lanes) == 2
    wrong = replace(lanes[0], acknowledgement=lanes[1].acknowledgement)

    async def shown(period: int) -> tuple[LaneState, ...]:
        return () if period else (wrong, lanes[1])

    monkeypatch.setattr(away.collector, "lanes", shown)
    application = make_application([WatchRoutes(tower.tower)])
    async with serve(application, "127.0.0.1", 0, Limits()) as port:
        url = f"http://127.0.0.1:{port}"
        handing = handing_over(away, url)
        assert await handing.hand_over(url) == 2
        assert await handing.hand_over(url) == 0, "the refused one is not sent again and again"
    kept = [lane for lane in await tower.evidence.lanes(0) if lane.node == away.key.address]
    assert [lane.signer for lane in kept] == [lanes[1].signer]


async def test_what_is_acknowledged_later_is_handed_over_though_the_lease_is_as_wide_as_it_was(
    network: WatchedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    await network.pay(1)
    away, tower = network.nodes
    lane = (await away.collector.lanes(0))[0]
    held = lane.best_acknowledgement
    assert held is not None
    less = replace(held.message, acknowledged=1)
    earlier = Signed.by(ANCHOR_KEY, network.deployment.domain, less)
    shown = [replace(lane, acknowledged=1, acknowledgement=earlier.signature)]

    async def lanes(period: int) -> tuple[LaneState, ...]:
        return () if period else tuple(shown)

    monkeypatch.setattr(away.collector, "lanes", lanes)
    application = make_application([WatchRoutes(tower.tower)])
    async with serve(application, "127.0.0.1", 0, Limits()) as port:
        url = f"http://127.0.0.1:{port}"
        handing = handing_over(away, url)
        assert await handing.hand_over(url) == 1
        shown[0] = lane
        assert await handing.hand_over(url) == 1
    (kept,) = [lane for lane in await tower.evidence.lanes(0) if lane.node == away.key.address]
    assert kept.most_owed.acknowledged == held.message.acknowledged
