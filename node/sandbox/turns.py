"""Places for runs, handed out by turns between scripts.

However many runs of one script wait, another script's next run waits for one of them only. When
the queue is full, the script with the most runs in it gives one up to a newcomer with fewer: a
flood crowds out itself.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Generic, TypeVar

from node.sandbox.errors import SandboxBusy

Place = TypeVar("Place")


class Turns(Generic[Place]):
    """Hands out ``places``; at most ``most`` runs wait for one."""

    def __init__(self, places: list[Place], most: int) -> None:
        self._free = deque(places)
        self._most = most
        self._count = 0
        self._waiting: OrderedDict[bytes, deque[asyncio.Future[Place]]] = OrderedDict()

    async def take(self, script: bytes) -> Place:
        """A place, at this script's turn; give it back. Raises SandboxBusy when there are too
        many before it."""
        if self._free:
            return self._free.popleft()
        if self._count >= self._most:
            self._make_room(script)
        wanted: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(script, deque()).append(wanted)
        self._count += 1
        try:
            return await wanted
        except asyncio.CancelledError:
            if wanted.done() and not wanted.cancelled() and wanted.exception() is None:
                self.give(wanted.result())
            else:
                self._forget(script, wanted)
            raise

    def give(self, place: Place) -> None:
        """Hand a place to the first run of the next script, or keep it free."""
        if not self._waiting:
            self._free.append(place)
            return
        script, runs = self._waiting.popitem(last=False)
        wanted = runs.popleft()
        if runs:
            self._waiting[script] = runs
        self._count -= 1
        if wanted.done():
            self.give(place)
        else:
            wanted.set_result(place)

    def _make_room(self, script: bytes) -> None:
        longest = max(self._waiting, key=lambda each: len(self._waiting[each]), default=script)
        own = len(self._waiting.get(script, ()))
        if len(self._waiting.get(longest, ())) <= own + 1:
            raise SandboxBusy(waiting=self._count)
        last = self._waiting[longest][-1]
        self._forget(longest, last)
        if not last.done():
            last.set_exception(SandboxBusy(waiting=self._most))

    def _forget(self, script: bytes, wanted: "asyncio.Future[Place]") -> None:
        runs = self._waiting.get(script)
        if runs is None or wanted not in runs:
            return
        runs.remove(wanted)
        self._count -= 1
        if not runs:
            del self._waiting[script]
