"""What every node process stands on, whatever its roles: key, store, chain, links, feeds, table."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from node.config import NodeConfig
from node.core.election import Timing
from node.core.placement import Rules
from node.effects.exchange import Exchanger
from node.effects.outgoing import GuardedHttp
from node.effects.scripts import HttpScripts
from node.net.mesh import Mesh
from node.services.beacon import RandaoBeacon
from node.services.chain_view import ChainView
from node.services.dispatch import Dispatch
from node.services.feeds import FeedService
from node.services.following import Following
from node.services.metrics import Metrics
from node.services.placement_judge import PlacementJudge
from node.services.script_library import ScriptLibrary
from node.services.table import Table
from node.store.scripts import ScriptCache
from settlement.chain.deployment import Deployment
from settlement.chain.follower import Follower, FollowerOptions
from settlement.chain.keystore import load_key
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.store.sqlite import SqliteStore
from settlement.types import checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """The parts that roles build on."""

    config: NodeConfig
    key: SigningKey
    deployment: Deployment
    domain: Domain
    engine: Engine
    rpc: JsonRpc
    chain: RpcChainReader
    view: ChainView
    calendar: Calendar
    directory: ChannelDirectory
    following: Following
    dispatch: Dispatch
    mesh: Mesh
    metrics: Metrics
    feeds: FeedService
    scripts: ScriptLibrary
    beacon: RandaoBeacon
    rules: Rules
    table: Table
    http: GuardedHttp
    timing: Timing


@asynccontextmanager
async def foundation(config: NodeConfig) -> AsyncIterator[Foundation]:
    """Open everything, and close it in the opposite order.

    Raises InputError and KeystoreUnusable for a wrong configuration, StoreFailed, WrongChain.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = load_key(config.keystore, config.password_file)
    deployment = Deployment.load(config.deployment)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(config.database))
        rpc = await stack.enter_async_context(JsonRpc(config.rpc_url, deployment.chain_id))
        chain = RpcChainReader(rpc, deployment)
        terms = (await chain.parameters()).terms
        engine = Engine(store, clock)
        metrics = Metrics(checksum(key.address))
        view, calendar = ChainView(deployment.chain_id), Calendar(chain)
        directory = ChannelDirectory(engine)
        options = FollowerOptions(
            confirmations=config.confirmations, poll_ms=config.follow_interval_ms
        )
        follower = Follower(
            reader=chain, clock=clock, first_block=deployment.first_block, options=options
        )
        following = Following(follower, view, calendar, directory, metrics)
        mesh = Mesh(
            key=key,
            domain=deployment.domain,
            folder=config.data_dir,
            host=config.link_host,
            port=config.link_port,
            random_bytes=os.urandom,
        )
        random = Random(os.urandom(16))  # noqa: S311 - picks peers, no secrets
        feeds = FeedService(engine, mesh, deployment.domain, metrics, random)
        exchanger = Exchanger(private_hosts=config.private_hosts)
        scripts = ScriptLibrary(
            view, HttpScripts(exchanger), ScriptCache(config.data_dir / "scripts")
        )
        beacon = RandaoBeacon(chain)
        rules = Rules(replicas=config.replicas, minimum_stake=terms.minimum_service_stake)
        judge = PlacementJudge(
            domain=deployment.domain, view=view, scripts=scripts, beacon=beacon, rules=rules
        )
        table = Table(
            key=key,
            domain=deployment.domain,
            engine=engine,
            network=mesh,
            view=view,
            judge=judge.require,
        )
        dispatch = Dispatch()
        feeds.register(dispatch)
        table.register(dispatch)
        yield Foundation(
            config=config,
            key=key,
            deployment=deployment,
            domain=deployment.domain,
            engine=engine,
            rpc=rpc,
            chain=chain,
            view=view,
            calendar=calendar,
            directory=directory,
            following=following,
            dispatch=dispatch,
            mesh=mesh,
            metrics=metrics,
            feeds=feeds,
            scripts=scripts,
            beacon=beacon,
            rules=rules,
            table=table,
            http=GuardedHttp(exchanger, clock),
            timing=Timing(lease_ms=config.election_window_ms, gap_ms=config.election_gap_ms),
        )
