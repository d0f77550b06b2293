"""What every durable store does alike: reads by query, writes through its queue.

An adapter adds the connection: how a query is asked, and which writer commits.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from settlement.ports.store import LogRecord, MachineRow, OutboxEntry
from settlement.store import queries
from settlement.store.errors import StoreCorrupt
from settlement.store.group import Change, Claim, Done, Postpone
from settlement.types import Hash, unsigned

T = TypeVar("T", MachineRow, LogRecord, OutboxEntry)


class Writer(Protocol):
    """What commits in groups."""

    @property
    def failure(self) -> str | None:
        """Why no commit succeeds now, or None."""

    def submit(self, change: Change) -> asyncio.Future[Sequence[OutboxEntry]]:
        """Done once the change is durable; the entries that a claim got, none otherwise."""

    async def close(self) -> None:
        """Commit what waits, and take no more."""


class QueuedStore(ABC):
    """The part of :class:`settlement.ports.store.Store` that no database does its own way."""

    _worker: str | None
    _writer: Writer

    @property
    def shared(self) -> bool:
        """Whether other workers may write too."""
        return self._worker is not None

    @property
    def failure(self) -> str | None:
        """Why no commit succeeds now, or None; health reports it."""
        return self._writer.failure

    async def keys(self, kind: str, prefix: str = "") -> Sequence[str]:
        return [key for (key,) in await self._read(queries.machine_keys(kind, prefix))]

    async def read_log(self, stream: str, start: int, limit: int) -> Sequence[LogRecord]:
        return await self._rows(queries.records_from(stream, start, limit), queries.record_of)

    async def log_length(self, stream: str) -> int:
        ((length,),) = await self._read(queries.stream_length(stream))
        return int(length)

    async def pending(
        self, now_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        return await self._rows(queries.due_effects(now_ms, limit, kinds), queries.effect_of)

    async def claim(
        self, now_ms: int, until_ms: int, limit: int, kinds: frozenset[str] | None = None
    ) -> Sequence[OutboxEntry]:
        for number, name in ((now_ms, "now_ms"), (until_ms, "until_ms"), (limit, "limit")):
            unsigned(number, 63, name)
        claim = Claim(now_ms=now_ms, until_ms=until_ms, limit=limit, kinds=kinds)
        return await self._writer.submit(claim)

    async def postpone(self, effect: Hash, due_ms: int, attempts: int) -> None:
        unsigned(due_ms, 63, "due_ms")
        unsigned(attempts, 63, "attempts")
        await self._writer.submit(Postpone(effect=effect, due_ms=due_ms, attempts=attempts))

    async def done(self, effect: Hash) -> None:
        await self._writer.submit(Done(effect=effect))

    async def _rows(
        self, query: queries.Query, make: Callable[[Any], tuple[T, bytes]]
    ) -> Sequence[T]:
        """Rows with their checksums compared."""
        return [self._sound(*make(row)) for row in await self._read(query)]

    def _sound(self, row: T, checksum: bytes) -> T:
        if row.checksum() != checksum:
            raise StoreCorrupt(database=self._database, place=queries.place_of(row))
        return row

    @property
    @abstractmethod
    def _database(self) -> str:
        """The store's name in errors."""

    @abstractmethod
    async def _read(self, query: queries.Query) -> Sequence[Any]:
        """Every row that the query finds."""
