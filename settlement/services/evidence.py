"""What a watchtower knows that anchors owe: this node's own lanes, and those handed over to it.

A hand-over is a node's voucher with its anchor's acknowledgement, both checked. It is bounded: at
most ``most_lanes`` lanes in all are kept for others, and only of registered nodes.
"""

from dataclasses import dataclass
from typing import ClassVar

from settlement.core.lane import LANE
from settlement.core.refusals import AcknowledgementInvalid
from settlement.core.watched import (
    WATCHED,
    ReceiveEvidence,
    WatchedLane,
    own_lane,
    stronger,
    watched_key,
)
from settlement.errors import InputError, OurError
from settlement.ports.chain import ChainReader
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import require_voucher_signer
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import ZERO_ADDRESS, Address, Hash


@dataclass(kw_only=True, eq=False, repr=False)
class WatchFull(OurError):
    """This watchtower keeps no further lanes for others."""

    code: ClassVar[str] = "SL-8410"
    title: ClassVar[str] = "The watchtower is full"
    fix: ClassVar[str] = "Hand the lane to another watchtower; this one keeps {lanes} lanes."

    lanes: int


class EvidenceBook:
    """The lanes that a watchtower acts on."""

    def __init__(
        self,
        *,
        engine: Engine,
        domain: Domain,
        chain: ChainReader,
        directory: ChannelDirectory,
        calendar: Calendar,
        most_lanes: int = 0,
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._chain = chain
        self._directory = directory
        self._calendar = calendar
        self._most_lanes = most_lanes
        self._kept: set[str] | None = None

    async def lanes(self, period: int) -> tuple[WatchedLane, ...]:
        """Every lane of a period that this watchtower acts for."""
        store = self._engine.store
        own = [key for key in await store.keys(LANE.kind) if key.split("/")[1] == str(period)]
        others = [key for key in await self._others() if key.split("/")[1] == str(period)]
        found: dict[tuple[Address, Address, Hash], WatchedLane] = {}
        lanes = [own_lane(await self._engine.state(LANE, key)) for key in own]
        lanes += [await self._engine.state(WATCHED, key) for key in sorted(others)]
        for lane in lanes:
            name = (lane.node, lane.signer, lane.token_class)
            found[name] = stronger(found[name], lane) if name in found else lane
        return tuple(found.values())

    async def hand_over(
        self, voucher: SignedVoucher, acknowledgement: SignedAcknowledgement
    ) -> WatchedLane:
        """Keep a lane for another node; durable when it returns.

        Raises VoucherWrongDomain, SignatureInvalid, AcknowledgementInvalid, ChannelUnknown,
        InputError (nothing to watch there), WatchFull.
        """
        message = voucher.message
        require_voucher_signer(self._domain, voucher)
        owed = acknowledgement.message
        if (owed.signer, owed.period, owed.node, owed.token_class) != (
            message.signer,
            message.period,
            message.node,
            message.token_class,
        ):
            raise AcknowledgementInvalid(problem="it is about another lane than the voucher")
        channel = await self._directory.channel(message.signer, message.period)
        anchor = await self._directory.anchor_at(channel, message.period)
        acknowledgement.require(self._domain, anchor)
        windows = await self._calendar.windows(message.period)
        if await self._calendar.seconds() >= windows.direct_until:
            raise InputError(where="voucher", problem="every window of its period is over")
        if await self._chain.payout_at(message.node, message.period) == ZERO_ADDRESS:
            raise InputError(where="voucher", problem="its node is not registered")
        key = watched_key(message.node, message.period, message.signer, message.token_class)
        await self._make_room(key)
        event = ReceiveEvidence(voucher=voucher, acknowledgement=acknowledgement)
        return (await self._engine.apply(WATCHED, key, event)).state

    async def _make_room(self, key: str) -> None:
        kept = await self._others()
        if key not in kept and len(kept) >= self._most_lanes:
            raise WatchFull(lanes=self._most_lanes)
        kept.add(key)

    async def _others(self) -> set[str]:
        """Lanes kept for others whose windows are not over; the rest no longer counts."""
        if self._kept is None:
            self._kept = set(await self._engine.store.keys(WATCHED.kind))
        now = await self._calendar.seconds()
        for period in {int(key.split("/")[1]) for key in self._kept}:
            if (await self._calendar.windows(period)).direct_until <= now:
                over = str(period)
                self._kept = {key for key in self._kept if key.split("/")[1] != over}
        return self._kept
