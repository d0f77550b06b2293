"""The follower over the in-memory chain: narrow ranges, outages, restarts, deep reorganisations."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settlement.chain.follower import REMEMBERED_BLOCKS, ChainBatch, Follower, FollowerOptions
from settlement.errors import StoreFailed
from settlement.ports.chain import Block
from settlement.ports.chain_errors import (
    QuotaExceeded,
    RangeRefused,
    ReorgTooDeep,
    RpcUnreachable,
    WrongChain,
)
from settlement.ports.chain_events import ChainEvent, PeriodRolled, TokenMoved
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address

TICKETS = Address(b"the-ticket-contract.")


def rolled(amount: int) -> PeriodRolled:
    return PeriodRolled(period=0, amount=amount)


def amounts(events: Sequence[ChainEvent]) -> list[int]:
    return [event.amount for event in events if isinstance(event, PeriodRolled)]


def follower_of(chain: MemoryChain, **options: int) -> Follower:
    return Follower(
        reader=chain,
        clock=VirtualClock(),
        first_block=1,
        options=FollowerOptions(**options),
    )


async def drain_into(follower: Follower, seen: list[ChainEvent]) -> None:
    while (batch := await follower.step()) is not None:
        if batch.replaced_from is not None:
            seen[:] = [event for event in seen if event.block < batch.replaced_from]
        seen.extend(batch.events)
        await follower.done(batch)


async def test_events_come_once_and_in_order_in_ranges_of_the_given_width() -> None:
    chain, seen = MemoryChain(), []
    for amount in range(10):
        chain.mine(rolled(amount))
    follower = follower_of(chain, widest_range=3)
    first = await follower.step()
    assert first is not None
    assert (first.first, first.last, first.head.number) == (1, 3, 10)
    await drain_into(follower, seen)
    assert amounts(seen) == list(range(10))
    assert await follower.step() is None


async def test_a_batch_comes_again_until_it_is_acknowledged() -> None:
    chain = MemoryChain()
    chain.mine(rolled(1))
    follower = follower_of(chain)
    first, again = await follower.step(), await follower.step()
    assert first is not None
    assert again is not None
    assert first.events == again.events
    await follower.done(again)
    assert await follower.step() is None


async def test_an_acknowledgement_of_an_older_batch_moves_nothing() -> None:
    chain = MemoryChain()
    chain.mine(rolled(1))
    follower = follower_of(chain)
    stale, fresh = await follower.step(), await follower.step()
    assert stale is not None
    assert fresh is not None
    await follower.done(stale)
    assert follower.next_block == 1


async def test_a_range_that_the_endpoint_refuses_is_halved_until_it_takes_it() -> None:
    chain, seen = MemoryChain(longest_range=3), []
    for amount in range(40):
        chain.mine(rolled(amount))
    follower = follower_of(chain, widest_range=32)
    refused = 0
    while amounts(seen) != list(range(40)):
        try:
            await drain_into(follower, seen)
        except RangeRefused:
            refused += 1
        assert refused < 40
    assert refused >= 3


async def test_an_outage_is_waited_out_and_shown_as_trouble() -> None:
    chain, clock = MemoryChain(), VirtualClock()
    chain.mine(rolled(1))
    chain.unreachable = RpcUnreachable(endpoint="there", problem="down")
    follower = Follower(reader=chain, clock=clock, first_block=1)
    batches: list[ChainBatch] = []

    async def consume() -> None:
        async for batch in follower.batches():
            batches.append(batch)
            await follower.done(batch)

    task = asyncio.create_task(consume())
    await clock.advance_ms(5_000)
    assert batches == []
    assert isinstance(follower.trouble, RpcUnreachable)
    chain.unreachable = None
    await clock.advance_ms(60_000)
    assert [amounts(batch.events) for batch in batches] == [[1]]
    assert follower.trouble is None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_refused_range_is_halved_without_waiting_and_a_quota_is_waited_for() -> None:
    chain, clock, seen = MemoryChain(longest_range=3), VirtualClock(), list[ChainEvent]()
    for amount in range(40):
        chain.mine(rolled(amount))
    options = FollowerOptions(widest_range=32)
    follower = Follower(reader=chain, clock=clock, first_block=1, options=options)

    async def consume() -> None:
        async for batch in follower.batches():
            seen.extend(batch.events)
            await follower.done(batch)

    task = asyncio.create_task(consume())
    for _ in range(5_000):
        await asyncio.sleep(0)
    assert amounts(seen) == list(range(40))
    chain.mine(rolled(40))
    chain.unreachable = QuotaExceeded(endpoint="there", method="any", number=429, problem="")
    await clock.advance_ms(1_000)
    chain.unreachable = None
    for _ in range(5_000):
        await asyncio.sleep(0)
    assert len(seen) == 40
    await clock.advance_ms(60_000)
    assert amounts(seen) == list(range(41))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_block_that_is_too_much_is_asked_for_again_later() -> None:
    chain, clock = MemoryChain(longest_range=0), VirtualClock()
    chain.mine(rolled(1))
    follower = Follower(reader=chain, clock=clock, first_block=1)
    batches = follower.batches()
    first = asyncio.ensure_future(anext(batches))
    await clock.advance_ms(5_000)
    assert isinstance(follower.trouble, RangeRefused)
    assert not first.done()
    chain.longest_range = None
    await clock.advance_ms(60_000)
    assert amounts((await first).events) == [1]


async def test_trouble_that_no_retry_helps_is_raised() -> None:
    chain = MemoryChain()
    chain.unreachable = WrongChain(expected=1, found=2)
    with pytest.raises(WrongChain):
        await anext(follower_of(chain).batches())


async def test_a_cursor_that_cannot_be_stored_is_not_moved() -> None:
    chain, store = MemoryChain(), MemoryStore()
    chain.mine(rolled(1))
    follower = Follower(reader=chain, clock=VirtualClock(), first_block=1, store=store)
    batch = await follower.step()
    assert batch is not None
    store.fail_next_commit = StoreFailed(problem="disk full")
    with pytest.raises(StoreFailed):
        await follower.done(batch)
    again = await follower.step()
    assert again is not None
    assert again.events == batch.events
    await follower.done(again)
    assert await follower.step() is None


async def test_even_the_first_block_shown_may_be_replaced() -> None:
    chain, seen = MemoryChain(), []
    chain.mine(rolled(1))
    follower = follower_of(chain)
    await drain_into(follower, seen)
    chain.drop(1)
    chain.mine(rolled(2))
    await drain_into(follower, seen)
    assert amounts(seen) == [2]


async def test_a_reorganisation_deeper_than_remembered_stops_the_follower() -> None:
    chain, seen = MemoryChain(), []
    for amount in range(REMEMBERED_BLOCKS + 20):
        chain.mine(rolled(amount))
    follower = follower_of(chain)
    await drain_into(follower, seen)
    chain.drop(REMEMBERED_BLOCKS + 5)
    with pytest.raises(ReorgTooDeep) as refusal:
        await follower.step()
    assert not refusal.value.retryable


async def test_the_history_of_a_late_watched_contract_excludes_what_others_saw() -> None:
    chain, seen = MemoryChain(), []
    for number in range(3):
        chain.mine(
            rolled(number),
            TokenMoved(contract=TICKETS, sender=ZERO_ADDRESS, receiver=TICKETS, number=number),
        )
    follower = follower_of(chain, widest_range=2)
    await drain_into(follower, seen)
    follower.watch(TICKETS)
    later: list[ChainEvent] = []
    await drain_into(follower, later)
    assert [event.number for event in later if isinstance(event, TokenMoved)] == [0, 1, 2]
    assert amounts(later) == []


class MovingChain(MemoryChain):
    """Replaces its newest four blocks before the given reads of headers or logs, from 1 on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.moves: list[int] = []
        self.reads = 0

    async def block(self, number: int) -> Block:
        self.count()
        return await super().block(number)

    async def events(
        self, first: int, last: int, watched: frozenset[Address]
    ) -> Sequence[ChainEvent]:
        self.count()
        return await super().events(first, last, watched)

    def count(self) -> None:
        self.reads += 1
        if self.reads in self.moves:
            self.drop(4)
            for amount in range(5):
                self.mine(rolled(100 * self.reads + amount))


@given(
    moves=st.lists(st.integers(1, 25), max_size=3, unique=True),
    widest=st.integers(1, 4),
)
@example(moves=[2], widest=2)
@example(moves=[3], widest=2)
def test_whenever_the_chain_moves_while_it_is_read_the_events_shown_are_the_chains(
    moves: list[int], widest: int
) -> None:
    asyncio.run(_read_while_moving(moves, widest))


async def _read_while_moving(moves: list[int], widest: int) -> None:
    chain, seen = MovingChain(), []
    for amount in range(6):
        chain.mine(rolled(amount))
    follower = follower_of(chain, widest_range=widest)
    await drain_into(follower, seen)
    for amount in range(4):
        chain.mine(rolled(50 + amount))
    chain.reads, chain.moves = 0, moves
    while chain.reads <= 25:
        await drain_into(follower, seen)
    chain.moves = []
    await drain_into(follower, seen)
    assert seen == list(await chain.events(1, (await chain.head()).number, frozenset()))


async def test_events_of_a_branch_that_came_and_went_are_not_believed() -> None:
    chain, seen = MemoryChain(), []
    chain.mine(rolled(1))
    follower = follower_of(chain)
    honest = chain.events

    async def of_another_branch(*asked: Any) -> list[ChainEvent]:
        chain.events = honest  # type: ignore[method-assign]  # the branch is gone after one read
        return [replace(event, block_hash=ZERO_HASH) for event in await honest(*asked)]

    chain.events = of_another_branch  # type: ignore[method-assign]  # one endpoint on a branch
    assert await follower.step() is None
    await drain_into(follower, seen)
    assert seen == list(await chain.events(1, 1, frozenset()))


@given(
    story=st.lists(
        st.one_of(
            st.tuples(st.just("mine"), st.integers(1, 4)),
            st.tuples(st.just("reorganise"), st.integers(1, 6)),
            st.tuples(st.just("read"), st.integers(1, 3)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
        max_size=40,
    ),
    confirmations=st.integers(0, 3),
    widest=st.integers(1, 5),
)
def test_whatever_the_chain_does_the_events_shown_are_the_chains(
    story: list[tuple[str, int]], confirmations: int, widest: int
) -> None:
    asyncio.run(_follow_story(story, confirmations, widest))


async def _follow_story(story: list[tuple[str, int]], confirmations: int, widest: int) -> None:
    chain, store, counter = MemoryChain(), MemoryStore(), 0
    seen: list[ChainEvent] = []
    options = FollowerOptions(confirmations=confirmations, widest_range=widest)

    def begin() -> Follower:
        return Follower(
            reader=chain, clock=VirtualClock(), first_block=1, store=store, options=options
        )

    follower = begin()
    for action, amount in story:
        height = (await chain.head()).number
        if action == "reorganise":
            chain.drop(min(amount, height))
        if action in ("mine", "reorganise"):
            for _ in range(amount):
                counter += 1
                chain.mine(rolled(counter))
        elif action == "restart":
            follower = begin()
        else:
            for _ in range(amount):
                batch = await follower.step()
                if batch is None:
                    break
                if batch.replaced_from is not None:
                    seen[:] = [event for event in seen if event.block < batch.replaced_from]
                seen.extend(batch.events)
                await follower.done(batch)
    await drain_into(follower, seen)
    last = (await chain.head()).number - confirmations
    assert seen == list(await chain.events(1, max(last, follower.next_block - 1), frozenset()))
