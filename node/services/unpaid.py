"""What failed reads may use up: a read without a result is not charged, yet its script ran.

Counted for each session key and period, in this process: a few failures are free, beyond them one
for each read that was paid. Runs of one key take turns, so that many calls at once do not pass the
bound together.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from node.errors import FailuresUsedUp, ReadFailed
from settlement.protocol.messages import Voucher
from settlement.types import Address, Hash

FREE_FAILURES: Final = 8
"""Failed reads of one session key in a period before they must be made good: enough to find out
that arguments are wrong, and at most 160 million gas."""
RUNS_AT_ONCE: Final = 8
"""Paid reads of one session key that run at the same time, so at most so many fail beyond it."""

Interface = tuple[Hash, str]
"""A script's hash and the name of a read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """One session key in one period."""

    failed: Counter[Interface] = field(default_factory=Counter)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNS_AT_ONCE))


class UnpaidRuns:
    """The failed reads of the newest period, by session key."""

    def __init__(self) -> None:
        self._period = 0
        self._callers: dict[Address, _Caller] = {}

    @asynccontextmanager
    async def turn(self, voucher: Voucher, interface: Interface) -> AsyncIterator[None]:
        """Run an admitted read within; a ReadFailed in it is counted.

        Raises FailuresUsedUp for an interface that failed this key before, once its failures are
        used up. Others go on, so that no issuer's broken script shuts a key out of all of them.
        """
        caller = self._caller(voucher)
        async with caller.turns:
            if caller.failed.total() >= FREE_FAILURES and caller.failed[interface]:
                raise FailuresUsedUp(
                    interface=interface[1], failed=caller.failed.total(), period=voucher.period
                )
            try:
                yield
            except ReadFailed:
                caller.failed[interface] += 1
                raise

    def paid(self, voucher: Voucher, interface: Interface) -> None:
        """A read was charged for: it makes good for one failure, of its own interface if any."""
        failed = self._caller(voucher).failed
        if not failed:
            return
        made_good = interface if interface in failed else next(iter(failed))
        failed.subtract((made_good,))
        if not failed[made_good]:
            del failed[made_good]

    def _caller(self, voucher: Voucher) -> _Caller:
        if voucher.period > self._period:
            self._period = voucher.period
            self._callers.clear()
        return self._callers.setdefault(voucher.signer, _Caller())
