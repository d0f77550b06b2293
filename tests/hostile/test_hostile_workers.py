"""What goes wrong around a run rather than in it: workers killed, held up, crowded, misled."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.ports.sandbox import Mode, RunRequest, RunResult, Status
from node.sandbox.errors import SandboxBusy
from node.sandbox.host import HostConfig
from node.sandbox.pool import PoolConfig, SandboxPool
from node.sandbox.runner import BRIEF, Runner
from settlement.errors import InputError
from settlement.types import Hash, keccak

SCRIPT = b"""
export function count(state) { return { state: { n: (state.n ?? 0) + 1 }, result: Math.random() }; }
export function spin() { for (;;); }
"""

IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
async def pool(cache: Path) -> AsyncIterator[SandboxPool]:
    async with SandboxPool(PoolConfig(workers=2, cache=cache)) as pool:
        yield pool


def request(own_engine: Hash, entry: str = "count", **changes: object) -> RunRequest:
    fields: dict[str, object] = {
        "engine": own_engine,
        "script": SCRIPT,
        "script_hash": keccak(SCRIPT),
        "entry": entry,
        "mode": Mode.UPDATE,
        "seed": keccak(b"seed"),
        "now": 1_790_000_000,
        "gas_limit": Mode.UPDATE.gas_limit,
        "state": b'{"n":41}',
    }
    return RunRequest(**{**fields, **changes})  # type: ignore[arg-type]


def workers_of(parent: int) -> list[int]:
    """The process ids of this process's workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            status = (entry / "stat").read_text()
        except OSError:
            continue
        child_of = int(status.rpartition(")")[2].split()[1])
        if child_of == parent and b"node.sandbox.worker" in line:
            found.append(int(entry.name))
    return found


@IN_ONE_LOOP
async def test_sixty_four_runs_at_once_give_the_result_of_one(pool: SandboxPool) -> None:
    one = await pool.run(request(pool.engine))
    assert (one.status, one.state) == (Status.OK, b'{"n":42}')
    many = await asyncio.gather(*(pool.run(request(pool.engine)) for _ in range(64)))
    assert set(map(repr, many)) == {repr(one)}


@IN_ONE_LOOP
async def test_a_run_whose_worker_is_killed_is_run_again_elsewhere(pool: SandboxPool) -> None:
    before = await pool.run(request(pool.engine))
    running = [asyncio.create_task(pool.run(request(pool.engine))) for _ in range(8)]
    for process in workers_of(os.getpid()):
        os.kill(process, signal.SIGKILL)
    results: list[RunResult] = await asyncio.gather(*running)
    for result in results:
        assert result == before or result.status is Status.NODE_FAULT
    assert await pool.run(request(pool.engine)) == before


@IN_ONE_LOOP
async def test_a_cancelled_run_leaves_its_worker_to_nobody(pool: SandboxPool) -> None:
    running = asyncio.create_task(pool.run(request(pool.engine, "spin")))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await pool.run(request(pool.engine))).state == b'{"n":42}'


@IN_ONE_LOOP
async def test_attacked_workers_keep_serving_others(pool: SandboxPool) -> None:
    attacks = [asyncio.create_task(pool.run(request(pool.engine, "spin"))) for _ in range(6)]
    honest = [asyncio.create_task(pool.run(request(pool.engine))) for _ in range(6)]
    assert {result.status for result in await asyncio.gather(*attacks)} == {Status.OUT_OF_GAS}
    assert {result.status for result in await asyncio.gather(*honest)} == {Status.OK}


@IN_ONE_LOOP
async def test_patience_that_ends_is_this_nodes_alone(cache: Path) -> None:
    async with SandboxPool(PoolConfig(workers=1, cache=cache, timeout_ms=1)) as hasty:
        result = await hasty.run(request(hasty.engine, "spin"))
        assert (result.status, result.gas) == (Status.TIMEOUT, 0)
        assert not result.status.billable


@IN_ONE_LOOP
async def test_more_waiting_than_allowed_is_refused_at_once(cache: Path) -> None:
    async with SandboxPool(PoolConfig(workers=1, cache=cache, max_waiting=2)) as small:
        running = [asyncio.create_task(small.run(request(small.engine, "spin"))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(SandboxBusy) as refused:
            await small.run(request(small.engine))
        assert refused.value.retryable
        await asyncio.gather(*running)


@IN_ONE_LOOP
async def test_a_script_that_takes_long_holds_up_no_other(pool: SandboxPool) -> None:
    """The honest run ends while the long ones, which were there first, still go on."""
    other = SCRIPT + b"// another"
    await pool.run(request(pool.engine, "spin"))
    long = [asyncio.create_task(pool.run(request(pool.engine, "spin"))) for _ in range(6)]
    await asyncio.sleep(0)
    honest = await pool.run(
        request(pool.engine, script=other, script_hash=keccak(other), mode=Mode.UPDATE)
    )
    assert honest.state == b'{"n":42}'
    assert not any(task.done() for task in long[1:])
    assert {result.status for result in await asyncio.gather(*long)} == {Status.OUT_OF_GAS}


def test_a_brief_worker_gives_up_or_gives_what_any_other_gives(cache: Path) -> None:
    brief, patient = Runner(HostConfig(cache=cache), BRIEF), Runner(HostConfig(cache=cache))
    ends = []
    for rounds in (0, 10, 1_000, 2_000, 4_000, 8_000, 100_000):
        source = b"export function f() { for (let i = 0; i < %d; i++); }" % rounds
        wanted = request(brief.engine, "f", script=source, script_hash=keccak(source))
        one, other = brief.run(wanted), patient.run(wanted)
        ends.append(one.status)
        assert one == other or (one.status is Status.TIMEOUT and other.gas >= BRIEF.run)
    assert set(ends) == {Status.OK, Status.TIMEOUT}


@pytest.mark.parametrize("where", ["the module", "a call"])
def test_a_brief_worker_gives_up_on_loading_too(cache: Path, where: str) -> None:
    brief = Runner(HostConfig(cache=cache), BRIEF)
    loop = b"for (let i = 0; i < 3e5; i++);"
    source = loop if where == "the module" else b"(() => { %s })();" % loop
    source += b" export function f() {}"
    wanted = request(brief.engine, "f", script=source, script_hash=keccak(source))
    assert brief.run(wanted).status is Status.TIMEOUT
    assert Runner(HostConfig(cache=cache)).run(wanted).status is Status.OK


@IN_ONE_LOOP
@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("engine", Hash(b"\x01" * 32)),
        ("script_hash", Hash(b"\x01" * 32)),
        ("gas_limit", 0),
        ("gas_limit", Mode.UPDATE.gas_limit + 1),
        ("state", b""),
        ("state", b"{} {}"),
        ("event", b'null,"mode":"update"'),
        ("context", b"{}}"),
        ("context", b'{"a":"\xff"}'),
        ("event", b"[[[}]"),
        ("entry", "\ud800"),
        ("now", -1),
        ("now", 1 << 62),
    ],
)
async def test_a_request_that_is_not_well_formed_is_refused(
    pool: SandboxPool, where: str, value: object
) -> None:
    with pytest.raises(InputError) as refused:
        await pool.run(request(pool.engine, **{where: value}))
    assert refused.value.where == where


@IN_ONE_LOOP
async def test_nothing_is_left_running_when_the_pool_ends(cache: Path) -> None:
    before = set(workers_of(os.getpid()))
    async with SandboxPool(PoolConfig(workers=2, cache=cache)) as pool:
        await pool.run(request(pool.engine))
        assert len(set(workers_of(os.getpid())) - before) == 2
    assert set(workers_of(os.getpid())) == before


@pytest.mark.parametrize(
    "damage", ["flipped bit", "cut short", "empty", "of another runtime", "open to others"]
)
def test_a_damaged_cache_is_compiled_again(cache: Path, tmp_path: Path, damage: str) -> None:
    first = Runner(HostConfig(cache=cache)).run(request(Hash(bytes(32))))
    folder = tmp_path / "cache"
    shutil.copytree(cache, folder)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    match damage:
        case "flipped bit":
            middle = len(whole) // 2
            flipped = bytes([whole[middle] ^ 1])
            file.write_bytes(whole[:middle] + flipped + whole[middle + 1 :])
        case "cut short":
            file.write_bytes(whole[:-1000])
        case "of another runtime":
            code = b"\x7fELF" + whole[36:9_000]
            file.write_bytes(hashlib.sha256(code).digest() + code)
        case "empty":
            file.write_bytes(b"")
        case _:
            folder.chmod(0o777)
    written = file.stat().st_mtime_ns
    assert Runner(HostConfig(cache=folder)).run(request(Hash(bytes(32)))) == first
    assert file.stat().st_mtime_ns > written
    assert len(file.read_bytes()) == len(whole)


FORBIDDEN = {
    "open a file": "open('/etc/passwd')",
    "write a file": "open('/tmp/written', 'w')",
    "list a folder": "os.listdir('/')",
    "open a socket": "socket.socket()",
    "start a process": "os.fork()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "trace its parent": "native('ptrace', 16, os.getppid(), 0, 0)",
    "change its user": "os.setuid(1)",
    "make a memory file": "os.memfd_create('x')",
    "undo its limits": "native('setrlimit', 9, ctypes.byref((ctypes.c_ulong * 2)(-1, -1)))",
}


CONFINED = """
import ctypes, json, os, socket, sys
from node.sandbox.confinement import confine

def native(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

deeds = json.loads(sys.argv[1])
confine()
told = {}
for deed, program in deeds.items():
    try:
        exec(program)
        told[deed] = "done"
    except OSError as error:
        told[deed] = type(error).__name__
os.write(1, json.dumps(told).encode())
"""


@pytest.fixture(scope="module")
def attempts() -> dict[str, str]:
    """What came of every forbidden deed in one confined process."""
    command = [sys.executable, "-c", CONFINED, json.dumps(FORBIDDEN)]
    ended = subprocess.run(command, capture_output=True, timeout=30, check=True)
    told: dict[str, str] = json.loads(ended.stdout)
    return told


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_a_confined_process_cannot(attempts: dict[str, str], deed: str) -> None:
    assert attempts[deed] == "PermissionError"


@IN_ONE_LOOP
async def test_a_workers_memory_stays_bounded_whatever_it_is_bombed_with(cache: Path) -> None:
    folder = Path(__file__).parent / "scripts"
    bombs = [
        part.split("\n", 1)[1].encode()
        for name in ("memory", "bulk")
        for part in (folder / f"{name}.js").read_text().split("//= ")[1:]
    ]
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        for script in bombs:
            whose = keccak(script)
            asked = request(
                pool.engine, "f", script=script, script_hash=whose, gas_limit=100_000_000
            )
            assert (await pool.run(asked)).status.billable, script
        peaks = [peak_kb(process) for process in workers_of(os.getpid())]
    assert peaks
    assert max(peaks) < LARGEST_WORKER_KB, peaks


LARGEST_WORKER_KB = 200 * 1024
"""The interpreter, the compiled engine, one instance of 48 MiB at most, and the loaded scripts."""


def peak_kb(process: int) -> int:
    """The most memory that a process ever had resident."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
