"""The engine: load a machine, step it, commit state, records and effects, then perform.

The one place where "persist, then act" is written. A step is answered only after its commit is
durable; steps of one machine follow each other without waiting for the disk, so a store that
groups commits pays one sync for many steps. If a commit fails, the state in memory is dropped,
every step that was built on it conflicts, and the next step waits until all of those have landed.

Where several workers share a store, each has an engine of its own, and what one remembers of a
machine may be old. A step is still made from it, and committed only if the store holds the very
row that it was made from (its checksum says so); otherwise it is made again from the newest row,
inside the store's transaction where the store can do that. A refusal counts only if it was the
newest row that refused, and a state that is asked for is read anew.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from settlement.core.machine import Machine, Record, Transition, effect_id
from settlement.errors import SmartLayerError
from settlement.ports.clock import Clock
from settlement.ports.store import (
    Again,
    Batch,
    LogRecord,
    MachineRow,
    OutboxEntry,
    RevisionConflict,
    Store,
)
from settlement.types import Hash

S = TypeVar("S")
E = TypeVar("E")
F = TypeVar("F")

CACHED_MACHINES = 65_536
CONFLICT_RETRIES = 8
SHARED_RETRIES = 64
"""Among workers a store that cannot repeat a step itself may refuse the same one many times."""
CLAIM_MS = 30_000
"""How long a worker's claim of an effect keeps it from others; renewed while it is at work."""
LOOK_AHEAD = 128
"""Waiting effects that an outbox looks at in one turn."""
FAILED_EFFECTS = "outbox/failed"

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A committed effect on its way to a performer; ``id`` is the same on every try."""

    id: Hash
    key: str
    attempts: int
    request: object


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEffect:
    """What the log ``outbox/failed`` holds: an effect that no retry can help."""

    kind: str
    key: str
    body: bytes
    error: str


Performer = Callable[[Effect], Awaitable[None]]
"""Performs one effect. Raises a retryable error to be called again later, and any other typed
error to give up (the effect then goes to the log ``outbox/failed``). What is not typed is a bug: it
is logged and counted, and the effect is tried again like a retryable one, since a stranger's data
may have provoked it and must not end the work of all others. Must be idempotent by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What an engine remembers of a machine; ``checksum`` is that of its row."""

    revision: int
    checksum: bytes
    state: Any


@dataclass(slots=True)
class _Flight:
    """Commits of one machine that the store has not answered yet."""

    commits: set[asyncio.Task[None]] = field(default_factory=set)
    landed: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """Steps machines over a store. One per process; share it between services."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._loading: dict[tuple[str, str], asyncio.Lock] = {}
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._outboxes: list[asyncio.Event] = []

    def outbox_grew(self) -> asyncio.Event:
        """A new event that is set whenever effects were committed; one for each outbox."""
        self._outboxes.append(asyncio.Event())
        return self._outboxes[-1]

    def _wake_outboxes(self) -> None:
        for grew in self._outboxes:
            grew.set()

    async def state(self, machine: Machine[S, E, F], key: str) -> S:
        """The newest state of a machine, its initial state if it has seen nothing."""
        if self.store.shared:
            await self._look_again(machine, key)
        state: S = (await self._load(machine, key)).state
        return state

    async def apply(self, machine: Machine[S, E, F], key: str, event: E) -> Transition[S, F]:
        """Step a machine and return once the transition is durable.

        Raises whatever typed error the step refuses the event with, StoreFailed if the commit
        did not reach the disk, RevisionConflict if other workers kept winning, or if a record's
        log position is taken (its ``kind`` is then the stream).
        """
        transition: Transition[S, F]

        def again(row: MachineRow | None) -> Batch:
            nonlocal transition
            transition, batch = self._step(machine, key, event, self._read(machine, key, row))
            return batch

        for _ in range(SHARED_RETRIES if self.store.shared else CONFLICT_RETRIES):
            held = await self._load(machine, key)
            try:
                transition, batch = self._step(machine, key, event, held)
            except SmartLayerError:
                if self.store.shared and await self._moved_on(machine, key, held):
                    continue
                raise
            try:
                await asyncio.shield(self._commit((machine.kind, key), batch, again))
            except RevisionConflict as conflict:
                if (conflict.kind, conflict.key) != (machine.kind, key):
                    raise  # a log position is taken: no repetition of the step can help
                continue
            if transition.effects:
                self._wake_outboxes()
            return transition
        raise RevisionConflict(kind=machine.kind, key=key)

    def _commit(self, name: tuple[str, str], batch: Batch, again: Again) -> asyncio.Task[None]:
        """Start a commit; it lands whether or not its caller is still waiting for it."""
        flight = self._flights.setdefault(name, _Flight())
        store = self.store
        commit = asyncio.create_task(
            store.commit(batch, again) if store.shared else store.commit(batch)
        )
        flight.commits.add(commit)

        def landed(done: asyncio.Task[None]) -> None:
            flight.commits.discard(done)
            if done.cancelled() or done.exception() is not None:
                self._held.pop(name, None)
            if not flight.commits:
                self._flights.pop(name, None)
                flight.landed.set()

        commit.add_done_callback(landed)
        return commit

    async def _load(self, machine: Machine[S, E, F], key: str) -> _Held:
        name = (machine.kind, key)
        while (held := self._held.get(name)) is None:
            if (flight := self._flights.get(name)) is not None:
                # Steps built on a commit that failed are still on their way to the store. A new
                # branch must not begin before all of them have landed: their revisions would
                # fit it, and one of them could be taken for its next step.
                await flight.landed.wait()
                continue
            async with self._loading.setdefault(name, asyncio.Lock()):
                if name in self._held or name in self._flights:
                    continue
                stored = self._read(machine, key, await self.store.load(machine.kind, key))
                if name not in self._held and name not in self._flights:
                    self._hold(name, stored)
            self._loading.pop(name, None)
        self._held.move_to_end(name)
        return held

    async def _look_again(self, machine: Machine[S, E, F], key: str) -> None:
        """Forget what is remembered if another worker has moved the machine on."""
        name = (machine.kind, key)
        held = self._held.get(name)
        if held is None or name in self._flights:
            return  # it is loaded next, or our own commits will tell
        row = await self.store.load(machine.kind, key)
        unchanged = self._held.get(name) is held and name not in self._flights
        if unchanged and (row.checksum() if row else b"") != held.checksum:
            self._hold(name, self._read(machine, key, row))

    async def _moved_on(self, machine: Machine[S, E, F], key: str, refused: _Held) -> bool:
        """Whether a step that was refused may be taken on the newest state, which is held then."""
        name = (machine.kind, key)
        while (flight := self._flights.get(name)) is not None:
            await flight.landed.wait()
        await self._look_again(machine, key)
        return (await self._load(machine, key)).checksum != refused.checksum

    def _read(self, machine: Machine[S, E, F], key: str, row: MachineRow | None) -> _Held:
        if row is None:
            return _Held(revision=0, checksum=b"", state=machine.initial(key))
        state = msgspec.json.decode(row.state, type=machine.state_type)
        return _Held(revision=row.revision, checksum=row.checksum(), state=state)

    def _hold(self, name: tuple[str, str], held: _Held) -> None:
        self._held[name] = held
        self._held.move_to_end(name)
        while len(self._held) > CACHED_MACHINES:
            self._held.popitem(last=False)

    def _step(
        self, machine: Machine[S, E, F], key: str, event: E, held: _Held
    ) -> tuple[Transition[S, F], Batch]:
        """Make a step upon a state; the engine holds what it leads to as the newest from now on."""
        transition = machine.step(held.state, event, self.clock.now_ms())
        revision = held.revision + 1
        row = MachineRow(
            kind=machine.kind,
            key=key,
            revision=revision,
            state=_encode(transition.state),
            built_on=held.checksum,
        )
        outbox = tuple(
            OutboxEntry(
                id=effect_id(machine.kind, key, revision, index),
                kind=type(effect).__name__,
                key=key,
                body=_encode(effect),
                due_ms=0,
            )
            for index, effect in enumerate(transition.effects)
        )
        after = _Held(revision=revision, checksum=row.checksum(), state=transition.state)
        self._hold((machine.kind, key), after)
        records = tuple(map(log_record, transition.records))
        return transition, Batch(machines=(row,), records=records, outbox=outbox)


def log_record(record: Record) -> LogRecord:
    """Encode a record for the store."""
    return LogRecord(stream=record.stream, position=record.position, body=_encode(record.body))


def _told(error: SmartLayerError) -> str:
    """An error as text that can be stored: a peer's words in it may hold halves of characters."""
    return str(error).encode("utf-8", "replace").decode()


class Outbox:
    """Performs what engines have committed, with retries, until cancelled.

    ``performers`` maps an effect type to the coroutine that performs it; effects of other types
    are left alone. Slow kinds belong into an outbox of their own, where ``per_key`` bounds how many
    effects of one machine are under way at once. At start, whatever an earlier process left behind
    is performed first. ``bugs`` counts untyped errors by kind of effect and class of error.
    """

    def __init__(
        self,
        engine: Engine,
        performers: Mapping[type, Performer],
        *,
        concurrency: int = 32,
        per_key: int = 32,
        first_retry_ms: int = 200,
        longest_retry_ms: int = 30_000,
    ) -> None:
        self._engine = engine
        self._performers = {kind.__name__: (kind, perform) for kind, perform in performers.items()}
        self._kinds = frozenset(self._performers)
        self._concurrency = concurrency
        self._per_key = per_key
        self._first_retry_ms = first_retry_ms
        self._longest_retry_ms = longest_retry_ms
        self.bugs: Counter[tuple[str, str]] = Counter()
        self._under_way: dict[Hash, OutboxEntry] = {}
        self._ended: set[Hash] = set()
        self._grew = engine.outbox_grew()
        self._failing = asyncio.Lock()
        self._log = structlog.get_logger("outbox")

    async def run(self) -> None:
        """Perform effects for ever; owned by the service's task group."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._grew.clear()
                started = await self._start_due(group)
                if not started:
                    await self._wait()

    async def perform_due(self) -> int:
        """Perform what is due now, once, and return how many effects were tried."""
        entries = await self._due()
        for entry in entries:
            await self._perform(entry)
        return len(entries)

    async def _start_due(self, group: asyncio.TaskGroup) -> int:
        entries = await self._due()
        for entry in entries:
            self._under_way[entry.id] = entry
            group.create_task(self._perform(entry))
        return len(entries)

    async def _due(self) -> list[OutboxEntry]:
        room = self._concurrency - len(self._under_way)
        if self._engine.store.shared:
            return await self._claimed(room)
        if room <= 0:
            return []
        self._ended.clear()
        # Entries under way are still in the outbox, and those of busy machines wait their turn, so
        # ask for enough to see past them.
        found = await self._engine.store.pending(
            self._engine.clock.now_ms(), LOOK_AHEAD + len(self._under_way), self._kinds
        )
        busy = Counter(entry.key for entry in self._under_way.values())
        chosen: list[OutboxEntry] = []
        for entry in found:
            # What ended while the store was read may still be in what it gave.
            known = entry.id in self._under_way or entry.id in self._ended
            if not known and busy[entry.key] < self._per_key:
                busy[entry.key] += 1
                chosen.append(entry)
        return chosen[:room]

    async def _claimed(self, room: int) -> list[OutboxEntry]:
        """Effects that no other worker is given as long as this one is at work on them."""
        store, now = self._engine.store, self._engine.clock.now_ms()
        for entry in list(self._under_way.values()):
            if entry.id in self._under_way and entry.due_ms - now < CLAIM_MS // 2:
                self._under_way[entry.id] = replace(entry, due_ms=now + CLAIM_MS)
                await store.postpone(entry.id, now + CLAIM_MS, entry.attempts)
        # Looking is a read, claiming a commit: an outbox with nothing to do writes nothing.
        if room <= 0 or not await store.pending(now, 1, self._kinds):
            return []
        found = await store.claim(now, now + CLAIM_MS, room, self._kinds)
        busy = Counter(entry.key for entry in self._under_way.values())
        chosen: list[OutboxEntry] = []
        for entry in found:
            busy[entry.key] += 1
            if busy[entry.key] <= self._per_key:
                chosen.append(entry)
            else:
                await store.postpone(entry.id, now + self._first_retry_ms, entry.attempts)
        return chosen

    async def _wait(self) -> None:
        grew = asyncio.create_task(self._grew.wait())
        tick = asyncio.create_task(self._engine.clock.sleep_ms(self._first_retry_ms))
        try:
            await asyncio.wait((grew, tick), return_when=asyncio.FIRST_COMPLETED)
        finally:
            grew.cancel()
            tick.cancel()

    async def _perform(self, entry: OutboxEntry) -> None:
        try:
            await self._call(entry)
        except SmartLayerError as error:
            if error.retryable:
                await self._postpone(entry)
                return
            self._log.error("effect_failed", effect=entry.kind, key=entry.key, error=_told(error))
            await self._reported(partial(self._give_up, entry, error))
        except Exception as error:  # noqa: BLE001 - one effect must not end the work of all others
            name = type(error).__name__
            self.bugs[entry.kind, name] += 1
            self._log.error(
                "effect_bug", effect=entry.kind, key=entry.key, error=name, exc_info=error
            )
            await self._postpone(entry)
        else:
            await self._reported(partial(self._engine.store.done, entry.id))
        finally:
            self._under_way.pop(entry.id, None)
            self._ended.add(entry.id)
            self._grew.set()

    async def _call(self, entry: OutboxEntry) -> None:
        kind, perform = self._performers[entry.kind]
        request: object = msgspec.json.decode(entry.body, type=kind)
        await perform(Effect(id=entry.id, key=entry.key, attempts=entry.attempts, request=request))

    async def _postpone(self, entry: OutboxEntry) -> None:
        delay = min(self._first_retry_ms << min(entry.attempts, 16), self._longest_retry_ms)
        until, tries = self._engine.clock.now_ms() + delay, entry.attempts + 1
        await self._reported(partial(self._engine.store.postpone, entry.id, until, tries))

    async def _reported(self, report: Callable[[], Awaitable[None]]) -> None:
        """Tell the store what became of an effect, until it takes it: while it takes no writes,
        what was performed must not be performed over and over."""
        pause = self._first_retry_ms
        while True:
            try:
                return await report()
            except SmartLayerError as error:
                if not error.retryable:
                    raise
            await self._engine.clock.sleep_ms(pause)
            pause = min(2 * pause, self._longest_retry_ms)

    async def _give_up(self, entry: OutboxEntry, error: SmartLayerError) -> None:
        store = self._engine.store
        body = FailedEffect(kind=entry.kind, key=entry.key, body=entry.body, error=_told(error))
        async with self._failing:  # one at a time: each takes the log's next position
            while not await self._logged(body):
                pass  # another worker has taken that position
        await store.done(entry.id)

    async def _logged(self, body: FailedEffect) -> bool:
        store = self._engine.store
        position = await store.log_length(FAILED_EFFECTS)
        record = Record(stream=FAILED_EFFECTS, position=position, body=body)
        try:
            await store.commit(Batch(records=(log_record(record),)))
        except RevisionConflict:
            return False
        return True
