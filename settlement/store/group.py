"""One group of writes: judge each batch against the rows below it, and say what is left to write.

A group is judged in the order in which its members were handed in, each on top of the ones that
were accepted before it. What is left is written set by set, however many batches there were; that,
and one sync for all, is what makes a commit cheap. Reading the rows below and writing those above
is the databases' own business (``sqlite_rows``, ``postgres_rows``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from settlement.errors import SmartLayerError
from settlement.ports.store import (
    Again,
    Batch,
    LogRecord,
    MachineRow,
    OutboxEntry,
    RevisionConflict,
)
from settlement.types import Hash

MachineName = tuple[str, str]
"""Kind and key."""
Place = tuple[str, int]
"""Stream and position."""
Known = tuple[int, bytes]
"""The revision of a machine and the checksum of its row."""
ABSENT: Known = (0, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A batch that can be made anew where another worker has moved its one machine on."""

    batch: Batch
    again: Again


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Take effects for oneself until ``until_ms``."""

    now_ms: int
    until_ms: int
    limit: int
    kinds: frozenset[str] | None


Change = Batch | Step | Postpone | Done | Claim
"""What a caller asks the writer for."""
Outcome = SmartLayerError | Sequence[OutboxEntry]
"""What became of a change: why it was refused, or the effects that a claim got, else none."""
NOTHING: Sequence[OutboxEntry] = ()


def names_in(changes: Sequence[Change]) -> set[MachineName]:
    """The machines whose rows a group is judged against."""
    return {(row.kind, row.key) for batch in _batches(changes) for row in batch.machines}


def places_in(changes: Sequence[Change]) -> set[Place]:
    """The places in logs that a group asks for."""
    return {(each.stream, each.position) for batch in _batches(changes) for each in batch.records}


def _batches(changes: Sequence[Change]) -> Iterator[Batch]:
    for change in changes:
        if isinstance(change, Batch):
            yield change
        elif isinstance(change, Step):
            yield change.batch


@dataclass(slots=True)
class Group:
    """The rows that a group's accepted members leave behind; built by :meth:`add`, in order.

    ``held`` and ``taken`` are what the database holds of the rows that the members name.
    """

    held: dict[MachineName, Known]
    taken: set[Place]
    machines: dict[MachineName, tuple[MachineRow, bytes]] = field(default_factory=dict)
    records: list[LogRecord] = field(default_factory=list)
    effects: dict[Hash, OutboxEntry] = field(default_factory=dict)
    postponed: dict[Hash, Postpone] = field(default_factory=dict)
    forgotten: set[Hash] = field(default_factory=set)

    def add(self, change: Change) -> RevisionConflict | None:
        """Take a member in, or say why it may not be: then nothing of it is in the group.

        Claims leave no row here: they look at the outbox once the group is written.
        """
        match change:
            case Batch():
                return self._add_batch(change)
            case Step():
                return self._add_batch(change.batch)
            case Postpone():
                self._postpone(change)
            case Done():
                self.effects.pop(change.effect, None)
                self.postponed.pop(change.effect, None)
                self.forgotten.add(change.effect)
            case Claim():
                pass
            case _:
                assert_never(change)
        return None

    def _add_batch(self, batch: Batch) -> RevisionConflict | None:
        machines: dict[MachineName, tuple[MachineRow, bytes]] = {}
        for row in batch.machines:
            name = (row.kind, row.key)
            revision, checksum = self.held.get(name, ABSENT)
            fits = revision == row.revision - 1 and row.built_on in (b"", checksum)
            if name in machines or not fits:
                return RevisionConflict(kind=row.kind, key=row.key)
            machines[name] = (row, row.checksum())
        places: set[Place] = set()
        for record in batch.records:
            place = (record.stream, record.position)
            if place in places or place in self.taken:
                return RevisionConflict(kind=record.stream, key=str(record.position))
            places.add(place)
        self.held.update({n: (row.revision, sum_) for n, (row, sum_) in machines.items()})
        self.taken |= places
        self.machines.update(machines)
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
