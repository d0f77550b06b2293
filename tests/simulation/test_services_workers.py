"""A service node as two workers on one store: one leads, the other answers requests beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from node.app.foundation import Edges, Foundation, lay_foundation
from node.app.process import serving
from node.config import NodeConfig, Role
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import Site
from node.errors import PeerRefused, PeerUnreachable
from node.net.deadlines import Limits
from node.net.relay import RelayedLinks, relaying
from node.ports.network import MemoryNetwork
from node.protocol.frames import AnyBody, Done, PlacementQuery
from node.sandbox.pool import PoolConfig, SandboxPool
from node.store.ownership import Lead
from settlement.core.lane import LANE, LaneState
from settlement.errors import InputError
from settlement.ports.memory_chain import MemoryWriter
from settlement.protocol.wire import signed_to_header
from settlement.types import Address, Hash, TokenId, hex_text, keccak

PRICE = 10**15
DAY_MS = 86_400_000
ASKED = PlacementQuery(token=Hash(bytes(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """The worker that does not lead."""

    base: Foundation
    api_url: str


@asynccontextmanager
async def second_worker(stage: Rehearsal, player: Player, folder: Path) -> AsyncIterator[Follower]:
    """Another worker of a player, over its store, its key and its links."""
    shared = player._shared
    links = RelayedLinks(folder)
    edges = Edges(
        key=player.key,
        deployment=shared.deployment,
        clock=stage.clock,
        store=player.store,
        chain=stage.chain,
        writer=MemoryWriter(stage.chain, player.address),
        network=links,
        http=stage.hotel.line("second worker"),
        scripts=stage.scripts,
        open_sandbox=lambda: nullcontext(shared.sandbox),
    )
    config = NodeConfig(
        data_dir=folder,
        deployment=folder / "none",
        rpc_url=("memory:",),
        keystore=folder / "none",
        password_file=folder / "none",
        roles=frozenset({Role.SERVICE}),
        worker="second",
        confirmations=0,
    )
    async with relaying(player.base.network, folder):
        base = await lay_foundation(config, edges, leads=False)
        async with serving(base, links, Limits(shutdown_ms=50), leads=False) as (url, loops):
            yield Follower(base=base, api_url=url)
            assert not loops.done()


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Rehearsal]:
    """One anchor and three service nodes, the first of which has a store for several workers."""
    async with SandboxPool(PoolConfig(workers=1, cache=tmp_path / "engine")) as pool:
        rehearsal = Rehearsal(tmp_path, pool, anchors=1, services=3)
        rehearsal.services[0].store.shared = True
        async with rehearsal:
            yield rehearsal


async def paid_read(stage: Rehearsal, site: Site, url: str, token: TokenId, number: int) -> None:
    node = stage.services[0]
    period = await node.base.calendar.period()
    voucher = await site.channel.voucher(
        node.address, token.token_class.id, PRICE, period, token.id
    )
    grant = stage.people.grant(site.key.address, token, stage.clock.now_ms() + DAY_MS)
    headers = {
        "SL-Request-Id": hex_text(keccak(b"request %d" % number)),
        "SL-Voucher": signed_to_header(voucher),
        "SL-Grant": signed_to_header(grant),
    }
    path = f"{url}/tokens/{token.path}/status"
    async with stage.session.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()


async def lane_of(base: Foundation) -> LaneState:
    (key,) = await base.engine.store.keys(LANE.kind)
    return await base.engine.state(LANE, key)


async def test_paid_reads_at_both_workers_are_charged_once_each_and_acknowledged(
    stage: Rehearsal, tmp_path: Path
) -> None:
    token, node = stage.mint(1, "SL123", "H-1001"), stage.services[0]
    site = stage.site("rental")
    await stage.until(lambda: stage.agreed(token, 1))
    async with second_worker(stage, node, tmp_path) as follower:
        await stage.until(lambda: _knows(follower, site, token))
        urls = [node.api_url, follower.api_url]
        await asyncio.gather(
            *(paid_read(stage, site, urls[number % 2], token, number) for number in range(24))
        )
        lane = await lane_of(node.base)
        assert lane == await lane_of(follower.base)
        assert (lane.charged, lane.charges) == (24 * PRICE, 24)

        async def acknowledged() -> bool:
            return (await lane_of(node.base)).acknowledged == 24 * PRICE

        await stage.until(acknowledged)
        async with stage.session.post(f"{follower.api_url}/feeds", data=b"{}") as refused:
            assert refused.status == 404, "what the leading worker must hear goes to it"
    await paid_read(stage, site, node.api_url, token, 25)


async def _knows(follower: Follower, site: Site, token: TokenId) -> bool:
    view = follower.base.view
    signers = await follower.base.directory.signers()
    return site.key.address in signers and token.id in view.tokens


async def answers(_peer: Address, body: AnyBody) -> AnyBody | None:
    if body == Done():
        raise InputError(where="token", problem="no such token")
    return Done()


async def seen(links: RelayedLinks, peers: list[Address]) -> None:
    for _ in range(400):
        if list(links.peers()) == peers:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{links.peers()} instead of {peers}")


async def test_a_worker_asks_and_tells_over_the_leading_workers_links(tmp_path: Path) -> None:
    hub = MemoryNetwork()
    one, other = hub.join(Address(b"a" * 20)), hub.join(Address(b"b" * 20))
    told: asyncio.Queue[AnyBody] = asyncio.Queue()

    async def hear(peer: Address, body: AnyBody) -> AnyBody | None:
        await told.put(body)
        return await answers(peer, body)

    other.serve(hear)
    async with RelayedLinks(tmp_path) as links:
        with pytest.raises(PeerUnreachable, match="no worker"):
            await links.request(other.key, ASKED, 1_000)
        await links.send(other.key, ASKED)
        async with relaying(one, tmp_path):
            assert await links.request(other.key, ASKED, 1_000) == Done()
            assert await told.get() == ASKED
            await links.send(other.key, ASKED)
            assert await told.get() == ASKED
            with pytest.raises(PeerRefused, match="no such token") as refused:
                await links.request(other.key, Done(), 1_000)
            assert refused.value.refusal == InputError.code
            with pytest.raises(PeerUnreachable):
                await links.request(Address(b"c" * 20), ASKED, 1_000)
            await seen(links, [other.key])
            assert (tmp_path / "links.sock").stat().st_mode & 0o077 == 0
        await seen(links, [])


def test_one_worker_leads_and_another_takes_over_when_it_is_gone(tmp_path: Path) -> None:
    one, other = Lead(tmp_path), Lead(tmp_path)
    assert one.take()
    assert not other.take()
    one.leave()
    assert other.take()
    other.leave()
