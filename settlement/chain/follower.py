"""Follows the chain's events without gap or double, through restarts and reorganisations.

A batch is delivered again until it is acknowledged with :meth:`Follower.done`, so a consumer that
dies in between sees it once more: delivery is at least once, and events have a stable identity
(block hash and log index). With ``confirmations`` k only blocks that k others stand on are shown;
a reorganisation that reaches deeper than what was shown comes as ``replaced_from``.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from settlement.errors import ChainError
from settlement.ports.chain import Block, ChainReader
from settlement.ports.chain_errors import BlockNotFound, RangeRefused, ReorgTooDeep
from settlement.ports.chain_events import ChainEvent, TokenMoved
from settlement.ports.clock import Clock
from settlement.ports.store import Batch, MachineRow, Store
from settlement.types import Address, Hash

CURSOR_KIND = "chain_cursor"
REMEMBERED_BLOCKS = 128
"""How deep a reorganisation may reach into what was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBatch:
    """Events of blocks ``first`` to ``last``, in order; ``head`` is the endpoint's newest block.

    ``replaced_from`` says that the chain replaced the blocks from this number on, which were shown
    before: undo them, then apply. ``history_of`` names the contract whose earlier transfers these
    are, where it was watched from later on.
    """

    first: int
    last: int
    head: Block
    events: tuple[ChainEvent, ...]
    replaced_from: int | None = None
    history_of: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerOptions:
    """How a follower asks. ``widest_range`` counts blocks, times are milliseconds."""

    confirmations: int = 0
    widest_range: int = 2_000
    poll_ms: int = 500
    first_pause_ms: int = 500
    longest_pause_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a follower remembers: the next block to show, and the newest shown ones' hashes."""

    next_block: int
    shown: tuple[tuple[int, Hash], ...] = ()


@dataclass(kw_only=True)
class Follower:
    """A cursor over one reader. ``store`` None keeps it in memory: it starts over with a restart.

    ``first_block`` is where a new cursor begins (a deployment's own); ``name`` tells cursors of one
    store apart. ``trouble`` is what keeps the follower from its work at the moment, if anything.
    """

    reader: ChainReader
    clock: Clock
    first_block: int
    store: Store | None = None
    name: str = "events"
    watched: frozenset[Address] = frozenset()
    options: FollowerOptions = field(default_factory=FollowerOptions)
    trouble: ChainError | None = None

    def __post_init__(self) -> None:
        self._cursor: Cursor | None = None
        self._offered: tuple[ChainBatch, Cursor] | None = None
        self._revision = 0
        self._range = self.options.widest_range
        self._history: dict[Address, int] = {}

    def watch(self, contract: Address) -> None:
        """Show the transfers of one more ERC-721 contract: first its earlier ones, since
        ``first_block``, as batches of their own; then those of new blocks with all others."""
        if contract not in self.watched:
            self.watched |= {contract}
            self._history[contract] = self.first_block

    async def batches(self) -> AsyncIterator[ChainBatch]:
        """Batches for ever; acknowledge each with :meth:`done`. Trouble that a retry may help is
        waited out, a range that was too wide is halved at once; ReorgTooDeep, WrongChain,
        LogUnreadable and RpcRefused are raised."""
        pause = self.options.first_pause_ms
        while True:
            width = self._range
            try:
                batch = await self.step()
            except RangeRefused as error:
                self.trouble = error
                if self._range == width:  # one block is too much: only time can help
                    await self.clock.sleep_ms(self.options.longest_pause_ms)
                continue
            except ChainError as error:
                if not error.retryable:
                    raise
                self.trouble = error
                await self.clock.sleep_ms(pause)
                pause = min(2 * pause, self.options.longest_pause_ms)
                continue
            self.trouble, pause = None, self.options.first_pause_ms
            if batch is None:
                await self.clock.sleep_ms(self.options.poll_ms)
            else:
                yield batch

    async def step(self) -> ChainBatch | None:
        """The next batch, or None where there is nothing new. Raises what the reader raises."""
        cursor = await self._load()
        head, kept = await asyncio.gather(self.reader.head(), self._still_on_chain(cursor))
        replaced_from = None
        if kept != cursor.shown:
            replaced_from = kept[-1][0] + 1
            cursor = Cursor(next_block=replaced_from, shown=kept)
        elif self._history and cursor.next_block > self.first_block:
            return await self._history_batch(cursor, head)
        return await self._new_blocks(cursor, head, replaced_from)

    async def done(self, batch: ChainBatch) -> None:
        """The batch's consequences are safe: never show it again. Raises StoreFailed."""
        if self._offered is None or self._offered[0] is not batch:
            return
        cursor = self._offered[1]
        if batch.history_of is not None:
            self._move_history(batch.history_of, batch.last + 1, cursor)
        elif self.store is not None:
            state = msgspec.msgpack.encode(cursor)
            row = MachineRow(
                kind=CURSOR_KIND, key=self.name, revision=self._revision + 1, state=state
            )
            await self.store.commit(Batch(machines=(row,)))
            self._revision += 1
        self._cursor, self._offered = cursor, None

    @property
    def next_block(self) -> int:
        """The first block that was not acknowledged yet."""
        return self._cursor.next_block if self._cursor else self.first_block

    async def _load(self) -> Cursor:
        if self._cursor is None:
            row = await self.store.load(CURSOR_KIND, self.name) if self.store else None
            if row is None:
                self._cursor = await self._beginning()
            else:
                self._revision = row.revision
                self._cursor = msgspec.msgpack.decode(row.state, type=Cursor)
        return self._cursor

    async def _beginning(self) -> Cursor:
        if self.first_block == 0:
            return Cursor(next_block=0)
        # The block before the first is remembered too, so that the first may be replaced.
        parent = await self.reader.block(self.first_block - 1)
        return Cursor(next_block=self.first_block, shown=((parent.number, parent.hash),))

    async def _still_on_chain(self, cursor: Cursor) -> tuple[tuple[int, Hash], ...]:
        shown = cursor.shown
        while shown:
            number, known = shown[-1]
            if await self._hash_of(number) == known:
                return shown
            shown = shown[:-1]
        if cursor.shown:
            raise ReorgTooDeep(oldest=cursor.shown[0][0])
        return shown

    async def _hash_of(self, number: int) -> Hash | None:
        try:
            return (await self.reader.block(number)).hash
        except BlockNotFound:
            return None

    async def _new_blocks(
        self, cursor: Cursor, head: Block, replaced_from: int | None
    ) -> ChainBatch | None:
        first = cursor.next_block
        last = min(head.number - self.options.confirmations, first + self._range - 1)
        if last < first:
            if replaced_from is None:
                return None
            batch = ChainBatch(
                first=first, last=first - 1, head=head, events=(), replaced_from=replaced_from
            )
            return self._offer(batch, cursor)
        before = await self._chained(first, last, head.number)
        events = await self._events(first, last, self.watched)
        if not (_belong(events, before) and await self._consistent(cursor, before)):
            return None  # the chain moved while we read; the next step sees the new one
        batch = ChainBatch(
            first=first, last=last, head=head, events=tuple(events), replaced_from=replaced_from
        )
        shown = (*cursor.shown, *((block.number, block.hash) for block in before))
        return self._offer(batch, Cursor(next_block=last + 1, shown=shown[-REMEMBERED_BLOCKS:]))

    async def _chained(self, first: int, last: int, newest: int) -> list[Block]:
        # Blocks far below the newest are not replaced any more: the last one's hash is enough.
        oldest = max(first, min(last, newest - REMEMBERED_BLOCKS + 1))
        asked = (self.reader.block(number) for number in range(oldest, last + 1))
        return list(await asyncio.gather(*asked))

    async def _consistent(self, cursor: Cursor, before: Sequence[Block]) -> bool:
        """Whether ``before`` is one chain that stands on what was shown, now as when it was read:
        only then are the logs read in between those of these blocks."""
        for parent, child in pairwise(before):
            if child.parent != parent.hash:
                return False
        expected = dict((*cursor.shown[-1:], (before[-1].number, before[-1].hash)))
        found = await asyncio.gather(*map(self._hash_of, expected))
        return found == list(expected.values())

    async def _history_batch(self, cursor: Cursor, head: Block) -> ChainBatch:
        contract, first = next(iter(self._history.items()))
        last = min(cursor.next_block - 1, first + self._range - 1)
        found = await self._events(first, last, frozenset({contract}))
        events = tuple(
            event for event in found if isinstance(event, TokenMoved) and event.contract == contract
        )
        batch = ChainBatch(first=first, last=last, head=head, events=events, history_of=contract)
        return self._offer(batch, cursor)

    def _move_history(self, contract: Address, next_block: int, cursor: Cursor) -> None:
        if next_block >= cursor.next_block:
            self._history.pop(contract, None)
        else:
            self._history[contract] = next_block

    async def _events(
        self, first: int, last: int, watched: frozenset[Address]
    ) -> Sequence[ChainEvent]:
        try:
            found = await self.reader.events(first, last, watched)
        except RangeRefused:
            self._range = max(1, min(self._range, last - first + 1) // 2)
            raise
        self._range = min(self.options.widest_range, self._range * 5 // 4 + 1)
        return found

    def _offer(self, batch: ChainBatch, cursor: Cursor) -> ChainBatch:
        self._offered = (batch, cursor)
        return batch


def _belong(events: Sequence[ChainEvent], blocks: Sequence[Block]) -> bool:
    """Whether events were emitted in these very blocks, where they carry the same numbers."""
    hashes = {block.number: block.hash for block in blocks}
    return all(hashes.get(event.block, event.block_hash) == event.block_hash for event in events)
