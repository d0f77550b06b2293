"""What a store is asked, in words that both databases understand, and what they answer."""

from typing import Any

import sqlalchemy as sa

from settlement.errors import InputError
from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry
from settlement.store.schema import log_record, machine, outbox
from settlement.types import Hash, unsigned

Query = sa.Select[Any]

LAST_CODE_POINT = "\U0010ffff"


def one_machine(kind: str, key: str) -> Query:
    """A machine's row."""
    return sa.select(machine).where(machine.c.kind == kind, machine.c.key == key)


def machine_keys(kind: str, prefix: str) -> Query:
    """The keys of a kind that start with ``prefix``, in order."""
    query = sa.select(machine.c.key).where(machine.c.kind == kind, machine.c.key >= prefix)
    if (end := _after(prefix)) is not None:
        query = query.where(machine.c.key < end)
    return query.order_by(machine.c.key)


def records_from(stream: str, start: int, limit: int) -> Query:
    """Records of a stream. Raises AmountOutOfRange unless both numbers fit 63 bits."""
    unsigned(start, 63, "start")
    unsigned(limit, 63, "limit")  # to SQLite a negative limit means none
    return (
        sa.select(log_record)
        .where(log_record.c.stream == stream, log_record.c.position >= start)
        .order_by(log_record.c.position)
        .limit(limit)
    )


def stream_length(stream: str) -> Query:
    """One more than the highest position."""
    highest = sa.func.max(log_record.c.position)
    return sa.select(sa.func.coalesce(highest, -1) + 1).where(log_record.c.stream == stream)


def due_effects(now_ms: int, limit: int, kinds: frozenset[str] | None) -> Query:
    """Effects that are due, oldest first. Raises AmountOutOfRange like records_from."""
    unsigned(now_ms, 63, "now_ms")
    unsigned(limit, 63, "limit")
    return (
        sa.select(*(column for column in outbox.c if column.name != "sequence"))
        .where(outbox.c.due_ms <= now_ms)
        .where(sa.true() if kinds is None else outbox.c.kind.in_(sorted(kinds)))
        .order_by(outbox.c.due_ms, outbox.c.sequence)
        .limit(limit)
    )


def machine_of(row: Any) -> tuple[MachineRow, bytes]:
    """A machine, and the checksum that was written with it."""
    return (
        MachineRow(kind=row.kind, key=row.key, revision=row.revision, state=row.state),
        row.checksum,
    )


def record_of(row: Any) -> tuple[LogRecord, bytes]:
    """A log record, and the checksum that was written with it."""
    return LogRecord(stream=row.stream, position=row.position, body=row.body), row.checksum


def effect_of(row: Any) -> tuple[OutboxEntry, bytes]:
    """An effect, and the checksum that was written with it."""
    entry = OutboxEntry(
        id=Hash(row.id),
        kind=row.kind,
        key=row.key,
        body=row.body,
        due_ms=row.due_ms,
        attempts=row.attempts,
    )
    return entry, row.checksum


def place_of(row: MachineRow | LogRecord | OutboxEntry) -> str:
    """Where a row stands, in words."""
    match row:
        case MachineRow():
            return f"machine {row.kind} {row.key}, revision {row.revision}"
        case LogRecord():
            return f"record {row.position} of {row.stream}"
        case OutboxEntry():
            return f"effect {row.kind} of {row.key}"


def require_storable(batch: Batch) -> None:
    """Refuse what a database cannot hold before it is queued, so that it cannot spoil its group.

    Raises AmountOutOfRange, InputError.
    """
    for row in batch.machines:
        unsigned(row.revision, 63, "revision")
        _require_text(row.kind, row.key)
    for record in batch.records:
        unsigned(record.position, 63, "position")
        _require_text(record.stream)
    for entry in batch.outbox:
        unsigned(entry.due_ms, 63, "due_ms")
        unsigned(entry.attempts, 63, "attempts")
        _require_text(entry.kind, entry.key)


def _require_text(*texts: str) -> None:
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
