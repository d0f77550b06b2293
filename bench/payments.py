"""Payments: vouchers checked, calls paid and durable, a month closed, processes killed, beside
x402's official Python package and a bare server in the same run.

Rates of checking are a second of this process's processor time, one core; all others are by the
wall's clock. The peer checks signatures with the same library as we do.
"""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from bench import _x402
from bench._pay_http import over_http
from bench._till import CLASS, DOMAIN, NODE, PRICE, Paid, open_till, pay_all, payers, work_of
from bench.report import Figure
from settlement.core.lane import LANE, Charge, charges_stream
from settlement.ports.store import Batch, LogRecord, MachineRow, Store
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_from_header, signed_to_header
from settlement.services.anchor import require_voucher_signer
from settlement.services.clock import SystemClock
from settlement.services.engine import Engine
from settlement.store.postgres import PostgresStore
from settlement.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[1]
SECONDS = 1.0
VOUCHERS = 4_000
PAYERS, CALLS = 64, 150
KILLS = 10
STATE = bytes(200)
"""About a small lane's state, or a voucher with its signature."""


async def measure() -> AsyncIterator[Figure]:
    """The disk's own rate first: it is what commits are to be compared with."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    # In the tree: the temporary folder may be memory, where a sync costs nothing.
    with tempfile.TemporaryDirectory(dir=".build") as name:
        folder = Path(name)
        peer = peer_rates(folder)
        yield Figure(
            name="pay.disk_syncs_per_s",
            value=syncs_per_second(folder / "sync"),
            unit="/s",
            reference="one commit per call cannot be faster than this",
        )
        for figure in checking(peer):
            yield figure
        async for figure in paying(folder, peer):
            yield figure
        async for figure in over_http(folder):
            yield figure
        for figure in closing(folder):
            yield figure
        async for figure in killing(folder):
            yield figure


# --- the peer ------------------------------------------------------------------------------------


def peer_rates(folder: Path) -> dict[str, Any] | None:
    """x402's rates with libsecp256k1, and as it installs itself; None where it cannot be had."""
    try:
        quick = _x402.measured(folder)
        slow = _x402.measured(folder, as_installed=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"x402 is not measured: {error}", file=sys.stderr)
        return None
    return quick | {"slow": slow}


# --- checking ------------------------------------------------------------------------------------


def checking(peer: dict[str, Any] | None) -> Iterator[Figure]:
    """Vouchers of 16 payers, each checked against the payer that it names."""
    signed = [
        Signed.by(
            payer,
            DOMAIN,
            Voucher(
                signer=payer.address,
                period=0,
                node=NODE.address,
                token_class=CLASS,
                cumulative=PRICE * (number + 1),
            ),
        )
        for number in range(VOUCHERS // 16)
        for payer in payers(16)
    ]
    headers = [signed_to_header(voucher) for voucher in signed]
    began = time.process_time()
    for voucher in signed:
        require_voucher_signer(DOMAIN, voucher)
    checked = len(signed) / (time.process_time() - began)
    began = time.process_time()
    for header in headers:
        require_voucher_signer(DOMAIN, signed_from_header(Voucher, header, "voucher"))
    read = len(signed) / (time.process_time() - began)
    yield Figure(
        name="pay.verify_per_s", value=checked, unit="/s", target=24_000,
        reference=f"one core; {read:,.0f}/s with reading the header; libsecp256k1's recovery alone "
        "is about 31 µs",
    )  # fmt: skip
    if peer is None:
        return
    slow = peer["slow"]["verify_per_cpu_s"]
    yield Figure(
        name="pay.verify_vs_x402", value=checked / peer["verify_per_cpu_s"], unit="times",
        reference=f"x402 {peer['version']}, its own check of a batch-settlement voucher: "
        f"{peer['verify_per_cpu_s']:,.0f}/s with coincurve added, {slow:,.0f}/s as it installs",
    )  # fmt: skip


# --- paying --------------------------------------------------------------------------------------


async def paying(folder: Path, peer: dict[str, Any] | None) -> AsyncIterator[Figure]:
    """Calls read, checked, charged and on disk, without HTTP and without the work they pay for."""
    yield Figure(
        name="pay.lone_commits_per_s",
        value=await commits_per_second(folder / "lone.db", 1),
        unit="/s",
        reference="one caller, who waits for every sync",
    )
    yield Figure(
        name="pay.commits_per_s",
        value=await commits_per_second(folder / "shared.db", PAYERS),
        unit="/s",
        target=3_000,
        reference=f"the store alone, {PAYERS} callers",
    )
    sqlite = await paid(lambda turn: SqliteStore(folder / f"till-{turn}.db"))
    for figure in _paid_figures("durable", sqlite, "SQLite, full sync"):
        yield figure
    if peer is not None:
        file, memory = peer["file_update_per_s"], peer["memory_update_per_s"]
        yield Figure(
            name="pay.durable_vs_x402", value=sqlite.per_s / file, unit="times", target=10,
            reference=f"x402's server over its own file storage, without a sync: {file:,.0f}/s "
            f"({memory:,.0f}/s in memory; as it installs {peer['slow']['file_update_per_s']:,.0f} "
            f"and {peer['slow']['memory_update_per_s']:,.0f}/s)",
        )  # fmt: skip
    async for figure in _on_postgres():
        yield figure


async def _on_postgres() -> AsyncIterator[Figure]:
    postgres = _postgres()
    try:
        with postgres.cluster() as cluster:
            names = [await cluster.database() for _ in range(3)]
            found = await paid(lambda turn: PostgresStore(cluster.target(names[turn])))
    except postgres.PostgresMissing as missing:
        print(f"PostgreSQL is not measured: {missing}", file=sys.stderr)
        return
    for figure in _paid_figures("durable_pg", found, "PostgreSQL on this machine, full sync"):
        yield figure


def _postgres() -> Any:
    """The tests' own way to a temporary cluster."""
    file = ROOT / "tests" / "support" / "postgres.py"
    spec = importlib.util.spec_from_file_location("postgres", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["postgres"] = module
    spec.loader.exec_module(module)
    return module


def _paid_figures(name: str, found: Paid, where: str) -> Iterator[Figure]:
    yield Figure(
        name=f"pay.{name}_per_s", value=found.per_s, unit="/s", target=3_000,
        reference=f"{where}; {PAYERS} payers at once, best of three turns; "
        f"{found.cpu_us:.0f} µs of our processor time a call",
    )  # fmt: skip
    yield Figure(
        name=f"pay.{name}_p99_ms", value=found.p99_ms, unit="ms",
        reference=f"median {found.p50_ms:.1f} ms",
    )  # fmt: skip


async def paid(opened: Any) -> Paid:
    """The best of three turns: the others had more of the machine's other work in them."""
    signers, turns = payers(PAYERS), []
    work = work_of(signers, 0, CALLS)
    for turn in range(3):
        store: AbstractAsyncContextManager[Store] = opened(turn)
        async with store as held, open_till(held, signers) as till:
            turns.append(await pay_all(till, work))
    return max(turns, key=lambda each: each.per_s)


def syncs_per_second(path: Path) -> float:
    """How often a second a small write reaches the disk."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        count, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < SECONDS:
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
                row = MachineRow(kind="lane", key=f"lane-{lane:04}", revision=revision, state=STATE)
                record = LogRecord(stream=f"vouchers/{lane:04}", position=revision, body=STATE)
                await store.commit(Batch(machines=(row,), records=(record,)))
            return revision

        began = time.monotonic()
        counts = await asyncio.gather(*map(call, range(callers)))
        return sum(counts) / (time.monotonic() - began)


# --- closing a month -----------------------------------------------------------------------------


def closing(folder: Path) -> Iterator[Figure]:
    """See ``bench._pay_close`` for what is in it."""
    (folder / "close").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bench._pay_close", str(folder / "close")],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    yield Figure(
        name="pay.close_1m_s", value=told["close_s"], unit="s",
        reference="1,000,000 vouchers over 40,000 lanes, the last of each lane brought to the "
        f"anchor: {told['acknowledge_s']:.1f} s to acknowledge them, {told['statements_s']:.1f} s "
        f"for 1,000 Statements, {told['settle_s']:.1f} s to the committed tree",
    )  # fmt: skip
    yield Figure(name="pay.close_1m_rss_mb", value=told["rss_mb"], unit="MB", reference="its peak")


# --- killing -------------------------------------------------------------------------------------


async def killing(folder: Path) -> AsyncIterator[Figure]:
    """A till under load, killed and started again; a thousand kills are ``./dev crash``."""
    database, slowest, lost = folder / "killed.db", 0.0, 0
    acknowledged: dict[str, int] = {}
    for kill in range(KILLS):
        took, calls = await _life(database, after_s=0.1 + 0.03 * kill)
        slowest = max(slowest, took)
        acknowledged |= calls
        lost += await _lost(database, acknowledged)
    yield Figure(
        name="pay.restart_s", value=slowest, unit="s", target=3, at_most=True,
        reference=f"the slowest of {KILLS}: from starting the process to its first durable charge",
    )  # fmt: skip
    yield Figure(
        name="pay.lost", value=lost, unit="calls", target=0, at_most=True,
        reference=f"acknowledged and not stored, or charged twice, over {KILLS} kills -9 at load: "
        f"{sum(acknowledged.values()) + len(acknowledged):,} calls",
    )  # fmt: skip


async def _life(database: Path, after_s: float) -> tuple[float, dict[str, int]]:
    """Start a till and kill it: how long it took to serve, the last answered call by payer."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench._pay_process", str(database)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"serving")
    took = time.monotonic() - began
    asyncio.get_running_loop().call_later(after_s, process.kill)
    said = (line.split() for line in (await process.stdout.read()).decode().splitlines())
    calls = {payer: int(call) for payer, call in said}
    await process.wait()
    return took, calls


async def _lost(database: Path, acknowledged: dict[str, int]) -> int:
    async with SqliteStore(database) as store:
        engine, missing = Engine(store, SystemClock()), 0
        for key in await store.keys(LANE.kind):
            lane = await engine.state(LANE, key)
            rows = await store.read_log(charges_stream(key), 0, 10**6)
            ids = {msgspec.json.decode(row.body, type=Charge).request_id for row in rows}
            missing += max(0, acknowledged.get(lane.signer.hex(), -1) + 1 - len(ids))
            missing += len(rows) - len(ids)
    return missing
