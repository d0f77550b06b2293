"""The engine and the outbox: persist, then act; over the in-memory store and a virtual clock."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec
import pytest

from settlement.core.machine import Machine, Record, Transition, effect_id
from settlement.errors import OurError, PeerError, StoreFailed
from settlement.ports.clock import VirtualClock
from settlement.ports.store import Batch, MachineRow, MemoryStore, OutboxEntry, RevisionConflict
from settlement.services.engine import FAILED_EFFECTS, Effect, Engine, FailedEffect, Outbox
from settlement.types import Hash, Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    total: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAdd:
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGreeting:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    total: Uint128


@dataclass(kw_only=True, eq=False, repr=False)
class TooMuch(PeerError):
    code: ClassVar[str] = "SL-5999"

    total: int


@dataclass(kw_only=True, eq=False, repr=False)
class LineBusy(PeerError):
    code: ClassVar[str] = "SL-5998"
    retryable: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False, repr=False)
class NobodyHome(OurError):
    code: ClassVar[str] = "SL-8999"


def step(state: Counter, event: ActionAdd, _now_ms: int) -> Transition[Counter, SendGreeting]:
    total = state.total + event.amount
    if total > 10**30:
        raise TooMuch(total=total)
    return Transition(
        state=replace(state, total=total),
        records=(Record(stream="lines", position=total, body=Line(total=total)),),
        effects=(SendGreeting(text=f"total {total}"),),
    )


COUNTER: Machine[Counter, ActionAdd, SendGreeting] = Machine(
    kind="counter",
    state_type=Counter,
    effect_types=(SendGreeting,),
    initial=lambda _key: Counter(),
    step=step,
)


class Sink:
    """Where greetings arrive. It acts once per id, as every performer must, and may fail."""

    def __init__(self) -> None:
        self.acted: dict[Hash, str] = {}
        self.calls = 0
        self.failures: list[BaseException] = []
        self.fail_after_acting: list[BaseException] = []

    async def perform(self, effect: Effect) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        assert isinstance(effect.request, SendGreeting)
        self.acted.setdefault(effect.id, effect.request.text)
        if self.fail_after_acting:
            raise self.fail_after_acting.pop(0)


class Killed(BaseException):
    """The process dies here."""


def process(store: MemoryStore, sink: Sink, clock: VirtualClock) -> tuple[Engine, Outbox]:
    engine = Engine(store, clock)
    return engine, Outbox(engine, {SendGreeting: sink.perform})


async def test_a_step_is_durable_when_it_is_answered() -> None:
    store = MemoryStore()
    engine = Engine(store, VirtualClock())
    moved = await engine.apply(COUNTER, "a", ActionAdd(amount=10**20))
    assert moved.state.total == 10**20
    assert (await Engine(store, VirtualClock()).state(COUNTER, "a")).total == 10**20
    (line,) = await store.read_log("lines", 0, 10)
    assert msgspec.json.decode(line.body, type=Line) == Line(total=10**20)


async def test_nothing_is_acknowledged_when_the_commit_fails() -> None:
    store = MemoryStore()
    engine = Engine(store, VirtualClock())
    store.fail_next_commit = StoreFailed(problem="disk full")
    with pytest.raises(StoreFailed):
        await engine.apply(COUNTER, "a", ActionAdd(amount=5))
    assert store.outbox == {}
    assert (await engine.state(COUNTER, "a")).total == 0
    assert (await engine.apply(COUNTER, "a", ActionAdd(amount=2))).state.total == 2


async def test_a_refused_event_changes_nothing() -> None:
    store = MemoryStore()
    engine = Engine(store, VirtualClock())
    with pytest.raises(TooMuch):
        await engine.apply(COUNTER, "a", ActionAdd(amount=10**31))
    assert store.machines == {}


async def test_an_effect_left_by_a_dead_process_is_performed_by_the_next_one() -> None:
    store, sink, clock = MemoryStore(), Sink(), VirtualClock()
    engine, _ = process(store, sink, clock)
    await engine.apply(COUNTER, "a", ActionAdd(amount=1))
    # The process dies here, between commit and effect.
    _, outbox = process(store, sink, clock)
    assert await outbox.perform_due() == 1
    assert list(sink.acted) == [effect_id("counter", "a", 1, 0)]
    assert store.outbox == {}


async def test_an_effect_that_was_performed_before_the_crash_is_done_once_by_its_id() -> None:
    store, sink, clock = MemoryStore(), Sink(), VirtualClock()
    engine, outbox = process(store, sink, clock)
    await engine.apply(COUNTER, "a", ActionAdd(amount=1))
    sink.fail_after_acting = [Killed()]
    with pytest.raises(Killed):
        await outbox.perform_due()
    _, outbox = process(store, sink, clock)
    await outbox.perform_due()
    assert sink.calls == 2
    assert list(sink.acted.values()) == ["total 1"]


async def test_a_retryable_failure_is_tried_again_later_and_later() -> None:
    store, sink, clock = MemoryStore(), Sink(), VirtualClock()
    engine, outbox = process(store, sink, clock)
    await engine.apply(COUNTER, "a", ActionAdd(amount=1))
    sink.failures = [LineBusy(), LineBusy(), LineBusy()]
    assert await outbox.perform_due() == 1
    assert await outbox.perform_due() == 0
    waits = []
    for _ in range(3):
        (entry,) = store.outbox.values()
        waits.append(entry.due_ms - clock.now_ms())
        await clock.advance_ms(waits[-1])
        await outbox.perform_due()
    assert waits == [200, 400, 800]
    assert list(sink.acted.values()) == ["total 1"]


async def test_a_failure_that_no_retry_helps_goes_to_the_log_of_failures() -> None:
    store, sink, clock = MemoryStore(), Sink(), VirtualClock()
    engine, outbox = process(store, sink, clock)
    await engine.apply(COUNTER, "a", ActionAdd(amount=1))
    sink.failures = [NobodyHome()]
    await outbox.perform_due()
    assert store.outbox == {}
    (row,) = await store.read_log(FAILED_EFFECTS, 0, 10)
    failed = msgspec.json.decode(row.body, type=FailedEffect)
    assert (failed.kind, failed.key) == ("SendGreeting", "a")


async def test_effects_that_fail_for_good_at_the_same_moment_are_all_logged() -> None:
    store, sink, clock = GroupStore(random.Random(0)), Sink(), VirtualClock()
    writing = asyncio.create_task(store.write_groups())
    engine, outbox = process(store, sink, clock)
    for number in range(1, 6):
        await engine.apply(COUNTER, str(number), ActionAdd(amount=number))
    sink.failures = [NobodyHome() for _ in range(5)]
    running = asyncio.create_task(outbox.run())
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(await store.read_log(FAILED_EFFECTS, 0, 10)) == 5
    assert store.outbox == {}
    for task in (running, writing):
        task.cancel()


async def test_steps_of_one_machine_follow_each_other_without_losing_any() -> None:
    store = MemoryStore()
    engine = Engine(store, VirtualClock())
    await asyncio.gather(*(engine.apply(COUNTER, "a", ActionAdd(amount=1)) for _ in range(100)))
    assert (await engine.state(COUNTER, "a")).total == 100
    assert len(await store.read_log("lines", 0, 1_000)) == 100


class SlowStore(MemoryStore):
    """Commits wait until they are let through, in order; one may be made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.order = asyncio.Lock()
        self.doomed = 0

    async def commit(self, batch: Batch) -> None:
        async with self.order:
            await self.gate.wait()
            if self.doomed:
                self.doomed -= 1
                raise StoreFailed(problem="disk full")
            await super().commit(batch)


async def test_steps_built_on_a_failed_commit_start_again_from_what_is_durable() -> None:
    store = SlowStore()
    engine = Engine(store, VirtualClock())
    store.doomed = 1
    steps = [
        asyncio.create_task(engine.apply(COUNTER, "a", ActionAdd(amount=amount)))
        for amount in (100, 1, 2)
    ]
    await asyncio.sleep(0)
    store.gate.set()
    first, second, third = await asyncio.gather(*steps, return_exceptions=True)
    assert isinstance(first, StoreFailed)
    assert isinstance(second, Transition)
    assert isinstance(third, Transition)
    durable = await Engine(store, VirtualClock()).state(COUNTER, "a")
    assert durable.total == 3
    assert (await engine.state(COUNTER, "a")).total == 3


async def test_two_workers_on_one_store_never_lose_a_step() -> None:
    store = MemoryStore()
    workers = [Engine(store, VirtualClock()) for _ in range(2)]
    for number in range(20):
        await workers[number % 2].apply(COUNTER, "a", ActionAdd(amount=1))
    assert (await workers[0].state(COUNTER, "a")).total >= 19
    assert (await Engine(store, VirtualClock()).state(COUNTER, "a")).total == 20


async def test_a_log_position_that_is_taken_is_a_conflict_and_nothing_is_kept() -> None:
    store = MemoryStore()
    engine = Engine(store, VirtualClock())
    await engine.apply(COUNTER, "a", ActionAdd(amount=7))
    with pytest.raises(RevisionConflict):
        await engine.apply(COUNTER, "b", ActionAdd(amount=7))
    assert (await engine.state(COUNTER, "b")).total == 0


async def test_the_running_outbox_performs_what_is_committed_without_being_asked() -> None:
    store, sink, clock = MemoryStore(), Sink(), VirtualClock()
    engine, outbox = process(store, sink, clock)
    running = asyncio.create_task(outbox.run())
    await engine.apply(COUNTER, "a", ActionAdd(amount=1))
    await engine.apply(COUNTER, "b", ActionAdd(amount=2))
    await clock.advance_ms(1_000)
    assert sorted(sink.acted.values()) == ["total 1", "total 2"]
    assert store.outbox == {}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    names: tuple[str, ...] = ()


def write_once(state: Ledger, name: str, _now_ms: int) -> Transition[Ledger, None]:
    record = Record(stream=f"once/{name}", position=0, body=Line(total=len(state.names)))
    return Transition(state=Ledger(names=(*state.names, name)), records=(record,))


LEDGER: Machine[Ledger, str, None] = Machine(
    kind="ledger",
    state_type=Ledger,
    effect_types=(),
    initial=lambda _key: Ledger(),
    step=write_once,
)


class GroupStore(MemoryStore):
    """Commits in groups, as a writer thread does: an answer comes some turns of the loop after
    its commit, and loads take some turns too."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice
        self.waiting: list[tuple[Batch, asyncio.Future[None]]] = []

    async def commit(self, batch: Batch) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((batch, answer))
        await answer

    async def load(self, kind: str, key: str) -> MachineRow | None:
        row = await super().load(kind, key)
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)
        return row

    async def write_groups(self) -> None:
        while True:
            group, self.waiting = self.waiting, []
            answers = []
            for batch, answer in group:
                try:
                    await super().commit(batch)
                except RevisionConflict as conflict:
                    answers.append((answer, conflict))
                else:
                    answers.append((answer, None))
            for _ in range(self.dice.randrange(6)):
                await asyncio.sleep(0)
            for answer, failure in answers:
                if failure is None:
                    answer.set_result(None)
                else:
                    answer.set_exception(failure)
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(6))
async def test_failed_commits_among_many_never_let_a_later_step_skip_one(seed: int) -> None:
    dice = random.Random(seed)
    store = GroupStore(dice)
    engine = Engine(store, VirtualClock())
    writing = asyncio.create_task(store.write_groups())
    written: list[str] = []

    async def one(name: str) -> None:
        for _ in range(dice.randrange(40)):
            await asyncio.sleep(0)
        try:
            await engine.apply(LEDGER, "a", name)
        except RevisionConflict:
            return
        written.append(name)

    await asyncio.gather(*(one(f"name {dice.randrange(60)}") for _ in range(150)))
    writing.cancel()
    row = await MemoryStore.load(store, "ledger", "a")
    assert row is not None
    durable = msgspec.json.decode(row.state, type=Ledger)
    assert sorted(durable.names) == sorted(written)
    assert len(set(written)) == len(written)


async def test_a_step_whose_caller_has_gone_is_still_built_upon() -> None:
    store = SlowStore()
    engine = Engine(store, VirtualClock())
    gone = asyncio.create_task(engine.apply(COUNTER, "a", ActionAdd(amount=100)))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    later = asyncio.create_task(engine.apply(COUNTER, "a", ActionAdd(amount=1)))
    await asyncio.sleep(0)
    store.gate.set()
    assert (await later).state.total == 101
    assert (await Engine(store, VirtualClock()).state(COUNTER, "a")).total == 101


async def test_effects_of_unknown_kinds_do_not_keep_an_outbox_from_its_own() -> None:
    store, clock = MemoryStore(), VirtualClock()
    strangers = tuple(
        OutboxEntry(id=Hash(bytes([n]) * 32), kind="Unknown", key="x", body=b"{}", due_ms=0)
        for n in range(200)
    )
    await store.commit(Batch(outbox=strangers))
    entry = OutboxEntry(
        id=Hash(b"\xff" * 32),
        kind=SendGreeting.__name__,
        key="y",
        body=msgspec.json.encode(SendGreeting(text="late")),
        due_ms=1,
    )
    await store.commit(Batch(outbox=(entry,)))
    seen: list[str] = []

    async def greet(effect: Effect) -> None:
        seen.append(effect.key)

    await Outbox(Engine(store, clock), {SendGreeting: greet}).perform_due()
    assert seen == ["y"]


async def test_one_machine_cannot_take_every_place_of_an_outbox() -> None:
    store, clock = MemoryStore(), VirtualClock()
    greeting = msgspec.json.encode(SendGreeting(text="slow"))
    entries = tuple(
        OutboxEntry(
            id=Hash(bytes([n]) * 32),
            kind=SendGreeting.__name__,
            key="greedy" if n < 40 else "modest",
            body=greeting,
            due_ms=n,
        )
        for n in range(41)
    )
    await store.commit(Batch(outbox=entries))
    seen: list[str] = []

    async def greet(effect: Effect) -> None:
        seen.append(effect.key)

    await Outbox(Engine(store, clock), {SendGreeting: greet}, per_key=2).perform_due()
    assert seen == ["greedy", "greedy", "modest"]


class SlowToRead(MemoryStore):
    """A store whose answer about the outbox is a moment old when it arrives."""

    async def pending(
        self, now_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        found = await super().pending(now_ms, limit, kinds)
        for _ in range(5):
            await asyncio.sleep(0)
        return found


async def test_an_effect_that_ends_while_the_outbox_is_read_is_not_done_again() -> None:
    store, clock = SlowToRead(), VirtualClock()
    engine = Engine(store, clock)
    seen: list[Hash] = []

    async def greet(effect: Effect) -> None:
        await asyncio.sleep(0)
        seen.append(effect.id)

    running = asyncio.create_task(Outbox(engine, {SendGreeting: greet}).run())
    for number in range(20):
        body = msgspec.json.encode(SendGreeting(text="hello"))
        entry = OutboxEntry(
            id=Hash(bytes([number]) * 32), kind=SendGreeting.__name__, key="x", body=body, due_ms=0
        )
        await store.commit(Batch(outbox=(entry,)))
        await clock.advance_ms(200)
    running.cancel()
    assert len(seen) == len(set(seen)) == 20
