"""Paid reads over HTTP beside a bare aiohttp handler, for ``bench.payments``.

Both servers are processes of their own, and both get the same requests from the same client, in
turns, so that whatever else the machine does bears on both. Two clients: one that costs next to
nothing, which shows what the servers can do, and an ordinary ``aiohttp.ClientSession``, which is
what an integration has.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from bench._pay_load import ADDRESSES, Load, load, read_requests
from bench.report import Figure

ROOT = Path(__file__).parents[1]
BLOCKS, CALLS = 5, 25
ORDINARY_CALLS = 15
Client = Callable[[str, Sequence[Sequence[bytes]]], Awaitable[Load]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server process."""

    pid: int
    address: str

    def cpu_s(self) -> float:
        """The processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(kind: str, folder: Path, calls: int = 0) -> Iterator[Served]:
    """A running server; see ``bench._pay_server`` for the kinds."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench._pay_server", kind, str(folder), str(calls)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        found = next(line for line in process.stdout if line.startswith(b'{"address"'))
        yield Served(pid=process.pid, address=json.loads(found)["address"])
    finally:
        process.kill()
        process.wait()


async def over_http(folder: Path) -> AsyncIterator[Figure]:
    """Rates of paid reads and their share of the bare server's."""
    blocks = BLOCKS * CALLS + ORDINARY_CALLS * BLOCKS
    with server("node", folder / "node", blocks) as node, server("bare", folder / "bare") as bare:
        requests = read_requests(folder / "node" / "requests")
        lean = await _in_turns(bare, node, requests, CALLS, load)
        rest = [mine[BLOCKS * CALLS :] for mine in requests]
        ordinary = await _in_turns(bare, node, rest, ORDINARY_CALLS, ordinary_load)
    reads, alone = [mine for _, mine in lean], [its for its, _ in lean]
    yield Figure(
        name="pay.http_per_s",
        value=max(each.load.per_s for each in reads),
        unit="/s",
        reference="best of five turns: grant, voucher, signed and proven answer, charge on disk; "
        f"{median(each.cpu_us for each in reads):.0f} µs of processor time a call in a process "
        "that also holds two more replicas and the anchor; the script itself costs nothing",
    )
    yield Figure(
        name="pay.http_p99_ms", value=median(each.load.p99_ms for each in reads), unit="ms",
        reference="64 connections at once",
    )  # fmt: skip
    yield _share("pay.vs_bare", ordinary, 0.5, "the client is aiohttp's own, 64 calls at once")
    yield _share(
        "pay.vs_bare_lean", lean, None,
        "the client costs next to nothing; a bare handler takes "
        f"{median(each.cpu_us for each in alone):.0f} µs, less than one recovery of a key",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One block of calls at one server."""

    load: Load
    cpu_us: float


async def _in_turns(
    bare: Served,
    node: Served,
    requests: Sequence[Sequence[bytes]],
    calls: int,
    client: Client,
) -> list[tuple[Turn, Turn]]:
    found = []
    for block in range(BLOCKS):
        part = [mine[block * calls : (block + 1) * calls] for mine in requests]
        found.append((await _turn(bare, part, client), await _turn(node, part, client)))
    return found


async def _turn(served: Served, part: Sequence[Sequence[bytes]], client: Client) -> Turn:
    before = served.cpu_s()
    done = await client(served.address, part)
    return Turn(load=done, cpu_us=(served.cpu_s() - before) / done.answers * 1e6)


def _share(
    name: str, turns: Sequence[tuple[Turn, Turn]], target: float | None, words: str
) -> Figure:
    shares = [paid.load.per_s / bare.load.per_s for bare, paid in turns]
    best = max(turns, key=lambda turn: turn[0].load.per_s)
    return Figure(
        name=name,
        value=median(shares),
        unit="of the bare server's rate",
        target=target,
        reference=f"{words}; bare {best[0].load.per_s:,.0f}/s, paid {best[1].load.per_s:,.0f}/s "
        "in the turn in which the bare one was quickest",
    )


async def ordinary_load(address: str, requests: Sequence[Sequence[bytes]]) -> Load:
    """What :func:`bench._pay_load.load` does, through ``aiohttp.ClientSession``."""
    taken: list[float] = []
    size = 0

    async def ask(session: aiohttp.ClientSession, mine: Sequence[bytes]) -> None:
        nonlocal size
        for raw in mine:
            line, *lines = raw.decode().split("\r\n")
            headers = dict(each.split(": ", 1) for each in lines if each)
            del headers["Host"]
            began = time.perf_counter()
            async with session.get(
                f"http://{address}{line.split()[1]}", headers=headers
            ) as response:
                body = await response.read()
                assert response.status == 200, body
            taken.append(time.perf_counter() - began)
            size += len(body)

    sessions = [
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, local_addr=(f"127.0.0.{2 + index}", 0))
        )
        for index in range(ADDRESSES)
    ]
    try:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for index, mine in enumerate(requests):
                group.create_task(ask(sessions[index % ADDRESSES], mine))
        passed = time.perf_counter() - began
    finally:
        for session in sessions:
            await session.close()
    taken.sort()
    return Load(
        answers=len(taken),
        per_s=len(taken) / passed,
        p50_ms=taken[len(taken) // 2] * 1e3,
        p99_ms=taken[len(taken) * 99 // 100] * 1e3,
        bytes_each=size / len(taken),
    )
