"""What nobody foresaw in performing one effect: told, counted, and the end of nothing."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import msgspec
from structlog.testing import capture_logs

from settlement.errors import PeerError
from settlement.ports.clock import VirtualClock
from settlement.ports.store import Batch, MemoryStore, OutboxEntry
from settlement.services.engine import FAILED_EFFECTS, Effect, Engine, FailedEffect, Outbox
from settlement.types import Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGreeting:
    text: str


@dataclass(kw_only=True, eq=False, repr=False)
class LineCut(PeerError):
    code: ClassVar[str] = "SL-6998"

    heard: str


class Greeter:
    """An outbox over effects that wait, whose performer fails as a test says."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.said: list[str] = []
        self.store, self.clock = MemoryStore(), VirtualClock()
        self.outbox = Outbox(Engine(self.store, self.clock), {SendGreeting: self.perform})

    async def perform(self, effect: Effect) -> None:
        if self.failures:
            raise self.failures.pop(0)
        assert isinstance(effect.request, SendGreeting)
        self.said.append(effect.request.text)

    async def put(self, *bodies: bytes) -> None:
        entries = tuple(
            OutboxEntry(
                id=Hash(bytes([number]) * 32),
                kind=SendGreeting.__name__,
                key=str(number),
                body=body,
                due_ms=0,
            )
            for number, body in enumerate(bodies)
        )
        await self.store.commit(Batch(outbox=entries))


def greeting(text: str) -> bytes:
    return msgspec.json.encode(SendGreeting(text=text))


async def test_a_bug_in_performing_one_effect_is_told_and_ends_neither_it_nor_the_others() -> None:
    greeter = Greeter(UnicodeError("label too long"), RecursionError())
    await greeter.put(*map(greeting, "abc"))
    with capture_logs() as logs:
        running = asyncio.create_task(greeter.outbox.run())
        await greeter.clock.advance_ms(0)
        assert len(greeter.said) == 1
        assert [entry.attempts for entry in greeter.store.outbox.values()] == [1, 1]
        await greeter.clock.advance_ms(400)
    assert sorted(greeter.said) == ["a", "b", "c"]
    assert greeter.store.outbox == {}
    assert greeter.outbox.bugs == {
        ("SendGreeting", "UnicodeError"): 1,
        ("SendGreeting", "RecursionError"): 1,
    }
    told = [(log["event"], log["effect"], log["error"]) for log in logs]
    assert sorted(told) == [
        ("effect_bug", "SendGreeting", "RecursionError"),
        ("effect_bug", "SendGreeting", "UnicodeError"),
    ]
    assert not running.done()
    running.cancel()


async def test_an_effect_that_cannot_be_read_waits_longer_and_longer() -> None:
    greeter = Greeter()
    await greeter.put(b'{"text": 5}')
    for wait in (200, 400, 800):
        assert await greeter.outbox.perform_due() == 1
        (waiting,) = greeter.store.outbox.values()
        assert waiting.due_ms - greeter.clock.now_ms() == wait
        await greeter.clock.advance_ms(wait)
    assert greeter.outbox.bugs.total() == 3


async def test_a_failure_told_with_half_a_character_is_logged_like_any_other() -> None:
    greeter = Greeter(LineCut(heard="\ud800"))
    await greeter.put(greeting("hello"))
    await greeter.outbox.perform_due()
    (row,) = await greeter.store.read_log(FAILED_EFFECTS, 0, 10)
    assert "heard=?" in msgspec.json.decode(row.body, type=FailedEffect).error
    assert greeter.store.outbox == {}
