"""Databases of stores that no store has open: for copies, and to look at."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from settlement.errors import InputError, StoreFailed
from settlement.store.copying import is_empty
from settlement.store.errors import StoreOwned
from settlement.store.lease import require_not_moved
from settlement.store.migrate import ensure_schema, require_schema
from settlement.store.opening import SCHEMES
from settlement.store.postgres_session import LOST, Target, told
from settlement.store.sqlite import create_private, lock_files, sync_folder, unlock_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is: a SQLite file, or ``postgresql://…`` with its user's password."""

    where: str
    password: str | None = None

    @property
    def target(self) -> Target | None:
        """The database of PostgreSQL, None for a file."""
        if self.where.startswith(SCHEMES):
            return Target(url=self.where, password=self.password)
        return None

    @property
    def file(self) -> Path:
        """The SQLite file, where it is one."""
        return Path(self.where)


@asynccontextmanager
async def snapshot(place: Place) -> AsyncIterator[AsyncConnection]:
    """A store as it is at one moment; others may use it meanwhile.

    Raises InputError where there is none, SchemaUnknown, StoreFailed.
    """
    if place.target is None and not place.file.is_file():
        raise InputError(where=place.where, problem="there is no such file")
    async with _connected(place, _engine(place)) as connection:
        await connection.run_sync(require_schema, place.where)
        yield connection


@asynccontextmanager
async def alone(place: Place) -> AsyncIterator[AsyncConnection]:
    """A store that is there, locked against every process; what is done is kept on leaving.

    Raises InputError where there is none, StoreOwned, StoreMoved, SchemaUnknown, StoreFailed.
    """
    if place.target is None and not place.file.is_file():
        raise InputError(where=place.where, problem="there is no such file")
    async with _locked(place), _connected(place, _engine(place, writes=True)) as connection:
        await connection.run_sync(ensure_schema, place.where)
        await connection.run_sync(require_not_moved)
        yield connection
        await connection.commit()


@asynccontextmanager
async def created(place: Place) -> AsyncIterator[AsyncConnection]:
    """A new, empty store; it is there, whole, once this is left without an error, and not before.

    Raises InputError where something is there already, StoreOwned, StoreFailed.
    """
    if place.target is None:
        async with _new_file(place.file) as connection:
            yield connection
        return
    async with _locked(place), _connected(place, _engine(place, writes=True)) as connection:
        await connection.run_sync(ensure_schema, place.where)
        await connection.run_sync(require_not_moved)
        if not await is_empty(connection):
            raise InputError(where=place.where, problem="it is not empty")
        yield connection
        await connection.commit()


@asynccontextmanager
async def _new_file(path: Path) -> AsyncIterator[AsyncConnection]:
    part = _part_of(path)
    place = Place(where=str(part))
    async with _connected(place, _engine(place, writes=True)) as connection:
        await connection.run_sync(ensure_schema, place.where)
        yield connection
        await connection.commit()
    _named(part, path)


def _part_of(path: Path) -> Path:
    """A new file beside the one that is to be made, without what an interrupted command left."""
    if path.exists():
        raise InputError(where=str(path), problem="the file exists")
    part = path.with_name(f"{path.name}.part")
    try:
        for left in (part, part.with_name(f"{part.name}-journal")):
            left.unlink(missing_ok=True)
        create_private(part)
    except OSError as error:
        raise StoreFailed(problem=f"{part}: {error}") from error
    return part


def _named(part: Path, path: Path) -> None:
    try:
        os.link(part, path)  # unlike a rename, it replaces nothing
        part.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(problem=f"{path}: {error}") from error


@asynccontextmanager
async def _locked(place: Place) -> AsyncIterator[None]:
    """Keep every other process out."""
    if (target := place.target) is not None:
        connection = await target.open_to_write(None)
        try:
            yield
        finally:
            await connection.close()
        return
    handles = lock_files(place.file, None)
    if not handles:
        raise StoreOwned(database=place.where, holder="a node or another command")
    try:
        yield
    finally:
        unlock_files(handles)


@asynccontextmanager
async def _connected(place: Place, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction; what the database refuses becomes StoreFailed."""
    try:
        async with engine.connect() as connection:
            yield connection
    except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, *LOST) as error:
        raise StoreFailed(problem=f"{place.where}: {told(error)}") from error
    finally:
        await engine.dispose()


def _engine(place: Place, *, writes: bool = False) -> AsyncEngine:
    if (target := place.target) is not None:
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=target.connect,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
        )
    url = sa.URL.create("sqlite+aiosqlite", database=str(place.file))
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})

    @sa.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _entry: Any) -> None:
        connection.isolation_level = None  # it begins no transaction by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=FULL" if writes else "PRAGMA query_only=ON")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
