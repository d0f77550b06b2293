"""A process dies at every point at which it writes; started again, it has what it would have had.

The named points are before a group's transaction, before its commit, and after it, for each group
that the life of ``write_points_process.py`` writes: channel, promise, charge, receipt,
acknowledgement, attestation, statement and claim. ``./dev crash syscalls`` does the same at every
write and sync that the kernel is asked for, the migration's too.
"""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from settlement.store.sqlite import SqliteStore

PROCESS = Path(__file__).parent / "write_points_process.py"


@dataclass
class Life:
    """What one life said. ``did`` is what was on disk after its last step."""

    status: int = 0
    steps: list[str] = field(default_factory=list)
    did: tuple[int, int] = (0, 0)
    points: dict[str, int] = field(default_factory=dict)
    state: str = ""

    def hear(self, line: str) -> None:
        match line.split():
            case ["did", step, revisions, records]:
                self.steps.append(step)
                self.did = int(revisions), int(records)
            case ["points", *counts]:
                self.points = {name: int(n) for name, n in (each.split("=") for each in counts)}
            case ["state", found]:
                self.state = found


class Lives:
    """The process that forks lives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._ask, self._said = process.stdin, process.stdout

    async def live(self, database: Path, kill_at: str = "never") -> Life:
        self._ask.write(f"{database} {kill_at}\n".encode())
        life = Life()
        while not (line := (await asyncio.wait_for(self._said.readline(), 60)).decode()).startswith(
            "ended"
        ):
            assert line, "the process of lives has ended"
            life.hear(line)
        life.status = int(line.split()[1])
        return life


@asynccontextmanager
async def lives() -> AsyncIterator[Lives]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROCESS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Lives(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


def kept(database: Path) -> tuple[int, int]:
    """What a killed life left on disk, found sound: revisions and log records."""
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "machine" not in tables:
            return 0, 0
        (revisions,) = connection.execute("SELECT total(revision) FROM machine").fetchone()
        (records,) = connection.execute("SELECT count(*) FROM log_record").fetchone()
    finally:
        connection.close()
    return int(revisions), int(records)


def migrated(folder: Path) -> Path:
    """A database as its first opening leaves it; opening it again takes no time."""
    database = folder / "new.db"
    asyncio.run(_opened(database))
    return database


async def _opened(database: Path) -> None:
    async with SqliteStore(database):
        pass


@pytest.mark.timeout(300)
def test_a_kill_at_every_named_write_point_leaves_what_an_unbroken_life_would_have(
    tmp_path: Path,
) -> None:
    new = migrated(tmp_path)

    async def campaign() -> None:
        async with lives() as one, lives() as other:
            whole = await one.live(tmp_path / "whole.db")
            assert (whole.status, whole.steps[-1]) == (0, "claim")
            assert set(whole.points) == {"group-taken", "group-written", "group-committed"}
            assert min(whole.points.values()) >= 15
            points = [(p, n + 1) for p, times in whole.points.items() for n in range(times)]
            await asyncio.gather(
                *(
                    _killed_and_repeated(process, new, whole.state, points[index::2])
                    for index, process in enumerate((one, other))
                )
            )

    asyncio.run(campaign())


async def _killed_and_repeated(
    process: Lives, new: Path, whole: str, points: Sequence[tuple[str, int]]
) -> None:
    for point, time in points:
        database = new.with_name(f"{point}-{time}.db")
        shutil.copy(new, database)
        died = await process.live(database, f"{point}:{time}")
        where = f"{point}, time {time}, after {died.steps[-1:]}"
        assert died.status == -9, where
        assert all(a >= b for a, b in zip(kept(database), died.did, strict=True)), where
        again = await process.live(database)
        assert (again.status, again.state) == (0, whole), where
        database.unlink()
