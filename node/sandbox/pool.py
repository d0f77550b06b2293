"""The sandbox as a pool of worker processes in two queues.

A run begins in the brief queue, where a worker gives up on it after about a millisecond. What was
given up begins anew in the patient queue, whose one worker gives way to everybody else; and for a
while, runs of that script in that mode go there at once. Runs are deterministic and change
nothing, so a result does not tell which way it went. So a script that takes long holds up others
that do, and nobody else.

A worker runs one request at a time. One that is silent for too long, or that dies, is killed and
replaced; the run is tried once more in a fresh worker before it counts as a fault of this node.
"""

import asyncio
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from node.ports.sandbox import RunRequest, RunResult, Status, nested_too_deep
from node.sandbox.bubble import Bubblewrap
from node.sandbox.errors import SandboxBroken
from node.sandbox.process import Launch, WorkerProcess
from node.sandbox.turns import Turns
from settlement.errors import InputError
from settlement.types import Hash, keccak

_ATTEMPTS: Final = 2
_LONG_RUNS_KEPT: Final = 4_096
MAX_NOW: Final = (1 << 63) // 10**9
"""The engine's clock counts nanoseconds in 64 bits."""
_json: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """``workers`` are those of the brief queue; the patient one starts when it is first needed.

    ``timeout_ms`` is a bound on this machine's patience, not a price: gas is the price. ``cache``
    is a folder for the compiled engine. It holds machine code, so it belongs to this user alone
    and nothing from elsewhere goes in. Without one, a temporary folder serves. ``max_waiting``
    bounds the runs that wait in each queue. ``penalty_ms`` is how long a script that took long
    begins in the patient queue.
    """

    workers: int = 2
    cache: Path | None = None
    max_waiting: int = 256
    timeout_ms: int = 5_000
    start_timeout_ms: int = 30_000
    penalty_ms: int = 30_000
    bubblewrap: Bubblewrap | None = None


class SandboxPool:
    """Runs scripts in worker processes; an async context manager.

    ``async with SandboxPool() as sandbox: result = await sandbox.run(request)``
    """

    def __init__(self, config: PoolConfig | None = None) -> None:
        self._config = config or PoolConfig()
        self._alive: set[WorkerProcess] = set()
        self._engine: Hash | None = None
        self._temporary: Path | None = None
        self._brief = self._patient = Turns[WorkerProcess | None]([], 0)
        self._long: OrderedDict[tuple[Hash, str], float] = OrderedDict()

    @property
    def engine(self) -> Hash:
        """The engine's id; raises SandboxBroken before the pool has started."""
        if self._engine is None:
            raise SandboxBroken(problem="the pool has not been started")
        return self._engine

    async def __aenter__(self) -> Self:
        if self._config.cache is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="smart-layer-engine-"))
        else:
            self._config.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # the first compiles the engine for the others
            workers = [await self._start(brief=True)]
            wanted = self._config.workers - 1
            workers += await asyncio.gather(*(self._start(brief=True) for _ in range(wanted)))
        except BaseException:
            await self._close()
            raise
        self._engine = workers[0].engine
        self._brief = Turns([*workers], self._config.max_waiting)
        self._patient = Turns([None], self._config.max_waiting)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        for worker in tuple(self._alive):
            await self._stop(worker)
        if self._temporary is not None:
            shutil.rmtree(self._temporary)

    async def run(self, request: RunRequest) -> RunResult:
        """Run one request; see :class:`node.ports.sandbox.Sandbox`.

        Also raises SandboxBusy when too many runs wait already.
        """
        require_well_formed(request, self.engine)
        if not self._takes_long(request):
            result = await self._tried(request, brief=True)
            if result.status is not Status.TIMEOUT:
                return result
            self._remember(request)
        return await self._tried(request, brief=False)

    def _takes_long(self, request: RunRequest) -> bool:
        """Whether this script took long in this mode a short while ago."""
        until = self._long.get((request.script_hash, request.mode))
        return until is not None and asyncio.get_running_loop().time() < until

    def _remember(self, request: RunRequest) -> None:
        until = asyncio.get_running_loop().time() + self._config.penalty_ms / 1000
        self._long[request.script_hash, request.mode] = until
        self._long.move_to_end((request.script_hash, request.mode))
        while len(self._long) > _LONG_RUNS_KEPT:
            self._long.popitem(last=False)

    async def _tried(self, request: RunRequest, *, brief: bool) -> RunResult:
        for _ in range(_ATTEMPTS):
            result = await self._attempt(request, brief=brief)
            if result is not None:
                return result
        return RunResult(status=Status.NODE_FAULT, error="two workers died during the run")

    async def _attempt(self, request: RunRequest, *, brief: bool) -> RunResult | None:
        """One try in one worker; None when the worker died under it."""
        queue = self._brief if brief else self._patient
        worker = await queue.take(request.script_hash)
        try:
            worker = worker or await self._start(brief=brief)
            async with asyncio.timeout(self._config.timeout_ms / 1000):
                result = await worker.ask(request)
        except TimeoutError:
            await self._replace(queue, worker)
            return RunResult(status=Status.TIMEOUT, error="the run outlived this node's patience")
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            await self._replace(queue, worker)
            return None
        except BaseException:
            # cancelled, or no worker could start: the answer, if any comes, is nobody's
            await self._replace(queue, worker)
            raise
        queue.give(worker)
        return result

    async def _replace(
        self, queue: Turns[WorkerProcess | None], worker: WorkerProcess | None
    ) -> None:
        queue.give(None)
        if worker is not None:
            await self._stop(worker)

    async def _start(self, *, brief: bool) -> WorkerProcess:
        cache = self._config.cache or self._temporary
        assert cache is not None
        worker = await WorkerProcess.start(
            Launch(
                cache=cache,
                brief=brief,
                timeout_ms=self._config.start_timeout_ms,
                bubblewrap=self._config.bubblewrap,
            )
        )
        self._alive.add(worker)
        return worker

    async def _stop(self, worker: WorkerProcess) -> None:
        self._alive.discard(worker)
        await worker.kill()


def require_well_formed(request: RunRequest, engine: Hash) -> None:
    """Raise InputError unless the request is for this engine, is what its hash says, stays within
    its mode's gas and the engine's time, and each of its JSON parts is one JSON value."""
    if request.engine != engine:
        raise InputError(where="engine", problem="this node runs another engine")
    if keccak(request.script) != request.script_hash:
        raise InputError(where="script_hash", problem="it is not the hash of the script")
    if not 0 < request.gas_limit <= request.mode.gas_limit:
        raise InputError(where="gas_limit", problem=f"outside 1 to {request.mode.gas_limit}")
    if not 0 <= request.now <= MAX_NOW:
        raise InputError(where="now", problem=f"outside 0 to {MAX_NOW}")
    try:
        request.entry.encode()
    except UnicodeEncodeError as error:
        raise InputError(where="entry", problem="it holds a lone surrogate") from error
    for where in ("state", "event", "context"):
        if nested_too_deep(getattr(request, where)):
            continue  # an outcome like any other, whatever it is that nests so deep
        try:
            getattr(request, where).decode()
            _json.decode(getattr(request, where))
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
            raise InputError(where=where, problem="it is not one JSON value") from error
