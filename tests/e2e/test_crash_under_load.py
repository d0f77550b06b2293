"""Kill a till at random moments while many integrations pay: what it acknowledged is stored.

Forty kills by default; ``./dev crash 1000`` asks for a thousand. Every life repeats the last calls
of the one before under their old request ids, as clients do that had no answer.
"""

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec
import pytest

from settlement.core.lane import LANE, Charge, charges_stream
from settlement.services.clock import SystemClock
from settlement.services.engine import Engine
from settlement.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("SMARTLAYER_KILLS", "40"))
KILLS_PER_FILE = 10
PRICE = 1_000
LONGEST_OPENING_MS = 3_000


@dataclass
class Life:
    """What one life said: when it served, and the highest acknowledged call of each payer."""

    serving_ms: int | None = None
    acknowledged: dict[str, int] = field(default_factory=dict)
    status: int = 0


class Till:
    """The process that forks lives, and kills them when told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._ask, self._said = process.stdin, process.stdout

    async def live(self, database: Path, kill_at: str = "never", after_s: float = 30.0) -> Life:
        """A life that ends by SIGKILL ``after_s`` seconds after it serves, or at a failpoint."""
        self._ask.write(f"{database} {kill_at}\n".encode())
        life, child = Life(), 0
        while True:
            word, number = (await asyncio.wait_for(self._said.readline(), 60)).split()
            match word:
                case b"pid":
                    child = int(number)
                case b"serving":
                    life.serving_ms = int(number)
                    asyncio.get_running_loop().call_later(after_s, _kill, child)
                case b"ended":
                    life.status = int(number)
                    return life
                case _:
                    life.acknowledged[word.decode()] = int(number)


def _kill(child: int) -> None:
    os.kill(child, 9)


@asynccontextmanager
async def till() -> AsyncIterator[Till]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._pay_process"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Till(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


async def charged(database: Path) -> dict[str, int]:
    """How many calls each payer was charged for, once the whole store was found to be sound: every
    lane's log holds each of its charges, once, in order, and they sum to what the lane says."""
    found: dict[str, int] = {}
    async with SqliteStore(database) as store:
        engine = Engine(store, SystemClock())
        for key in await store.keys(LANE.kind):
            lane = await engine.state(LANE, key)
            rows = await store.read_log(charges_stream(key), 0, 10**6)
            charges = [msgspec.json.decode(row.body, type=Charge) for row in rows]
            assert [row.position for row in rows] == list(range(lane.charges))
            assert [each.charged for each in charges] == [PRICE * (n + 1) for n in range(len(rows))]
            assert lane.charged == PRICE * lane.charges
            assert len({each.request_id for each in charges}) == len(charges), "charged twice"
            assert len({each.answer for each in charges}) == len(charges), "answered twice"
            found[lane.signer.hex()] = lane.charges
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return found


def lost(life: Life, stored: dict[str, int]) -> dict[str, int]:
    """The acknowledged calls that are not stored, by payer."""
    return {payer: n for payer, n in life.acknowledged.items() if stored.get(payer, 0) <= n}


@pytest.mark.timeout(120 + 5 * KILLS)
async def test_what_a_killed_process_acknowledged_is_stored(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    moments = random.Random(seed)
    calls = 0
    opening_ms: list[int] = []
    async with till() as process:
        for kill in range(KILLS):
            database = tmp_path / f"node-{kill // KILLS_PER_FILE}.db"
            life = await process.live(database, after_s=moments.uniform(0.0, 0.25))
            assert (life.status, life.serving_ms is None) == (-9, False)
            opening_ms.append(life.serving_ms or 0)
            stored = await charged(database)
            assert lost(life, stored) == {}, f"kill {kill}, seed {seed}"
            calls += len(life.acknowledged)
            if (kill + 1) % KILLS_PER_FILE == 0:
                database.unlink()
    typical = median(opening_ms)
    print(
        f"{KILLS} kills, 0 lost, 0 doubled; from start to serving {typical:.0f} ms, "
        f"slowest {max(opening_ms)} ms"
    )
    assert calls > KILLS
    # The median, since a shared machine may stop one of many for as long as it likes.
    assert typical <= LONGEST_OPENING_MS
