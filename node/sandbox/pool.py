"""The sandbox as a pool of worker processes.

A worker runs one request at a time. One that is silent for too long, or that dies, is killed and
replaced; the run is tried once more in a fresh worker before it counts as a fault of this node.
"""

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from node.ports.sandbox import RunRequest, RunResult, Status
from node.sandbox import wire
from node.sandbox.errors import SandboxBroken, SandboxBusy
from settlement.errors import InputError
from settlement.types import Hash, keccak

_ATTEMPTS: Final = 2
_json: Final = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """``timeout_ms`` is a bound on this machine's patience, not a price: gas is the price.

    ``cache`` is a folder for the compiled engine. It holds machine code, so it belongs to this
    user alone and nothing from elsewhere goes in. Without one, a temporary folder serves.
    """

    workers: int = 2
    cache: Path | None = None
    max_waiting: int = 256
    timeout_ms: int = 5_000
    start_timeout_ms: int = 30_000


class SandboxPool:
    """Runs scripts in worker processes; an async context manager.

    ``async with SandboxPool() as sandbox: result = await sandbox.run(request)``
    """

    def __init__(self, config: PoolConfig | None = None) -> None:
        self._config = config or PoolConfig()
        self._idle: asyncio.Queue[_Worker | None] = asyncio.Queue()
        self._alive: set[_Worker] = set()
        self._engine: Hash | None = None
        self._temporary: Path | None = None
        self._waiting = 0

    @property
    def engine(self) -> Hash:
        """The engine's id; raises SandboxBroken before the pool has started."""
        if self._engine is None:
            raise SandboxBroken(problem="the pool has not been started")
        return self._engine

    async def __aenter__(self) -> Self:
        if self._config.cache is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="smart-layer-engine-"))
        try:
            # the first compiles the engine for the others
            workers = [await self._start()]
            wanted = self._config.workers - 1
            workers += await asyncio.gather(*(self._start() for _ in range(wanted)))
        except BaseException:
            await self._close()
            raise
        self._engine = workers[0].engine
        for worker in workers:
            self._idle.put_nowait(worker)
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
        if self._waiting >= self._config.max_waiting:
            raise SandboxBusy(waiting=self._waiting)
        self._waiting += 1
        try:
            for _ in range(_ATTEMPTS):
                result = await self._attempt(request)
                if result is not None:
                    return result
        finally:
            self._waiting -= 1
        return RunResult(status=Status.NODE_FAULT, error="two workers died during the run")

    async def _attempt(self, request: RunRequest) -> RunResult | None:
        """One try in one worker; None when the worker died under it."""
        worker = await self._idle.get()
        try:
            worker = worker or await self._start()
            async with asyncio.timeout(self._config.timeout_ms / 1000):
                result = await worker.ask(request)
        except TimeoutError:
            await self._replace(worker)
            return RunResult(status=Status.TIMEOUT, error="the run outlived this node's patience")
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            await self._replace(worker)
            return None
        except BaseException:
            # cancelled, or no worker could start: the answer, if any comes, is nobody's
            await self._replace(worker)
            raise
        self._idle.put_nowait(worker)
        return result

    async def _replace(self, worker: "_Worker | None") -> None:
        self._idle.put_nowait(None)
        if worker is not None:
            await self._stop(worker)

    async def _start(self) -> "_Worker":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "node.sandbox.worker",
            str(self._config.cache or self._temporary),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        worker = _Worker(process=process, engine=Hash(b""))
        self._alive.add(worker)
        try:
            async with asyncio.timeout(self._config.start_timeout_ms / 1000):
                hello = await worker.receive()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._stop(worker)
            raise SandboxBroken(problem="a worker process did not start") from error
        except BaseException:
            await self._stop(worker)
            raise
        self._alive.discard(worker)
        worker = replace(worker, engine=Hash(msgspec.msgpack.decode(hello, type=bytes)))
        self._alive.add(worker)
        return worker

    async def _stop(self, worker: "_Worker") -> None:
        self._alive.discard(worker)
        await worker.kill()


def require_well_formed(request: RunRequest, engine: Hash) -> None:
    """Raise InputError unless the request is for this engine, is what its hash says, stays within
    its mode's gas, and each of its JSON parts is one JSON value."""
    if request.engine != engine:
        raise InputError(where="engine", problem="this node runs another engine")
    if keccak(request.script) != request.script_hash:
        raise InputError(where="script_hash", problem="it is not the hash of the script")
    if not 0 < request.gas_limit <= request.mode.gas_limit:
        raise InputError(where="gas_limit", problem=f"outside 1 to {request.mode.gas_limit}")
    for where in ("state", "event", "context"):
        try:
            _json.decode(getattr(request, where))
        except msgspec.DecodeError as error:
            raise InputError(where=where, problem="it is not one JSON value") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Worker:
    """One process and its two pipes."""

    process: asyncio.subprocess.Process
    engine: Hash

    async def ask(self, request: RunRequest) -> RunResult:
        assert self.process.stdin is not None
        self.process.stdin.write(wire.frame(request))
        await self.process.stdin.drain()
        return wire.read_result(await self.receive())

    async def receive(self) -> bytes:
        assert self.process.stdout is not None
        head = await self.process.stdout.readexactly(wire.LENGTH_BYTES)
        return await self.process.stdout.readexactly(int.from_bytes(head, "big"))

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()
