"""A service node as two processes on PostgreSQL: one leads, and the other takes over."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from postgres import Cluster

from node.devnet import network
from node.devnet.network import Devnet, DevNode, devnet, new_key
from node.devnet.processes import Child
from settlement.types import Address

WAIT_S = 60


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def worker_files(net: Devnet, cluster: Cluster, database: str) -> Address:
    """A node's files, and a configuration for each of its two workers."""
    folder = net.folder / "service"
    key = network._write_node_files(net, folder, "service", ())
    target = cluster.target(database)
    assert target.password is not None
    (folder / "database.pw").write_text(target.password)
    (folder / "database.pw").chmod(0o600)
    shared = (
        f'database = "{target.url}"\n'
        f'database_password_file = "{folder / "database.pw"}"\n'
        f"link_port = {free_port()}\n"
    )
    for worker in ("one", "two"):
        (folder / f"{worker}.toml").write_text(
            (folder / "node.toml").read_text()
            + shared
            + f'worker = "{worker}"\napi_port = {free_port()}\n'
        )
    return key


async def start_worker(net: Devnet, name: str) -> Child:
    config = str(net.folder / "service" / f"{name}.toml")
    child = await net.children.start(name, "-m", "node.cli", "node", "run", "--config", config)
    await child.ready()
    return child


async def until_ready(net: Devnet, child: Child, links: int) -> None:
    """Wait until a worker is ready and sees so many members that its node is linked to."""
    seen: Any = None
    for _ in range(WAIT_S * 5):
        try:
            async with net.session.get(f"{child.facts['apiUrl']}/readyz") as answer:
                ready, seen = answer.status == 200, await answer.json()
            async with net.session.get(f"{child.facts['apiUrl']}/members") as answer:
                members = (await answer.json())["members"]
        except aiohttp.ClientError as error:
            ready, seen, members = False, error, []
        if ready and sum(member["linked"] for member in members) == links:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{child.name}: {seen}")


@pytest.mark.timeout(240)
async def test_a_worker_takes_the_lead_when_the_one_that_had_it_is_killed(
    postgres_cluster: Cluster, tmp_path: Path
) -> None:
    database = await postgres_cluster.database()
    async with devnet(tmp_path / "net", embedded=False) as net:
        (anchor,) = await network.start_nodes(net, [("anchor", "anchor")], ())
        key = worker_files(net, postgres_cluster, database)
        one, two = await asyncio.gather(start_worker(net, "one"), start_worker(net, "two"))
        if not one.facts["linkUrl"]:
            one, two = two, one
        assert one.facts["linkUrl"], "one of them leads"
        assert not two.facts["linkUrl"], "and only one"
        node = DevNode(
            name="service",
            role="service",
            key=key,
            operator=new_key(),
            payout=new_key().address,
            child=one,
        )
        await network._fund(net, [node])
        one.folder = net.folder / "service"
        await network._register(net, node)
        for worker in (one, two):
            await until_ready(net, worker, links=2)

        assert one._process is not None
        os.kill(one._process.pid, signal.SIGKILL)
        await one._process.wait()
        two.ready_file.unlink()
        assert (await two.ready())["linkUrl"], "the other leads now"
        await until_ready(net, two, links=2)
        await until_ready(net, anchor.child, links=2)
