"""One node of a rehearsal: composed as in a process of its own, over edges in memory."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from node.app.foundation import Edges, Foundation, lay_foundation
from node.app.process import serving
from node.config import NodeConfig, Role
from node.core.instance import JOURNAL, journal_key
from node.core.journal import JournalState
from node.devnet.rehearsal_people import Hotel, person_key
from node.net.deadlines import Limits
from node.ports.network import MemoryNetwork
from node.ports.sandbox import RunRequest, RunResult, Sandbox
from node.ports.scripts import MemoryScripts
from settlement.chain.deployment import Deployment
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain, MemoryWriter
from settlement.ports.store import MemoryStore
from settlement.types import Address, Hash, TokenId

_LIMITS = Limits(shutdown_ms=50)
"""A crash does not wait for its callers."""


class WatchedSandbox:
    """One node's way into the sandbox that all share: knows whether anything of it runs, and
    holds runs back while ``may_run`` is cleared."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.came = asyncio.Event()
        self.runs = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.may_run = asyncio.Event()
        self.may_run.set()

    @property
    def engine(self) -> Hash:
        return self._sandbox.engine

    async def run(self, request: RunRequest) -> RunResult:
        self.came.set()
        await self.may_run.wait()
        self.runs += 1
        self.idle.clear()
        try:
            return await self._sandbox.run(request)
        finally:
            self.runs -= 1
            if self.runs == 0:
                self.idle.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the nodes of a rehearsal share."""

    folder: Path
    deployment: Deployment
    chain: MemoryChain
    clock: VirtualClock
    links: MemoryNetwork
    hotel: Hotel
    scripts: MemoryScripts
    sandbox: Sandbox


class Player:
    """One node: its key, its store and its API's port outlive its crashes."""

    def __init__(self, shared: Shared, name: str, role: Role) -> None:
        self.name = name
        self.role = role
        self.key = person_key(name)
        self.store = MemoryStore()
        self.sandbox = WatchedSandbox(shared.sandbox)
        self.api_url = ""
        self._shared = shared
        self._base: Foundation | None = None
        self._life: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def address(self) -> Address:
        return self.key.address

    @property
    def base(self) -> Foundation:
        """The parts of its present life."""
        assert self._base is not None, "it has not been started"
        return self._base

    @property
    def alive(self) -> bool:
        return self._life is not None

    async def start(self) -> None:
        """Begin a life with what the store holds; returns once its API answers."""
        up = asyncio.Event()
        self._life = asyncio.create_task(self._live(up))
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.check()

    async def crash(self) -> None:
        """End its life wherever it is; only what was committed is left."""
        self._shared.links.leave(self.address)
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    def check(self) -> None:
        """Raise what its background work died of, if it did."""
        if self._life is not None and self._life.done():
            self._life.result()
            raise AssertionError(f"{self.name} ended by itself")

    async def journal(self, token: TokenId) -> JournalState:
        """The state of a token's journal, as this node has stored it."""
        return await self.base.engine.state(JOURNAL, journal_key(token.id))

    async def _live(self, up: asyncio.Event) -> None:
        shared = self._shared
        links = shared.links.join(self.address)
        edges = Edges(
            key=self.key,
            deployment=shared.deployment,
            clock=shared.clock,
            store=self.store,
            chain=shared.chain,
            writer=MemoryWriter(shared.chain, self.address),
            network=links,
            http=shared.hotel.line(self.name),
            scripts=shared.scripts,
            open_sandbox=self._opened,
        )
        config = NodeConfig(
            data_dir=shared.folder / self.name,
            deployment=shared.folder / "none",
            rpc_url=("memory:",),
            keystore=shared.folder / "none",
            password_file=shared.folder / "none",
            roles=frozenset({self.role}),
            confirmations=0,
            api_port=self._port,
        )
        base = await lay_foundation(config, edges)
        async with serving(base, nullcontext(), _LIMITS) as (self.api_url, loops):
            self._base, self._port = base, int(self.api_url.rpartition(":")[2])
            up.set()
            await loops

    def _opened(self) -> AbstractAsyncContextManager[Sandbox]:
        return nullcontext(self.sandbox)
