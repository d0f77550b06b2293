"""How a group is read and written on PostgreSQL: a few statements over arrays, one transaction.

Other workers write beside us. Rows that are there are locked before they are judged; of rows that
were absent an insert says afterwards whether another was quicker (:class:`Overtaken`), and then the
whole group is judged anew.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from settlement.errors import SmartLayerError
from settlement.ports.store import MachineRow, OutboxEntry, RevisionConflict
from settlement.store.group import (
    NOTHING,
    Change,
    Claim,
    Group,
    Outcome,
    Place,
    Step,
    names_in,
    places_in,
)
from settlement.store.lease import Lease
from settlement.store.queries import require_storable
from settlement.types import Hash

Connection = Any
"""An open connection of asyncpg, which ships no types."""

# Each commit counts its lease's position on: this checks the fence, waits for a commit of ours
# whose answer was lost, and later tells whether that commit was made.
_TAKE_TURN = """
UPDATE lease SET position = position + 1 WHERE name = $1 AND fence = $2 RETURNING position
"""
_HELD_MACHINES = """
SELECT kind, key, revision, checksum
FROM unnest($1::bytea[], $2::bytea[]) AS wanted (kind, key) JOIN machine USING (kind, key)
ORDER BY kind, key FOR UPDATE OF machine
"""
_STATE_OF = "SELECT revision, state FROM machine WHERE kind = $1 AND key = $2"
_TAKEN_PLACES = """
SELECT stream, position
FROM unnest($1::bytea[], $2::bigint[]) AS wanted (stream, position)
JOIN log_record USING (stream, position)
"""
_CHANGE_MACHINES = """
UPDATE machine SET revision = n.revision, state = n.state, checksum = n.checksum
FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[])
    AS n (kind, key, revision, state, checksum)
WHERE machine.kind = n.kind AND machine.key = n.key
"""
_ADD_MACHINES = """
INSERT INTO machine (kind, key, revision, state, checksum)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[])
ON CONFLICT DO NOTHING
"""
_ADD_RECORDS = """
INSERT INTO log_record (stream, position, body, checksum)
SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])
ON CONFLICT DO NOTHING
"""
_PUT_EFFECTS = """
INSERT INTO outbox (id, kind, key, body, due_ms, attempts, checksum)
SELECT id, kind, key, body, due_ms, attempts, checksum
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[],
    $7::bytea[]) WITH ORDINALITY AS n (id, kind, key, body, due_ms, attempts, checksum, nth)
ORDER BY nth
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, key = excluded.key, body = excluded.body,
    due_ms = excluded.due_ms, attempts = excluded.attempts, checksum = excluded.checksum
"""
_POSTPONE_EFFECTS = """
UPDATE outbox SET due_ms = n.due_ms, attempts = n.attempts
FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS n (id, due_ms, attempts)
WHERE outbox.id = n.id
"""
_FORGET_EFFECTS = "DELETE FROM outbox WHERE id = ANY($1::bytea[])"
_CLAIM_EFFECTS = """
WITH due AS (
    SELECT sequence, due_ms FROM outbox
    WHERE due_ms <= $1 AND ($2::bytea[] IS NULL OR kind = ANY($2::bytea[]))
    ORDER BY due_ms, sequence LIMIT $3 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE outbox SET due_ms = $4 FROM due WHERE outbox.sequence = due.sequence
    RETURNING outbox.*, due.due_ms AS was_due
)
SELECT id, kind, key, body, attempts FROM taken ORDER BY was_due, sequence
"""
LOAD_MACHINES = """
SELECT kind, key, revision, state, checksum
FROM unnest($1::bytea[], $2::bytea[]) AS wanted (kind, key) JOIN machine USING (kind, key)
"""


class Fenced(Exception):
    """The lease was taken by another process."""


class Overtaken(Exception):
    """Another worker wrote a row that was absent a moment ago."""


async def take_turn(connection: Connection, held: Lease) -> int:
    """The position of the commit that begins here. Raises Fenced."""
    position: int | None = await connection.fetchval(_TAKE_TURN, held.name.encode(), held.fence)
    if position is None:
        raise Fenced
    return position


async def write_changes(connection: Connection, changes: Sequence[Change]) -> list[Outcome]:
    """Judge and write a group in the open transaction. Raises Overtaken."""
    group = await _group_over(connection, changes)
    there = set(group.held)
    outcomes: list[Outcome] = []
    for change in changes:
        refusal: SmartLayerError | None = group.add(change)
        if isinstance(refusal, RevisionConflict) and isinstance(change, Step):
            refusal = await _add_again(connection, group, change)
        outcomes.append(refusal or NOTHING)
    await _write_group(connection, group, there)
    for index, change in enumerate(changes):
        if isinstance(change, Claim):
            outcomes[index] = await _claim(connection, change)
    return outcomes


async def _add_again(connection: Connection, group: Group, step: Step) -> SmartLayerError | None:
    """Make the step anew from the newest row, which this transaction has locked or has made."""
    (stale,) = step.batch.machines
    name = (stale.kind, stale.key)
    newest: MachineRow | None = None
    if name in group.machines:
        newest = group.machines[name][0]
    elif name in group.held:
        row = await connection.fetchrow(_STATE_OF, *(part.encode() for part in name))
        newest = MachineRow(
            kind=stale.kind, key=stale.key, revision=row["revision"], state=row["state"]
        )
    try:
        batch = step.again(newest)
        require_storable(batch)
    except SmartLayerError as refusal:
        return refusal
    group.taken |= await _taken(connection, places_in([batch]))
    return group.add(batch)


async def _group_over(connection: Connection, changes: Sequence[Change]) -> Group:
    # Places first: whoever took one has committed its machine too, so that what is read of the
    # machines afterwards is no older, and a step that is merely late is not taken for a collision.
    taken = await _taken(connection, places_in(changes))
    held = {}
    if names := names_in(changes):
        rows = await connection.fetch(_HELD_MACHINES, *_columns(names, 2))
        held = {(_text(kind), _text(key)): (number, sum_) for kind, key, number, sum_ in rows}
    return Group(held=held, taken=taken)


async def _taken(connection: Connection, places: set[Place]) -> set[Place]:
    if not places:
        return set()
    rows = await connection.fetch(_TAKEN_PLACES, *_columns(places, 2))
    return {(_text(stream), position) for stream, position in rows}


async def _write_group(connection: Connection, group: Group, there: set[tuple[str, str]]) -> None:
    machines = [
        (row.kind, row.key, row.revision, row.state, checksum)
        for row, checksum in group.machines.values()
    ]
    await _write(connection, _CHANGE_MACHINES, 5, [m for m in machines if m[:2] in there])
    await _write(connection, _ADD_MACHINES, 5, [m for m in machines if m[:2] not in there])
    records = [(r.stream, r.position, r.body, r.checksum()) for r in group.records]
    await _write(connection, _ADD_RECORDS, 4, records)
    if group.forgotten:
        await connection.execute(_FORGET_EFFECTS, sorted(group.forgotten))
    effects = [
        (e.id, e.kind, e.key, e.body, e.due_ms, e.attempts, e.checksum())
        for e in group.effects.values()
    ]
    await _write(connection, _PUT_EFFECTS, 7, effects, in_order=True)
    if group.postponed:
        later = [(p.effect, p.due_ms, p.attempts) for p in group.postponed.values()]
        await connection.execute(_POSTPONE_EFFECTS, *_columns(later, 3))


async def _write(
    connection: Connection,
    statement: str,
    width: int,
    rows: Sequence[tuple[Any, ...]],
    *,
    in_order: bool = False,
) -> None:
    if not rows:
        return
    # One order for all workers, so that no two wait for each other.
    ordered = rows if in_order else sorted(rows)
    status: str = await connection.execute(statement, *_columns(ordered, width))
    if int(status.rpartition(" ")[2]) != len(rows):
        raise Overtaken


async def _claim(connection: Connection, claim: Claim) -> list[OutboxEntry]:
    kinds = None if claim.kinds is None else [kind.encode() for kind in sorted(claim.kinds)]
    rows = await connection.fetch(_CLAIM_EFFECTS, claim.now_ms, kinds, claim.limit, claim.until_ms)
    return [
        OutboxEntry(
            id=Hash(id_),
            kind=_text(kind),
            key=_text(key),
            body=body,
            due_ms=claim.until_ms,
            attempts=attempts,
        )
        for id_, kind, key, body, attempts in rows
    ]


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as columns, with their names encoded as PostgreSQL keeps them."""
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value.encode() if isinstance(value, str) else value)
    return columns


def _text(name: bytes) -> str:
    return name.decode()
