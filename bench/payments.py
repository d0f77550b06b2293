"""Payments: how fast durable commits are, and what one sync of this disk costs."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.report import Figure
from settlement.ports.store import Batch, LogRecord, MachineRow
from settlement.store.sqlite import SqliteStore

SECONDS = 2.0
CALLERS = 64
STATE = bytes(200)
"""About a lane's state, or a voucher with its signature."""


async def measure() -> AsyncIterator[Figure]:
    """The disk's own rate first: it is what the commits are to be compared with."""
    # In the tree: the temporary folder may be memory, where a sync costs nothing.
    with tempfile.TemporaryDirectory(dir=".build") as name:
        folder = Path(name)
        yield Figure(
            name="payments.disk_syncs_per_s",
            value=syncs_per_second(folder / "sync"),
            unit="/s",
            reference="one commit per call cannot be faster than this",
        )
        yield Figure(
            name="payments.lone_commits_per_s",
            value=await commits_per_second(folder / "lone.db", 1),
            unit="/s",
            reference="one caller, who waits for every sync",
        )
        yield Figure(
            name="payments.commits_per_s",
            value=await commits_per_second(folder / "shared.db", CALLERS),
            unit="/s",
            target=3_000,
            reference=f"{CALLERS} callers; x402's Python server does 272/s without a sync",
        )


def syncs_per_second(path: Path) -> float:
    """How often a second a small write reaches the disk."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        count, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < SECONDS / 2:
            os.pwrite(handle, STATE, 4096 * count)
            os.fdatasync(handle)
            count += 1
    finally:
        os.close(handle)
    return count / passed


async def commits_per_second(path: Path, callers: int) -> float:
    """Commits of one lane state and one voucher each, every caller waiting for its own."""
    async with SqliteStore(path) as store:
        until = time.monotonic() + SECONDS

        async def call(lane: int) -> int:
            revision = 0
            while time.monotonic() < until:
                revision += 1
                await store.commit(voucher(lane, revision))
            return revision

        began = time.monotonic()
        counts = await asyncio.gather(*map(call, range(callers)))
        return sum(counts) / (time.monotonic() - began)


def voucher(lane: int, revision: int) -> Batch:
    """What the collector commits for one paid call."""
    row = MachineRow(kind="lane", key=f"lane-{lane:04}", revision=revision, state=STATE)
    record = LogRecord(stream=f"vouchers/{lane:04}", position=revision, body=STATE)
    return Batch(machines=(row,), records=(record,))
