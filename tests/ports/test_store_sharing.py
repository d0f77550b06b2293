"""Several workers on one database, and one that must be alone: on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import Cluster
from sqlalchemy.ext.asyncio import create_async_engine

from settlement.core.machine import Machine, Record, Transition
from settlement.ports.clock import VirtualClock
from settlement.ports.store import Batch, MachineRow, OutboxEntry, RevisionConflict, Store
from settlement.services.engine import Effect, Engine, Outbox
from settlement.store.errors import StoreCorrupt, StoreFenced, StoreOwned
from settlement.store.postgres import PostgresStore
from settlement.store.sqlite import SqliteStore
from settlement.types import Hash, Uint128

Open = Callable[..., AbstractAsyncContextManager[Store]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database: how a process opens it, and how a test reaches below the store."""

    open: Open
    engine: Callable[[], sa.ext.asyncio.AsyncEngine]

    async def execute(self, statement: str) -> None:
        engine = self.engine()
        async with engine.begin() as connection:
            await connection.execute(sa.text(statement))
        await engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        path = tmp_path / "node.db"
        return Database(
            open=lambda worker=None: SqliteStore(path, worker=worker),
            engine=lambda: create_async_engine(f"sqlite+aiosqlite:///{path}"),
        )
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    target = cluster.target(await cluster.database())
    return Database(
        open=lambda worker=None: PostgresStore(target, worker=worker),
        engine=lambda: create_async_engine("postgresql+asyncpg://", async_creator=target.connect),
    )


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[tuple[Store, Store]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(database.open(worker="one"))
        two = await stack.enter_async_context(database.open(worker="two"))
        yield one, two


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    total: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpend:
    amount: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformTell:
    total: Uint128


class OverLimit(RevisionConflict):
    """Stands for any typed refusal."""

    code = "SL-8999"
    title = "Over the limit"


def spend(state: Purse, event: ActionSpend, _now_ms: int) -> Transition[Purse, PerformTell]:
    total = state.total + event.amount
    if total > event.limit:
        raise OverLimit(kind="purse", key=str(total))
    return Transition(
        state=replace(state, total=total),
        records=(Record(stream="spent", position=state.total, body=Purse(total=total)),),
        effects=(PerformTell(total=total),),
    )


PURSE: Machine[Purse, ActionSpend, PerformTell] = Machine(
    kind="purse",
    state_type=Purse,
    effect_types=(PerformTell,),
    initial=lambda _key: Purse(),
    step=spend,
)


def row(revision: int, state: bytes = b"s", built_on: bytes = b"") -> MachineRow:
    return MachineRow(kind="lane", key="a", revision=revision, state=state, built_on=built_on)


def effects(count: int) -> Batch:
    return Batch(
        outbox=tuple(
            OutboxEntry(id=Hash(bytes([n]) * 32), kind="Tell", key=str(n), body=b"", due_ms=0)
            for n in range(count)
        )
    )


async def test_a_step_built_on_another_workers_row_is_a_conflict(
    pair: tuple[Store, Store],
) -> None:
    one, two = pair
    await one.commit(Batch(machines=(row(1, b"mine"),)))
    await two.commit(Batch(machines=(row(2, b"theirs", row(1, b"mine").checksum()),)))

    with pytest.raises(RevisionConflict):
        await one.commit(Batch(machines=(row(3, b"lost", row(2, b"mine too").checksum()),)))

    await one.commit(Batch(machines=(row(3, b"seen", row(2, b"theirs").checksum()),)))
    assert await two.load("lane", "a") == row(3, b"seen")


async def test_of_workers_that_write_a_new_row_at_once_one_wins(
    pair: tuple[Store, Store],
) -> None:
    for number in range(30):
        batches = [
            Batch(machines=(MachineRow(kind="lane", key=str(number), revision=1, state=who),))
            for who in (b"one", b"two")
        ]
        outcomes = await asyncio.gather(
            *(store.commit(batch) for store, batch in zip(pair, batches, strict=True)),
            return_exceptions=True,
        )
        assert sorted(outcome is None for outcome in outcomes) == [False, True]
        winner = (b"one", b"two")[outcomes.index(None)]
        held = await pair[0].load("lane", str(number))
        assert held is not None
        assert held.state == winner


async def test_no_step_of_two_busy_workers_is_lost_or_made_twice(
    pair: tuple[Store, Store],
) -> None:
    engines = [Engine(store, VirtualClock()) for store in pair]
    event = ActionSpend(amount=1, limit=10**9)

    async def caller(engine: Engine) -> None:
        for _ in range(10):
            await engine.apply(PURSE, "a", event)

    await asyncio.gather(*(caller(engine) for engine in engines for _ in range(8)))

    for engine in engines:
        assert (await engine.state(PURSE, "a")).total == 160
    spent = await pair[0].read_log("spent", 0, 1_000)
    assert [record.position for record in spent] == list(range(160))
    assert len(await pair[0].pending(0, 1_000)) == 160


async def test_a_limit_holds_over_all_workers_and_an_old_state_refuses_nobody(
    pair: tuple[Store, Store],
) -> None:
    one, two = (Engine(store, VirtualClock()) for store in pair)
    await one.apply(PURSE, "a", ActionSpend(amount=90, limit=100))
    assert (await two.state(PURSE, "a")).total == 90
    await one.apply(PURSE, "a", ActionSpend(amount=10, limit=100))

    with pytest.raises(OverLimit):
        await two.apply(PURSE, "a", ActionSpend(amount=1, limit=100))

    # The second worker remembers 100; the first gives most of it back.
    await one.apply(PURSE, "a", ActionSpend(amount=-80, limit=100))
    assert (await two.apply(PURSE, "a", ActionSpend(amount=70, limit=100))).state.total == 90


async def test_what_is_claimed_is_given_to_nobody_else_until_its_time(
    pair: tuple[Store, Store],
) -> None:
    one, two = pair
    await one.commit(effects(20))

    halves = await asyncio.gather(one.claim(0, 1_000, 15, None), two.claim(0, 1_000, 15, None))

    claimed = [entry.key for half in halves for entry in half]
    assert sorted(map(int, claimed)) == list(range(20))
    assert list(await two.claim(999, 2_000, 20, None)) == []
    assert len(await two.claim(1_000, 2_000, 50, frozenset({"Tell"}))) == 20
    assert list(await one.claim(9_000, 9_001, 50, frozenset({"Other"}))) == []


async def test_two_workers_perform_each_effect_once(pair: tuple[Store, Store]) -> None:
    told: list[Hash] = []

    async def tell(effect: Effect) -> None:
        await asyncio.sleep(0)
        told.append(effect.id)

    clock = VirtualClock()
    engines = [Engine(store, clock) for store in pair]
    running = [asyncio.create_task(Outbox(engine, {PerformTell: tell}).run()) for engine in engines]
    for number in range(40):
        await engines[number % 2].apply(PURSE, "a", ActionSpend(amount=1, limit=10**9))
    async with asyncio.timeout(20):
        while len(told) < 40 or await pair[0].pending(2**60, 1):
            await clock.advance_ms(200)
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    assert len(told) == len(set(told)) == 40


@pytest.mark.slow
async def test_a_second_process_is_refused_and_told_who_is_there(database: Database) -> None:
    async with database.open():
        assert await refused(database, None)
        assert await refused(database, "one")
    async with database.open():
        pass


@pytest.mark.slow
async def test_workers_are_refused_beside_a_namesake_and_a_sole_owner_beside_workers(
    database: Database,
) -> None:
    async with database.open(worker="one"):
        assert await refused(database, None)
        async with database.open(worker="two"):
            pass
        assert await refused(database, "one")


async def refused(database: Database, worker: str | None) -> bool:
    with pytest.raises(StoreOwned, match=r"process \d+ on"):
        async with database.open(worker=worker):
            pass
    return True


@pytest.mark.parametrize("worker", [None, "one"])
async def test_who_was_fenced_commits_nothing_more(database: Database, worker: str | None) -> None:
    async with database.open(worker=worker) as store:
        await store.commit(Batch(machines=(row(1),)))
        await database.execute("UPDATE lease SET fence = fence + 1")

        with pytest.raises(StoreFenced):
            await store.commit(Batch(machines=(row(2, b"late"),)))
        with pytest.raises(StoreFenced):
            await store.commit(Batch(machines=(row(2, b"later"),)))

        assert store.failure is not None
        assert await store.load("lane", "a") == row(1)


@pytest.mark.parametrize(
    "rot",
    ["UPDATE machine SET state = {other}", "UPDATE machine SET revision = 3"],
    ids=["state", "revision"],
)
async def test_a_row_that_changed_below_the_store_is_not_believed(
    database: Database, rot: str
) -> None:
    async with database.open() as store:
        await store.commit(Batch(machines=(row(1),)))
        name = database.engine().dialect.name
        await database.execute(rot.format(other="X'74'" if name == "sqlite" else "'\\x74'"))

        with pytest.raises(StoreCorrupt, match="lane a"):
            await store.load("lane", "a")
