"""The sandbox: what a run costs in time, memory and gas, and whether runtimes agree.

Runs are of the flight ticket's own script, from Python, JSON in and JSON out, in this process;
``sandbox.pooled_read_us`` adds the trip to a worker process and back.
"""

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from bench._rivals import rivals
from bench.report import Figure
from node.ports.sandbox import Mode, RunRequest, Status
from node.sandbox.host import HostConfig
from node.sandbox.pool import PoolConfig, SandboxPool
from node.sandbox.process import Launch, WorkerProcess
from node.sandbox.runner import Runner
from settlement.types import Hash, keccak

ROOT = Path(__file__).parents[1]
TICKET = ROOT / "node" / "devnet" / "flight_ticket" / "ticket.tsml.xml"
SUITE = ROOT / "tests" / "hostile"

STATE = (
    b'{"delayMinutes":0,"flight":"SL123","hotel":{"booking":"B-1","status":"booked"},'
    b'"lounge":null,"status":"scheduled"}'
)
DELAY = (
    b'{"data":{"delayMinutes":"180","newArrival":"1790010000","status":"delayed"},'
    b'"kind":"attestation"}'
)
CONTEXT = b'{"attributes":{"flightNumber":"SL123"},"token":{"tokenId":"7"}}'

SHORT_S = 1.0
LONG_GAS = 50_000_000
INSTANCES = 3


async def measure() -> AsyncIterator[Figure]:
    with tempfile.TemporaryDirectory(dir=_private_place()) as name:
        cache = Path(name)
        runner = Runner(HostConfig(cache=cache))
        for figure in _single_runs(runner):
            yield figure
        for figure in _rivals(runner):
            yield figure
        yield await _start(cache)
        async for figure in _pooled(cache):
            yield figure
        async for figure in _under_attack(cache):
            yield figure
        yield _gas_spread(runner)
        yield _differences()


def _private_place() -> Path:
    folder = ROOT / ".build"
    folder.mkdir(exist_ok=True)
    return folder


def ticket_script() -> bytes:
    """The service script of the example, as the network runs it."""
    text = TICKET.read_text()
    script = text.split("<sl:script><![CDATA[", 1)[1].split("]]>", 1)[0]
    return script.replace("{{hotel_url}}", "https://hotel.example").encode()


def request(engine: Hash, entry: str, mode: Mode, event: bytes, script: bytes) -> RunRequest:
    return RunRequest(
        engine=engine,
        script=script,
        script_hash=keccak(script),
        entry=entry,
        mode=mode,
        seed=keccak(b"bench"),
        now=1_790_000_000,
        gas_limit=mode.gas_limit,
        state=STATE,
        event=event,
        context=CONTEXT,
    )


def microseconds(call: Callable[[], object]) -> float:
    """The median of single calls within a second."""
    call()
    taken: list[float] = []
    end = time.perf_counter() + SHORT_S
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1e6, 1)


def _single_runs(runner: Runner) -> Iterator[Figure]:
    script = ticket_script()
    read = request(runner.engine, "status", Mode.READ, b"{}", script)
    update = request(runner.engine, "onAttestation", Mode.UPDATE, DELAY, script)
    for wanted in (read, update):
        result = runner.run(wanted)
        if result.status is not Status.OK:
            raise AssertionError(result.error)
        yield _told(f"{wanted.mode}_gas", result.gas, "gas", "of that run, without loading")
    read_us = microseconds(lambda: runner.run(read))
    yield _capped("read_us", read_us, "µs", 135, "≥ 7,500 reads/s a core")
    update_us = microseconds(lambda: runner.run(update))
    yield _capped("update_us", update_us, "µs", 190, "≥ 5,000 updates/s a core")
    yield _capped("instantiate_us", microseconds(lambda: _instantiate(runner)), "µs", 60, "")
    number = iter(range(1 << 40))

    def load() -> None:
        fresh = script + b"// %d" % next(number)
        runner.run(request(runner.engine, "", Mode.LOAD, b"null", fresh))

    yield _capped("load_ms", round(microseconds(load) / 1000, 3), "ms", 1, "a script never seen")
    more, mapped = _resident(runner, update)
    reference = f"one more beside another, each after an update; {mapped:.0f} KB are mapped by it"
    reference += ", most of them the image's, which all share"
    yield _capped("instance_kb", more, "KB", 200, reference)


def _instantiate(runner: Runner) -> None:
    with runner.host.instance():
        pass


def _resident(runner: Runner, update: RunRequest) -> tuple[float, float]:
    """What an instance that stands after a run adds beside another, in KB: to the memory that this
    process takes, a page that several mappings share counted once (``Pss``), and to its mapped
    pages (``Rss``)."""
    taken: list[tuple[int, int]] = []
    for _ in range(20):
        with runner.started(update):
            before = _memory_kb()
            with runner.started(update):
                after = _memory_kb()
        taken.append((after[0] - before[0], after[1] - before[1]))
    more, mapped = (statistics.median(column) for column in zip(*taken, strict=True))
    return round(more, 1), round(mapped, 1)


def _memory_kb() -> tuple[int, int]:
    """This process's memory, what it shares in proportion, and all that it maps."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    found = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return found["Pss"], found["Rss"]


def _rivals(runner: Runner) -> Iterator[Figure]:
    """The same read and update by other engines, which must give the same answers."""
    script = ticket_script()
    read = request(runner.engine, "status", Mode.READ, b"{}", script)
    update = request(runner.engine, "onAttestation", Mode.UPDATE, DELAY, script)
    calls = [
        (
            wanted.entry,
            b'{"state":%b,"event":%b,"context":%b}' % (wanted.state, wanted.event, wanted.context),
        )
        for wanted in (read, update)
    ]
    yield from rivals(
        script.decode(),
        [(entry, text.decode()) for entry, text in calls],
        json.loads(runner.run(read).result or b"null"),
        json.loads(runner.run(update).state or b"null"),
    )


async def _start(cache: Path) -> Figure:
    """A worker process from nothing to its first result, with the compiled engine in its cache."""
    launch = Launch(cache=cache, brief=True, timeout_ms=30_000)
    taken, worked = [], []
    for _ in range(5):
        before = _children_s()
        start = time.perf_counter()
        worker = await WorkerProcess.start(launch)
        await worker.ask(request(worker.engine, "status", Mode.READ, b"{}", ticket_script()))
        taken.append(time.perf_counter() - start)
        await worker.kill()
        worked.append(_children_s() - before)
    reference = f"{min(worked):.2f} s of processor time, most of it imports"
    return _capped("start_s", round(min(taken), 3), "s", 0.2, reference)


def _children_s() -> float:
    """Processor time of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _pooled(cache: Path) -> AsyncIterator[Figure]:
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        read = request(pool.engine, "status", Mode.READ, b"{}", ticket_script())
        taken = []
        for _ in range(500):
            start = time.perf_counter()
            await pool.run(read)
            taken.append(time.perf_counter() - start)
        one = round(statistics.median(taken) * 1e6, 1)
        yield _told("pooled_read_us", one, "µs", "with the trip to a worker process and back")
        start = time.perf_counter()
        await asyncio.gather(*(pool.run(read) for _ in range(200)))
        rate = round(200 / (time.perf_counter() - start))
        yield _told("pooled_reads_per_s", rate, "/s", "200 at once, one worker")


ATTACKS = (
    b"export function f() { for (;;); }",
    b"export function f() { const a = []; for (;;) a.push(new Uint8Array(65536).fill(1)); }",
    b"export function f() { for (;;) 'a'.repeat(1000).match(/(a+)+b/); }",
    b"export function f() { let s = ''; for (;;) s = JSON.stringify({ s }).slice(0, 1000); }",
)
BLOCKS = 20


async def _under_attack(cache: Path) -> AsyncIterator[Figure]:
    """The 99th percentile of one script's reads while eight runs of others attack without a
    pause, over that of quiet ones; one ordinary worker.

    Blocks alternate, and the best block of each kind counts: what else goes on here hits both.
    """
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        read = request(pool.engine, "status", Mode.READ, b"{}", ticket_script())
        hostile = [
            request(pool.engine, "f", mode, b"null", source)
            for source in ATTACKS
            for mode in (Mode.UPDATE, Mode.READ)
        ]

        async def attack(wanted: RunRequest) -> None:
            while True:
                await pool.run(wanted)

        first = asyncio.create_task(_slowest_of_hundred(pool, read))
        await asyncio.gather(first, *map(pool.run, hostile))
        quiet, attacked = [], []
        for _ in range(BLOCKS):
            quiet.append(await _slowest_of_hundred(pool, read))
            attackers = [asyncio.create_task(attack(wanted)) for wanted in hostile]
            await asyncio.sleep(0.01)
            attacked.append(await _slowest_of_hundred(pool, read))
            for attacker in attackers:
                attacker.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)
            await asyncio.sleep(0.3)
    best, worst = min(quiet), min(attacked)
    middles = f"medians of blocks {statistics.median(quiet) * 1e3:.2f} and "
    middles += f"{statistics.median(attacked) * 1e3:.2f} ms"
    reference = f"p99 {best * 1e3:.2f} ms quiet, {worst * 1e3:.2f} ms attacked; {middles}"
    yield _capped("attacked_p99", round(worst / best, 2), "times", 1.2, reference)
    began = 1e3 * first.result()
    yield _told("surprised_p99_ms", round(began, 2), "ms", "while the same attacks are unknown yet")


async def _slowest_of_hundred(pool: SandboxPool, read: RunRequest) -> float:
    taken = []
    for _ in range(300):
        start = time.perf_counter()
        await pool.run(read)
        taken.append(time.perf_counter() - start)
    return statistics.quantiles(taken, n=100)[98]


def _gas_spread(runner: Runner) -> Figure:
    """Nanoseconds per gas of every hostile script that burns a lot: the worst over the median."""
    sys.path.insert(0, str(SUITE))
    from test_hostile_scripts import CASES, run

    prices: list[tuple[float, str]] = []
    for case in CASES:
        gas = run(runner, case).gas
        if case.mode is Mode.LOAD or gas < LONG_GAS:
            continue
        # of this process alone: what others do on the machine is no property of gas
        taken = [_processor_time(lambda case=case: run(runner, case)) for _ in range(3)]
        prices.append((min(taken) * 1e9 / gas, case.name))
    middle = statistics.median(price for price, _ in prices)
    worst, name = max(prices)
    shown = f"median {middle:.3f} ns/gas of {len(prices)} scripts; worst is {name}"
    return _capped("gas_spread", round(worst / middle, 2), "times", 2, shown)


def _processor_time(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _differences() -> Figure:
    """Scripts of the hostile set that end differently in machine code and in the interpreter."""
    command = [sys.executable, str(ROOT / "tools" / "engine" / "compare.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    line = done.stdout.strip().splitlines()[-1]
    count = int(line.split(": ")[1].split()[0])
    return _capped("differences", count, "scripts", 0, f"status, gas, pages, output; {line}")


def _capped(name: str, value: float, unit: str, target: float, reference: str) -> Figure:
    return Figure(
        name=f"sandbox.{name}",
        value=value,
        unit=unit,
        target=target,
        reference=reference,
        at_most=True,
    )


def _told(name: str, value: float, unit: str, reference: str) -> Figure:
    return Figure(name=f"sandbox.{name}", value=value, unit=unit, reference=reference)
