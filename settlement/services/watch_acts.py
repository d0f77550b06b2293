"""What a watchtower sends to the hub, and when it has reason to.

Every performer asks store and chain first, so that it may be called again at any time: after a
crash, by several watchtowers at once, or late. A call that the hub refuses was overtaken by another
one; the chain then says what is true, and the next look acts on it.
"""

from collections.abc import Mapping
from typing import Protocol

from settlement.ports.chain import ChainReader, ChainWriter
from settlement.ports.payouts import PayoutSource
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Performer
from settlement.services.evidence import EvidenceBook
from settlement.services.watch_claiming import ClaimBuilders, PostBuilders, Recovery
from settlement.services.watch_inspecting import RootBuilders, RootInspection
from settlement.services.watch_knowledge import WatchKnowledge
from settlement.services.watch_leases import LeaseCheck, LeaseVerdicts
from settlement.types import Address


class DisputeBuilders(RootBuilders, PostBuilders, LeaseVerdicts, Protocol):
    """``settlement.chain.dispute_calls.DisputeCalls``, as far as a watchtower needs it."""


class WatchActs:
    """The performers of :class:`settlement.services.watchtower.Watchtower`, put together.

    ``least`` is the smallest amount, in base units, that is worth a row of a transaction.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        evidence: EvidenceBook,
        directory: ChannelDirectory,
        calendar: Calendar,
        chain: ChainReader,
        writer: ChainWriter,
        calls: ClaimBuilders,
        disputes: DisputeBuilders,
        payouts: PayoutSource,
        least: int = 1,
    ) -> None:
        self._known = WatchKnowledge(
            engine=engine,
            evidence=evidence,
            directory=directory,
            calendar=calendar,
            chain=chain,
            writer=writer,
        )
        self.inspection = RootInspection(self._known, disputes, payouts)
        self.recovery = Recovery(self._known, calls, disputes, least)
        self.leases = LeaseCheck(self._known, disputes)

    @property
    def performers(self) -> Mapping[type, Performer]:
        """By effect; all are idempotent."""
        return {
            **self.inspection.performers,
            **self.recovery.performers,
            **self.leases.performers,
        }

    async def anchors(self, period: int) -> tuple[Address, ...]:
        """The anchors that owe something by the evidence of a period."""
        return await self._known.anchors(period)
