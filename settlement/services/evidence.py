"""What a watchtower knows that anchors owe: this node's own lanes, and those handed over to it.

A hand-over is a node's voucher with its anchor's acknowledgement, both checked. It is bounded: at
most ``most_lanes`` lanes in all are kept for others, only of registered nodes, and no more than a
quarter of them for one node or of one channel, so that no pair of the two can fill the book.
"""

from collections import Counter
from collections.abc import Iterable
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
from settlement.errors import InputError, OurError, PaymentError
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


@dataclass(kw_only=True, eq=False, repr=False)
class WatchShareTaken(PaymentError):
    """This watchtower keeps as many lanes of that node or channel as it keeps of any one."""

    code: ClassVar[str] = "SL-8411"
    title: ClassVar[str] = "The share of one node or channel in the watchtower is used up"
    fix: ClassVar[str] = "Hand the lane to another watchtower; this one keeps {lanes} of one {of}."

    of: str
    lanes: int


LARGEST_SHARE = 4
"""One part in this many of the lanes may be one node's, and as many one channel's."""


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
        self._shares: Counter[tuple[str, str]] = Counter()

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
        self,
        voucher: SignedVoucher,
        acknowledgement: SignedAcknowledgement,
        *,
        asked: bool = True,
    ) -> WatchedLane:
        """Keep a lane for another node; durable when it returns. Where it was not ``asked`` for but
        is the operator's own wish, it may be of any node and channel.

        Raises VoucherWrongDomain, SignatureInvalid, AcknowledgementInvalid, ChannelUnknown,
        InputError (nothing to watch there), WatchFull, WatchShareTaken.
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
        await self._make_room(key, asked)
        event = ReceiveEvidence(voucher=voucher, acknowledgement=acknowledgement)
        return (await self._engine.apply(WATCHED, key, event)).state

    async def _make_room(self, key: str, asked: bool) -> None:
        kept = await self._others()
        if key in kept:
            return
        if len(kept) >= self._most_lanes:
            raise WatchFull(lanes=self._most_lanes)
        share = max(1, self._most_lanes // LARGEST_SHARE)
        for of, name in _sharers(key):
            if asked and self._shares[of, name] >= share:
                raise WatchShareTaken(of=of, lanes=share)
        kept.add(key)
        self._shares.update(_sharers(key))

    async def _others(self) -> set[str]:
        """Lanes kept for others whose windows are not over; the rest no longer counts."""
        if self._kept is None:
            self._keep(await self._engine.store.keys(WATCHED.kind))
        assert self._kept is not None
        now = await self._calendar.seconds()
        for period in {int(key.split("/")[1]) for key in self._kept}:
            if (await self._calendar.windows(period)).direct_until <= now:
                over = str(period)
                self._keep(key for key in self._kept if key.split("/")[1] != over)
        return self._kept

    def _keep(self, keys: Iterable[str]) -> None:
        self._kept = set(keys)
        self._shares = Counter(sharer for key in self._kept for sharer in _sharers(key))


def _sharers(key: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Whose shares a lane takes from."""
    node, _, signer, _ = key.split("/")
    return ("node", node), ("channel", signer)
