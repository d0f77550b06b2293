"""What every node stands on, whatever its roles: key, store, chain, links, feeds, table.

:class:`Edges` is where a node touches the world. A process opens the real ones; a rehearsal
(``node.devnet.rehearsal``) puts in-memory ones in their place and leaves the rest as it is.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog

from node.config import NodeConfig
from node.core.election import Timing
from node.core.placement import Rules
from node.effects.exchange import Exchanger
from node.effects.outgoing import GuardedHttp
from node.effects.scripts import HttpScripts
from node.net.mesh import Mesh
from node.ports.beacon import Beacon
from node.ports.http import OutgoingHttp
from node.ports.network import Network
from node.ports.sandbox import Sandbox
from node.ports.scripts import ScriptSource
from node.sandbox.bubble import Bubblewrap, find_bubblewrap
from node.sandbox.errors import BubblewrapFails
from node.sandbox.pool import PoolConfig, SandboxPool
from node.services.beacon import RandaoBeacon
from node.services.chain_view import ChainView
from node.services.dispatch import Dispatch
from node.services.endpoint_metrics import EndpointMetrics
from node.services.feed_interest import FeedInterest
from node.services.feeds import FeedService
from node.services.following import Following
from node.services.metrics import Metrics
from node.services.placement_judge import PlacementJudge
from node.services.script_library import ScriptLibrary
from node.services.table import Table
from node.store.ownership import claim_database, key_in_use
from node.store.scripts import ScriptCache
from settlement.chain.deployment import Deployment
from settlement.chain.follower import Follower, FollowerOptions
from settlement.chain.keystore import load_key, read_password
from settlement.chain.quorum import open_rpc
from settlement.chain.reader import RpcChainReader
from settlement.chain.sender import GWEI, RpcSender, SenderLimits
from settlement.chain.standing import Standing
from settlement.ports.chain import ChainReader, ChainWriter
from settlement.ports.clock import Clock
from settlement.ports.store import Store
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.store.opening import open_store
from settlement.types import checksum

Loop = Callable[[], Coroutine[Any, Any, None]]
DEEPEST_REORG = 64
"""Blocks that must stand on a transaction's before its sender forgets it."""
OpenSandbox = Callable[[], AbstractAsyncContextManager[Sandbox]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """A node's ports, each open; the sandbox is opened by the role that needs it.

    ``loops`` is what they do in the background, ``endpoints`` how those of the chain have served.
    """

    key: SigningKey
    deployment: Deployment
    clock: Clock
    store: Store
    chain: ChainReader
    writer: ChainWriter
    network: Network
    http: OutgoingHttp
    scripts: ScriptSource
    open_sandbox: OpenSandbox
    loops: tuple[Loop, ...] = ()
    endpoints: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The parts that roles build on."""

    config: NodeConfig
    key: SigningKey
    deployment: Deployment
    domain: Domain
    engine: Engine
    chain: ChainReader
    writer: ChainWriter
    view: ChainView
    calendar: Calendar
    directory: ChannelDirectory
    following: Following
    dispatch: Dispatch
    network: Network
    metrics: Metrics
    feeds: FeedService
    interest: FeedInterest
    scripts: ScriptLibrary
    beacon: Beacon
    rules: Rules
    table: Table
    http: OutgoingHttp
    open_sandbox: OpenSandbox
    timing: Timing
    loops: tuple[Loop, ...]


@asynccontextmanager
async def real_edges(config: NodeConfig) -> AsyncIterator[tuple[Edges, Mesh]]:
    """Open everything but the links, which the mesh opens once it is served; close it in the
    opposite order.

    Raises InputError and KeystoreUnusable for a wrong configuration, KeyInUse, StoreOwned,
    StoreFailed, DatabaseOfAnother, WrongChain.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = load_key(config.keystore, config.password_file)
    deployment = Deployment.load(config.deployment)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stack.enter_context(key_in_use(config.keystore, shared=config.worker is not None))
        store = await stack.enter_async_context(_store(config))
        await claim_database(store, key.address)
        rpc = await stack.enter_async_context(open_rpc(config.rpc_url, deployment.chain_id))
        mesh = Mesh(
            key=key,
            domain=deployment.domain,
            folder=config.data_dir,
            host=config.link_host,
            port=config.link_port,
            random_bytes=os.urandom,
        )
        exchanger = Exchanger(private_hosts=config.private_hosts)
        pool = PoolConfig(
            workers=config.sandbox_workers,
            cache=config.data_dir / "engine",
            bubblewrap=await asyncio.to_thread(_bubblewrap),
        )
        limits = SenderLimits(depth=DEEPEST_REORG, fee_cap=config.fee_cap_gwei * GWEI)
        sender = RpcSender(rpc, key, deployment=deployment, limits=limits, store=store)
        edges = Edges(
            key=key,
            deployment=deployment,
            clock=clock,
            store=store,
            chain=RpcChainReader(rpc, deployment),
            writer=sender,
            network=mesh,
            http=GuardedHttp(exchanger, clock),
            scripts=HttpScripts(exchanger),
            open_sandbox=lambda: SandboxPool(pool),
            loops=(sender.run,),
            endpoints=rpc.standings,
        )
        yield edges, mesh


def _store(config: NodeConfig) -> AbstractAsyncContextManager[Store]:
    file = config.database_password_file
    password = None if file is None else read_password(file)
    return open_store(config.store, password=password, worker=config.worker)


def _bubblewrap() -> Bubblewrap | None:
    """What wraps sandbox workers, with a note where nothing does."""
    log = structlog.get_logger("sandbox")
    try:
        found = find_bubblewrap()
    except BubblewrapFails as error:
        log.warning("without_bubblewrap", problem=error.problem, fix=error.advice())
        return None
    if found is None:
        log.info("without_bubblewrap", problem="bwrap is not installed")
    return found


async def lay_foundation(config: NodeConfig, edges: Edges, *, leads: bool = True) -> Foundation:
    """Compose what all roles share; asks the chain for its present terms. Of several workers one
    ``leads``."""
    deployment, domain, chain = edges.deployment, edges.deployment.domain, edges.chain
    terms = (await chain.parameters()).terms
    engine = Engine(edges.store, edges.clock)
    metrics = Metrics(checksum(edges.key.address))
    metrics.registry.register(EndpointMetrics(edges.endpoints))
    view, calendar = ChainView(deployment.chain_id), Calendar(chain)
    directory = ChannelDirectory(engine)
    options = FollowerOptions(confirmations=config.confirmations, poll_ms=config.follow_interval_ms)
    follower = Follower(
        reader=chain, clock=edges.clock, first_block=deployment.first_block, options=options
    )
    random = Random(os.urandom(16))  # noqa: S311 - picks peers, no secrets
    scripts = ScriptLibrary(view, edges.scripts, ScriptCache(config.data_dir / "scripts"))
    interest = FeedInterest(view, scripts, edges.clock)
    feeds = FeedService(engine, edges.network, domain, metrics, random, interest.subscribed)
    beacon = RandaoBeacon(chain)
    rules = Rules(replicas=config.replicas, minimum_stake=terms.minimum_service_stake)
    judge = PlacementJudge(domain=domain, view=view, scripts=scripts, beacon=beacon, rules=rules)
    table = Table(
        key=edges.key,
        domain=domain,
        engine=engine,
        network=edges.network,
        view=view,
        judge=judge.require,
    )
    dispatch = Dispatch()
    feeds.register(dispatch)
    table.register(dispatch)
    return Foundation(
        config=config,
        key=edges.key,
        deployment=deployment,
        domain=domain,
        engine=engine,
        chain=chain,
        writer=edges.writer,
        view=view,
        calendar=calendar,
        directory=directory,
        following=Following(follower, view, calendar, directory, metrics, keeps=leads),
        dispatch=dispatch,
        network=edges.network,
        metrics=metrics,
        feeds=feeds,
        interest=interest,
        scripts=scripts,
        beacon=beacon,
        rules=rules,
        table=table,
        http=edges.http,
        open_sandbox=edges.open_sandbox,
        loops=edges.loops,
        timing=Timing(lease_ms=config.election_window_ms, gap_ms=config.election_gap_ms),
    )
