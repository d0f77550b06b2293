"""A disk that fails under a running process: what it acknowledged is stored, and it stops writing.

strace makes the system calls fail; without it, or where tracing is forbidden, these tests skip.
"""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from settlement.store.sqlite import SqliteStore

PROCESS = Path(__file__).parent / "crash_process.py"
DESKS = 8


def can_trace() -> bool:
    strace = shutil.which("strace")
    if strace is None:
        return False
    tried = subprocess.run(
        [strace, "-f", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is missing or may not trace")


async def run_until_the_disk_fails(database: Path, *inject: str) -> tuple[dict[str, int], str, int]:
    """The highest acknowledged booking of each desk, the error output and the exit status."""
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "--seccomp-bpf", "-o", "/dev/null"),
        *(f"--inject={fault}" for fault in inject),
        *(sys.executable, str(PROCESS), str(database), f"--desks={DESKS}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 40)
    finally:
        if process.returncode is None:
            process.kill()
    acknowledged: dict[str, int] = {}
    for line in out.decode().splitlines():
        desk, booked = line.split()
        acknowledged[desk] = int(booked)
    acknowledged.pop("ready", None)
    assert process.returncode is not None
    return acknowledged, errors.decode(), process.returncode


@pytest.mark.parametrize(
    "faults",
    [
        ("fdatasync,fsync:error=EIO:when=40",),
        ("fdatasync,fsync:error=EIO:when=60+",),
        ("pwrite64:error=ENOSPC:when=300+",),
        ("pwrite64:error=EIO:when=301+7",),
    ],
    ids=["one sync fails", "every sync fails", "the disk is full", "some writes fail"],
)
async def test_nothing_is_acknowledged_that_a_failing_disk_did_not_take(
    tmp_path: Path, faults: tuple[str, ...]
) -> None:
    database = tmp_path / "node.db"

    acknowledged, errors, status = await run_until_the_disk_fails(database, *faults)

    assert status == 1
    assert re.search("SL-800[16]", errors), "the process says that its store failed, or is full"
    assert acknowledged, "it worked before the disk failed"
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    async with SqliteStore(database) as store:
        for desk, booked in acknowledged.items():
            row = await store.load("desk", desk)
            assert row is not None
            assert row.revision >= booked
            assert await store.log_length(desk) == row.revision
