"""What a watchtower sends to the hub, and when it has reason to.

Every performer asks store and chain first, so that it may be called again at any time: after a
crash, by several watchtowers at once, or late. A call that the hub refuses was overtaken by another
one; the chain then says what is true, and the next look acts on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

import msgspec
import structlog

from settlement.chain.calls import compact
from settlement.core.claim_pages import ClaimPages, lane_id
from settlement.core.lane import NO_SIGNATURE, LaneState
from settlement.core.owed import (
    Disproof,
    OwedLane,
    OwedNode,
    is_tree,
    judge,
    node_share,
)
from settlement.core.payouts import PayoutLeaf
from settlement.core.refusals import ChannelUnknown
from settlement.core.watch import WATCH, WatchState, debited_stream, watch_key
from settlement.core.watch_events import (
    ActionClear,
    ContractSendForfeit,
    ContractSendRestore,
    ContractSendVoidUnshown,
    DebitedChunk,
    LaneMark,
    PerformClaim,
    PerformInspect,
    PerformPost,
    WatchStage,
    WatchTask,
)
from settlement.errors import PeerError
from settlement.ports import chain_records as records
from settlement.ports.chain import Call, ChainReader, ChainWriter, TransactionReceipt
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_events import DirectClaimed, DirectRowSkipped
from settlement.ports.payouts import PayoutSource
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Effect, Engine, Performer
from settlement.services.evidence import EvidenceBook
from settlement.services.settler import proof_of
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, Signature, checksum

ROWS_PER_CLAIM = 48
"""Lanes of one transaction: within 1.5 M gas."""

LaneName = tuple[Address, Address, Hash, int]


class DisputeBuilders(Protocol):
    """``settlement.chain.dispute_calls.DisputeCalls``, as far as a watchtower needs it."""

    def post_voucher(self, node: Address, period: int, row: records.DirectClaimRow) -> Call: ...

    def challenge(
        self,
        anchor: Address,
        period: int,
        node: Address,
        lanes: Sequence[records.OwedLane],
        proof: records.PayoutProof,
    ) -> Call: ...

    def challenge_order(self, anchor: Address, period: int, proof: records.PayoutProof) -> Call: ...

    def demand_payout(
        self, anchor: Address, period: int, node: Address, lanes: Sequence[records.OwedLane]
    ) -> Call: ...

    def void_unshown(self, anchor: Address, period: int, account: Address) -> Call: ...

    def forfeit_bond(
        self, anchor: Address, period: int, challenger: Address, node: Address
    ) -> Call: ...


class ClaimBuilders(Protocol):
    """``settlement.chain.calls.Calls``, as far as a watchtower needs it."""

    def restore_chunk(
        self, anchor: Address, period: int, chunk: int, rows: Sequence[records.AcceptedRow]
    ) -> Call: ...

    def claim_direct(
        self,
        node: Address,
        period: int,
        rows: Sequence[records.DirectClaimRow],
        *,
        page: int = 0,
        paid: Sequence[records.PaidLane] = (),
    ) -> Call: ...


class WatchActs:
    """The performers of :class:`settlement.services.watchtower.Watchtower`.

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
        self._engine = engine
        self._evidence = evidence
        self._directory = directory
        self._calendar = calendar
        self._chain = chain
        self._writer = writer
        self._calls = calls
        self._disputes = disputes
        self._payouts = payouts
        self._least = least
        self._refused: set[LaneName] = set()
        self._log = structlog.get_logger("watchtower")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """By effect; all are idempotent."""
        return {
            PerformPost: self._post,
            PerformInspect: self._inspect,
            PerformClaim: self._claim,
            ContractSendVoidUnshown: self._void_unshown,
            ContractSendForfeit: self._forfeit,
            ContractSendRestore: self._restore,
        }

    async def anchors(self, period: int) -> tuple[Address, ...]:
        """The anchors that owe something by the evidence of a period."""
        found = {await self._anchor_of(lane) for lane in await self._evidence.lanes(period)}
        return tuple(sorted(anchor for anchor in found if anchor != ZERO_ADDRESS))

    # Before the root

    async def _post(self, effect: Effect) -> None:
        """Post what is promised and leased and not acknowledged, while that still counts."""
        task, state = await self._task(effect)
        windows = await self._calendar.windows(task.period)
        for lane in await self._lanes(task):
            within = min(lane.highest, lane.lease_cap)
            known = max(lane.acknowledged, _amount(state.posted, lane))
            if within - known < self._least or not lane.acknowledgement:
                continue
            if await self._calendar.seconds() >= windows.settle_from:
                return
            row = _claim_row(lane)
            await self._submit(self._disputes.post_voucher(lane.node, task.period, row))

    # The root

    async def _inspect(self, effect: Effect) -> None:
        task, state = await self._task(effect)
        if state.stage is not WatchStage.COMMITTED:
            return
        debts = await self._debts(task, state)
        if not debts:
            return
        leaves = await self._leaves(state)
        if leaves:
            disproof = judge(leaves, debts)
            if disproof is None:
                await self._clear(state)
            else:
                await self._disprove(task, disproof)
            return
        shown = [await self._inspect_shown(task, state, debt, leaves is None) for debt in debts]
        if all(shown):
            await self._clear(state)

    async def _inspect_shown(
        self, task: WatchTask, state: WatchState, debt: OwedNode, unreachable: bool
    ) -> bool:
        """Judge a debt by what the anchor had to show on chain; whether it is paid."""
        payout = state.shown_for(debt.account)
        if payout is not None:
            if debt.beyond(payout.amount):
                found = Disproof(shown=payout.shown, debt=debt, paid=payout.amount)
                await self._disprove(task, found)
                return False
            return True
        window = (await self._calendar.terms(task.period)).challenge_window
        now = await self._calendar.seconds()
        # One that cannot be reached may only be slow; one that shows another tree is not.
        patient = unreachable and now < state.final_at - window + window // 8
        demanded = any(demand.account == debt.account for demand in state.demands)
        if not patient and not demanded and now < state.final_at - window // 2:
            lanes = [_owed_lane(lane) for lane in debt.beyond(0)]
            await self._submit(
                self._disputes.demand_payout(task.anchor, task.period, debt.node, lanes)
            )
        return False

    async def _leaves(self, state: WatchState) -> Sequence[PayoutLeaf] | None:
        """The tree under the root; empty where the anchor shows another, None where it shows
        nothing."""
        try:
            leaves = await self._payouts.leaves(state.anchor, state.period, state.leaf_count)
        except PeerError as error:
            self._log.info("payouts_not_shown", period=state.period, error=str(error))
            return None
        complete = len(leaves) == state.leaf_count and is_tree(leaves, state.root, state.total)
        return leaves if complete else ()

    async def _disprove(self, task: WatchTask, disproof: Disproof) -> None:
        proof, debt = proof_of(disproof.shown), disproof.debt
        self._log.warning(
            "root_disproved",
            anchor=checksum(task.anchor),
            period=task.period,
            owed=debt.total if debt else 0,
            paid=disproof.paid,
        )
        if debt is None:
            call = self._disputes.challenge_order(task.anchor, task.period, proof)
        else:
            lanes = [_owed_lane(lane) for lane in debt.beyond(disproof.paid)]
            call = self._disputes.challenge(task.anchor, task.period, debt.node, lanes, proof)
        await self._submit(call)

    async def _clear(self, state: WatchState) -> None:
        await self._engine.apply(
            WATCH, watch_key(state.anchor, state.period), ActionClear(root=state.root)
        )

    async def _void_unshown(self, effect: Effect) -> None:
        task, state = await self._task(effect)
        assert isinstance(task, ContractSendVoidUnshown)
        if state.stage is WatchStage.COMMITTED:
            await self._submit(self._disputes.void_unshown(task.anchor, task.period, task.account))

    # After it

    async def _forfeit(self, effect: Effect) -> None:
        task, state = await self._task(effect)
        assert isinstance(task, ContractSendForfeit)
        if state.bond:
            await self._submit(
                self._disputes.forfeit_bond(task.anchor, task.period, task.challenger, task.node)
            )

    async def _restore(self, effect: Effect) -> None:
        task, state = await self._task(effect)
        assert isinstance(task, ContractSendRestore)
        if all(chunk.number != task.chunk for chunk in state.unrestored):
            return
        stream = debited_stream(task.anchor, task.period, task.commitment)
        (record,) = await self._engine.store.read_log(stream, 0, 1)
        chunk = msgspec.json.decode(record.body, type=DebitedChunk)
        rows = [
            records.AcceptedRow(signer=row.signer, amount=row.amount, vouchers_root=row.root)
            for row in chunk.rows
        ]
        await self._submit(self._calls.restore_chunk(task.anchor, task.period, task.chunk, rows))

    async def _claim(self, effect: Effect) -> None:
        """Claim every lane whose channel the anchor did not settle, or was made to give back."""
        task, state = await self._task(effect)
        claimable = [lane for lane in await self._lanes(task) if self._claimable(state, lane)]
        open_ = {lane.signer: await self._is_open(lane) for lane in claimable}
        wanted = [lane for lane in claimable if open_[lane.signer]]
        wanted.sort(key=lambda lane: (lane.node, lane.token_class, lane.signer))
        for node, group in groupby(wanted, key=lambda lane: lane.node):
            await self._claim_for(node, state, list(group))

    async def _claim_for(self, node: Address, state: WatchState, lanes: list[LaneState]) -> None:
        """Page by page; a page that somebody else changed meanwhile is left to the next look."""
        period = state.period
        waiting = {lane_id(lane.signer, period, node, lane.token_class): lane for lane in lanes}
        pages = await self._claim_pages(node, period)
        while claim := pages.next_claim(waiting, ROWS_PER_CLAIM):
            chunk = [waiting.pop(lane) for lane in claim.lanes]
            rows = [_claim_row(_as_posted(lane, state)) for lane in chunk]
            paid = [records.PaidLane(lane=e.lane, amount=e.amount) for e in claim.paid]
            call = self._calls.claim_direct(node, period, rows, page=claim.page, paid=paid)
            receipt = await self._submit(call)
            if receipt is None:
                return
            self._note_refused(node, period, chunk, receipt)
            pages = pages.after(_paid_by(receipt))

    async def _claim_pages(self, node: Address, period: int) -> ClaimPages:
        """What the node's lanes were paid, whoever their anchors are."""
        paid: dict[Hash, int] = {}
        for key in await self._engine.store.keys(WATCH.kind):
            if key.endswith(f"/{period}"):
                for mark in (await self._engine.state(WATCH, key)).claimed:
                    if mark.node == node:
                        paid[lane_id(mark.signer, period, node, mark.token_class)] = mark.amount
        words: list[int] = []
        while word := await self._chain.claim_page(node, period, len(words)):
            words.append(word)
        return ClaimPages.of(paid, words)

    def _claimable(self, state: WatchState, lane: LaneState) -> bool:
        owed = max(min(lane.highest, lane.lease_cap), _amount(state.posted, lane))
        named = (lane.node, lane.signer, lane.token_class, lane.period)
        return owed - _amount(state.claimed, lane) >= self._least and named not in self._refused

    async def _is_open(self, lane: LaneState) -> bool:
        channel = await self._directory.channel(lane.signer, lane.period)
        return channel.balance > 0 and not await self._chain.is_settled(lane.signer, lane.period)

    def _note_refused(
        self,
        node: Address,
        period: int,
        lanes: Sequence[LaneState],
        receipt: TransactionReceipt,
    ) -> None:
        """A row that the hub did not take is not sent again by this process."""
        for event in receipt.events:
            if isinstance(event, DirectRowSkipped):
                lane = lanes[event.index]
                self._log.warning("claim_skipped", period=period, reason=event.reason.name)
                self._refused.add((node, lane.signer, lane.token_class, period))

    # What is known

    async def _task(self, effect: Effect) -> tuple[WatchTask, WatchState]:
        task = effect.request
        assert isinstance(task, WatchTask)
        key = watch_key(task.anchor, task.period)
        return task, await self._engine.state(WATCH, key)

    async def _anchor_of(self, lane: LaneState) -> Address:
        try:
            channel = await self._directory.channel(lane.signer, lane.period)
        except ChannelUnknown:
            return ZERO_ADDRESS
        return await self._directory.anchor_at(channel, lane.period)

    async def _lanes(self, task: WatchTask) -> list[LaneState]:
        lanes = await self._evidence.lanes(task.period)
        return [lane for lane in lanes if await self._anchor_of(lane) == task.anchor]

    async def _debts(self, task: WatchTask, state: WatchState) -> list[OwedNode]:
        """What the anchor owes each node over the channels that it settled."""
        shares = await self._calendar.shares(task.period)
        found: dict[Address, list[OwedLane]] = {}
        for lane in await self._lanes(task):
            channel = await self._directory.channel(lane.signer, lane.period)
            posted = _amount(state.posted, lane)
            gross = max(lane.acknowledged, posted)
            if not gross or not channel.settled_by(task.anchor, task.period):
                continue
            _, issuer_share = await self._chain.revenue(lane.token_class, task.period)
            by_ack = lane.acknowledged >= posted
            owed = OwedLane(
                signer=lane.signer,
                token_class=lane.token_class,
                acknowledged=gross,
                lease_cap=lane.lease_cap if by_ack else 0,
                signature=lane.acknowledgement if by_ack else NO_SIGNATURE,
                share=node_share(gross, shares, issuer_share),
            )
            found.setdefault(lane.node, []).append(owed)
        debts = [
            OwedNode(node=node, account=await self._payee(node, task.period), lanes=tuple(lanes))
            for node, lanes in sorted(found.items())
        ]
        return [debt for debt in debts if debt.beyond(0)]

    async def _payee(self, node: Address, period: int) -> Address:
        account = await self._chain.payout_at(node, period)
        return node if account == ZERO_ADDRESS else account

    async def _submit(self, call: Call) -> TransactionReceipt | None:
        try:
            return await self._writer.submit(call)
        except CallReverted as error:
            self._log.info("overtaken", purpose=call.purpose, error=error.error)
            return None


def _paid_by(receipt: TransactionReceipt) -> dict[Hash, int]:
    return {
        lane_id(event.signer, event.period, event.node, event.token_class): event.claimed
        for event in receipt.events
        if isinstance(event, DirectClaimed)
    }


def _amount(marks: Sequence[LaneMark], lane: LaneState) -> int:
    name = (lane.node, lane.signer, lane.token_class)
    return max((m.amount for m in marks if (m.node, m.signer, m.token_class) == name), default=0)


def _as_posted(lane: LaneState, state: WatchState) -> LaneState:
    """The lane without its signatures where more was posted than they would show."""
    if _amount(state.posted, lane) <= min(lane.highest, lane.lease_cap):
        return lane
    return replace(lane, signature=NO_SIGNATURE, acknowledgement=NO_SIGNATURE)


def _claim_row(lane: LaneState) -> records.DirectClaimRow:
    voucher = _compact(lane.signature)
    acknowledgement = _compact(lane.acknowledgement)
    return records.DirectClaimRow(
        signer=lane.signer,
        token_class=lane.token_class,
        cumulative=lane.highest,
        acknowledged=lane.acknowledged,
        lease_cap=lane.lease_cap,
        voucher_r=voucher[0],
        voucher_vs=voucher[1],
        acknowledgement_r=acknowledgement[0],
        acknowledgement_vs=acknowledgement[1],
    )


def _owed_lane(lane: OwedLane) -> records.OwedLane:
    r, vs = _compact(lane.signature)
    return records.OwedLane(
        signer=lane.signer,
        token_class=lane.token_class,
        acknowledged=lane.acknowledged,
        lease_cap=lane.lease_cap,
        r=r,
        vs=vs,
    )


def _compact(signature: Signature) -> tuple[Hash, Hash]:
    return compact(signature) if signature else (ZERO_HASH, ZERO_HASH)
