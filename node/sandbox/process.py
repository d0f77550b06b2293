"""One worker process and its two pipes, as the pool sees it."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from node.ports.sandbox import RunRequest, RunResult
from node.sandbox import wire
from node.sandbox.bubble import Bubblewrap
from node.sandbox.errors import SandboxBroken
from settlement.types import Hash

_ROOT: Final = Path(__file__).parents[2]
"""Where this package is, which an editable installation does not say in ``sys.path``."""
_START: Final = (
    "import sys; sys.modules['typing_extensions'] = None; "
    "from node.sandbox.worker import main; main()"
)
"""msgspec asks for typing_extensions and does without, which saves a fifth of the imports' time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How worker processes are started; ``brief`` ones refuse long runs, see the pool."""

    cache: Path
    brief: bool
    timeout_ms: int
    bubblewrap: Bubblewrap | None = None

    def command(self) -> list[str]:
        """The worker's command line."""
        # site-packages are on the path already: no need to look for them again
        options = ["-S", "-X", "frozen_modules=on"]
        kind = "brief" if self.brief else "patient"
        inner = [sys.executable, *options, "-c", _START, str(self.cache), kind]
        return inner if self.bubblewrap is None else self.bubblewrap.around(inner, self.cache)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkerProcess:
    """A worker that has said which engine it runs."""

    process: asyncio.subprocess.Process
    engine: Hash

    @classmethod
    async def start(cls, launch: Launch) -> Self:
        """Start a worker. Raises SandboxBroken when it does not say hello in time."""
        process = await asyncio.create_subprocess_exec(
            *launch.command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                "PYTHONPATH": ":".join([str(_ROOT), *filter(None, sys.path)]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            # a group of its own, so that Ctrl-C in a terminal is the node's alone; not a session,
            # since kernels weigh sessions against each other and niceness only within one
            process_group=0,
        )
        try:
            async with asyncio.timeout(launch.timeout_ms / 1000):
                engine = Hash(msgspec.msgpack.decode(await _receive(process), type=bytes))
        except (TimeoutError, OSError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            await _kill(process)
            raise SandboxBroken(problem="a worker process did not start") from error
        except BaseException:
            await _kill(process)
            raise
        return cls(process=process, engine=engine)

    async def ask(self, request: RunRequest) -> RunResult:
        """Have it run one request. Raises IncompleteReadError, ConnectionError or
        msgspec.DecodeError when the worker died or went mad."""
        assert self.process.stdin is not None
        self.process.stdin.write(wire.frame(request))
        await self.process.stdin.drain()
        return wire.read_result(await _receive(self.process))

    async def kill(self) -> None:
        """End it, whatever it does."""
        await _kill(self.process)


async def _receive(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    head = await process.stdout.readexactly(wire.LENGTH_BYTES)
    return await process.stdout.readexactly(wire.body_length(head))


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
