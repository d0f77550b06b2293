"""Follows the chain for everybody in the process who must know of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from node.services.chain_view import ChainView
from node.services.metrics import Metrics
from settlement.chain.follower import ChainBatch, Follower
from settlement.ports.chain import ChainReader
from settlement.ports.chain_events import ChainEvent, ClassRegistered
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory

OnBatch = Callable[[ChainBatch], Awaitable[None]]


class Following:
    """One follower, and what its batches move: the calendar, the channels, the view, the rest.

    The cursor lives in memory: at every start the chain is followed from the deployment on, and
    whoever acts on events is idempotent by their position. A worker that does not keep the node's
    books (``keeps``) moves its own view and calendar only: the leading worker does the rest.
    """

    def __init__(
        self,
        follower: Follower,
        view: ChainView,
        calendar: Calendar,
        directory: ChannelDirectory,
        metrics: Metrics,
        *,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._follower = follower
        self._view = view
        self._calendar = calendar
        self._directory = directory
        self._metrics = metrics
        self._also: list[OnBatch] = []
        self.caught_up = asyncio.Event()

    def on_batch(self, listener: OnBatch) -> None:
        """Have every batch handed to ``listener`` after the view has moved."""
        self._also.append(listener)

    async def run(self) -> None:
        """Follow until cancelled."""
        async for batch in self._follower.batches():
            await self._apply(batch)
            await self._follower.done(batch)
            if batch.last >= batch.head.number - self._follower.options.confirmations:
                self.caught_up.set()

    async def _apply(self, batch: ChainBatch) -> None:
        if (block := batch.replaced_from) is not None:
            self._view.rewind(block)
            if self._keeps:
                await self._directory.undo(self._follower.reader, block, self._follower.first_block)
        self._calendar.observe(batch.head)
        self._metrics.chain_head.set(batch.head.number)
        if self._keeps:
            await self._directory.receive(batch.events)
        self._watch_new_classes(batch.events)
        await self._view.follow(batch.events, batch.head)
        await self._change_keys(batch.last)
        for listener in self._also if self._keeps else ():
            await listener(batch)

    async def _change_keys(self, last: int) -> None:
        """Put rotated keys in force whose period has begun by block ``last``.

        Every node finds the same block, so that all see the same members in it.
        """
        reader = self._follower.reader
        for event in self._view.rotations():
            opens_at = (await self._calendar.windows(event.from_period)).opens_at
            if last > event.block and (await reader.block(last)).timestamp >= opens_at:
                block = await first_block_at(reader, opens_at, event.block, last)
                await self._view.rekey(event, block)

    def _watch_new_classes(self, events: Sequence[ChainEvent]) -> None:
        for event in events:
            if isinstance(event, ClassRegistered):
                self._follower.watch(event.token_contract)


async def first_block_at(chain: ChainReader, timestamp: int, before: int, last: int) -> int:
    """The first block not older than ``timestamp``: after block ``before``, which is older, and at
    ``last`` at the latest."""
    while last - before > 1:
        middle = (before + last) // 2
        if (await chain.block(middle)).timestamp >= timestamp:
            last = middle
        else:
            before = middle
    return last
