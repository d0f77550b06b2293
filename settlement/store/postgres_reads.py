"""Reads from PostgreSQL: over a few connections, again where one is lost, loads in batches."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from settlement.errors import SmartLayerError
from settlement.ports.store import MachineRow
from settlement.store.errors import StoreUnreadable
from settlement.store.group import MachineName
from settlement.store.postgres_rows import LOAD_MACHINES
from settlement.store.postgres_session import LOST, Target, told

READERS = 4
LOADERS = 2
PATIENCE_S = 15
PAUSE_S = 0.05

T = TypeVar("T")
Found = tuple[MachineRow, bytes]
"""A machine's row, and the checksum that was written with it."""


class Reads:
    """What a store reads. Machines that are asked for while a query is out are the next query."""

    def __init__(self, target: Target) -> None:
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=target.connect,
            pool_size=READERS,
            max_overflow=0,
            pool_timeout=PATIENCE_S,
        )
        self._url = target.url
        self._asked: dict[MachineName, list[asyncio.Future[Found | None]]] = {}
        self._grew = asyncio.Event()
        self._loaders = [asyncio.create_task(self._load()) for _ in range(LOADERS)]

    async def close(self) -> None:
        """End the loaders and close all connections."""
        for loader in self._loaders:
            loader.cancel()
        await asyncio.gather(*self._loaders, return_exceptions=True)
        await self.engine.dispose()

    async def machine(self, name: MachineName) -> Found | None:
        """A machine's row as it is after this call. Raises StoreUnreadable."""
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(name, []).append(answer)
        self._grew.set()
        return await answer

    async def patiently(self, ask: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Ask, and ask again over another connection while the server is away.

        Raises StoreUnreadable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            try:
                return await self._ask_once(ask)
            except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, *LOST) as error:
                if not _is_lost(error) or loop.time() > deadline:
                    raise StoreUnreadable(path=self._url, problem=told(error)) from error
            await asyncio.sleep(PAUSE_S)

    async def _ask_once(self, ask: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self.engine.connect() as connection:
            try:
                return await ask(connection)
            except LOST:
                await connection.invalidate()  # the pool did not see it: it was the driver's call
                raise

    async def _load(self) -> None:
        while True:
            while not self._asked:
                self._grew.clear()
                await self._grew.wait()
            asked, self._asked = self._asked, {}
            try:
                found = await self.patiently(_loader(list(asked)))
            except SmartLayerError as error:
                for answer in _still_wanted(asked.values()):
                    answer.set_exception(StoreUnreadable(path=self._url, problem=str(error)))
            else:
                for name, answers in asked.items():
                    for answer in _still_wanted([answers]):
                        answer.set_result(found.get(name))


def _loader(
    names: Sequence[MachineName],
) -> Callable[[AsyncConnection], Awaitable[dict[MachineName, Found]]]:
    kinds = [kind.encode("utf-8", "replace") for kind, _ in names]
    keys = [key.encode("utf-8", "replace") for _, key in names]

    async def load(connection: AsyncConnection) -> dict[MachineName, Found]:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        found: dict[MachineName, Found] = {}
        for kind, key, revision, state, checksum in await driver.fetch(LOAD_MACHINES, kinds, keys):
            row = MachineRow(kind=kind.decode(), key=key.decode(), revision=revision, state=state)
            found[row.kind, row.key] = (row, checksum)
        return found

    return load


def _still_wanted(
    lists: Any,
) -> list[asyncio.Future[Found | None]]:
    return [answer for answers in lists for answer in answers if not answer.done()]


def _is_lost(error: BaseException) -> bool:
    """Whether a read may succeed over another connection."""
    if isinstance(error, sa.exc.DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(cause, LOST)
    return isinstance(error, LOST)
