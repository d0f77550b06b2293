"""Feeds at one node: entries come in from attesters and peers, go out in order and at once.

Every node keeps every feed of the classes on the network; anchors need them as the triggers of
elections, service nodes as the inputs of their tokens. What a peer missed it asks for: a gap is
asked from whoever showed it, and a frontier goes to one random peer every second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import msgspec
import structlog

from node.core.feed import (
    FEED,
    GAP_PATIENCE_MS,
    MAX_ASKED,
    ActionCheckGap,
    AskRange,
    DeliverEntry,
    FeedState,
    ForkProof,
    ForwardEntry,
    Frontier,
    ReceiveEntry,
    ReceiveFork,
    SendFork,
    behind,
    feed_key,
    feed_stream,
    verify_entry,
)
from node.errors import FeedEntryInvalid, FeedLimitReached, FeedUnwanted
from node.ports.network import Network
from node.protocol.frames import (
    AnyBody,
    FeedEntries,
    FeedForked,
    FeedFrontier,
    FeedPush,
    FeedRange,
)
from node.protocol.messages import FeedEntry
from node.services.dispatch import Dispatch
from node.services.metrics import Metrics
from settlement.errors import SmartLayerError
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address

FRONTIER_PAUSE_MS = 1_000
ASK_TIMEOUT_MS = 2_000
MAX_FRONTIER = 256
"""Feeds named in one frontier, at most."""
MAX_SENT = 64
"""Entries sent in answer to one frontier, at most; the next round sends the following ones."""
MAX_FEEDS = 1_024
"""Feeds kept at one node, at most."""
MAX_EPOCHS = 16
"""Epochs of one attester's topic, at most: each follows a fork that its attester answers for."""
MINUTE_MS = 60_000
MAX_POSTED = 600
"""New entries of one feed that its attester may post at this node in a minute."""
MAX_PUSHED = 4_800
"""New entries of one feed that peers may push in a minute; more, since they also repair."""
MAX_CLOCK_GAP_MS = 10 * MINUTE_MS
"""How far from this node's clock the time of an entry may be that its attester posts."""

Subscriber = Callable[[FeedPush], Awaitable[None]]
Subscribed = Callable[[Address, str], Awaitable[bool]]
"""Whether anybody who pays rent subscribes to an attester's topic."""


class FeedService:
    """Receives, orders, forwards and repairs feeds.

    ``on_delivered`` subscribers are called for each entry in order, at least once, and must be
    idempotent by the entry's hash. ``subscribed`` decides which feeds are kept at all.
    """

    def __init__(
        self,
        engine: Engine,
        network: Network,
        domain: Domain,
        metrics: Metrics,
        random: Random,
        subscribed: Subscribed,
    ) -> None:
        self._engine = engine
        self._network = network
        self._domain = domain
        self._metrics = metrics
        self._random = random
        self._subscribed = subscribed
        self._taken: dict[tuple[str, bool], tuple[int, int]] = {}
        self._subscribers: list[Subscriber] = []
        self._log = structlog.get_logger("feeds")
        self._gaps: dict[str, tuple[Address, str, int, Address]] = {}

    def on_delivered(self, subscriber: Subscriber) -> None:
        """Have every later entry delivered to ``subscriber``."""
        self._subscribers.append(subscriber)

    def register(self, dispatch: Dispatch) -> None:
        """Answer for the feed frames."""
        dispatch.on(FeedPush, self._on_push)
        dispatch.on(FeedRange, self._on_range)
        dispatch.on(FeedFrontier, self._on_frontier)
        dispatch.on(FeedForked, self._on_forked)

    def performers(self) -> dict[type, Performer]:
        """The feed machine's effects."""
        return {
            DeliverEntry: self._deliver,
            ForwardEntry: self._forward,
            AskRange: self._ask,
            SendFork: self._send_fork,
        }

    async def receive(self, push: FeedPush, peer: Address | None) -> None:
        """Take an entry. Raises FeedUnwanted, FeedLimitReached and the feed machine's typed
        refusals (forged, forked, too far)."""
        entry = push.entry
        key = feed_key(entry.attester, entry.topic, entry.epoch)
        await self._admit(key, push, peer)
        stored = await self._stored(push)
        event = ReceiveEntry(push=push, peer=peer, domain=self._domain, stored=stored)
        state = (await self._engine.apply(FEED, key, event)).state
        if state.held and peer is not None:
            self._gaps[key] = (entry.attester, entry.topic, entry.epoch, peer)
        else:
            self._gaps.pop(key, None)

    async def head(self, attester: Address, topic: str, epoch: int) -> FeedPush | None:
        """The newest delivered entry of a feed."""
        return (await self._engine.state(FEED, feed_key(attester, topic, epoch))).last

    async def entries(
        self, attester: Address, topic: str, epoch: int, first: int, limit: int
    ) -> tuple[FeedPush, ...]:
        """Delivered entries from ``first`` on, at most ``limit``."""
        stream = feed_stream(attester, topic, epoch)
        records = await self._engine.store.read_log(stream, first, limit)
        return tuple(msgspec.json.decode(record.body, type=FeedPush) for record in records)

    async def replay(self) -> None:
        """Deliver every stored entry again to the subscribers, after a restart."""
        for key in await self._engine.store.keys(FEED.kind):
            state = await self._engine.state(FEED, key)
            for position in range(0, state.next, MAX_ASKED):
                records = await self._engine.store.read_log(f"feed/{key}", position, MAX_ASKED)
                for record in records:
                    await self._tell_again(msgspec.json.decode(record.body, type=FeedPush))

    async def run(self) -> None:
        """Repair gaps and exchange frontiers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_gaps())
            group.create_task(self._exchange_frontiers())

    async def _admit(self, key: str, push: FeedPush, peer: Address | None) -> None:
        """Refuse what nobody asked for, or what is too much; what is here already may come again.

        Time is judged only at the attester's own POST: peers must be able to repair old gaps.
        """
        entry = push.entry
        state = await self._engine.state(FEED, key)
        if entry.sequence < state.next or push in state.held:
            return
        await self._require_wanted(key, entry)
        now_ms = self._engine.clock.now_ms()
        if peer is None and abs(now_ms - entry.time) > MAX_CLOCK_GAP_MS:
            problem = f"its time is more than {MAX_CLOCK_GAP_MS} ms from this node's clock"
            raise FeedEntryInvalid(sequence=entry.sequence, problem=problem)
        verify_entry(self._domain, push)  # a forged entry must not use up the attester's minute
        self._count(key, now_ms, posted=peer is None)

    async def _require_wanted(self, key: str, entry: FeedEntry) -> None:
        problem = "" if entry.epoch < MAX_EPOCHS else f"only {MAX_EPOCHS} epochs are kept"
        if not problem and not await self._subscribed(entry.attester, entry.topic):
            problem = "no script that could be read names it"
        if problem:
            raise FeedUnwanted(attester=entry.attester, topic=entry.topic, problem=problem)
        if await self._engine.state(FEED, key) != FeedState():
            return
        if len(await self._engine.store.keys(FEED.kind)) >= MAX_FEEDS:
            raise FeedLimitReached(problem=f"this node keeps {MAX_FEEDS} feeds")

    def _count(self, key: str, now_ms: int, *, posted: bool) -> None:
        minute, most = now_ms // MINUTE_MS, MAX_POSTED if posted else MAX_PUSHED
        since, count = self._taken.get((key, posted), (minute, 0))
        count = count + 1 if since == minute else 1
        if count > most:
            raise FeedLimitReached(problem=f"it had {most} new entries in this minute")
        self._taken[key, posted] = (minute, count)

    async def _stored(self, push: FeedPush) -> FeedPush | None:
        entry = push.entry
        found = await self.entries(entry.attester, entry.topic, entry.epoch, entry.sequence, 1)
        return found[0] if found and found[0].entry.sequence == entry.sequence else None

    async def _on_push(self, peer: Address, body: FeedPush) -> AnyBody | None:
        await self.receive(body, peer)
        return None

    async def _on_range(self, _peer: Address, body: FeedRange) -> AnyBody | None:
        limit = min(body.limit, MAX_ASKED)
        found = await self.entries(body.attester, body.topic, body.epoch, body.first, limit)
        return FeedEntries(entries=fitting(found))

    async def _on_frontier(self, peer: Address, body: FeedFrontier) -> AnyBody | None:
        """Send a peer what it lacks; what we lack shows in the frontier that we send."""
        theirs = [
            Frontier(attester=attester, topic=topic, epoch=epoch, next=position)
            for attester, topic, epoch, position in body.next_sequences
        ]
        room = MAX_SENT
        for lacking in behind(theirs, await self._frontier()):
            if not room:
                break
            found = await self.entries(
                lacking.attester, lacking.topic, lacking.epoch, lacking.next, room
            )
            room -= len(found)
            for push in found:
                await self._network.send(peer, push)
        return None

    async def _on_forked(self, _peer: Address, body: FeedForked) -> AnyBody | None:
        entry = body.first.entry
        key = feed_key(entry.attester, entry.topic, entry.epoch)
        await self._require_wanted(key, entry)
        proof = ForkProof(first=body.first, second=body.second)
        await self._engine.apply(FEED, key, ReceiveFork(proof=proof, domain=self._domain))
        return None

    async def _deliver(self, effect: Effect) -> None:
        assert isinstance(effect.request, DeliverEntry)
        self._metrics.feed_entries.inc()
        await self._tell(effect.request.push)

    async def _tell(self, push: FeedPush) -> None:
        for subscriber in self._subscribers:
            await subscriber(push)

    async def _tell_again(self, push: FeedPush) -> None:
        """Tell subscribers what they were told before; one that cannot hear it now is no reason
        not to start."""
        for subscriber in self._subscribers:
            try:
                await subscriber(push)
            except SmartLayerError as error:
                self._log.warning("replay_refused", error=str(error))

    async def _forward(self, effect: Effect) -> None:
        assert isinstance(effect.request, ForwardEntry)
        for peer in self._network.peers():
            if peer != effect.request.came_from:
                await self._network.send(peer, effect.request.push)

    async def _ask(self, effect: Effect) -> None:
        assert isinstance(effect.request, AskRange)
        ask = effect.request
        body = FeedRange(
            attester=ask.attester,
            topic=ask.topic,
            epoch=ask.epoch,
            first=ask.first,
            limit=ask.limit,
        )
        reply = await self._network.request(ask.peer, body, ASK_TIMEOUT_MS)
        if isinstance(reply, FeedEntries):
            for push in reply.entries:
                await self.receive(push, ask.peer)

    async def _send_fork(self, effect: Effect) -> None:
        assert isinstance(effect.request, SendFork)
        proof = effect.request.proof
        for peer in self._network.peers():
            await self._network.send(peer, FeedForked(first=proof.first, second=proof.second))

    async def _watch_gaps(self) -> None:
        while True:
            await self._engine.clock.sleep_ms(GAP_PATIENCE_MS)
            for key, (attester, topic, epoch, peer) in tuple(self._gaps.items()):
                event = ActionCheckGap(attester=attester, topic=topic, epoch=epoch, peer=peer)
                state = (await self._engine.apply(FEED, key, event)).state
                if not state.held:
                    self._gaps.pop(key, None)

    async def _exchange_frontiers(self) -> None:
        while True:
            await self._engine.clock.sleep_ms(FRONTIER_PAUSE_MS)
            peers = self._network.peers()
            if peers:
                ours = await self._frontier()
                held = tuple((f.attester, f.topic, f.epoch, f.next) for f in ours)
                body = FeedFrontier(next_sequences=held)
                await self._network.send(self._random.choice(peers), body)

    async def _frontier(self) -> list[Frontier]:
        keys = await self._engine.store.keys(FEED.kind)
        chosen = keys if len(keys) <= MAX_FRONTIER else self._random.sample(keys, MAX_FRONTIER)
        frontier = []
        for key in chosen:
            state = await self._engine.state(FEED, key)
            if state.last is not None:
                entry = state.last.entry
                frontier.append(
                    Frontier(
                        attester=entry.attester,
                        topic=entry.topic,
                        epoch=entry.epoch,
                        next=state.next,
                    )
                )
        return frontier


def fitting(pushes: tuple[FeedPush, ...], limit: int = 40_000) -> tuple[FeedPush, ...]:
    """As many entries from the front as fit a frame beside its envelope."""
    room, count = limit, 0
    for push in pushes:
        room -= len(msgspec.json.encode(push))
        if room < 0 and count:
            break
        count += 1
    return pushes[:count]
