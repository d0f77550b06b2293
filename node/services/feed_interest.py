"""Which feeds the network keeps: those that a script of a rented class subscribes to.

Keeping a feed costs every node space for good, so a feed is kept only for an issuer that pays rent.
A token runs the script of its mint for good, so every script that a class has published counts.
"""

import structlog

from node.services.chain_view import ChainView, PublishedScript
from node.services.script_library import ScriptLibrary
from settlement.errors import SmartLayerError
from settlement.ports.clock import Clock
from settlement.types import Address, Hash

RETRY_MS = 10_000
"""How long a script that cannot be had is left alone: strangers must not make a node fetch."""

Feeds = frozenset[tuple[Address, str]]


class FeedInterest:
    """Answers from the scripts of the classes on chain; each is read once."""

    def __init__(self, view: ChainView, scripts: ScriptLibrary, clock: Clock) -> None:
        self._view = view
        self._scripts = scripts
        self._clock = clock
        self._read: dict[Hash, Feeds] = {}
        self._failed_ms: dict[Hash, int] = {}
        self._log = structlog.get_logger("feed_interest")

    async def subscribed(self, attester: Address, topic: str) -> bool:
        """Whether a script of a rented class subscribes to this attester's topic."""
        now_s = self._view.now_s
        rented = [name for name, view in self._view.classes.items() if view.rented_at(now_s)]
        if any((attester, topic) in feeds for name in rented for feeds in self._known(name)):
            return True
        for class_id in rented:
            if await self.of_class(class_id, attester, topic):
                return True
        return False

    async def of_class(self, class_id: Hash, attester: Address, topic: str) -> bool:
        """Whether a script that this class has published subscribes to this attester's topic."""
        wanted = (attester, topic)
        if any(wanted in feeds for feeds in self._known(class_id)):
            return True
        for script in self._published(class_id):
            if script.hash not in self._read and wanted in await self._load(class_id, script):
                return True
        return False

    def _published(self, class_id: Hash) -> tuple[PublishedScript, ...]:
        view = self._view.classes.get(class_id)
        return view.scripts[::-1] if view else ()

    def _known(self, class_id: Hash) -> list[Feeds]:
        """What the scripts subscribe to that have been read already."""
        published = self._published(class_id)
        return [self._read[script.hash] for script in published if script.hash in self._read]

    async def _load(self, class_id: Hash, script: PublishedScript) -> Feeds:
        failed_ms = self._failed_ms.get(script.hash)
        if failed_ms is not None and self._clock.now_ms() < failed_ms + RETRY_MS:
            return frozenset()
        try:
            read = await self._scripts.of_version(class_id, script)
        except SmartLayerError as error:
            # A script that cannot be read is no reason to refuse what another one asks for.
            self._failed_ms[script.hash] = self._clock.now_ms()
            self._log.info("script_not_read", token_class=class_id.hex(), error=str(error))
            return frozenset()
        self._failed_ms.pop(script.hash, None)
        feeds = frozenset((each.attester, each.topic) for each in read.service.subscriptions)
        self._read[script.hash] = feeds
        return feeds
