"""The store port: machines, logs and the outbox, committed in one piece.

Three shapes carry everything that a process remembers:

* a *machine row*: ``(kind, key) -> (revision, state bytes)``, written by compare-and-set;
* a *log record*: ``(stream, position) -> body bytes``, append-only;
* an *outbox entry*: an effect that is committed and not yet known to be performed.

A commit is durable when :meth:`Store.commit` returns, and none of it happened when it raises.

Each of the three has a checksum, kept beside it: it shows bits that rotted, and a machine's is also
what the next revision says it was built on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import ClassVar, Protocol

from settlement.errors import OurError
from settlement.types import Hash, unsigned


@dataclass(kw_only=True, eq=False, repr=False)
class RevisionConflict(OurError):
    """Another writer moved this machine on first; load it again and repeat the step."""

    code: ClassVar[str] = "SL-8002"
    title: ClassVar[str] = "Another worker changed this row first"
    fix: ClassVar[str] = "Nothing to do: the step is repeated on the newer state of {kind} {key}."
    retryable: ClassVar[bool] = True

    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRow:
    """One machine at one revision. The first revision is 1; ``expected`` is ``revision - 1``."""

    kind: str
    key: str
    revision: int
    state: bytes
    built_on: bytes = field(default=b"", compare=False)
    """Checksum of the row that the step was made from. Where it is given, a row of another
    checksum is a conflict though its revision fits: another worker wrote it. It is not stored."""

    def checksum(self) -> bytes:
        """16 bytes (BLAKE2b) over all that is stored of this row."""
        return _checksum(self.state, f"{self.revision}\n{self.kind}\n{self.key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line of an append-only log."""

    stream: str
    position: int
    body: bytes

    def checksum(self) -> bytes:
        """16 bytes (BLAKE2b) over the whole record."""
        return _checksum(self.body, f"{self.position}\n{self.stream}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An effect waiting to be performed; ``due_ms`` is the earliest time of the next try."""

    id: Hash
    kind: str
    key: str
    body: bytes
    due_ms: int
    attempts: int = 0

    def checksum(self) -> bytes:
        """16 bytes (BLAKE2b) over what does not change of an effect: not its next try."""
        return _checksum(self.id + self.body, f"{self.kind}\n{self.key}")


def _checksum(content: bytes, place: str) -> bytes:
    digest = blake2b(content, digest_size=16)
    digest.update(b"\n%d\n" % len(content))
    digest.update(place.encode("utf-8", "surrogatepass"))
    return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one step commits: all of it or nothing."""

    machines: tuple[MachineRow, ...] = ()
    records: tuple[LogRecord, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()


Again = Callable[[MachineRow | None], Batch]
"""Makes a batch anew from the newest row of its one machine (None: it has none); pure, or may raise
a typed error that refuses the step."""


class Store(Protocol):
    """Durable memory of one process (or of several workers sharing a database)."""

    @property
    def shared(self) -> bool:
        """Whether other workers may write too: then what is remembered of a machine may be old."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the store takes no writes now, or None while it takes them; health reports it."""
        ...

    async def load(self, kind: str, key: str) -> MachineRow | None:
        """The newest revision of a machine, or None."""
        ...

    async def keys(self, kind: str, prefix: str = "") -> Sequence[str]:
        """The keys of all machines of a kind that start with ``prefix``, sorted."""
        ...

    async def commit(self, batch: Batch, again: Again | None = None) -> None:
        """Make the batch durable. Raises RevisionConflict or StoreFailed; then nothing is kept.

        Where another worker has moved the batch's machine on, a store that can calls ``again``
        while it holds the row, and commits what that makes: so a worker that is always a little
        later than another still gets its turn. What it raises is raised here.
        """
        ...

    async def read_log(self, stream: str, start: int, limit: int) -> Sequence[LogRecord]:
        """Records of a stream from ``start`` on, in order, at most ``limit`` of them.

        Raises AmountOutOfRange unless both fit 63 bits, as all positions do.
        """
        ...

    async def log_length(self, stream: str) -> int:
        """One more than the highest position in the stream; 0 when it is empty."""
        ...

    async def pending(
        self, now_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        """Outbox entries due by ``now_ms``, oldest first, at most ``limit`` of them; only those of
        ``kinds``, where they are named.

        Raises AmountOutOfRange unless both fit 63 bits.
        """
        ...

    async def claim(
        self, now_ms: int, until_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        """What :meth:`pending` gives, for this caller alone: each entry is due again at
        ``until_ms`` only, so that nobody else is given it before. Durable when it returns.

        Raises AmountOutOfRange like pending, and StoreFailed.
        """
        ...

    async def postpone(self, effect: Hash, due_ms: int, attempts: int) -> None:
        """Try the effect again not before ``due_ms``. Raises AmountOutOfRange like pending."""
        ...

    async def done(self, effect: Hash) -> None:
        """The effect was performed; forget it."""
        ...


class MemoryStore:
    """The in-memory fake; it survives a simulated crash because a test keeps the object.

    ``fail_next_commit`` makes the next commit raise, as a full disk would. ``shared`` says that
    several engines of a test write to it.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self.failure: str | None = None
        self.machines: dict[tuple[str, str], MachineRow] = {}
        self.logs: dict[str, dict[int, LogRecord]] = {}
        self.outbox: dict[Hash, OutboxEntry] = {}
        self.fail_next_commit: Exception | None = None

    async def load(self, kind: str, key: str) -> MachineRow | None:
        return self.machines.get((kind, key))

    async def keys(self, kind: str, prefix: str = "") -> Sequence[str]:
        return sorted(k for found, k in self.machines if found == kind and k.startswith(prefix))

    async def commit(self, batch: Batch, again: Again | None = None) -> None:
        if self.fail_next_commit is not None:
            failure, self.fail_next_commit = self.fail_next_commit, None
            raise failure
        if again is not None and self._overtaken(batch):
            (row,) = batch.machines
            batch = again(self.machines.get((row.kind, row.key)))
        rows: set[tuple[str, str]] = set()
        for row in batch.machines:
            if (row.kind, row.key) in rows or self._overtaken(Batch(machines=(row,))):
                raise RevisionConflict(kind=row.kind, key=row.key)
            rows.add((row.kind, row.key))
        places: set[tuple[str, int]] = set()
        for record in batch.records:
            place = (record.stream, record.position)
            if place in places or record.position in self.logs.get(record.stream, {}):
                raise RevisionConflict(kind=record.stream, key=str(record.position))
            places.add(place)
        self.machines.update({(row.kind, row.key): row for row in batch.machines})
        for record in batch.records:
            self.logs.setdefault(record.stream, {})[record.position] = record
        self.outbox.update({entry.id: entry for entry in batch.outbox})

    def _overtaken(self, batch: Batch) -> bool:
        for row in batch.machines:
            held = self.machines.get((row.kind, row.key))
            if (held.revision if held else 0) != row.revision - 1:
                return True
            if held and row.built_on not in (b"", held.checksum()):
                return True
        return False

    async def read_log(self, stream: str, start: int, limit: int) -> Sequence[LogRecord]:
        unsigned(start, 63, "start")
        unsigned(limit, 63, "limit")
        log = self.logs.get(stream, {})
        return [log[position] for position in sorted(log) if position >= start][:limit]

    async def log_length(self, stream: str) -> int:
        return max(self.logs.get(stream, {}), default=-1) + 1

    async def pending(
        self, now_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        unsigned(now_ms, 63, "now_ms")
        unsigned(limit, 63, "limit")
        wanted = [e for e in self.outbox.values() if kinds is None or e.kind in kinds]
        due = [entry for entry in wanted if entry.due_ms <= now_ms]
        return sorted(due, key=lambda entry: entry.due_ms)[:limit]

    async def claim(
        self, now_ms: int, until_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        unsigned(until_ms, 63, "until_ms")
        due = await self.pending(now_ms, limit, kinds)
        taken = [replace(entry, due_ms=until_ms) for entry in due]
        self.outbox.update({entry.id: entry for entry in taken})
        return taken

    async def postpone(self, effect: Hash, due_ms: int, attempts: int) -> None:
        unsigned(due_ms, 63, "due_ms")
        unsigned(attempts, 63, "attempts")
        if (entry := self.outbox.get(effect)) is not None:
            self.outbox[effect] = replace(entry, due_ms=due_ms, attempts=attempts)

    async def done(self, effect: Hash) -> None:
        self.outbox.pop(effect, None)
