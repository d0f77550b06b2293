"""The writer: one thread, one connection, one sync for everybody who is waiting.

While the thread syncs a group to the disk, the next changes queue up; it then takes all of them, up
to a bound, as the next group. So a lone caller waits for one sync, and many callers share one. A
failed commit fails every member of its group and closes the store to writes: after an fsync has
failed, nobody can say what the disk holds until the file has been opened anew.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from settlement.errors import SmartLayerError, StoreFailed
from settlement.ports.store import Batch
from settlement.store.errors import StoreBusy
from settlement.store.group import Change, Group

Failpoint = Callable[[str], None]
"""Called in the writer's thread with the name of the point that it has reached; a crash test may
kill the process there, a fault test may raise OSError."""


def no_failpoint(point: str) -> None:
    """The failpoint of every process that is not under test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    change: Change
    answer: asyncio.Future[None]


class GroupWriter:
    """Commits changes in groups. Made and used on one event loop; the thread is its own."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        largest_group: int,
        longest_queue: int,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        self._engine = engine
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._failure: str | None = None
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """What closed the store to writes, or None while it takes them."""
        return self._failure

    def submit(self, change: Change) -> asyncio.Future[None]:
        """Queue a change now; the future resolves when it is durable.

        Raises StoreBusy when the queue is full (batches only: what the outbox reports back is
        bounded by its own concurrency and frees space) and StoreFailed once the store is closed.
        """
        if self._failure is not None or self._closed:
            raise StoreFailed(problem=self._failure or "it was closed")
        waiting = self._queue.qsize()
        if waiting >= self._longest_queue and isinstance(change, Batch):
            raise StoreBusy(waiting=waiting)
        answer: asyncio.Future[None] = self._loop.create_future()
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

    def _commit(self, changes: Sequence[Change]) -> Sequence[SmartLayerError | None]:
        """Each change's refusal, or None where it is durable now. Never raises."""
        if self._failure is not None:
            return [StoreFailed(problem=self._failure) for _ in changes]
        try:
            self._failpoint("group-taken")
            with self._engine.begin() as connection:
                group = Group.over(connection, changes)
                outcomes = [group.add(change) for change in changes]
                group.write(connection)
                self._failpoint("group-written")
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
            self._failure = f"{type(error).__name__}: {error}"
            return [_failed(self._failure, error) for _ in changes]
        self._failpoint("group-committed")
        return outcomes


def _failed(problem: str, cause: Exception) -> StoreFailed:
    failure = StoreFailed(problem=problem)
    failure.__cause__ = cause
    return failure


def _resolve(group: Sequence[_Waiting], outcomes: Sequence[SmartLayerError | None]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.answer.done():
            continue  # its caller was cancelled; the change stands all the same
        if outcome is None:
            waiting.answer.set_result(None)
        else:
            waiting.answer.set_exception(outcome)
