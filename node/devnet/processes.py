"""Child processes of a devnet: started with their own files, watched, always stopped.

Each child runs one of the project's own commands, writes its log to its own file, and tells its
addresses in a small JSON file when it is ready. A child that dies early is an error that shows
the end of its log.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from settlement.errors import OurError

READY_TIMEOUT_S = 120.0
"""Eight processes start at once; on a machine that is busy otherwise that takes its time."""
STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
_LOG_TAIL = 2_000


@dataclass(kw_only=True, eq=False, repr=False)
class ChildFailed(OurError):
    """A process of the devnet ended or never became ready."""

    code: ClassVar[str] = "SL-9100"
    title: ClassVar[str] = "A devnet process failed"
    fix: ClassVar[str] = "Read {log}; it ends with: {tail}"

    name: str
    log: str
    tail: str


class Child:
    """One process. ``facts`` is what it told when it was ready."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "log.jsonl"
        self.ready_file = folder / "ready.json"
        self.facts: dict[str, str] = {}
        self._arguments = [*arguments, "--ready-file", str(self.ready_file)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; does not wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    async def ready(self) -> dict[str, str]:
        """Wait until it says that it is ready; raises ChildFailed."""
        waited = 0.0
        while waited < READY_TIMEOUT_S:
            if self.ready_file.exists():
                self.facts = json.loads(self.ready_file.read_text())
                return self.facts
            if self._process is None or self._process.returncode is not None:
                break
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S
        raise self.failure()

    def failure(self) -> ChildFailed:
        """The error that shows why it is not running."""
        tail = self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else ""
        return ChildFailed(name=self.name, log=str(self.log), tail=tail)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        """Ask it to end, then make it; its children with it."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):  # the whole group is gone already
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class Children:
    """All processes of a devnet; leaving the block stops them all, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Child] = []

    async def start(self, name: str, *arguments: str) -> Child:
        """Start ``python arguments… --ready-file …`` in a folder of its own."""
        child = Child(name, arguments, self.folder / name)
        self.all.append(child)
        await child.start()
        return child

    def check(self) -> None:
        """Raise ChildFailed if any of them has died."""
        for child in self.all:
            if not child.running:
                raise child.failure()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self.all))


def tell_ready(file: Path, facts: dict[str, str]) -> None:
    """What a child calls once it serves: its facts appear in one piece."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(facts))
    part.rename(file)
