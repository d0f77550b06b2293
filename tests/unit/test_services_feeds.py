"""A node keeps the feeds that somebody pays rent for, within bounds, and no stranger's."""

from random import Random

import pytest

from node.core.feed import FEED, entry_hash
from node.errors import FeedEntryInvalid, FeedLimitReached, FeedUnwanted
from node.ports.network import MemoryNetwork
from node.protocol.frames import AnyBody, FeedForked, FeedFrontier, FeedPush
from node.protocol.messages import FeedEntry
from node.services.dispatch import Dispatch
from node.services.feeds import (
    MAX_CLOCK_GAP_MS,
    MAX_EPOCHS,
    MAX_FEEDS,
    MAX_POSTED,
    MAX_SENT,
    MINUTE_MS,
    FeedService,
)
from node.services.metrics import Metrics
from settlement.errors import SignatureInvalid
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import ZERO_HASH, Address, Signature, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
AIRLINE = SigningKey(keccak(b"airline"))
STRANGER = SigningKey(keccak(b"stranger"))
PEER = Address(b"p" * 20)
NOW = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS


class Links(MemoryNetwork):
    """Links that keep what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[AnyBody] = []

    async def send(self, _peer: Address, body: AnyBody) -> None:
        self.sent.append(body)

    def peers(self) -> tuple[Address, ...]:
        return ()


class Node:
    """A feed service whose only subscription is the airline's."""

    def __init__(self) -> None:
        self.clock, self.store, self.links = VirtualClock(NOW), MemoryStore(), Links()
        self.dispatch = Dispatch()
        self.topics = {"flights"}
        self.feeds = FeedService(
            Engine(self.store, self.clock),
            self.links,  # type: ignore[arg-type]  # the two methods that the service uses
            DOMAIN,
            Metrics("node"),
            Random(1),
            self._subscribed,
        )
        self.feeds.register(self.dispatch)

    async def _subscribed(self, attester: Address, topic: str) -> bool:
        return attester == AIRLINE.address and topic in self.topics


def entry(
    sequence: int = 0,
    *,
    by: SigningKey = AIRLINE,
    topic: str = "flights",
    epoch: int = 0,
    time: int = NOW,
    previous: FeedPush | None = None,
    body: bytes = b"late",
) -> FeedPush:
    said = FeedEntry(
        attester=by.address,
        topic=topic,
        epoch=epoch,
        sequence=sequence,
        previous=entry_hash(previous.entry) if previous else ZERO_HASH,
        body_hash=keccak(body),
        tags=(),
        time=time,
    )
    return FeedPush(entry=said, signature=by.sign(DOMAIN, said), body=body)


def chain(count: int) -> list[FeedPush]:
    made = [entry()]
    while len(made) < count:
        made.append(entry(len(made), previous=made[-1]))
    return made


@pytest.mark.parametrize("peer", [None, PEER])
@pytest.mark.parametrize(
    "push",
    [entry(by=STRANGER), entry(topic="weather"), entry(epoch=MAX_EPOCHS)],
    ids=["stranger", "topic", "epoch"],
)
async def test_a_feed_that_nobody_subscribes_to_is_not_kept(
    push: FeedPush, peer: Address | None
) -> None:
    node = Node()
    with pytest.raises(FeedUnwanted):
        await node.feeds.receive(push, peer)
    assert await node.store.keys(FEED.kind) == []


async def test_a_strangers_fork_is_not_kept_either() -> None:
    node = Node()
    one, other = entry(by=STRANGER), entry(by=STRANGER, body=b"early")
    with pytest.raises(FeedUnwanted):
        await node.dispatch(PEER, FeedForked(first=one, second=other))
    assert await node.store.keys(FEED.kind) == []


async def test_an_attester_posts_a_bounded_number_of_entries_a_minute() -> None:
    node, made = Node(), chain(MAX_POSTED + 1)
    forged = FeedPush(entry=made[0].entry, signature=Signature(bytes(65)), body=made[0].body)
    with pytest.raises(SignatureInvalid):
        await node.feeds.receive(forged, None)  # uses up nothing
    for push in made[:-1]:
        await node.feeds.receive(push, None)
    await node.feeds.receive(made[0], None)  # a repetition counts for nothing
    with pytest.raises(FeedLimitReached):
        await node.feeds.receive(made[-1], None)
    await node.clock.advance_ms(MINUTE_MS)
    await node.feeds.receive(made[-1], None)
    head = await node.feeds.head(AIRLINE.address, "flights", 0)
    assert head == made[-1]


async def test_an_attester_cannot_post_an_entry_of_another_time_and_peers_repair_any() -> None:
    node = Node()
    for time in (NOW - MAX_CLOCK_GAP_MS - 1, NOW + MAX_CLOCK_GAP_MS + 1):
        with pytest.raises(FeedEntryInvalid):
            await node.feeds.receive(entry(time=time), None)
    old = entry(time=NOW - 10 * MAX_CLOCK_GAP_MS)
    await node.feeds.receive(old, PEER)
    await node.feeds.receive(old, None)  # known already
    assert await node.feeds.head(AIRLINE.address, "flights", 0) == old


async def test_a_node_keeps_a_bounded_number_of_feeds() -> None:
    node = Node()
    node.topics = {"flights", *(f"topic {number}" for number in range(MAX_FEEDS))}
    for number in range(MAX_FEEDS):
        await node.feeds.receive(entry(topic=f"topic {number}"), PEER)
    with pytest.raises(FeedLimitReached):
        await node.feeds.receive(entry(), PEER)
    assert len(await node.store.keys(FEED.kind)) == MAX_FEEDS


async def test_one_frontier_is_answered_with_a_bounded_number_of_entries() -> None:
    node = Node()
    node.topics = {"flights", "weather"}
    for push in chain(50):
        await node.feeds.receive(push, None)
    last: FeedPush | None = None
    for number in range(50):
        last = entry(number, topic="weather", previous=last)
        await node.feeds.receive(last, None)
    node.links.sent.clear()
    await node.dispatch(PEER, FeedFrontier(next_sequences=()))
    assert len(node.links.sent) == MAX_SENT
