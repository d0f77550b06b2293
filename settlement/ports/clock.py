"""The clock port: wall time in integer milliseconds, and waiting.

Chain time is another thing: integer seconds of the newest block's header, read from the chain.
"""

import asyncio
import heapq
import itertools
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits. Milliseconds since the Unix epoch."""

    def now_ms(self) -> int:
        """The time now, in milliseconds."""
        ...

    async def sleep_ms(self, duration_ms: int) -> None:
        """Return once ``duration_ms`` have passed on this clock."""
        ...


class VirtualClock:
    """A clock that only moves when a test moves it; sleepers wake in order of their time."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = start_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + duration_ms, next(self._order), wake))
        await wake

    async def advance_ms(self, duration_ms: int) -> None:
        """Move time on, waking every sleeper at its own moment, each able to sleep again."""
        end = self._now_ms + duration_ms
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, wake = heapq.heappop(self._sleepers)
            self._now_ms = max(self._now_ms, due)
            if not wake.done():
                wake.set_result(None)
            await self._settle()
        self._now_ms = end

    async def _settle(self) -> None:
        # Woken tasks may need several turns of the loop before they sleep again.
        for _ in range(20):
            await asyncio.sleep(0)
