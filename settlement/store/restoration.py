"""The note in a store that it was made from a backup; see :mod:`settlement.core.restored`."""

from dataclasses import replace

import msgspec
import sqlalchemy as sa

from settlement.core.restored import RESTORED, RESTORED_KEY, RestoredState
from settlement.ports.store import MachineRow
from settlement.store.queries import machine_of, one_machine
from settlement.store.schema import machine


def mark_restored(connection: sa.Connection, now_ms: int) -> None:
    """Write the note, in the transaction that is open."""
    found = connection.execute(one_machine(RESTORED.kind, RESTORED_KEY)).first()
    state, revision = RestoredState(), 0
    if found is not None:
        held, _ = machine_of(found)
        state = msgspec.json.decode(held.state, type=RestoredState)
        revision = held.revision
        connection.execute(
            sa.delete(machine).where(machine.c.kind == RESTORED.kind, machine.c.key == RESTORED_KEY)
        )
    after = MachineRow(
        kind=RESTORED.kind,
        key=RESTORED_KEY,
        revision=revision + 1,
        state=msgspec.json.encode(replace(state, restored_at_ms=now_ms)),
    )
    connection.execute(
        sa.insert(machine).values(
            kind=after.kind,
            key=after.key,
            revision=after.revision,
            state=after.state,
            checksum=after.checksum(),
        )
    )
