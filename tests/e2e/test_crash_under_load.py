"""Kill a process at random moments while many callers write: what it acknowledged is stored.

Ten kills by default; ``./dev crash 1000`` asks for a thousand.
"""

import asyncio
import os
import random
import sqlite3
import sys
from pathlib import Path

import pytest

from settlement.ports.store import Store
from settlement.store.sqlite import SqliteStore

PROCESS = Path(__file__).parent / "crash_process.py"
KILLS = int(os.environ.get("SMARTLAYER_KILLS", "10"))
KILLS_PER_FILE = 10
DESKS = 64
LONGEST_OPENING_MS = 3_000


async def kill_under_load(database: Path, after_s: float) -> tuple[dict[str, int], int]:
    """Start, let it write, kill; the highest acknowledged booking of each desk, and the opening
    time in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROCESS),
        str(database),
        f"--desks={DESKS}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    word, opening_ms = (await asyncio.wait_for(process.stdout.readline(), 30)).split()
    assert word == b"ready"
    asyncio.get_running_loop().call_later(after_s, process.kill)
    acknowledged: dict[str, int] = {}
    async for line in process.stdout:
        desk, booked = line.decode().split()
        acknowledged[desk] = int(booked)
    await process.wait()
    return acknowledged, int(opening_ms)


async def stored(store: Store) -> dict[str, int]:
    """The bookings of each desk; its machine and its log must tell the same."""
    found: dict[str, int] = {}
    for desk in await store.keys("desk"):
        row = await store.load("desk", desk)
        assert row is not None
        found[desk] = row.revision
        assert await store.log_length(desk) == row.revision
    return found


def sound(database: Path) -> bool:
    connection = sqlite3.connect(database)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        (holes,) = connection.execute(
            "SELECT count(*) FROM (SELECT stream FROM log_record GROUP BY stream "
            "HAVING count(*) <> max(position) + 1)"
        ).fetchone()
    finally:
        connection.close()
    return bool(verdict == "ok" and holes == 0)


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_what_a_killed_process_acknowledged_is_stored(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    moments = random.Random(seed)
    commits, slowest_ms = 0, 0
    highest: dict[str, int] = {}
    for kill in range(KILLS):
        database = tmp_path / f"node-{kill // KILLS_PER_FILE}.db"
        if kill % KILLS_PER_FILE == 0:
            highest = {}
        acknowledged, opening_ms = await kill_under_load(database, moments.uniform(0.01, 0.4))
        slowest_ms = max(slowest_ms, opening_ms)
        commits += sum(acknowledged.values()) - sum(highest.get(desk, 0) for desk in acknowledged)
        highest |= acknowledged
        async with SqliteStore(database) as store:
            held = await stored(store)
        lost = {desk: number for desk, number in highest.items() if held.get(desk, 0) < number}
        assert lost == {}, f"kill {kill}, seed {seed}"
        highest = held
        assert sound(database), f"kill {kill}, seed {seed}"
        if (kill + 1) % KILLS_PER_FILE == 0:
            database.unlink()
    print(
        f"{KILLS} kills, {commits} acknowledged commits, 0 lost, 0 doubled; "
        f"slowest opening {slowest_ms} ms"
    )
    assert commits > KILLS
    assert slowest_ms <= LONGEST_OPENING_MS
