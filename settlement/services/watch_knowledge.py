"""What a watchtower knows of an anchor's period, and how it sends what follows from that."""

import structlog

from settlement.core.lane import NO_SIGNATURE
from settlement.core.lane_marks import LANE_MARKS, LaneMarks, marks_key
from settlement.core.owed import OwedLane, OwedNode, node_share
from settlement.core.refusals import ChannelUnknown
from settlement.core.watch import WATCH, WatchState, watch_key
from settlement.core.watch_events import WatchTask
from settlement.core.watched import WatchedLane
from settlement.ports.chain import Call, ChainReader, ChainWriter, TransactionReceipt
from settlement.ports.chain_errors import CallReverted
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Effect, Engine
from settlement.services.evidence import EvidenceBook
from settlement.types import ZERO_ADDRESS, Address, Hash


class WatchKnowledge:
    """Evidence, channels and the chain, put together."""

    def __init__(
        self,
        *,
        engine: Engine,
        evidence: EvidenceBook,
        directory: ChannelDirectory,
        calendar: Calendar,
        chain: ChainReader,
        writer: ChainWriter,
    ) -> None:
        self.engine = engine
        self.directory = directory
        self.calendar = calendar
        self.chain = chain
        self._evidence = evidence
        self._writer = writer
        self._log = structlog.get_logger("watchtower")

    async def anchors(self, period: int) -> tuple[Address, ...]:
        """The anchors that owe something by the evidence of a period."""
        found = {await self._anchor_of(lane) for lane in await self._evidence.lanes(period)}
        return tuple(sorted(anchor for anchor in found if anchor != ZERO_ADDRESS))

    async def task(self, effect: Effect) -> tuple[WatchTask, WatchState]:
        """What an effect is about, and where that period stands."""
        task = effect.request
        assert isinstance(task, WatchTask)
        key = watch_key(task.anchor, task.period)
        return task, await self.engine.state(WATCH, key)

    async def _anchor_of(self, lane: WatchedLane) -> Address:
        try:
            channel = await self.directory.channel(lane.signer, lane.period)
        except ChannelUnknown:
            return ZERO_ADDRESS
        return await self.directory.anchor_at(channel, lane.period)

    async def lanes(self, task: WatchTask) -> list[WatchedLane]:
        """The lanes that the period's anchor keeps."""
        lanes = await self._evidence.lanes(task.period)
        return [lane for lane in lanes if await self._anchor_of(lane) == task.anchor]

    async def marks(self, node: Address, period: int) -> LaneMarks:
        """What the hub holds for a node's lanes."""
        return await self.engine.state(LANE_MARKS, marks_key(node, period))

    async def debts(self, task: WatchTask) -> list[OwedNode]:
        """What the anchor owes each node over the channels that it settled."""
        shares = await self.calendar.shares(task.period)
        found: dict[Address, list[OwedLane]] = {}
        issuers: dict[Hash, int] = {}
        for lane in await self.lanes(task):
            channel = await self.directory.channel(lane.signer, lane.period)
            marks = await self.marks(lane.node, task.period)
            posted = marks.posted_for(lane.signer, lane.token_class)
            word = lane.most_owed
            gross = max(word.acknowledged, posted)
            if not gross or not channel.settled_by(task.anchor, task.period):
                continue
            if lane.token_class not in issuers:
                _, share = await self.chain.revenue(lane.token_class, task.period)
                issuers[lane.token_class] = share
            by_ack = word.acknowledged >= posted
            owed = OwedLane(
                signer=lane.signer,
                token_class=lane.token_class,
                acknowledged=gross,
                lease_cap=word.lease_cap if by_ack else 0,
                signature=word.signature if by_ack else NO_SIGNATURE,
                share=node_share(gross, shares, issuers[lane.token_class]),
            )
            found.setdefault(lane.node, []).append(owed)
        debts = [
            OwedNode(node=node, account=await self._payee(node, task.period), lanes=tuple(lanes))
            for node, lanes in sorted(found.items())
        ]
        return [debt for debt in debts if debt.beyond(0)]

    async def _payee(self, node: Address, period: int) -> Address:
        account = await self.chain.payout_at(node, period)
        return node if account == ZERO_ADDRESS else account

    async def submit(self, call: Call) -> TransactionReceipt | None:
        """Send a call; None where the hub refuses it, as somebody else was faster."""
        try:
            return await self._writer.submit(call)
        except CallReverted as error:
            self._log.info("overtaken", purpose=call.purpose, error=error.error)
            return None
