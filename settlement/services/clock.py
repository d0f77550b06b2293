"""The real clock."""

import asyncio
import time


class SystemClock:
    """Implements :class:`settlement.ports.clock.Clock` with the machine's wall clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(max(0, duration_ms) / 1_000)
