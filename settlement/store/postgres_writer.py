"""The writer on PostgreSQL: one connection, one transaction for everybody who is waiting.

As on SQLite, changes queue up while a group is on its way to the disk, and go together as the next.
What differs is that a server can go away in the middle of a commit, and nobody hears whether it was
made. The writer then connects again, to the server that takes writes by now, and asks its lease's
position: a group whose commit stands is answered as if nothing had happened, one whose does not is
written again. A caller waits longer and never hears "failed" for what was kept. An answer "it
stands" is itself given only after one more commit, so that no synchronous standby lacks it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from settlement.errors import SmartLayerError, StoreFailed
from settlement.ports.store import Batch, OutboxEntry
from settlement.store.errors import StoreBusy, StoreFenced, StoreFull, StoreUnsure
from settlement.store.group import Change, Outcome, Step
from settlement.store.lease import Lease
from settlement.store.postgres_rows import Fenced, Overtaken, take_turn, write_changes
from settlement.store.postgres_session import LOST, told
from settlement.store.writer import Failpoint

ATTEMPT_S = 10
"""A transaction that takes longer is given up; its connection is not used again."""
PATIENCE_S = 15
"""How long callers wait for a server that is away, where it is known that nothing was committed."""
PAUSE_S = 0.05
AGAIN = (Overtaken, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    change: Change
    answer: asyncio.Future[Sequence[OutboxEntry]]


@dataclass(slots=True)
class _Attempt:
    """A group on its way: ``sent`` is the position of a commit whose answer was not heard."""

    outcomes: list[Outcome]
    sent: int | None = None


class PostgresWriter:
    """Commits changes in groups over one connection, which it makes anew when it is lost."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        connection: Any,
        lease: Lease,
        *,
        database: str,
        largest_group: int,
        longest_queue: int,
        failpoint: Failpoint,
    ) -> None:
        self._connect = connect
        self._lease = lease
        self._database = database
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._grew = asyncio.Event()
        self._closed = False
        self._fenced = False
        self._away: tuple[float, str] | None = None
        self._full: str | None = None
        self._warned = False
        self._connection: Any = None
        self._adopt(connection)
        self._task = asyncio.create_task(self._run())

    @property
    def failure(self) -> str | None:
        """Why no commit succeeds now, or None."""
        if self._fenced:
            return str(self._fence_error())
        return self._away[1] if self._away is not None else self._full

    def submit(self, change: Change) -> asyncio.Future[Sequence[OutboxEntry]]:
        """Queue a change now; the future resolves when it is durable.

        Raises StoreBusy when the queue is full (batches only, as on SQLite), StoreFenced, and
        StoreFailed once the store is closed.
        """
        if self._fenced:
            raise self._fence_error()
        if self._closed:
            raise StoreFailed(problem="it was closed")
        if len(self._queue) >= self._longest_queue and isinstance(change, Batch | Step):
            raise StoreBusy(waiting=len(self._queue))
        answer: asyncio.Future[Sequence[OutboxEntry]] = self._loop.create_future()
        self._queue.append(_Waiting(change=change, answer=answer))
        self._grew.set()
        return answer

    async def close(self) -> None:
        """Commit what is queued, as far as the server lets us, then close the connection."""
        self._closed = True
        self._grew.set()
        await asyncio.wait({self._task}, timeout=ATTEMPT_S)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._drop()

    async def _run(self) -> None:
        while group := await self._next_group():
            attempt = _Attempt(outcomes=[])
            answers: Sequence[Outcome]
            try:
                answers = await self._commit([waiting.change for waiting in group], attempt)
            except asyncio.CancelledError:
                problem = self.failure or "the store was closed"
                unsure = attempt.sent is not None
                kind = StoreUnsure if unsure else StoreFailed
                _resolve(group, [kind(problem=problem) for _ in group])
                raise
            _resolve(group, answers)

    async def _next_group(self) -> list[_Waiting]:
        """Wait for a change and take all that wait with it; an empty group ends the task."""
        while not self._queue and not self._closed:
            self._grew.clear()
            await self._grew.wait()
        count = min(len(self._queue), self._largest_group)
        return [self._queue.popleft() for _ in range(count)]

    async def _commit(self, changes: Sequence[Change], attempt: _Attempt) -> Sequence[Outcome]:
        """Each change's refusal, or what it gave where it is durable now."""
        while True:
            try:
                await self._try(changes, attempt)
            except AGAIN:
                continue
            except Fenced:
                self._fenced = True
                return [self._fence_error() for _ in changes]
            except LOST as error:
                if self._gone_too_long(error) and attempt.sent is None:
                    return [StoreFailed(problem=told(error)) for _ in changes]
                await asyncio.sleep(PAUSE_S)
            except asyncpg.DiskFullError as error:
                self._full = told(error)
                return [StoreFull(problem=self._full) for _ in changes]
            except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
                if attempt.sent is None:
                    return [StoreFailed(problem=told(error)) for _ in changes]
                self._gone_too_long(error)
                await asyncio.sleep(PAUSE_S)
            else:
                self._away = self._full = None
                self._failpoint("group-committed")
                return attempt.outcomes

    async def _try(self, changes: Sequence[Change], attempt: _Attempt) -> None:
        """Return once the group is durable. Raises LOST, AGAIN, Fenced, asyncpg.PostgresError."""
        if self._connection is None:
            self._adopt(await self._connect())
        connection = self._connection
        async with asyncio.timeout(ATTEMPT_S):
            if attempt.sent is not None:
                if await self._stands(connection, attempt.sent):
                    return
                attempt.sent = None
            self._failpoint("group-taken")
            transaction = connection.transaction()
            await transaction.start()
            try:
                position = await take_turn(connection, self._lease)
                attempt.outcomes = await write_changes(connection, changes)
                self._failpoint("group-written")
            except BaseException:
                await self._rolled_back(transaction)
                raise
            await self._sent(transaction, position, attempt)

    async def _sent(self, transaction: Any, position: int, attempt: _Attempt) -> None:
        """Commit; a refusal is known to be one, any other trouble leaves it open."""
        attempt.sent, self._warned = position, False
        try:
            await transaction.commit()
        except LOST:
            raise
        except asyncpg.PostgresError:
            attempt.sent = None
            raise
        if self._warned:
            # The server has said "committed" and that it did not wait for its standby.
            raise asyncpg.InterfaceError("a commit was not replicated")
        attempt.sent = None

    async def _stands(self, connection: Any, position: int) -> bool:
        """Whether an earlier commit of ours was made. Its lock on the row is waited for, and what
        is answered is as durable as a commit of its own."""
        async with connection.transaction():
            query = "SELECT position FROM lease WHERE name = $1 AND fence = $2 FOR UPDATE"
            name = self._lease.name.encode()
            found = await connection.fetchval(query, name, self._lease.fence)
            if found is None:
                raise Fenced
            await connection.execute("UPDATE lease SET holder = holder WHERE name = $1", name)
        return bool(found >= position)

    async def _rolled_back(self, transaction: Any) -> None:
        try:
            await transaction.rollback()
        except Exception:  # noqa: BLE001 - what went wrong first is what is told
            self._drop()  # the server rolls back what its connection leaves open

    def _gone_too_long(self, error: BaseException) -> bool:
        self._drop()
        now = self._loop.time()
        since = self._away[0] if self._away is not None else now
        self._away = (since, told(error))
        return now - since > PATIENCE_S

    def _adopt(self, connection: Any) -> None:
        connection.add_log_listener(self._heard)
        self._connection = connection

    def _heard(self, _connection: Any, message: Any) -> None:
        self._warned |= message.severity_en == "WARNING"

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _fence_error(self) -> StoreFenced:
        return StoreFenced(database=self._database, fence=self._lease.fence)


def _resolve(group: Sequence[_Waiting], answers: Sequence[Outcome]) -> None:
    for waiting, answer in zip(group, answers, strict=True):
        if waiting.answer.done():
            continue  # its caller was cancelled; the change stands all the same
        if isinstance(answer, SmartLayerError):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
