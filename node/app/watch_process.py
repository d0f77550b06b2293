"""A watchtower as a process of its own: it has no role and no links, and needs no registration."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from node.api.application import make_application
from node.api.health import HealthRoutes, Identity
from node.app.foundation import Foundation, lay_foundation, real_edges
from node.app.process import kept_up
from node.app.watching import watching
from node.config import NodeConfig
from node.net.deadlines import Limits, serve
from settlement.client.watch_client import lanes_from_json
from settlement.errors import InputError
from settlement.services.engine import Outbox
from settlement.services.watchtower import Watchtower

MOST_LANES_IN_FILE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A watchtower that is up. ``failed`` finishes only if something in it breaks."""

    base: Foundation
    tower: Watchtower
    api_url: str
    failed: asyncio.Task[None]


@asynccontextmanager
async def running_watch(config: NodeConfig, lanes: Path | None) -> AsyncIterator[Watching]:
    """Watch; yield once the chain is caught up, ``lanes`` are taken and the API listens.

    ``lanes`` is a file like the body of ``POST /watch``, of up to MOST_LANES_IN_FILE lanes. Raises
    what opening a node raises, InputError, and what a lane is refused with.
    """
    async with AsyncExitStack() as stack:
        edges, _ = await stack.enter_async_context(real_edges(config))
        base = await lay_foundation(config, edges)
        added = watching(base)
        if added.tower is None:
            raise InputError(where="configuration key watch", problem="it is off")
        failed = asyncio.create_task(_run(base, Outbox(base.engine, added.outside)))
        stack.push_async_callback(_cancelled, failed)
        await _caught_up(base, failed)
        if lanes is not None:
            await _take(added.tower, lanes)
        identity = Identity(key=base.key.address, roles=0, version=version("smart-layer"))
        health = HealthRoutes(identity, base.view, base.network, base.metrics, list)
        application = make_application([health, *added.routes])
        port = await stack.enter_async_context(
            serve(application, config.api_host, config.api_port, Limits())
        )
        api_url = f"http://{config.api_host}:{port}"
        yield Watching(base=base, tower=added.tower, api_url=api_url, failed=failed)


async def _run(base: Foundation, outbox: Outbox) -> None:
    async with asyncio.TaskGroup() as group:
        for loop in (base.following.run, outbox.run, *base.loops):
            group.create_task(kept_up(base, loop))


async def _caught_up(base: Foundation, failed: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(base.following.caught_up.wait())
    await asyncio.wait({waiting, failed}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if failed.done():
        await failed


async def _take(tower: Watchtower, file: Path) -> None:
    try:
        body = json.loads(await asyncio.to_thread(file.read_text))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(where=str(file), problem="expected a readable JSON file") from error
    for voucher, acknowledgement in lanes_from_json(body, MOST_LANES_IN_FILE):
        await tower.hand_over(voucher, acknowledgement, asked=False)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
