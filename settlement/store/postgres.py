"""The store of several processes, or of one that outgrew a file: a PostgreSQL database.

::

    async with PostgresStore(Target(url="postgresql://node@db/node")) as store:
        await store.commit(batch)          # durable when it returns, on a synchronous standby too

With ``worker=`` several processes share it, each under a name of its own; without, a second process
is refused. Loads that are asked for in one breath are one query. A server that goes away is waited
for, or another takes its place: see :mod:`settlement.store.postgres_writer`.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.ports.store import Again, Batch, MachineRow
from settlement.store import queries
from settlement.store.errors import StoreUnopened
from settlement.store.group import Step
from settlement.store.lease import Lease, require_worker_name, take_lease
from settlement.store.migrate import ensure_schema
from settlement.store.postgres_reads import Reads
from settlement.store.postgres_session import LOST, Target, told
from settlement.store.postgres_writer import PostgresWriter
from settlement.store.queued import QueuedStore
from settlement.store.writer import Failpoint, no_failpoint

LARGEST_GROUP = 512
LONGEST_QUEUE = 8_192
OPENING_S = 60
"""For migrations too; a server whose standby is away would let us wait for ever."""


class PostgresStore(QueuedStore):
    """Implements :class:`settlement.ports.store.Store`; enter it before use, leave it at the end.

    Entering raises StoreOwned where another process has the database (or the worker's name),
    SchemaUnknown for one of another release, and StoreUnopened where it cannot be reached.
    """

    def __init__(
        self,
        target: Target,
        *,
        worker: str | None = None,
        largest_group: int = LARGEST_GROUP,
        longest_queue: int = LONGEST_QUEUE,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        require_worker_name(worker)
        self.target = target
        self._worker = worker
        self._largest_group = largest_group
        self._longest_queue = longest_queue
        self._failpoint = failpoint

    async def __aenter__(self) -> Self:
        connection = await self.target.open_to_write(self._worker)
        self._reads = Reads(self.target)
        try:
            lease = await self._prepared()
        except BaseException:
            connection.terminate()
            await self._reads.close()
            raise
        self._writer = PostgresWriter(
            lambda: self.target.connect_to_write(self._worker),
            connection,
            lease,
            database=self.target.url,
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
        await self._reads.close()

    async def load(self, kind: str, key: str) -> MachineRow | None:
        row = await self._reads.machine((kind, key))
        return None if row is None else self._sound(*row)

    async def commit(self, batch: Batch, again: Again | None = None) -> None:
        queries.require_storable(batch)
        await self._writer.submit(batch if again is None else Step(batch=batch, again=again))

    async def _prepared(self) -> Lease:
        try:
            async with asyncio.timeout(OPENING_S), self._reads.engine.begin() as connection:
                await connection.run_sync(ensure_schema, self.target.url)
                return await connection.run_sync(take_lease, self._worker)
        except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, *LOST) as error:
            raise StoreUnopened(database=self.target.url, problem=told(error)) from error

    @property
    def _database(self) -> str:
        return self.target.url

    async def _read(self, query: queries.Query) -> Sequence[Any]:
        async def ask(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query)).all()

        return await self._reads.patiently(ask)
