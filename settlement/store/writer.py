"""The writer: one thread, one connection, one sync for everybody who is waiting.

While the thread syncs a group to the disk, the next changes queue up; it then takes all of them, up
to a bound, as the next group. So a lone caller waits for one sync, and many callers share one. A
failed commit fails every member of its group and closes the store to writes: after an fsync has
failed, nobody can say what the disk holds until the file has been opened anew. A disk that is full
is another matter: the commit was refused before any sync, and the next one is tried all the same.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from settlement.errors import SmartLayerError, StoreFailed
from settlement.ports.store import Batch, OutboxEntry
from settlement.store.errors import StoreBusy, StoreFenced, StoreFull
from settlement.store.group import NOTHING, Change, Claim, Outcome
from settlement.store.lease import Lease, holds
from settlement.store.sqlite_rows import claim_effects, group_over, write_group

Failpoint = Callable[[str], None]
"""Called in the writer's thread with the name of the point that it has reached; a crash test may
kill the process there, a fault test may raise OSError."""


FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
"""What SQLite says when there is no room for the log, or for the index beside it."""


def no_failpoint(point: str) -> None:
    """The failpoint of every process that is not under test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    change: Change
    answer: asyncio.Future[Sequence[OutboxEntry]]


class GroupWriter:
    """Commits changes in groups. Made and used on one event loop; the thread is its own."""

    def __init__(
        self,
        engine: sa.Engine,
        lease: Lease,
        *,
        largest_group: int,
        longest_queue: int,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        self._engine = engine
        self._lease = lease
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._closing: StoreFailed | StoreFenced | None = None
        self._full: str | None = None
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """What closed the store to writes or fills its disk, or None while it takes them."""
        return str(self._closing) if self._closing is not None else self._full

    def submit(self, change: Change) -> asyncio.Future[Sequence[OutboxEntry]]:
        """Queue a change now; the future resolves when it is durable.

        Raises StoreBusy when the queue is full (batches only: what the outbox reports back is
        bounded by its own concurrency and frees space) and StoreFailed once the store is closed.
        """
        if self._closing is not None:
            raise _again(self._closing)
        if self._closed:
            raise StoreFailed(problem="it was closed")
        waiting = self._queue.qsize()
        if waiting >= self._longest_queue and isinstance(change, Batch):
            raise StoreBusy(waiting=waiting)
        answer: asyncio.Future[Sequence[OutboxEntry]] = self._loop.create_future()
        self._queue.put(_Waiting(change=change, answer=answer))
        return answer

    async def close(self) -> None:
        """Commit what is queued, then end the thread."""
        self._closed = True
        self._queue.put(None)
        await self._stopped
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            outcomes = self._commit([waiting.change for waiting in group])
            self._loop.call_soon_threadsafe(_resolve, group, outcomes)
        self._loop.call_soon_threadsafe(self._stopped.set_result, None)

    def _next_group(self) -> list[_Waiting]:
        """Wait for a change and take all that wait with it; an empty group ends the thread."""
        group: list[_Waiting] = []
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            if len(group) == self._largest_group:
                break
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
        else:
            if group:
                self._queue.put(None)
        return group

    def _commit(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Each change's refusal, or what it gave where it is durable now. Never raises."""
        if self._closing is not None:
            return [_again(self._closing) for _ in changes]
        try:
            outcomes = self._write(changes)
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
            return self._failed(changes, error)
        self._full = None
        self._failpoint("group-committed")
        return outcomes

    def _write(self, changes: Sequence[Change]) -> list[Outcome]:
        self._failpoint("group-taken")
        with self._engine.begin() as connection:
            if not holds(connection, self._lease):
                database = str(self._engine.url.database)
                raise StoreFenced(database=database, fence=self._lease.fence)
            group = group_over(connection, changes)
            outcomes: list[Outcome] = [group.add(change) or NOTHING for change in changes]
            write_group(connection, group)
            for index, change in enumerate(changes):
                if isinstance(change, Claim):
                    outcomes[index] = claim_effects(connection, change)
            self._failpoint("group-written")
        return outcomes

    def _failed(self, changes: Sequence[Change], error: Exception) -> list[SmartLayerError]:
        problem = f"{type(error).__name__}: {error}"
        # A connection that has failed is not used again: a new one reads the file afresh.
        self._engine.dispose()
        code = _sqlite_code(error)
        if code in FULL:
            self._full = problem
            return [_caused(StoreFull(problem=problem), error) for _ in changes]
        if code == sqlite3.SQLITE_BUSY:  # another worker held the lock too long; nothing was begun
            return [_caused(StoreFailed(problem=problem), error) for _ in changes]
        self._closing = error if isinstance(error, StoreFenced) else StoreFailed(problem=problem)
        return [_caused(_again(self._closing), error) for _ in changes]


def _sqlite_code(error: Exception) -> int | None:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", None)


def _again(error: StoreFailed | StoreFenced) -> SmartLayerError:
    """The same error for another caller: each raises one of its own."""
    if isinstance(error, StoreFenced):
        return StoreFenced(database=error.database, fence=error.fence)
    return StoreFailed(problem=error.problem)


def _caused(error: SmartLayerError, cause: Exception) -> SmartLayerError:
    error.__cause__ = cause
    return error


def _resolve(group: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.answer.done():
            continue  # its caller was cancelled; the change stands all the same
        if isinstance(outcome, SmartLayerError):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)
