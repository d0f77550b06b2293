"""The process that the crash tests kill: an engine over SQLite, an outbox, and a small machine.

A booking desk books rooms one by one; each booking is a step with a log record and one effect, the
telling of an outside sink. ``--kill-at POINT:N`` ends the process by SIGKILL when it reaches a
named failpoint for the N-th time. What is acknowledged is printed, one line each.
"""

import argparse
import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from settlement.core.machine import Machine, Record, Transition
from settlement.services.engine import Effect, Engine, Outbox
from settlement.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """How many rooms a desk has booked, and the sum of their prices."""

    key: str
    booked: int = 0
    takings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBook:
    """Book one more room."""

    price: int
    tell: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The log's line for a booking."""

    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformBooking:
    """Tell the sink about a booking."""

    number: int


def step(desk: Desk, event: ActionBook, now_ms: int) -> Transition[Desk, PerformBooking]:
    after = Desk(key=desk.key, booked=desk.booked + 1, takings=desk.takings + event.price)
    record = Record(stream=desk.key, position=desk.booked, body=Booking(price=event.price))
    effects = (PerformBooking(number=after.booked),) if event.tell else ()
    return Transition(state=after, records=(record,), effects=effects)


DESK = Machine(
    kind="desk",
    state_type=Desk,
    effect_types=(PerformBooking,),
    initial=lambda key: Desk(key=key),
    step=step,
)


class RealClock:
    """Wall time, for this process only."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1000)


class KillAt:
    """A failpoint that ends the process when a point is reached for the n-th time."""

    def __init__(self, wanted: str) -> None:
        self.point, _, times = wanted.partition(":")
        self.times = int(times or "1")
        self.reached: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        self.reached[point] += 1
        if point == self.point and self.reached[point] == self.times:
            os.kill(os.getpid(), signal.SIGKILL)


def say(*words: object) -> None:
    """One line in one write, so that a kill cannot leave half of it in the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def book_and_tell(store: SqliteStore, bookings: int, port: int, failpoint: KillAt) -> None:
    """Book until the desk has ``bookings``, and wait until the sink knows of each."""
    engine = Engine(store, RealClock())

    async def tell(effect: Effect) -> None:
        failpoint("effect-due")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = effect.request
        assert isinstance(request, PerformBooking)
        writer.write(f"{effect.id.hex()} {request.number}\n".encode())
        assert await reader.readline() == b"ok\n"
        writer.close()
        await writer.wait_closed()
        failpoint("effect-performed")

    outbox = asyncio.create_task(Outbox(engine, {PerformBooking: tell}).run())
    for number in range((await engine.state(DESK, "desk")).booked, bookings):
        await engine.apply(DESK, "desk", ActionBook(price=100 + number, tell=True))
        say("booked", number + 1)
    while await store.pending(RealClock().now_ms() + 10**9, 1):
        assert not outbox.done()
        await asyncio.sleep(0.01)
    outbox.cancel()
    await asyncio.wait([outbox])


async def book_for_ever(store: SqliteStore, desks: int) -> None:
    """Many desks at once, as fast as the store takes them, until killed."""
    engine = Engine(store, RealClock())

    async def one(key: str) -> None:
        while True:
            transition = await engine.apply(DESK, key, ActionBook(price=7, tell=False))
            say(key, transition.state.booked)

    async with asyncio.TaskGroup() as group:
        for number in range(desks):
            group.create_task(one(f"desk-{number:02}"))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("--bookings", type=int, default=0)
    parser.add_argument("--sink", type=int, default=0)
    parser.add_argument("--desks", type=int, default=0)
    parser.add_argument("--kill-at", default="never")
    asked = parser.parse_args()
    failpoint = KillAt(asked.kill_at)
    began = time.monotonic()
    async with SqliteStore(asked.database, failpoint=failpoint) as store:
        await store.keys(DESK.kind)
        say("ready", int((time.monotonic() - began) * 1000))
        if asked.desks:
            await book_for_ever(store, asked.desks)
        await book_and_tell(store, asked.bookings, asked.sink, failpoint)


if __name__ == "__main__":
    asyncio.run(main())
