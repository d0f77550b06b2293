"""The store of one process: a SQLite file in WAL mode, fully synced, written in groups.

::

    async with SqliteStore(path) as store:
        await store.commit(batch)          # durable when it returns

Reads run on a small pool of threads and see everything that was committed before they began.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from settlement.errors import InputError, StoreFailed
from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry
from settlement.store.errors import StoreUnreadable
from settlement.store.group import Done, Postpone
from settlement.store.migrate import ensure_schema
from settlement.store.schema import log_record, machine, outbox
from settlement.store.writer import Failpoint, GroupWriter, no_failpoint
from settlement.types import Hash, unsigned

T = TypeVar("T")

LARGEST_GROUP = 512
LONGEST_QUEUE = 8_192
READERS = 2
LOCK_WAIT_S = 10
CHECKPOINT_PAGES = 4_000
LAST_CODE_POINT = "\U0010ffff"


class SqliteStore:
    """Implements :class:`settlement.ports.store.Store`; enter it before use, leave it at the end.

    ``failpoint`` is for crash and fault tests only. Entering raises SchemaUnknown for a file of
    another release and StoreFailed when the file cannot be opened or migrated.
    """

    def __init__(
        self,
        path: Path,
        *,
        largest_group: int = LARGEST_GROUP,
        longest_queue: int = LONGEST_QUEUE,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        self.path = path
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint
        self._write_engine = _engine(path, writes=True)
        self._read_engine = _engine(path, writes=False)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._writer = GroupWriter(
            self._write_engine,
            largest_group=self._largest_group,
            longest_queue=self._longest_queue,
            failpoint=self._failpoint,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._close)

    @property
    def failure(self) -> str | None:
        """What closed the store to writes, or None while it takes them; health reports it."""
        return self._writer.failure

    async def load(self, kind: str, key: str) -> MachineRow | None:
        query = sa.select(machine).where(machine.c.kind == kind, machine.c.key == key)
        rows = await self._read(query, MachineRow)
        return rows[0] if rows else None

    async def keys(self, kind: str, prefix: str = "") -> Sequence[str]:
        query = sa.select(machine.c.key).where(machine.c.kind == kind, machine.c.key >= prefix)
        if (end := _after(prefix)) is not None:
            query = query.where(machine.c.key < end)
        return await self._read(query.order_by(machine.c.key), _only)

    async def commit(self, batch: Batch) -> None:
        _check(batch)
        await self._writer.submit(batch)

    async def read_log(self, stream: str, start: int, limit: int) -> Sequence[LogRecord]:
        unsigned(start, 63, "start")
        unsigned(limit, 63, "limit")  # to SQLite a negative limit means none
        query = (
            sa.select(log_record)
            .where(log_record.c.stream == stream, log_record.c.position >= start)
            .order_by(log_record.c.position)
            .limit(limit)
        )
        return await self._read(query, LogRecord)

    async def log_length(self, stream: str) -> int:
        highest = sa.func.max(log_record.c.position)
        query = sa.select(sa.func.coalesce(highest, -1) + 1).where(log_record.c.stream == stream)
        return (await self._read(query, _only_int))[0]

    async def pending(
        self, now_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        unsigned(now_ms, 63, "now_ms")
        unsigned(limit, 63, "limit")
        columns = [column for column in outbox.c if column.name != "sequence"]
        query = (
            sa.select(*columns)
            .where(outbox.c.due_ms <= now_ms)
            .where(sa.true() if kinds is None else outbox.c.kind.in_(sorted(kinds)))
            .order_by(outbox.c.due_ms, outbox.c.sequence)
            .limit(limit)
        )
        return await self._read(query, _entry)

    async def postpone(self, effect: Hash, due_ms: int, attempts: int) -> None:
        unsigned(due_ms, 63, "due_ms")
        unsigned(attempts, 63, "attempts")
        await self._writer.submit(Postpone(effect=effect, due_ms=due_ms, attempts=attempts))

    async def done(self, effect: Hash) -> None:
        await self._writer.submit(Done(effect=effect))

    async def _read(self, query: sa.Select[Any], make: Callable[..., T]) -> Sequence[T]:
        """Run a query on a reader thread; ``make`` takes a row's columns by name."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._read_now, query, make
        )

    def _read_now(self, query: sa.Select[Any], make: Callable[..., T]) -> Sequence[T]:
        try:
            with self._read_engine.connect() as connection:
                return [make(**row) for row in connection.execute(query).mappings()]
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnreadable(path=str(self.path), problem=str(error)) from error

    def _open(self) -> None:
        try:
            _create_private(self.path)
            ensure_schema(self._write_engine)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._write_engine.dispose()
            raise StoreFailed(problem=f"{self.path}: {error}") from error

    def _close(self) -> None:
        self._readers.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()


def _engine(path: Path, *, writes: bool) -> sa.Engine:
    """An engine whose connections never start a transaction by themselves."""
    url = sa.URL.create("sqlite+pysqlite", database=str(path))
    engine = sa.create_engine(
        url,
        pool_size=1 if writes else READERS,
        max_overflow=0,
        connect_args={"timeout": LOCK_WAIT_S},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        # The driver's own habit of opening transactions would let a check run outside of them.
        connection.isolation_level = None
        for pragma in _pragmas(writes=writes):
            connection.execute(f"PRAGMA {pragma}")

    if writes:

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            # The lock comes first: what the group is judged against cannot change under it.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _pragmas(*, writes: bool) -> Sequence[str]:
    if not writes:
        return ("query_only=ON", "trusted_schema=OFF")
    return (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        "trusted_schema=OFF",
    )


def _create_private(path: Path) -> None:
    """Make sure that the file exists and that nobody else may read it; SQLite's -wal and -shm
    files take its mode over. A new file's name is synced too, or it could vanish with the power."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(batch: Batch) -> None:
    """Refuse what SQLite cannot hold before it is queued, so that it cannot spoil its group."""
    for row in batch.machines:
        unsigned(row.revision, 63, "revision")
        _text(row.kind, row.key)
    for record in batch.records:
        unsigned(record.position, 63, "position")
        _text(record.stream)
    for entry in batch.outbox:
        unsigned(entry.due_ms, 63, "due_ms")
        unsigned(entry.attempts, 63, "attempts")
        _text(entry.kind, entry.key)


def _text(*texts: str) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(where="a name in the store", problem=str(error)) from error


def _after(prefix: str) -> str | None:
    """The first text that sorts after all texts with the prefix; None if there is none."""
    kept = prefix.rstrip(LAST_CODE_POINT)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:
        following = 0xE000  # surrogates are no characters
    return kept[:-1] + chr(following)


def _entry(*, id: bytes, **columns: Any) -> OutboxEntry:  # noqa: A002 - the column's name
    return OutboxEntry(id=Hash(id), **columns)


def _only(**columns: str) -> str:
    (value,) = columns.values()
    return value


def _only_int(**columns: int) -> int:
    (value,) = columns.values()
    return value
