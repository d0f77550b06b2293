"""One group of writes: judge each batch against the rows below it, then write them all at once.

A group is judged in the order in which its members were handed in, each on top of the ones that
were accepted before it. What is left is written set by set with four prepared statements, however
many batches there were; that, and one sync for all, is what makes a commit cheap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from settlement.ports.store import Batch, LogRecord, MachineRow, OutboxEntry, RevisionConflict
from settlement.store.schema import log_record, machine, outbox
from settlement.types import Hash

NAMES_PER_QUERY = 400

# SQLite scans a whole table for `(a, b) IN (VALUES …)`; joined from the left, each wanted name is
# one search in the index. SQLAlchemy fills in the VALUES; column1 is SQLite's name for their first.
find_machines = sa.text(
    "SELECT kind, key, revision FROM :names AS wanted "
    "CROSS JOIN machine ON kind = wanted.column1 AND key = wanted.column2"
).bindparams(sa.bindparam("names", expanding=True))
find_records = sa.text(
    "SELECT stream, position FROM :names AS wanted "
    "CROSS JOIN log_record ON stream = wanted.column1 AND position = wanted.column2"
).bindparams(sa.bindparam("names", expanding=True))

_put_machine = insert(machine)
_put_machine = _put_machine.on_conflict_do_update(
    index_elements=[machine.c.kind, machine.c.key],
    set_={"revision": _put_machine.excluded.revision, "state": _put_machine.excluded.state},
)
_put_record = insert(log_record)
_put_effect = insert(outbox)
_put_effect = _put_effect.on_conflict_do_update(
    index_elements=[outbox.c.id],
    set_={
        name: _put_effect.excluded[name] for name in ("kind", "key", "body", "due_ms", "attempts")
    },
)
_postpone_effect = (
    sa.update(outbox)
    .where(outbox.c.id == sa.bindparam("effect"))
    .values(due_ms=sa.bindparam("until"), attempts=sa.bindparam("tries"))
)
_forget_effect = sa.delete(outbox).where(outbox.c.id == sa.bindparam("effect"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Postpone:
    """Try an effect again not before ``due_ms``."""

    effect: Hash
    due_ms: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Forget an effect that was performed."""

    effect: Hash


Change = Batch | Postpone | Done
"""What a caller asks the writer for."""


@dataclass(slots=True)
class Group:
    """The rows that a group's accepted members leave behind; built by :meth:`add`, in order."""

    revisions: dict[tuple[str, str], int]
    taken: set[tuple[str, int]]
    machines: dict[tuple[str, str], MachineRow] = field(default_factory=dict)
    records: list[LogRecord] = field(default_factory=list)
    effects: dict[Hash, OutboxEntry] = field(default_factory=dict)
    postponed: dict[Hash, Postpone] = field(default_factory=dict)
    forgotten: set[Hash] = field(default_factory=set)

    @classmethod
    def over(cls, connection: sa.Connection, changes: Sequence[Change]) -> "Group":
        """An empty group over what the database holds of the rows that ``changes`` name."""
        batches = [change for change in changes if isinstance(change, Batch)]
        names = {(row.kind, row.key) for batch in batches for row in batch.machines}
        places = {(row.stream, row.position) for batch in batches for row in batch.records}
        return cls(
            revisions=dict(_revisions(connection, names)), taken=set(_taken(connection, places))
        )

    def add(self, change: Change) -> RevisionConflict | None:
        """Take a member in, or say why it may not be: then nothing of it is in the group."""
        match change:
            case Batch():
                return self._add_batch(change)
            case Postpone():
                self._postpone(change)
            case Done():
                self.effects.pop(change.effect, None)
                self.postponed.pop(change.effect, None)
                self.forgotten.add(change.effect)
            case _:
                assert_never(change)
        return None

    def _add_batch(self, batch: Batch) -> RevisionConflict | None:
        revisions: dict[tuple[str, str], int] = {}
        for row in batch.machines:
            name = (row.kind, row.key)
            if name in revisions or self.revisions.get(name, 0) != row.revision - 1:
                return RevisionConflict(kind=row.kind, key=row.key)
            revisions[name] = row.revision
        places: set[tuple[str, int]] = set()
        for record in batch.records:
            place = (record.stream, record.position)
            if place in places or place in self.taken:
                return RevisionConflict(kind=record.stream, key=str(record.position))
            places.add(place)
        self.revisions.update(revisions)
        self.taken |= places
        self.machines.update({(row.kind, row.key): row for row in batch.machines})
        self.records.extend(batch.records)
        for entry in batch.outbox:
            self.effects[entry.id] = entry
            self.postponed.pop(entry.id, None)
            self.forgotten.discard(entry.id)
        return None

    def _postpone(self, change: Postpone) -> None:
        if (entry := self.effects.get(change.effect)) is not None:
            later = replace(entry, due_ms=change.due_ms, attempts=change.attempts)
            self.effects[change.effect] = later
        elif change.effect not in self.forgotten:
            self.postponed[change.effect] = change

    def write(self, connection: sa.Connection) -> None:
        """Put the group's rows into the open transaction."""
        for statement, rows in self._statements():
            if rows:
                connection.execute(statement, rows)

    def _statements(self) -> Iterator[tuple[sa.Executable, list[dict[str, Any]]]]:
        yield _put_machine, [_fields(row) for row in self.machines.values()]
        yield _put_record, [_fields(record) for record in self.records]
        yield _forget_effect, [{"effect": effect} for effect in self.forgotten]
        yield _put_effect, [_fields(entry) for entry in self.effects.values()]
        yield (
            _postpone_effect,
            [
                {"effect": each.effect, "until": each.due_ms, "tries": each.attempts}
                for each in self.postponed.values()
            ],
        )


def _fields(row: MachineRow | LogRecord | OutboxEntry) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _revisions(
    connection: sa.Connection, names: Iterable[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], int]]:
    for some in _chunks(names):
        for kind, key, revision in connection.execute(find_machines, {"names": some}):
            yield (kind, key), revision


def _taken(
    connection: sa.Connection, places: Iterable[tuple[str, int]]
) -> Iterator[tuple[str, int]]:
    for some in _chunks(places):
        rows = connection.execute(find_records, {"names": some})
        yield from ((stream, position) for stream, position in rows)


def _chunks(names: Iterable[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """Sorted, so that neighbours in the index are read together; bounded by SQLite's parameters."""
    ordered = iter(sorted(names))
    while some := list(islice(ordered, NAMES_PER_QUERY)):
        yield some
