"""What an attester imports: append signed attestations to its feed, through any node.

The feed's order is the attester's own: every entry carries the hash of the one before, so one
attester uses one publisher a topic at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from node.client.http import expect_json
from node.core.declared import tag_of
from node.core.feed import entry_hash
from node.errors import PeerUnreachable
from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from node.protocol.wire import push_from_json, push_to_json
from settlement.ports.clock import Clock
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, checksum, keccak


@dataclass(slots=True, kw_only=True)
class FeedPublisher:
    """Publishes on one topic for one attester. ``nodes`` are API addresses, tried in order."""

    session: aiohttp.ClientSession
    nodes: Sequence[str]
    key: SigningKey
    domain: Domain
    clock: Clock
    topic: str
    epoch: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def publish(self, body: bytes, tags: Mapping[str, str]) -> FeedPush:
        """Append one entry and return it once a node has taken it.

        ``tags`` are what subscribers filter by, such as ``{"flightNumber": "SL123"}``. Raises
        PeerUnreachable when no node answers, PeerRefused when one refuses.
        """
        async with self._turn:
            push = self._next(await self._head(), body, tags)
            for node in self.nodes:
                try:
                    await expect_json(self.session, "POST", f"{node}/feeds", push_to_json(push))
                except PeerUnreachable:
                    continue
                return push
        raise PeerUnreachable(peer=b"", problem=f"none of {len(self.nodes)} nodes answered")

    async def _head(self) -> FeedPush | None:
        path = f"/feeds/{checksum(self.key.address)}/{self.topic}/{self.epoch}/head"
        newest: FeedPush | None = None
        answered = False
        for node in self.nodes:
            try:
                answer = await expect_json(self.session, "GET", node + path)
            except PeerUnreachable:
                continue
            answered = True
            found = None if answer["head"] is None else push_from_json(answer["head"])
            if found and (newest is None or found.entry.sequence > newest.entry.sequence):
                newest = found
        if not answered:
            raise PeerUnreachable(peer=b"", problem=f"none of {len(self.nodes)} nodes answered")
        return newest

    def _next(self, head: FeedPush | None, body: bytes, tags: Mapping[str, str]) -> FeedPush:
        entry = FeedEntry(
            attester=self.key.address,
            topic=self.topic,
            epoch=self.epoch,
            sequence=0 if head is None else head.entry.sequence + 1,
            previous=ZERO_HASH if head is None else entry_hash(head.entry),
            body_hash=keccak(body),
            tags=tuple(sorted(tag_of(name, value) for name, value in tags.items())),
            time=self.clock.now_ms(),
        )
        return FeedPush(entry=entry, signature=self.key.sign(self.domain, entry), body=body)
