"""``smartlayer watch``: a process that nobody registered protects nodes that are away."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from watched_network import (
    ANCHOR_KEY,
    FOUNDER,
    NODE_KEYS,
    PAYER_KEYS,
    WatchedNetwork,
    payout_of,
    take_from,
    watched_network,
)

from node.api.application import make_application
from node.api.watching import PayoutRoutes
from node.app.watch_process import running_watch
from node.config import NodeConfig
from node.net.deadlines import Limits, serve
from settlement.chain.calls import Calls
from settlement.chain.keystore import create_keystore, write_password
from settlement.client.watch_client import Lane, lanes_from_json, lanes_to_json
from settlement.errors import InputError
from settlement.ports.chain_records import PotStatus
from settlement.ports.store import Batch, MachineRow
from settlement.store.sqlite import SqliteStore


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


def configured(network: WatchedNetwork, folder: Path) -> NodeConfig:
    password = write_password(folder / "password")
    create_keystore(folder / "key.json", password, cost=2)
    network.deployment.save(folder / "deployment.json")
    return NodeConfig(
        data_dir=folder / "data",
        deployment=folder / "deployment.json",
        rpc_url=(network.chain.endpoint,),
        keystore=folder / "key.json",
        password_file=folder / "password",
        roles=frozenset(),
        confirmations=0,
        follow_interval_ms=50,
        watch_lanes=100,
    )


async def lanes_of(network: WatchedNetwork) -> list[Lane]:
    found: list[Lane] = []
    for node in network.nodes:
        for lane in await node.collector.lanes(0):
            assert lane.best_voucher is not None
            assert lane.best_acknowledgement is not None
            found.append((lane.best_voucher, lane.best_acknowledgement))
    return found


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while True:
            if await check():
                return
            await asyncio.sleep(0.05)


async def test_lanes_from_a_file_are_watched_to_the_last_claim(
    network: WatchedNetwork, tmp_path: Path
) -> None:
    victim = payout_of(NODE_KEYS[0])
    network.settler.cheat = take_from(victim, payout_of(ANCHOR_KEY), 10**15)
    await network.pay()
    config = configured(network, tmp_path)
    file = tmp_path / "lanes.json"
    file.write_text(json.dumps(lanes_to_json(await lanes_of(network))))
    windows = await network.home.calendar.windows(0)
    application = make_application([PayoutRoutes(network.settler)])
    async with (
        serve(application, "127.0.0.1", 0, Limits()) as port,
        running_watch(config, file) as watching,
    ):
        await network.chain.fund(watching.base.key.address)
        founder = network.chain.sender(FOUNDER, network.deployment)
        url = f"http://127.0.0.1:{port}"
        await founder.submit(
            Calls(network.deployment).update_urls(ANCHOR_KEY.address, url, "127.0.0.1:2")
        )
        await network.until(windows.closes_at)
        await network.sign()
        await network.until(windows.settle_from)
        await network.settle()
        reader = network.home.reader

        async def is_void() -> bool:
            return (await reader.pot(ANCHOR_KEY.address, 0)).status is PotStatus.VOID

        async def is_restored() -> bool:
            return not any([await reader.is_settled(key.address, 0) for key in PAYER_KEYS])

        async def is_paid() -> bool:
            return all([await network.credit(key) for key in NODE_KEYS])

        await eventually(is_void)
        await eventually(is_restored)
        await network.until(windows.settle_until)
        await eventually(is_paid)
        reward = await reader.stake_balance(watching.base.key.address)
        assert reward > 0
        assert not watching.failed.done()


async def test_a_file_that_is_none_stops_the_command(
    network: WatchedNetwork, tmp_path: Path
) -> None:
    file = tmp_path / "lanes.json"
    file.write_text('{"lanes": [1]}')
    with pytest.raises(InputError, match="lanes"):
        async with running_watch(configured(network, tmp_path), file):
            pass


async def test_a_backup_tells_a_watchtower_which_lanes_to_watch(
    network: WatchedNetwork, tmp_path: Path
) -> None:
    await network.pay(1)
    node = network.nodes[0]
    backup = tmp_path / "node.backup"
    async with SqliteStore(backup) as store:
        for (kind, key), row in node.store.machines.items():
            for revision in range(1, row.revision + 1):
                earlier = MachineRow(kind=kind, key=key, revision=revision, state=row.state)
                await store.commit(Batch(machines=(earlier,)))
    found = await printed("node", "lanes", str(backup))
    expected = await lanes_of(network)
    ours = {lane for lane in expected if lane[0].message.node == node.key.address}
    assert set(lanes_from_json(json.loads(found))) == ours
    later = await printed("node", "lanes", str(backup), "--since", "1")
    assert lanes_from_json(json.loads(later)) == ()


async def printed(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "node.cli", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out
