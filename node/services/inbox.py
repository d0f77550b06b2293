"""Hands delivered feed entries to the tokens that subscribed to them."""

import asyncio

import structlog

from node.core.inputs import Attested, encode_input
from node.protocol.frames import FeedPush
from node.services.feeds import FeedService
from node.services.instances import Instance, Instances
from node.services.replication import Replication
from settlement.errors import SmartLayerError
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
            try:
                await self._catch_up(token)
            except SmartLayerError as error:
                # One token must not keep the others from hearing; its next entry tries again.
                self._log.warning("history_not_heard", token=token.hex(), error=str(error))

    async def deliver(self, push: FeedPush) -> None:
        """Let every subscribed token hear an entry; hearing it again changes nothing.

        A token that cannot (it was burnt, its script was withdrawn) does not keep the others from
        hearing. Raises what a retry may help, after all the others have heard.
        """
        data = encode_input(Attested(entry=push.entry, signature=push.signature, body=push.body))
        again: SmartLayerError | None = None
        for token in await self._instances.held():
            try:
                instance = await self._instances.instance(token)
                if instance.state.version > 0 and await self._concerns(instance, push):
                    await self._replication.receive(token, data)
            except SmartLayerError as error:
                self._log.info("entry_refused", token=token.hex(), error=str(error))
                again = error if error.retryable else again
        if again is not None:
            raise again

    async def _catch_up(self, token: Hash) -> None:
        instance = await self._instances.instance(token)
        assert instance.state.tip is not None, "a token that has begun has a commit"
        since_ms = instance.state.tip.entry.time
        for each in instance.script.service.subscriptions:
            await self._hear(instance, each.attester, each.topic, since_ms)

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
