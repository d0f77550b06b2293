"""A disk that is full for a while: commits are refused, and go on by themselves once there is room.

On a small memory disk where this process may mount one, and with system calls that strace makes
fail; what is not allowed here skips.
"""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.store.sqlite import SqliteStore

PROCESS = Path(__file__).parent / "full_disk_process.py"
SMALL = 3 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for three megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "small", str(folder)]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"a memory disk cannot be mounted here: {tried.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def started(*command: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 40) == b"ready\n"
    return process


async def heard(process: asyncio.subprocess.Process, until: str = "") -> list[list[str]]:
    """Lines up to one that begins with ``until``, or to the end."""
    assert process.stdout is not None
    lines: list[list[str]] = []
    while line := await asyncio.wait_for(process.stdout.readline(), 40):
        lines.append(line.decode().split())
        if lines[-1][0] == until:
            break
    return lines


async def require_stored(database: Path, lines: list[list[str]]) -> None:
    acknowledged = [int(number) for word, number in lines if word == "acknowledged"]
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    async with SqliteStore(database) as store:
        assert await store.log_length("a") == len(acknowledged)


async def test_commits_go_on_by_themselves_once_the_disk_has_room(small_disk: Path) -> None:
    filler, database = small_disk / "filler", small_disk / "node.db"
    filler.write_bytes(bytes(SMALL - (1 << 20)))
    process = await started(sys.executable, str(PROCESS), str(database))
    lines = await heard(process, until="refused")
    assert len(lines) > 20, "it worked until the disk was full"
    filler.unlink()
    lines += await heard(process)

    assert await process.wait() == 0
    await require_stored(database, lines)


def can_trace() -> bool:
    strace = shutil.which("strace")
    command = [strace or "strace", "-f", "-o", "/dev/null", "true"]
    return strace is not None and subprocess.run(command, check=False).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")
async def test_writes_that_find_no_room_are_refused_and_later_ones_kept(tmp_path: Path) -> None:
    database = tmp_path / "node.db"
    process = await started(
        *("strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-e", "trace=pwrite64"),
        *("-e", "inject=pwrite64:error=ENOSPC:when=200..230"),
        *(sys.executable, str(PROCESS), str(database)),
    )
    lines = await heard(process)

    assert await process.wait() == 0
    assert sum(words[0] == "refused" for words in lines) >= 5
    await require_stored(database, lines)
