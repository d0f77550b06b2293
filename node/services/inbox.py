"""Hands delivered feed entries to the tokens that subscribed to them."""

import asyncio

import structlog

from node.core.inputs import Attested, encode_input
from node.errors import AttestationError, JournalError
from node.protocol.frames import FeedPush
from node.services.feeds import FeedService
from node.services.instances import Instance, Instances
from node.services.replication import Replication
from settlement.types import Address, Hash

EPOCH = 0
"""Scripts subscribe to the first epoch of a feed; an attester starts another after a fork."""
PAGE = 64
SLACK_MS = 60_000
"""How long before a token's first commit an entry may have been made and still be heard."""


class Inbox:
    """The way from a feed to the tokens held here."""

    def __init__(self, instances: Instances, replication: Replication, feeds: FeedService) -> None:
        self._instances = instances
        self._replication = replication
        self._feeds = feeds
        self._begun: asyncio.Queue[Hash] = asyncio.Queue()
        self._log = structlog.get_logger("inbox")
        replication.on_begun(self._begun.put_nowait)

    async def run(self) -> None:
        """Let tokens that have just begun hear what was said since their activation."""
        while True:
            token = await self._begun.get()
            instance = await self._instances.instance(token)
            assert instance.state.tip is not None, "a token that has begun has a commit"
            since_ms = instance.state.tip.entry.time
            for each in instance.script.service.subscriptions:
                await self._hear(instance, each.attester, each.topic, since_ms)

    async def deliver(self, push: FeedPush) -> None:
        """Let every subscribed token hear an entry; hearing it again changes nothing."""
        data = encode_input(Attested(entry=push.entry, signature=push.signature, body=push.body))
        for token in await self._instances.held():
            instance = await self._instances.instance(token)
            if instance.state.version > 0 and await self._concerns(instance, push):
                await self._hand_over(token, data)

    async def _hear(self, instance: Instance, attester: Address, topic: str, since_ms: int) -> None:
        first = 0
        while page := await self._feeds.entries(attester, topic, EPOCH, first, PAGE):
            first = page[-1].entry.sequence + 1
            for push in page:
                if push.entry.time >= since_ms - SLACK_MS:
                    await self.deliver(push)

    async def _concerns(self, instance: Instance, push: FeedPush) -> bool:
        entry = push.entry
        declared = await self._instances.declarations(instance)
        return any(
            (each.topic, each.attester) == (entry.topic, entry.attester)
            and (each.tag is None or each.tag in entry.tags)
            for each in declared.subscriptions
        )

    async def _hand_over(self, token: Hash, data: bytes) -> None:
        try:
            await self._replication.receive(token, data)
        except (AttestationError, JournalError) as error:
            # A subscriber may refuse what its feed carried in order: it is told, and goes on.
            self._log.info("entry_refused", token=token.hex(), error=str(error))
