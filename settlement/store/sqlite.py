"""The store of one machine: a SQLite file in WAL mode, fully synced, written in groups.

::

    async with SqliteStore(path) as store:
        await store.commit(batch)          # durable when it returns

Reads run on a small pool of threads and see everything that was committed before they began.

A file belongs to one process; a second one that opens it is refused. Several processes may share
it, each as a worker with a name of its own (``worker=``).
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from settlement.ports.store import Again, Batch, MachineRow
from settlement.store import queries
from settlement.store.errors import StoreOwned, StoreUnopened, StoreUnreadable
from settlement.store.lease import Lease, holder_of, require_worker_name, take_lease
from settlement.store.migrate import ensure_schema
from settlement.store.queued import QueuedStore
from settlement.store.writer import Failpoint, GroupWriter, no_failpoint

LARGEST_GROUP = 512
LONGEST_QUEUE = 8_192
READERS = 2
LOCK_WAIT_S = 10
OWNER_WAIT_S = 1.0
"""How long an opening waits for the process before it to end."""
CHECKPOINT_PAGES = 4_000


class SqliteStore(QueuedStore):
    """Implements :class:`settlement.ports.store.Store`; enter it before use, leave it at the end.

    ``worker`` is this process's name where several share the file, None where it is alone.
    ``failpoint`` is for crash and fault tests only. Entering raises StoreOwned where another
    process has the file, SchemaUnknown for a file of another release, StoreUnopened when the file
    cannot be opened or migrated.
    """

    def __init__(
        self,
        path: Path,
        *,
        worker: str | None = None,
        largest_group: int = LARGEST_GROUP,
        longest_queue: int = LONGEST_QUEUE,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        require_worker_name(worker)
        self.path = path
        self._worker = worker
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint
        self._locks: list[int] = []
        self._write_engine = _engine(path, writes=True)
        self._read_engine = _engine(path, writes=False)

    async def __aenter__(self) -> Self:
        lease = await asyncio.to_thread(self._open)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._writer = GroupWriter(
            self._write_engine,
            lease,
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

    async def load(self, kind: str, key: str) -> MachineRow | None:
        rows = await self._rows(queries.one_machine(kind, key), queries.machine_of)
        return rows[0] if rows else None

    async def commit(self, batch: Batch, again: Again | None = None) -> None:
        # The writer's thread cannot call ``again``, whose states belong to the event loop.
        queries.require_storable(batch)
        await self._writer.submit(batch)

    @property
    def _database(self) -> str:
        return str(self.path)

    async def _read(self, query: queries.Query) -> Sequence[Any]:
        """Run a query on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self._read_now, query
        )

    def _read_now(self, query: queries.Query) -> Sequence[Any]:
        try:
            with self._read_engine.connect() as connection:
                return connection.execute(query).all()
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnreadable(path=str(self.path), problem=str(error)) from error

    def _open(self) -> Lease:
        try:
            create_private(self.path)
            self._lock()
            with self._write_engine.begin() as connection:
                ensure_schema(connection, str(self.path))
                return take_lease(connection, self._worker)
        except BaseException as error:
            self._write_engine.dispose()
            unlock_files(self._locks)
            if isinstance(error, sa.exc.DBAPIError):
                raise StoreUnopened(database=str(self.path), problem=str(error.orig)) from error
            if isinstance(error, sa.exc.SQLAlchemyError | OSError):
                raise StoreUnopened(database=str(self.path), problem=str(error)) from error
            raise

    def _lock(self) -> None:
        self._locks = lock_files(self.path, self._worker)
        if not self._locks:
            raise StoreOwned(database=str(self.path), holder=self._holder())

    def _holder(self) -> str:
        try:
            with self._read_engine.connect() as connection:
                return holder_of(connection)
        except sa.exc.SQLAlchemyError:
            return "unknown"  # it is only just making the tables
        finally:
            self._read_engine.dispose()

    def _close(self) -> None:
        self._readers.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()
        unlock_files(self._locks)


def lock_files(path: Path, worker: str | None) -> list[int]:
    """The handles of the locked files beside a database: one that keeps workers and a sole owner
    apart, and one that keeps a worker from its namesake; none where another process has either.

    The system unlocks them when this process ends. The database itself is not locked so: closing
    any handle of it would drop SQLite's own locks.
    """
    wanted = [(path.with_name(f"{path.name}.lock"), fcntl.LOCK_EX)]
    if worker is not None:
        own = path.with_name(f"{path.name}.{worker}.lock")
        wanted = [(wanted[0][0], fcntl.LOCK_SH), (own, fcntl.LOCK_EX)]
    held: list[int] = []
    for name, kind in wanted:
        held.append(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not _locked(held[-1], kind):
            unlock_files(held)
            return []
    return held


def _locked(handle: int, kind: int) -> bool:
    deadline = time.monotonic() + OWNER_WAIT_S
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def unlock_files(handles: list[int]) -> None:
    for handle in handles:
        os.close(handle)
    handles.clear()


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


def create_private(path: Path) -> None:
    """Make sure that the file exists and that nobody else may read it; SQLite's -wal and -shm
    files take its mode over. A new file's name is synced too, or it could vanish with the power."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
