"""Copy a store into another database, row by row, and show that nothing differs.

Each table is copied in the order of its names, each row's checksum is compared on the way, and the
copy is read back: the number of its rows and a digest over all that they hold must be the source's.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from settlement.errors import OurError
from settlement.ports.store import LogRecord, MachineRow, OutboxEntry
from settlement.store.errors import StoreCorrupt
from settlement.store.queries import effect_of, machine_of, place_of, record_of
from settlement.store.schema import log_record, machine, outbox

ROWS_AT_ONCE = 1_000
Stored = MachineRow | LogRecord | OutboxEntry


@dataclass(kw_only=True, eq=False, repr=False)
class CopyDiffers(OurError):
    """What was copied does not read back as what it was copied from. The copy was not kept."""

    code: ClassVar[str] = "SL-8012"
    title: ClassVar[str] = "The copy of a database differs from it"
    fix: ClassVar[str] = "Check the disk below {target} and copy again: {table} differs."

    target: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """What a table holds: its rows, and a digest (BLAKE2b, 16 bytes) over them in order."""

    name: str
    rows: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A table that is copied: its order, and what its rows stand for."""

    table: sa.Table
    order: tuple[sa.Column[Any], ...]
    make: Callable[[Any], tuple[Stored, bytes]]


COPIED: Sequence[_Kind] = (
    _Kind(table=machine, order=(machine.c.kind, machine.c.key), make=machine_of),
    _Kind(table=log_record, order=(log_record.c.stream, log_record.c.position), make=record_of),
    _Kind(table=outbox, order=(outbox.c.sequence,), make=effect_of),
)


async def is_empty(connection: AsyncConnection) -> bool:
    """Whether a store holds nothing yet."""
    for kind in COPIED:
        if (await connection.execute(sa.select(kind.table).limit(1))).first() is not None:
            return False
    return True


async def copy_tables(
    source: AsyncConnection, target: AsyncConnection, *, named: str, copied_to: str
) -> tuple[TableReport, ...]:
    """Copy all tables into an empty store, in the transactions that are open.

    Raises StoreCorrupt (naming ``named``) for a row whose checksum is wrong, CopyDiffers (naming
    ``copied_to``) if the copy does not read back.
    """
    reports: list[TableReport] = []
    for kind in COPIED:
        counted = _Count()
        async for rows in _pages(source, kind):
            for row in rows:
                _require_sound(kind, row, named)
            counted.take(rows)
            await target.execute(sa.insert(kind.table), [dict(row._mapping) for row in rows])  # noqa: SLF001 - SQLAlchemy's public name
        reports.append(counted.report(kind))
    if target.dialect.name == "postgresql":
        await target.execute(_GO_ON_COUNTING)
    for report, again in zip(reports, await table_reports(target), strict=True):
        if report != again:
            raise CopyDiffers(target=copied_to, table=report.name)
    return tuple(reports)


_GO_ON_COUNTING = sa.text(
    "SELECT setval(pg_get_serial_sequence('outbox', 'sequence'), "
    "(SELECT coalesce(max(sequence), 0) + 1 FROM outbox), false)"
)


async def table_reports(connection: AsyncConnection) -> tuple[TableReport, ...]:
    """Count and digest every table, in the transaction that is open."""
    reports: list[TableReport] = []
    for kind in COPIED:
        counted = _Count()
        async for rows in _pages(connection, kind):
            counted.take(rows)
        reports.append(counted.report(kind))
    return tuple(reports)


async def unsound_rows(connection: AsyncConnection) -> AsyncIterator[str]:
    """Where a row's checksum is not what was written with it, in words."""
    for kind in COPIED:
        try:
            async for rows in _pages(connection, kind):
                for row in rows:
                    made, checksum = kind.make(row)
                    if made.checksum() != checksum:
                        yield place_of(made)
        except (sa.exc.SQLAlchemyError, UnicodeError) as error:
            yield f"table {kind.table.name} cannot be read: {error}"


def _require_sound(kind: _Kind, row: Any, database: str) -> None:
    made, checksum = kind.make(row)
    if made.checksum() != checksum:
        raise StoreCorrupt(database=database, place=place_of(made))


async def _pages(connection: AsyncConnection, kind: _Kind) -> AsyncIterator[Sequence[Any]]:
    query = sa.select(kind.table).order_by(*kind.order)
    async with connection.stream(query) as result:
        async for rows in result.partitions(ROWS_AT_ONCE):
            yield rows


class _Count:
    """Rows counted and digested as they pass."""

    def __init__(self) -> None:
        self._rows = 0
        self._digest = blake2b(digest_size=16)

    def take(self, rows: Sequence[Any]) -> None:
        self._rows += len(rows)
        for row in rows:
            for value in row:
                part = value if isinstance(value, bytes) else str(value).encode()
                self._digest.update(b"%d:" % len(part) + part)

    def report(self, kind: _Kind) -> TableReport:
        return TableReport(name=kind.table.name, rows=self._rows, digest=self._digest.digest())
