"""Paid reads over HTTP: the same request twice, many at once, and a node that dies in the middle.

Nodes are rehearsed in this process, with their real APIs on loopback and real scripts in the real
sandbox; their clocks stand still unless a test moves them.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import Site
from node.protocol.messages import Quote
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.client.anchor_client import AnchorClient
from settlement.core.lane import LANE, LaneState
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_from_json, signed_to_header, signed_to_json
from settlement.types import TokenId, checksum, hex_text, keccak

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY_MS = 86_400_000
PRICE = 10**15


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rehearsal]:
    """One network for all tests here; a test that kills a node starts it again."""
    folder = tmp_path_factory.mktemp("api")
    async with (
        SandboxPool(PoolConfig(workers=1, cache=folder / "engine")) as pool,
        Rehearsal(folder, pool) as rehearsal,
    ):
        yield rehearsal


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(stage: Rehearsal) -> TokenId:
    """An active ticket."""
    ticket = stage.mint(1, "SL123", "H-1001")
    await stage.until(lambda: stage.agreed(ticket, 1))
    return ticket


@pytest_asyncio.fixture(loop_scope="module")
async def site(stage: Rehearsal, request: pytest.FixtureRequest) -> Site:
    """An integration of its own for each test, whose channel every node knows."""
    opened = stage.site(request.node.name)

    async def known() -> bool:
        signer = opened.key.address
        found = [await p.base.directory.signers() for p in stage.players if p.alive]
        return all(signer in signers for signers in found)

    await stage.until(known)
    return opened


class InOrder(Random):
    """Chance that never changes an order."""

    def sample(self, population: Sequence[Any], k: int, **_: Any) -> list[Any]:  # type: ignore[override]  # for sequences only
        return list(population)[:k]


def allowed(stage: Rehearsal, site: Site, token: TokenId) -> Any:
    """The traveller's grant for a site."""
    return stage.people.grant(site.key.address, token, stage.clock.now_ms() + DAY_MS)


async def lanes(stage: Rehearsal, site: Site) -> list[LaneState]:
    """The site's lanes on all living service nodes."""
    found = []
    for node in stage.services:
        engine = node.base.engine
        for key in await engine.store.keys(LANE.kind):
            state = await engine.state(LANE, key)
            if state.signer == site.key.address:
                found.append(state)
    return found


async def charged(stage: Rehearsal, site: Site) -> int:
    return sum(lane.charged for lane in await lanes(stage, site))


async def get(
    stage: Rehearsal, node: Player, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    async with stage.session.get(node.api_url + path, headers=headers) as response:
        return response.status, await response.read()


async def voucher_headers(
    stage: Rehearsal, site: Site, node: Player, token: TokenId, request_id: bytes
) -> dict[str, str]:
    """The headers of one honestly paid read at a node."""
    period = await node.base.calendar.period()
    voucher = await site.channel.voucher(
        node.address, token.token_class.id, PRICE, period, token.id
    )
    return {
        "SL-Request-Id": hex_text(request_id),
        "SL-Voucher": signed_to_header(voucher),
        "SL-Grant": signed_to_header(allowed(stage, site, token)),
    }


# --- one read ------------------------------------------------------------------------------------


async def test_a_read_is_routed_paid_and_proven_field_by_field(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    answer = await site.reader.read(token, "status", allowed(stage, site, token))

    assert answer.result["flight"] == "SL123"
    assert set(answer.proven) == set(answer.result)
    assert answer.charged == PRICE
    assert answer.node in {holder.address for holder in await stage.holders(token)}
    assert await charged(stage, site) == PRICE


async def test_the_quote_is_signed_by_the_node_and_names_the_price(
    stage: Rehearsal, token: TokenId
) -> None:
    node = (await stage.holders(token))[0]

    status, body = await get(stage, node, f"/quotes/{token.path}/status")

    signed = signed_from_json(Quote, json.loads(body)["quote"])
    signed.require(stage.deployment.domain, node.address)
    assert status == 200
    assert signed.message.price == PRICE


async def test_a_token_is_described_without_its_state(stage: Rehearsal, token: TokenId) -> None:
    node = (await stage.holders(token))[0]

    status, body = await get(stage, node, f"/tokens/{token.path}")

    assert status == 200
    assert json.loads(body)["interfaces"] == [
        {"name": "status", "access": "granted", "price": "read"}
    ]
    assert b"H-1001" not in body


async def test_the_journal_is_shown_with_a_majoritys_signatures_and_without_contents(
    stage: Rehearsal, token: TokenId
) -> None:
    node = (await stage.holders(token))[0]

    status, body = await get(stage, node, f"/journals/{token.path}?first=1")

    entries = json.loads(body)["entries"]
    assert status == 200
    assert entries[0]["input"] == "Activation"
    assert len(entries[0]["signatures"]) >= 2
    assert b"H-1001" not in body


async def test_every_node_shows_all_members_and_anchors_know_every_route(
    stage: Rehearsal, token: TokenId
) -> None:
    keys = {checksum(player.address) for player in stage.players}
    for player in stage.players:
        _, body = await get(stage, player, "/members")
        assert {member["key"] for member in json.loads(body)["members"]} == keys
        status, _ = await get(stage, player, "/readyz")
        assert status == 200
        _, metrics = await get(stage, player, "/metrics")
        assert checksum(player.address).encode() in metrics
    for anchor in stage.anchors:
        status, body = await get(stage, anchor, f"/routes/{token.path}")
        assert status == 200
        assert len(json.loads(body)["replicas"]) == 3


# --- the same request twice ----------------------------------------------------------------------


async def test_the_same_request_twice_gets_the_same_bytes_and_is_charged_once(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    node = (await stage.holders(token))[0]
    headers = await voucher_headers(stage, site, node, token, keccak(b"twice"))

    first = await get(stage, node, f"/tokens/{token.path}/status", headers)
    again = await get(stage, node, f"/tokens/{token.path}/status", headers)

    assert first[0] == 200
    assert first == again
    assert await charged(stage, site) == PRICE


async def test_the_same_request_sixteen_times_at_once_is_charged_once(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    node = (await stage.holders(token))[0]
    headers = await voucher_headers(stage, site, node, token, keccak(b"at once"))

    path = f"/tokens/{token.path}/status"
    answers = await asyncio.gather(*(get(stage, node, path, headers) for _ in range(16)))

    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert await charged(stage, site) == PRICE


async def test_a_request_is_repeated_alike_after_the_node_was_killed_and_started(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    node = (await stage.holders(token))[0]
    headers = await voucher_headers(stage, site, node, token, keccak(b"before the crash"))
    path = f"/tokens/{token.path}/status"
    before = await get(stage, node, path, headers)

    await node.crash()
    await node.start()

    async def knows_the_chain() -> bool:
        return site.key.address in await node.base.directory.signers() and bool(
            node.base.view.tokens
        )

    await stage.until(knows_the_chain)
    assert await get(stage, node, path, headers) == before
    assert await charged(stage, site) == PRICE


# --- many at once --------------------------------------------------------------------------------


async def test_sixty_four_concurrent_reads_on_one_channel_all_succeed_and_lanes_add_up(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    grant = allowed(stage, site, token)

    answers = await asyncio.gather(*(site.reader.read(token, "status", grant) for _ in range(64)))

    assert len({answer.receipt.answer.message.request_id for answer in answers}) == 64
    by_node = Counter(answer.node for answer in answers)
    assert await charged(stage, site) == 64 * PRICE
    assert {lane.node: lane.charged for lane in await lanes(stage, site)} == {
        node: count * PRICE for node, count in by_node.items()
    }
    purse = await site.channel.state()
    assert sum(lane.spent for lane in purse.lanes) == 64 * PRICE


async def test_the_anchors_draft_equals_the_lanes_and_takes_one_signature(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    grant = allowed(stage, site, token)
    await asyncio.gather(*(site.reader.read(token, "status", grant) for _ in range(9)))
    period = stage.chain.period()
    anchor = stage.anchors[0]

    async def acknowledged() -> bool:
        async with AnchorClient(anchor.api_url) as client:
            return (await client.draft(site.key.address, period)).amount == 9 * PRICE

    await stage.until(acknowledged)
    async with AnchorClient(anchor.api_url) as client:
        draft = await client.draft(site.key.address, period)
        statement = await site.channel.statement(draft, anchor.address)
        await client.send_statement(statement)
        await client.send_statement(statement)

    assert sum(lane.amount for lane in draft.lanes) == 9 * PRICE
    assert {lane.node: lane.charged for lane in await lanes(stage, site)} == {
        lane.node: lane.amount for lane in draft.lanes
    }
    altered = Signed(
        message=draft.statement().__class__(**{**vars(statement.message), "amount": 1}),
        signature=statement.signature,
    )
    url = f"{anchor.api_url}/statements"
    async with stage.session.post(url, json=signed_to_json(altered)) as response:
        assert response.status == 402
        assert (await response.json(content_type=None))["code"] == "SL-2011"


# --- a node that dies ----------------------------------------------------------------------------


async def test_a_reader_goes_on_at_another_replica_when_its_node_is_killed_mid_read(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    site.reader.random = InOrder()
    route = await site.reader.route(token)
    first = next(node for node in stage.services if node.address == route.replicas[0].key)
    first.sandbox.came.clear()
    first.sandbox.may_run.clear()
    reading = asyncio.create_task(site.reader.read(token, "status", allowed(stage, site, token)))
    await asyncio.wait_for(first.sandbox.came.wait(), 20)

    await first.crash()
    answer = await asyncio.wait_for(reading, 20)
    first.sandbox.may_run.set()
    await first.start()

    assert answer.node == route.replicas[1].key
    assert answer.result["flight"] == "SL123"
    assert await charged(stage, site) == PRICE
    purse = await site.channel.state()
    assert sum(lane.spent for lane in purse.lanes) == 2 * PRICE  # the first outcome is unknown


async def test_a_reader_goes_on_when_a_replica_does_not_listen_at_all(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    site.reader.random = InOrder()
    route = await site.reader.route(token)
    first = next(node for node in stage.services if node.address == route.replicas[0].key)
    await first.crash()

    answer = await site.reader.read(token, "status", allowed(stage, site, token))
    await first.start()

    assert answer.node == route.replicas[1].key
    assert await charged(stage, site) == PRICE


async def test_a_reader_asks_the_next_anchor_when_the_first_does_not_listen(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    await stage.anchors[0].crash()

    answer = await site.reader.read(token, "status", allowed(stage, site, token))
    await stage.anchors[0].start()

    assert answer.charged == PRICE


# --- the next period, which no test after this one can go back from -------------------------------


async def test_a_reader_asks_for_a_new_quote_in_the_next_period(
    stage: Rehearsal, site: Site, token: TokenId
) -> None:
    site.reader.random = InOrder()
    await site.reader.read(token, "status", allowed(stage, site, token))
    before = stage.chain.period()
    stage.chain.advance(stage.chain.period_length)
    await stage.passing(2_000)

    answer = await site.reader.read(token, "status", allowed(stage, site, token))

    # Prices are pinned for a period: in the next one they follow what the reads before it used.
    purse = await site.channel.state()
    assert (purse.spent(before + 1), len(await site.channel.pending())) == (answer.charged, 0)
    assert (purse.spent(before) > 0) == (answer.charged > 0)
