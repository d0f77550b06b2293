"""What the SQLite store adds to the port: durability, groups, bounds, and its file."""

import asyncio
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from settlement.errors import AmountOutOfRange, InputError, StoreFailed
from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry, RevisionConflict
from settlement.store.errors import SchemaUnknown, StoreBusy, StoreUnreadable
from settlement.store.migrate import MIGRATIONS
from settlement.store.schema import REVISION, metadata
from settlement.store.sqlite import SqliteStore
from settlement.store.sqlite_rows import find_machines, find_records
from settlement.types import Hash


def step(key: str, revision: int = 1) -> Batch:
    return Batch(machines=(MachineRow(kind="lane", key=key, revision=revision, state=b"s"),))


class Gate:
    """A failpoint that holds the writer at one point until it is opened, and counts groups."""

    def __init__(self, point: str = "group-taken") -> None:
        self.point = point
        self.reached = threading.Event()
        self.open = threading.Event()
        self.groups = 0

    def __call__(self, point: str) -> None:
        if point == "group-committed":
            self.groups += 1
        if point == self.point:
            self.reached.set()
            assert self.open.wait(10)

    async def hold(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


class BrokenDisk:
    """A failpoint that fails like a disk whose syncs fail, once it is told to."""

    def __init__(self) -> None:
        self.broken = False

    def __call__(self, point: str) -> None:
        if self.broken and point == "group-written":
            raise OSError(5, "Input/output error")


async def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    entry = OutboxEntry(id=Hash(bytes(32)), kind="Send", key="a", body=b"b", due_ms=0)
    record = LogRecord(stream="log", position=0, body=b"body")
    async with SqliteStore(path) as store:
        await store.commit(Batch(records=(record,), outbox=(entry,)))
        await store.commit(step("a"))

    async with SqliteStore(path) as store:
        assert await store.load("lane", "a") == step("a").machines[0]
        assert list(await store.read_log("log", 0, 9)) == [record]
        assert list(await store.pending(0, 9)) == [entry]


async def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.db"
    path.parent.mkdir()
    path.touch(mode=0o644)
    async with SqliteStore(path) as store:
        await store.commit(step("a"))
        modes = {
            file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("node.db*")
        }

    endings = ("", "-wal", "-shm", ".lock")
    assert modes == {f"node.db{ending}": 0o600 for ending in endings}


async def test_the_writer_syncs_every_commit_of_a_write_ahead_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "node.db")
    async with store:
        with store._write_engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        with (
            store._read_engine.connect() as connection,
            pytest.raises(sa.exc.OperationalError, match="readonly"),
        ):
            connection.exec_driver_sql("DELETE FROM machine")


async def test_all_who_wait_share_one_commit(tmp_path: Path) -> None:
    gate = Gate()
    async with SqliteStore(tmp_path / "node.db", failpoint=gate) as store:
        first = asyncio.create_task(store.commit(step("first")))
        await gate.hold()
        rest = [asyncio.create_task(store.commit(step(f"k{n}"))) for n in range(100)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *rest)

    assert gate.groups == 2


async def test_a_group_is_no_larger_than_its_bound(tmp_path: Path) -> None:
    gate = Gate()
    async with SqliteStore(tmp_path / "node.db", failpoint=gate, largest_group=10) as store:
        first = asyncio.create_task(store.commit(step("first")))
        await gate.hold()
        rest = [asyncio.create_task(store.commit(step(f"k{n}"))) for n in range(95)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *rest)

    assert gate.groups == 11


async def test_a_commit_is_queued_before_its_first_await(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "node.db") as store:
        earlier, later = store.commit(step("a", 1)), store.commit(step("a", 2))
        first = asyncio.create_task(earlier)
        second = asyncio.create_task(later)
        await asyncio.gather(first, second)

        newest = await store.load("lane", "a")
    assert newest is not None
    assert newest.revision == 2


async def test_no_answer_leaves_before_the_commit_is_on_disk(tmp_path: Path) -> None:
    gate = Gate("group-written")
    path = tmp_path / "node.db"
    async with SqliteStore(path, failpoint=gate) as store:
        commit = asyncio.create_task(store.commit(step("a")))
        await gate.hold()
        assert not commit.done()
        assert await store.load("lane", "a") is None, "a reader sees only what is committed"
        gate.open.set()
        await commit
        assert await store.load("lane", "a") is not None


async def test_a_full_queue_sheds_commits_but_takes_what_the_outbox_reports(
    tmp_path: Path,
) -> None:
    gate = Gate()
    async with SqliteStore(tmp_path / "node.db", failpoint=gate, longest_queue=3) as store:
        first = asyncio.create_task(store.commit(step("first")))
        await gate.hold()
        rest = [asyncio.create_task(store.commit(step(f"k{n}"))) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy) as busy:
            await store.commit(step("one too many"))
        report = asyncio.create_task(store.done(Hash(bytes(32))))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *rest, report)

        assert busy.value.waiting == 3
        assert busy.value.retryable
        assert await store.load("lane", "one too many") is None
        await store.commit(step("one too many"))


async def test_a_failed_commit_fails_its_whole_group_and_closes_the_store(tmp_path: Path) -> None:
    disk = BrokenDisk()
    path = tmp_path / "node.db"
    async with SqliteStore(path, failpoint=disk) as store:
        await store.commit(step("kept"))
        disk.broken = True
        outcomes = await asyncio.gather(
            *(store.commit(step(f"k{n}")) for n in range(5)), return_exceptions=True
        )
        disk.broken = False

        assert all(isinstance(outcome, StoreFailed) for outcome in outcomes)
        with pytest.raises(StoreFailed, match="Input/output error"):
            await store.commit(step("later"))
        with pytest.raises(StoreFailed):
            await store.done(Hash(bytes(32)))
        assert store.failure is not None
        assert list(await store.keys("lane")) == ["kept"], "reads go on"

    async with SqliteStore(path) as store:
        assert store.failure is None
        await store.commit(step("k0"))


async def test_a_disk_that_is_really_full_corrupts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    store = SqliteStore(path)
    kept = 0
    async with store:
        with store._write_engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=200")

        async def fill() -> None:
            nonlocal kept
            for kept in range(2_000):
                row = MachineRow(kind="lane", key=f"{kept:06}", revision=1, state=bytes(2_000))
                await store.commit(Batch(machines=(row,)))

        with pytest.raises(StoreFailed, match="full"):
            await fill()

    async with SqliteStore(path) as store:
        assert len(await store.keys("lane")) == kept > 100
        await store.commit(step("room again"))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def test_a_cancelled_caller_does_not_disturb_its_group(tmp_path: Path) -> None:
    gate = Gate()
    async with SqliteStore(tmp_path / "node.db", failpoint=gate) as store:
        gone = asyncio.create_task(store.commit(step("gone")))
        await gate.hold()
        stays = asyncio.create_task(store.commit(step("stays")))
        await asyncio.sleep(0)
        gone.cancel()
        gate.open.set()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

        assert list(await store.keys("lane")) == ["gone", "stays"]


async def test_leaving_the_store_commits_what_is_queued(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    async with SqliteStore(path) as store:
        tasks = [asyncio.create_task(store.commit(step(f"k{n}"))) for n in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    with pytest.raises(StoreFailed, match="closed"):
        await store.commit(step("late"))
    async with SqliteStore(path) as store:
        assert len(await store.keys("lane")) == 50


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (step("a", 2**63), AmountOutOfRange),
        (step("lone surrogate \ud800"), InputError),
        (Batch(records=(LogRecord(stream="s", position=2**63, body=b""),)), AmountOutOfRange),
        (Batch(records=(LogRecord(stream="s", position=-1, body=b""),)), AmountOutOfRange),
    ],
)
async def test_a_batch_that_sqlite_cannot_hold_is_refused_alone(
    tmp_path: Path, batch: Batch, error: type[Exception]
) -> None:
    async with SqliteStore(tmp_path / "node.db") as store:
        outcomes = await asyncio.gather(
            store.commit(batch), store.commit(step("b")), return_exceptions=True
        )

        assert isinstance(outcomes[0], error)
        assert outcomes[1] is None


async def test_two_stores_on_one_file_still_compare_and_set(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    async with SqliteStore(path, worker="one") as one, SqliteStore(path, worker="two") as other:
        await one.commit(step("a", 1))
        await other.commit(step("a", 2))
        with pytest.raises(RevisionConflict):
            await one.commit(step("a", 2))
        await one.commit(step("a", 3))


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    async with SqliteStore(path):
        pass
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        tables = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql > ''")
        written = dict(tables.all())
    engine.dispose()

    assert differences == []
    endings = {name: sql.rpartition(")")[2].split() for name, sql in written.items()}
    assert endings["machine"] == endings["outbox"] == ["STRICT"]
    assert endings["log_record"] == ["WITHOUT", "ROWID,", "STRICT"]


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


async def test_a_file_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    async with SqliteStore(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(SchemaUnknown, match="9999"):
        async with SqliteStore(path):
            pass


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(StoreFailed, match="not a database"):
        async with SqliteStore(path):
            pass


async def test_a_read_that_fails_is_our_error(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "node.db")
    async with store:
        with store._write_engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE machine")
        with pytest.raises(StoreUnreadable, match="no such table"):
            await store.load("lane", "a")


@pytest.mark.parametrize("query", [find_machines, find_records], ids=["machines", "records"])
async def test_judging_a_group_searches_an_index(tmp_path: Path, query: sa.TextClause) -> None:
    store = SqliteStore(tmp_path / "node.db")
    async with store:
        explained = sa.text(f"EXPLAIN QUERY PLAN {query.text}").bindparams(
            sa.bindparam("names", expanding=True)
        )
        with store._read_engine.connect() as connection:
            plan = connection.execute(explained, {"names": [("a", "1"), ("b", "2")]}).all()

    searches = [line.detail for line in plan if line.detail.startswith("SEARCH")]
    assert len(searches) == 1
    assert "=? AND" in searches[0]
    assert not [line.detail for line in plan if line.detail.startswith(("SCAN m", "SCAN l"))]
