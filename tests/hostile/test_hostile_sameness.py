"""Caching, concurrency, killed workers and restarts never change status, gas or output."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from node.ports.sandbox import Mode, RunRequest, RunResult, Status
from node.sandbox import runner as runners
from node.sandbox.host import HostConfig
from node.sandbox.pool import PoolConfig, SandboxPool
from node.sandbox.runner import Runner
from settlement.types import Hash, keccak

SCRIPTS = [
    part.split("\n", 1)[1].encode()
    for file in sorted((Path(__file__).parent / "scripts").glob("*.js"))
    for part in file.read_text().split("//= ")[1:]
]
RUNS = 96
GAS = 1_500_000
KILLS = 6


def requests(engine: Hash) -> list[RunRequest]:
    """As many different runs: scripts, modes, inputs and seeds drawn once and for all."""
    chance, made = random.Random(26), []
    for number in range(RUNS):
        script = SCRIPTS[number * len(SCRIPTS) // RUNS]
        made.append(
            RunRequest(
                engine=engine,
                script=script,
                script_hash=keccak(script),
                entry="f",
                mode=chance.choice([Mode.UPDATE, Mode.READ]),
                seed=keccak(b"%d" % number),
                now=1_790_000_000 + number,
                gas_limit=GAS,
                state=b'{"list":[1,2,3],"n":%d}' % number,
                event=b'{"k":"v"}',
            )
        )
    return made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def expected(cache: Path) -> list[RunResult]:
    """Each run in a runner that has loaded its script for the first time."""
    runner = Runner(HostConfig(cache=cache))
    results = []
    for each in requests(runner.engine):
        runner._loaded.clear()  # as a runner that has just started
        results.append(runner.run(each))
    assert {result.status for result in results} >= {Status.OK, Status.ERROR, Status.OUT_OF_GAS}
    return results


def test_a_cache_that_holds_all_one_or_nothing_changes_no_result(
    cache: Path, expected: list[RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept in (1 << 30, 1):
        monkeypatch.setattr(runners, "_KEPT_BYTES", kept)
        runner = Runner(HostConfig(cache=cache))
        order = list(enumerate(requests(runner.engine)))
        for turn in range(2):
            random.Random(turn).shuffle(order)
            for number, each in order:
                assert runner.run(each) == expected[number], each.script


async def test_nearly_a_hundred_runs_at_once_give_what_each_gives_alone(
    cache: Path, expected: list[RunResult]
) -> None:
    async with SandboxPool(PoolConfig(workers=2, cache=cache)) as pool:
        asked = requests(pool.engine)
        assert await asyncio.gather(*map(pool.run, asked)) == expected


async def test_killing_workers_meanwhile_costs_a_result_but_never_changes_one(
    cache: Path, expected: list[RunResult]
) -> None:
    async with SandboxPool(PoolConfig(workers=2, cache=cache)) as pool:
        killer = asyncio.create_task(kill(pool, random.Random(26)))
        results = await asyncio.gather(*map(pool.run, requests(pool.engine)))
        killer.cancel()
        for number, result in enumerate(results):
            assert result == expected[number] or result.status is Status.NODE_FAULT
        assert await asyncio.gather(*map(pool.run, requests(pool.engine))) == expected


async def test_a_pool_that_starts_anew_gives_the_same(
    cache: Path, expected: list[RunResult]
) -> None:
    for _ in range(2):
        async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
            asked = requests(pool.engine)[::4]
            assert await asyncio.gather(*map(pool.run, asked)) == expected[::4]


async def kill(pool: SandboxPool, chance: random.Random) -> None:
    """One worker after the other, each once the pool has replaced the one before."""
    killed = set[int]()
    while len(killed) < KILLS:
        alive = [worker.process.pid for worker in pool._alive]
        fresh = sorted(set(alive) - killed)
        if fresh:
            victim = chance.choice(fresh)
            killed.add(victim)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        await asyncio.sleep(0.02)
