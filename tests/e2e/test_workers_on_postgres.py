"""Two processes of one anchor on one database of PostgreSQL, acknowledging the same channel."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from postgres import Cluster

from settlement.core.ledger import LEDGER, LedgerState
from settlement.store.postgres import PostgresStore
from settlement.store.postgres_session import Target

PROCESS = Path(__file__).parent / "anchor_worker_process.py"
LANES = 6
DEPOSIT = 10_000


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker's process, and what it has said."""

    process: asyncio.subprocess.Process
    said: list[list[str]] = field(default_factory=list)

    @classmethod
    async def start(cls, target: Target, name: str) -> "Worker":
        assert target.password is not None
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROCESS), target.url, name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TEST_DATABASE_PASSWORD": target.password},
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 40) == b"ready\n"
        return cls(process=process)

    def send(self, vouchers: Iterable[tuple[int, int]]) -> None:
        assert self.process.stdin is not None
        for lane, cumulative in vouchers:
            self.process.stdin.write(f"{lane} {cumulative}\n".encode())

    async def hear(self, until: int = 1 << 30) -> None:
        """Read what it says until its end, or until it acknowledged ``until`` vouchers."""
        assert self.process.stdout is not None
        while line := await asyncio.wait_for(self.process.stdout.readline(), 40):
            self.said.append(line.decode().split())
            if len(list(self.words("acknowledged"))) >= until:
                return

    def words(self, first: str) -> Iterable[list[str]]:
        return (words[1:] for words in self.said if words[0] == first)

    async def finish(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.hear()
        assert await self.process.wait() == 0


def vouchers(seed: int, count: int) -> list[tuple[int, int]]:
    dice = random.Random(seed)
    return [(dice.randrange(LANES), dice.randrange(1, 2_500)) for _ in range(count)]


async def ledger_in(target: Target) -> LedgerState:
    async with PostgresStore(target, worker="looker") as store:
        (key,) = await store.keys(LEDGER.kind)
        row = await store.load(LEDGER.kind, key)
    assert row is not None
    return msgspec.json.decode(row.state, type=LedgerState)


def require_nothing_lost(ledger: LedgerState, workers: list[Worker]) -> None:
    """The deposit covers all leases, and the ledger all that any worker has acknowledged."""
    assert ledger.deposit == DEPOSIT
    assert sum(debt.lease_cap for debt in ledger.debts) <= DEPOSIT
    held = {int.from_bytes(debt.node, "big"): debt for debt in ledger.debts}
    for worker in workers:
        for words in worker.words("acknowledged"):
            lane, cumulative, acknowledged, lease_cap = map(int, words)
            assert held[lane].promised >= cumulative
            assert held[lane].acknowledged >= acknowledged
            assert held[lane].lease_cap >= lease_cap
            assert acknowledged <= lease_cap


@pytest.mark.timeout(120)
async def test_two_workers_lease_one_deposit_once_and_perform_each_effect_once(
    postgres_cluster: Cluster,
) -> None:
    target = postgres_cluster.target(await postgres_cluster.database())
    workers = await asyncio.gather(*(Worker.start(target, name) for name in ("one", "two")))
    for seed, worker in enumerate(workers):
        worker.send(vouchers(seed, 60))
    await asyncio.gather(*(worker.finish() for worker in workers))

    acknowledged = [len(list(worker.words("acknowledged"))) for worker in workers]
    assert acknowledged == [60, 60]
    require_nothing_lost(await ledger_in(target), workers)
    told = Counter(words[1] for worker in workers for words in worker.words("told"))
    assert told == {str(count): 1 for count in range(1, 121)}


@pytest.mark.timeout(120)
async def test_what_a_killed_worker_acknowledged_stands_and_the_other_goes_on(
    postgres_cluster: Cluster,
) -> None:
    target = postgres_cluster.target(await postgres_cluster.database())
    victim, other = await asyncio.gather(*(Worker.start(target, name) for name in ("one", "two")))
    for seed, worker in enumerate((victim, other)):
        worker.send(vouchers(seed, 90))
    await victim.hear(until=20)
    victim.process.kill()
    await victim.hear()
    await victim.process.wait()
    await other.finish()

    assert len(list(other.words("acknowledged"))) == 90
    require_nothing_lost(await ledger_in(target), [victim, other])
