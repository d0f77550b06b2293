"""A process dies at each of its named points; started again, it has every effect done once.

The sink is idempotent by the effect's id, as every performer's counterpart must be. An effect that
was never delivered, or one that came back under another id, would show.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from settlement.store.sqlite import SqliteStore

PROCESS = Path(__file__).parent / "crash_process.py"
BOOKINGS = 5


@dataclass
class Sink:
    """An outside service: a server that takes each effect id once, and counts deliveries."""

    port: int = 0
    performed: dict[str, int] = field(default_factory=dict)
    deliveries: list[int] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if line := await reader.readline():  # a process may die between connecting and asking
            effect, number = line.split()
            self.deliveries.append(int(number))
            self.performed.setdefault(effect.decode(), int(number))
            writer.write(b"ok\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    found = Sink()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


@dataclass(frozen=True)
class Run:
    """How a process ended, and the bookings that it acknowledged."""

    code: int
    booked: list[int]
    errors: str


async def run(database: Path, sink: Sink, kill_at: str = "never") -> Run:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROCESS),
        str(database),
        f"--bookings={BOOKINGS}",
        f"--sink={sink.port}",
        f"--kill-at={kill_at}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 30)
    lines = [line.split() for line in out.decode().splitlines()]
    booked = [int(number) for word, number in lines if word == "booked"]
    assert process.returncode is not None
    return Run(code=process.returncode, booked=booked, errors=errors.decode())


async def stored_bookings(database: Path) -> int:
    async with SqliteStore(database) as store:
        return await store.log_length("desk")


async def test_a_kill_between_commit_and_effect_leaves_the_effect_to_the_next_start(
    tmp_path: Path, sink: Sink
) -> None:
    database = tmp_path / "node.db"

    killed = await run(database, sink, kill_at="effect-due:1")

    assert killed.code == -signal.SIGKILL
    assert await stored_bookings(database) >= 1
    assert sink.deliveries == [], "the commit stands, the effect is not done"

    restarted = await run(database, sink)

    assert restarted.code == 0, restarted.errors
    assert sorted(sink.performed.values()) == [1, 2, 3, 4, 5]
    assert sorted(sink.deliveries) == [1, 2, 3, 4, 5]


async def test_a_kill_after_the_effect_delivers_it_again_under_the_same_id(
    tmp_path: Path, sink: Sink
) -> None:
    database = tmp_path / "node.db"

    killed = await run(database, sink, kill_at="effect-performed:1")
    restarted = await run(database, sink)

    assert (killed.code, restarted.code) == (-signal.SIGKILL, 0), restarted.errors
    assert len(sink.deliveries) > BOOKINGS, "it could not know that the first one had arrived"
    assert sorted(sink.performed.values()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("time", [1, 2, 3])
@pytest.mark.parametrize("point", ["group-taken", "group-written", "group-committed"])
async def test_a_kill_at_any_point_of_a_commit_loses_nothing_acknowledged(
    tmp_path: Path, sink: Sink, point: str, time: int
) -> None:
    database = tmp_path / "node.db"

    killed = await run(database, sink, kill_at=f"{point}:{time}")

    assert killed.code == -signal.SIGKILL
    stored = await stored_bookings(database)
    assert len(killed.booked) <= stored <= len(killed.booked) + 1

    restarted = await run(database, sink)

    assert restarted.code == 0, restarted.errors
    assert sorted(sink.performed.values()) == [1, 2, 3, 4, 5]
