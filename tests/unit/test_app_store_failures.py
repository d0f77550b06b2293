"""A node whose store takes no writes: it answers what needs none, says so, and goes on later."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from node.api.problems import problem
from node.app.process import kept_up, missing
from settlement.errors import StoreFailed
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.services.engine import Engine
from settlement.store.errors import StoreBusy, StoreFenced, StoreFull
from settlement.types import Address


def base(store: MemoryStore, clock: VirtualClock) -> Any:
    """As much of a node's foundation as the loops and the health look at."""
    caught_up = asyncio.Event()
    caught_up.set()
    nobody = SimpleNamespace(active=lambda _role: [SimpleNamespace(key=Address(b"k" * 20))])
    return SimpleNamespace(
        engine=Engine(store, clock),
        following=SimpleNamespace(caught_up=caught_up),
        config=SimpleNamespace(roles=()),
        key=SimpleNamespace(address=Address(b"k" * 20)),
        view=SimpleNamespace(members=nobody),
        network=SimpleNamespace(peers=list),
    )


async def test_a_loop_that_the_store_refused_goes_on_when_there_is_room() -> None:
    clock = VirtualClock()
    refusals: list[Exception] = [
        StoreFull(problem="full"),
        StoreBusy(waiting=9),
        StoreFailed(problem="the connection was lost"),
    ]
    rounds = 0

    async def loop() -> None:
        nonlocal rounds
        rounds += 1
        if refusals:
            raise refusals.pop(0)
        async with asyncio.TaskGroup() as group:  # a loop of several tasks fails as a group
            if rounds == 4:
                group.create_task(refuse())

    async def refuse() -> None:
        raise StoreFull(problem="full again")

    running = asyncio.create_task(kept_up(base(MemoryStore(), clock), loop))
    for _ in range(4):
        await clock.advance_ms(10_000)
    await asyncio.wait_for(running, 5)
    assert rounds == 5


@pytest.mark.parametrize(
    "error",
    [StoreFenced(database="node.db", fence=3), RuntimeError("a bug")],
    ids=lambda e: repr(e),
)
async def test_what_is_no_passing_trouble_ends_the_node(error: Exception) -> None:
    async def loop() -> None:
        raise error

    with pytest.raises(type(error)):
        await kept_up(base(MemoryStore(), VirtualClock()), loop)


async def test_health_is_red_while_the_store_takes_no_writes() -> None:
    store = MemoryStore()
    node = base(store, VirtualClock())
    assert missing(node) == []
    store.failure = "fsync: Input/output error"
    assert missing(node) == ["the store takes no writes: fsync: Input/output error"]


def test_a_full_disk_and_a_broken_one_are_told_apart_over_http() -> None:
    full, broken = problem(StoreFull(problem="no room")), problem(StoreFailed(problem="fsync"))
    assert (full.status, broken.status) == (507, 503)
    assert full.headers["Retry-After"] == broken.headers["Retry-After"] == "1"
