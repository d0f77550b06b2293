"""Move, back up, restore and check stores.

::

    tables = await migrate(Place(where="node.sqlite"), Place(where="postgresql://node@db/node"))
    tables = await backup(Place(where="node.sqlite"), Path("node.backup"))    # while it runs
    tables = await restore(Path("node.backup"), Place(where="node.sqlite"), now_ms=…)
    findings = await check(Place(where="node.sqlite"))

A copy becomes visible whole or not at all: on PostgreSQL it is one transaction, a file gets its
name when it is complete. So an interrupted command is simply given again. A backup is a SQLite
file, whatever it was taken from.
"""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.errors import InputError
from settlement.store.copying import TableReport, copy_tables, table_reports, unsound_rows
from settlement.store.errors import SchemaUnknown
from settlement.store.lease import mark_moved
from settlement.store.places import Place, alone, created, snapshot
from settlement.store.postgres_session import told
from settlement.store.restoration import mark_restored

Tables = tuple[TableReport, ...]


async def migrate(source: Place, target: Place) -> Tables:
    """Move a store into a new file or an empty database. The old one is kept, and refuses to be
    opened again: two that sign from one past would contradict each other.

    No process may use either. Where an earlier command made the copy and could not close the old
    store any more, that is what is done. Raises InputError (no source, something in the target),
    StoreOwned, StoreMoved, StoreCorrupt, CopyDiffers, StoreFailed.
    """
    async with alone(source) as old:
        tables = await table_reports(old)
        if await _tables_in(target) != tables:
            async with created(target) as new:
                await copy_tables(old, new, named=source.where, copied_to=target.where)
        await old.run_sync(mark_moved, target.where)
    return tables


async def backup(source: Place, file: Path) -> Tables:
    """Copy a store, as it is at one moment, into a new file; it may be in use meanwhile.

    Raises InputError (no source, the file exists), StoreCorrupt, CopyDiffers, StoreFailed.
    """
    async with snapshot(source) as old, created(Place(where=str(file))) as new:
        return await copy_tables(old, new, named=source.where, copied_to=str(file))


async def restore(file: Path, target: Place, now_ms: int) -> Tables:
    """Make a store of a backup, in a new file or an empty database, and note in it that it is old
    (see :mod:`settlement.core.restored`).

    Raises what :func:`backup` raises, and StoreOwned.
    """
    async with snapshot(Place(where=str(file))) as old, created(target) as new:
        tables = await copy_tables(old, new, named=str(file), copied_to=target.where)
        await new.run_sync(mark_restored, now_ms)
        return tables


async def _tables_in(place: Place) -> Tables | None:
    """What a store holds; None where there is none."""
    try:
        async with snapshot(place) as connection:
            return await table_reports(connection)
    except (InputError, SchemaUnknown):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is wrong with a store (nothing, if all is well), and what it holds."""

    wrong: tuple[str, ...]
    tables: Tables


async def check(place: Place) -> Findings:
    """Read all of a store: a file's own structure, and the checksum of every row.

    It may be in use meanwhile. Raises InputError, SchemaUnknown, StoreFailed.
    """
    wrong: list[str] = []
    tables: Tables = ()
    async with snapshot(place) as connection:
        try:
            wrong += await _broken_structure(connection)
            wrong += [finding async for finding in unsound_rows(connection)]
            tables = () if wrong else await table_reports(connection)
        except sa.exc.SQLAlchemyError as error:
            wrong.append(told(error))
    return Findings(wrong=tuple(wrong), tables=tables)


async def _broken_structure(connection: AsyncConnection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []  # PostgreSQL checks its pages itself, where it was told to keep checksums
    rows = await connection.execute(sa.text("PRAGMA integrity_check"))
    return [text for (text,) in rows if text != "ok"]
