"""Places newly minted tokens: an anchor's work.

Every anchor sees the mint and can compute the holders; the token's coordinator announces them at
once, the next anchors in its order do so later and only if no record has appeared by then.
"""

import asyncio

import structlog

from node.core.placement import ANCHOR, Rules, coordinator, place
from node.ports.beacon import Beacon
from node.services.chain_view import ChainView
from node.services.script_library import ScriptLibrary, rules_of
from node.services.table import Table
from settlement.errors import SmartLayerError
from settlement.ports.chain_events import ChainEvent, TokenMoved
from settlement.ports.clock import Clock
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_ADDRESS, Hash

PATIENCE_MS = 3_000
"""How long each later anchor waits for those before it."""
RETRY_MS = 1_000
LONGEST_RETRY_MS = 60_000
MAX_WAITING = 100_000


class Placing:
    """Announces where tokens live."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        view: ChainView,
        scripts: ScriptLibrary,
        beacon: Beacon,
        table: Table,
        clock: Clock,
        rules: Rules,
    ) -> None:
        self._key = key
        self._domain = domain
        self._view = view
        self._scripts = scripts
        self._beacon = beacon
        self._table = table
        self._clock = clock
        self._rules = rules
        self._minted: asyncio.Queue[Hash] = asyncio.Queue(MAX_WAITING)
        self._log = structlog.get_logger("placing")
        view.subscribe(self._on_event)

    async def run(self) -> None:
        """Place what is minted, until cancelled; tokens wait for each other's announcement
        only where they share nothing but the processor."""
        async with asyncio.TaskGroup() as group:
            while True:
                token = await self._minted.get()
                group.create_task(self._place_in_turn(token))

    async def _on_event(self, event: ChainEvent) -> None:
        if isinstance(event, TokenMoved) and event.sender == ZERO_ADDRESS:
            view = self._view.class_of(event.contract)
            if view is not None and view.rented_at(event.timestamp):
                await self._minted.put(self._view.token_id(event))

    async def _place_in_turn(self, token: Hash) -> None:
        anchors = [member.key for member in self._view.members.active(ANCHOR)]
        if self._key.address not in anchors:
            # It left, or was slashed, and still sees the mints: they are the others' to place.
            self._log.info("not_placed_here", token=token.hex(), reason="not an active anchor")
            return
        rank = coordinator(token, anchors).index(self._key.address)
        await self._clock.sleep_ms(rank * PATIENCE_MS)
        pause = RETRY_MS
        while True:
            try:
                if await self._table.lookup(token) is None:
                    await self._announce(token)
            except SmartLayerError as error:
                self._log.warning("placement_failed", token=token.hex(), error=str(error))
            else:
                return
            await self._clock.sleep_ms(pause)
            pause = min(2 * pause, LONGEST_RETRY_MS)

    async def _announce(self, token: Hash) -> None:
        minted = self._view.tokens.get(token)
        if minted is None:
            return  # burnt, or its mint was replaced by a reorganisation
        script = await self._scripts.of_token(minted)
        rules = rules_of(script, self._rules)
        seed = await self._beacon.value(minted.minted_in)
        placement = place(minted.token, minted.minted_in, seed, self._view.members, rules)
        await self._table.publish(placement, self._key.sign(self._domain, placement))
