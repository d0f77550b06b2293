"""Hands this node's lanes to the watchtowers that it chose, which act while it is away."""

from collections.abc import Sequence

import msgspec
import structlog

from settlement.client.anchor_client import AnchorApiRefused
from settlement.client.watch_client import Lane, WatchClient
from settlement.core.lane import LANE, LaneState
from settlement.errors import SmartLayerError
from settlement.ports.clock import Clock
from settlement.ports.store import Store
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector
from settlement.types import Hash

Shown = tuple[bytes, int, bytes, Hash]
Mark = tuple[int, int, int]
"""How much of a lane was promised, acknowledged and leased."""

New = dict[Shown, tuple[Lane, Mark]]
"""Lanes that a watchtower has not seen so, and what of them is new."""


class HandingOver:
    """A loop: every ``every_ms`` each watchtower is sent what it has not been sent before."""

    def __init__(
        self,
        *,
        towers: Sequence[str],
        collector: Collector,
        calendar: Calendar,
        clock: Clock,
        every_ms: int,
    ) -> None:
        self._towers = towers
        self._collector = collector
        self._calendar = calendar
        self._clock = clock
        self._every_ms = every_ms
        self._sent: dict[str, dict[Shown, Mark]] = {url: {} for url in towers}
        self._log = structlog.get_logger("handing_over")

    async def run(self) -> None:
        """Hand over until cancelled."""
        while self._towers:
            for url in self._towers:
                try:
                    await self.hand_over(url)
                except SmartLayerError as error:
                    self._log.warning("not_handed_over", tower=url, error=str(error))
            await self._clock.sleep_ms(self._every_ms)

    async def hand_over(self, url: str) -> int:
        """Send one watchtower what is new to it; returns how many lanes that were.

        Raises AnchorApiUnreachable.
        """
        current = await self._calendar.period()
        sent = self._sent[url]
        new: New = {}
        for period in range(max(0, current - 1), current + 1):
            for lane in await self._collector.lanes(period):
                evidence = _evidence(lane)
                mark = (lane.highest, lane.acknowledged, lane.lease_cap)
                name = (lane.signer, lane.period, lane.node, lane.token_class)
                if evidence is not None and sent.get(name) != mark:
                    new[name] = (evidence, mark)
        if not new:
            return 0
        async with WatchClient(url) as tower:
            try:
                await tower.hand_over([evidence for evidence, _ in new.values()])
                sent |= {name: mark for name, (_, mark) in new.items()}
            except AnchorApiRefused:
                await self._one_by_one(tower, url, new)
        return len(new)

    async def _one_by_one(self, tower: WatchClient, url: str, new: New) -> None:
        """One lane that the watchtower does not want must not keep the others from it."""
        for name, (evidence, mark) in new.items():
            try:
                await tower.hand_over([evidence])
            except AnchorApiRefused as error:
                self._log.warning("lane_refused", tower=url, error=str(error))
            self._sent[url][name] = mark


def _evidence(lane: LaneState) -> Lane | None:
    voucher, acknowledgement = lane.best_voucher, lane.best_acknowledgement
    return (voucher, acknowledgement) if voucher and acknowledgement else None


async def kept_lanes(store: Store, since: int) -> list[Lane]:
    """What a node's store proves of its lanes, from period ``since`` on."""
    found: list[Lane] = []
    for key in await store.keys(LANE.kind):
        row = await store.load(LANE.kind, key)
        if row is None or int(key.split("/")[1]) < since:
            continue
        evidence = _evidence(msgspec.json.decode(row.state, type=LaneState))
        if evidence is not None:
            found.append(evidence)
    return found
