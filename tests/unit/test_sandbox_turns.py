"""Places for runs go round between scripts, and a flood crowds out itself."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.sandbox.errors import SandboxBusy
from node.sandbox.turns import Turns


async def waiting(turns: Turns[int], scripts: str) -> list[asyncio.Task[int]]:
    """One task for each letter, in order, all waiting."""
    tasks = [asyncio.create_task(turns.take(script.encode())) for script in scripts]
    await asyncio.sleep(0)
    return tasks


async def test_a_free_place_is_taken_at_once() -> None:
    turns = Turns([7, 8], 0)
    assert [await turns.take(b"a"), await turns.take(b"a")] == [7, 8]


async def test_a_second_script_waits_for_one_run_of_the_first_only() -> None:
    turns = Turns([1], 10)
    order: list[str] = []

    async def run(script: str) -> None:
        place = await turns.take(script.encode())
        await asyncio.sleep(0)
        order.append(script)
        turns.give(place)

    async with asyncio.TaskGroup() as group:
        for script in "aaaab":
            group.create_task(run(script))
    assert "".join(order) == "aabaa"


async def test_a_full_queue_refuses_the_script_that_fills_it() -> None:
    turns = Turns([1], 3)
    await turns.take(b"a")
    tasks = await waiting(turns, "aaa")
    with pytest.raises(SandboxBusy):
        await turns.take(b"a")
    assert not any(task.done() for task in tasks)
    for _ in tasks:
        turns.give(1)
    assert await asyncio.gather(*tasks) == [1, 1, 1]


async def test_a_newcomer_takes_the_last_place_of_a_flood() -> None:
    turns = Turns([1], 3)
    await turns.take(b"a")
    flood = await waiting(turns, "aaa")
    (other,) = await waiting(turns, "b")
    with pytest.raises(SandboxBusy):
        await flood[-1]
    for _ in range(3):
        turns.give(1)
    assert await asyncio.gather(*flood[:2], other) == [1, 1, 1]


async def test_whoever_stops_waiting_loses_no_place() -> None:
    turns = Turns([1], 3)
    place = await turns.take(b"a")
    tasks = await waiting(turns, "ab")
    turns.give(place)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await asyncio.wait_for(turns.take(b"c"), 1) == 1


@given(st.lists(st.sampled_from("abcgx"), max_size=60), st.integers(0, 4))
def test_every_place_comes_back_and_the_queue_keeps_its_bound(steps: list[str], most: int) -> None:
    """Letters ask, g gives a place back, x stops the oldest that waits."""

    async def play() -> None:
        turns = Turns([1, 2], most)
        tasks: list[asyncio.Task[int]] = []
        given_back: set[asyncio.Task[int]] = set()
        for step in steps:
            held = [task for task in tasks if succeeded(task) and task not in given_back]
            if step == "g" and held:
                given_back.add(held[0])
                turns.give(held[0].result())
            elif step == "x":
                next((task for task in tasks if not task.done()), asyncio.Future[int]()).cancel()
            elif step in "abc":
                tasks += [asyncio.create_task(turns.take(step.encode()))]
            for _ in range(3):
                await asyncio.sleep(0)
            assert sum(not task.done() for task in tasks) <= most
        for task in tasks:
            if not task.done():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if succeeded(task) and task not in given_back:
                turns.give(task.result())
        assert {await turns.take(b"z"), await turns.take(b"z")} == {1, 2}

    asyncio.run(play())


def succeeded(task: "asyncio.Task[int]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
