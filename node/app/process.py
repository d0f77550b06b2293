"""A node process: foundation, roles, links and API, in one task group."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version

import structlog

from node.api.application import make_application
from node.api.feeds import FeedRoutes
from node.api.health import HealthRoutes, Identity
from node.api.tokens import RouteRoutes
from node.app.foundation import Foundation, lay_foundation, real_edges
from node.app.renting import renting
from node.app.roles import Added, Loop, anchor_role, service_role
from node.app.watching import watching
from node.config import NodeConfig, Role
from node.core.placement import ANCHOR, SERVICE
from node.net.deadlines import Limits, serve
from node.net.members import Member as LinkMember
from node.net.mesh import Mesh
from node.net.relay import RelayedLinks, relaying
from node.services.chain_view import ChainView
from node.store.ownership import Lead
from settlement.errors import StoreFailed
from settlement.ports.chain_events import (
    ChainEvent,
    NodeLeft,
    NodeRegistered,
    StakeAdded,
    UrlsUpdated,
)
from settlement.ports.stake_events import KeyRotated, NodeSlashed
from settlement.services.engine import Outbox
from settlement.store.errors import StoreBusy

CALLS_OF_ONE_TOKEN = 2
"""Outgoing calls of one token at a time: a slow server must not hold up other tokens'."""
STORE_PAUSE_MS = 500
LONGEST_STORE_PAUSE_MS = 10_000
LEAD_LOOK_MS = 500
ROLE_BITS = {Role.SERVICE: SERVICE, Role.ANCHOR: ANCHOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A node that serves. ``failed`` finishes only if something in it breaks, ``promoted`` only
    when a worker should begin again, since the one that led is gone."""

    base: Foundation
    api_url: str
    link_url: str
    failed: asyncio.Task[None]
    promoted: asyncio.Task[None]


@asynccontextmanager
async def running_node(config: NodeConfig) -> AsyncIterator[Running]:
    """Start a node, or one of its workers; yield once its API listens (and its links, where it
    holds them), stop it on leaving."""
    lead = Lead(config.data_dir)
    async with AsyncExitStack() as stack:
        edges, mesh = await stack.enter_async_context(real_edges(config))
        stack.callback(lead.leave)
        leads = lead.take()
        links: AbstractAsyncContextManager[object] = _links(config, mesh)
        if not leads:
            relayed = RelayedLinks(config.data_dir)
            edges, links = replace(edges, network=relayed, loops=()), relayed
        base = await lay_foundation(config, edges, leads=leads)
        if leads:
            base.view.subscribe(_members_linked(base.view, mesh))
        api_url, loops = await stack.enter_async_context(
            serving(base, links, Limits(), leads=leads)
        )
        promoted = asyncio.create_task(_lead_is_free(lead, base, leads=leads))
        stack.push_async_callback(_cancelled, promoted)
        link_url = f"wss://{config.link_host}:{mesh.port}" if leads else ""
        yield Running(
            base=base, api_url=api_url, link_url=link_url, failed=loops, promoted=promoted
        )


@asynccontextmanager
async def _links(config: NodeConfig, mesh: Mesh) -> AsyncIterator[None]:
    """The leading worker's links, offered to its fellows where it may have any."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(mesh)
        if config.worker is not None:
            await stack.enter_async_context(relaying(mesh, config.data_dir))
        yield


async def _lead_is_free(lead: Lead, base: Foundation, *, leads: bool) -> None:
    """Return once this worker, which follows, should begin again as the one that leads."""
    while leads or not lead.take():
        await base.engine.clock.sleep_ms(LEAD_LOOK_MS)
    lead.leave()  # it is taken again at the new beginning


@asynccontextmanager
async def serving(
    base: Foundation,
    links: AbstractAsyncContextManager[object],
    limits: Limits,
    *,
    leads: bool = True,
) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    """Open the roles, then ``links`` and the API; yield the API's URL and the task that all
    background work goes on in, which finishes only if something in it breaks.

    A worker that does not lead answers requests; effects and loops are the leading one's.
    """
    async with AsyncExitStack() as stack:
        added = await stack.enter_async_context(_roles(base))
        base.network.serve(base.dispatch)
        await stack.enter_async_context(links)
        routes = [*_common_routes(base, added), *added.routes]
        application = make_application(
            [each for each in routes if leads or not isinstance(each, FeedRoutes)]
        )
        host = base.config.api_host
        port = await stack.enter_async_context(
            serve(application, host, base.config.api_port, limits)
        )
        work = _run(base, added) if leads else kept_up(base, base.following.run)
        loops = asyncio.create_task(work)
        stack.push_async_callback(_cancelled, loops)
        yield f"http://{host}:{port}", loops


async def _run(base: Foundation, added: Added) -> None:
    """Everything that goes on in the background; one failure ends them all."""
    inside = {**base.feeds.performers(), **base.table.performers(), **added.performers}
    outboxes = [
        Outbox(base.engine, inside),
        Outbox(base.engine, added.outside, per_key=CALLS_OF_ONE_TOKEN),
    ]
    async with asyncio.TaskGroup() as group:
        for loop in base.loops:
            group.create_task(kept_up(base, loop))
        group.create_task(kept_up(base, base.following.run))
        await base.following.caught_up.wait()
        await base.feeds.replay()
        for outbox in outboxes:
            group.create_task(kept_up(base, outbox.run))
        group.create_task(kept_up(base, base.feeds.run))
        group.create_task(kept_up(base, base.table.run))
        for loop in added.loops:
            group.create_task(kept_up(base, loop))


async def kept_up(base: Foundation, loop: Loop) -> None:
    """Run a loop; begin it again when the store took no write, as on a full disk. The node goes on
    answering what needs none, says so in its health, and goes on with the rest by itself."""
    log, pause = structlog.get_logger("node"), STORE_PAUSE_MS
    while True:
        try:
            return await loop()
        except* (StoreFailed, StoreBusy) as refused:
            problem = str(refused.exceptions[0])
            log.warning("store_takes_no_writes", loop=loop.__qualname__, problem=problem)
        await base.engine.clock.sleep_ms(pause)
        pause = min(2 * pause, LONGEST_STORE_PAUSE_MS)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _roles(base: Foundation) -> AsyncIterator[Added]:
    """All roles of this node, added up."""
    async with AsyncExitStack() as stack:
        whole = Added()
        for role, open_role in ((Role.SERVICE, service_role), (Role.ANCHOR, anchor_role)):
            if role in base.config.roles:
                added = await stack.enter_async_context(open_role(base))
                whole.performers |= added.performers
                whole.outside |= added.outside
                whole.loops += added.loops
                whole.routes += added.routes
                whole.standing = whole.standing or added.standing
        for more in (watching(base), renting(base)):
            whole.outside |= more.outside
            whole.loops += more.loops
            whole.routes += more.routes
        yield whole


def _members_linked(view: ChainView, mesh: Mesh) -> Callable[[ChainEvent], Awaitable[None]]:
    """Keep the mesh's members those of the registry."""

    async def follow(event: ChainEvent) -> None:
        if isinstance(
            event, NodeRegistered | StakeAdded | NodeLeft | UrlsUpdated | NodeSlashed | KeyRotated
        ):
            members = {
                member.key: LinkMember(key=member.key, link_url=member.link_url)
                for role in (SERVICE, ANCHOR)
                for member in view.members.active(role)
            }
            mesh.set_members(members.values())

    return follow


def _common_routes(base: Foundation, added: Added) -> list[HealthRoutes | RouteRoutes | FeedRoutes]:
    bits = sum(ROLE_BITS[role] for role in base.config.roles)
    identity = Identity(key=base.key.address, roles=bits, version=version("smart-layer"))
    health = HealthRoutes(
        identity, base.view, base.network, base.metrics, lambda: missing(base), added.standing
    )
    return [health, FeedRoutes(base.feeds), RouteRoutes(base.table, base.view)]


def missing(base: Foundation) -> list[str]:
    """What a node still waits for before it can do its work."""
    found: list[str] = []
    if (failure := base.engine.store.failure) is not None:
        found.append(f"the store takes no writes: {failure}")
    if not base.following.caught_up.is_set():
        found.append("the chain is not caught up")
    bits = sum(ROLE_BITS[role] for role in base.config.roles)
    if base.key.address not in {member.key for member in base.view.members.active(bits)}:
        found.append("this node's key is not registered for its roles")
    linked = set(base.network.peers())
    others = {
        member.key
        for role in (SERVICE, ANCHOR)
        for member in base.view.members.active(role)
        if member.key != base.key.address
    }
    if 3 * len(linked & others) < 2 * len(others):
        found.append(f"links to {len(linked & others)} of {len(others)} members")
    return found
