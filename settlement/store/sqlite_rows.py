"""How a group is read and written on SQLite: with a few prepared statements in one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from settlement.ports.store import OutboxEntry
from settlement.store.group import (
    Change,
    Claim,
    Group,
    Known,
    MachineName,
    Place,
    names_in,
    places_in,
)
from settlement.store.queries import due_effects, effect_of
from settlement.store.schema import log_record, machine, outbox

NAMES_PER_QUERY = 400

# SQLite scans a whole table for `(a, b) IN (VALUES …)`; joined from the left, each wanted name is
# one search in the index. SQLAlchemy fills in the VALUES; column1 is SQLite's name for their first.
find_machines = sa.text(
    "SELECT kind, key, revision, checksum FROM :names AS wanted "
    "CROSS JOIN machine ON kind = wanted.column1 AND key = wanted.column2"
).bindparams(sa.bindparam("names", expanding=True))
find_records = sa.text(
    "SELECT stream, position FROM :names AS wanted "
    "CROSS JOIN log_record ON stream = wanted.column1 AND position = wanted.column2"
).bindparams(sa.bindparam("names", expanding=True))

_put_machine = insert(machine)
_put_machine = _put_machine.on_conflict_do_update(
    index_elements=[machine.c.kind, machine.c.key],
    set_={name: _put_machine.excluded[name] for name in ("revision", "state", "checksum")},
)
_put_record = insert(log_record)
_put_effect = insert(outbox)
_put_effect = _put_effect.on_conflict_do_update(
    index_elements=[outbox.c.id],
    set_={
        name: _put_effect.excluded[name]
        for name in ("kind", "key", "body", "due_ms", "attempts", "checksum")
    },
)
_postpone_effect = (
    sa.update(outbox)
    .where(outbox.c.id == sa.bindparam("effect"))
    .values(due_ms=sa.bindparam("until"), attempts=sa.bindparam("tries"))
)
_forget_effect = sa.delete(outbox).where(outbox.c.id == sa.bindparam("effect"))


def group_over(connection: sa.Connection, changes: Sequence[Change]) -> Group:
    """An empty group over what the database holds of the rows that ``changes`` name."""
    return Group(
        held=dict(_held(connection, names_in(changes))),
        taken=set(_taken(connection, places_in(changes))),
    )


def write_group(connection: sa.Connection, group: Group) -> None:
    """Put the group's rows into the open transaction."""
    for statement, rows in _statements(group):
        if rows:
            connection.execute(statement, rows)


def claim_effects(connection: sa.Connection, claim: Claim) -> list[OutboxEntry]:
    """Move what is due to the claim's end, in the open transaction; each as it is from now on."""
    found = connection.execute(due_effects(claim.now_ms, claim.limit, claim.kinds)).all()
    entries = [effect_of(row)[0] for row in found]
    if entries:
        moved = [
            {"effect": each.id, "until": claim.until_ms, "tries": each.attempts} for each in entries
        ]
        connection.execute(_postpone_effect, moved)
    return entries


def _statements(group: Group) -> Iterator[tuple[sa.Executable, list[dict[str, Any]]]]:
    yield (
        _put_machine,
        [
            {
                "kind": row.kind,
                "key": row.key,
                "revision": row.revision,
                "state": row.state,
                "checksum": checksum,
            }
            for row, checksum in group.machines.values()
        ],
    )
    yield (
        _put_record,
        [
            {
                "stream": record.stream,
                "position": record.position,
                "body": record.body,
                "checksum": record.checksum(),
            }
            for record in group.records
        ],
    )
    yield _forget_effect, [{"effect": effect} for effect in group.forgotten]
    yield _put_effect, [_effect_fields(entry) for entry in group.effects.values()]
    yield (
        _postpone_effect,
        [
            {"effect": each.effect, "until": each.due_ms, "tries": each.attempts}
            for each in group.postponed.values()
        ],
    )


def _effect_fields(entry: OutboxEntry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in entry.__slots__}
    return {**fields, "checksum": entry.checksum()}


def _held(
    connection: sa.Connection, names: Iterable[MachineName]
) -> Iterator[tuple[MachineName, Known]]:
    for some in _chunks(names):
        rows = connection.execute(find_machines, {"names": some})
        for kind, key, revision, checksum in rows:
            yield (kind, key), (revision, checksum)


def _taken(connection: sa.Connection, places: Iterable[Place]) -> Iterator[Place]:
    for some in _chunks(places):
        rows = connection.execute(find_records, {"names": some})
        yield from ((stream, position) for stream, position in rows)


def _chunks(names: Iterable[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    """Sorted, so that neighbours in the index are read together; bounded by SQLite's parameters."""
    ordered = iter(sorted(names))
    while some := list(islice(ordered, NAMES_PER_QUERY)):
        yield some
