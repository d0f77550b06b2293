"""Getting paid when the anchor failed: post, restore, forfeit, and claim directly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

import msgspec
import structlog

from settlement.chain.calls import compact
from settlement.core.claim_pages import ClaimPages, lane_id
from settlement.core.lane import NO_SIGNATURE, LaneState
from settlement.core.lane_marks import LaneMarks
from settlement.core.watch import debited_stream
from settlement.core.watch_events import (
    ContractSendForfeit,
    ContractSendRestore,
    DebitedChunk,
    PerformClaim,
    PerformCollect,
    PerformPost,
    WatchTask,
)
from settlement.ports import chain_records as records
from settlement.ports.chain import Call, TransactionReceipt
from settlement.ports.chain_events import DirectClaimed, DirectRowSkipped
from settlement.services.engine import Effect, Performer
from settlement.services.settler import proof_of
from settlement.services.watch_knowledge import WatchKnowledge
from settlement.types import ZERO_HASH, Address, Hash, Signature

ROWS_PER_CLAIM = 48
"""Lanes of one transaction: within 1.5 M gas."""

LaneName = tuple[Address, Address, Hash, int]


class PostBuilders(Protocol):
    """``settlement.chain.dispute_calls.DisputeCalls``, as far as claiming needs it."""

    def post_voucher(self, node: Address, period: int, row: records.DirectClaimRow) -> Call: ...

    def forfeit_bond(
        self, anchor: Address, period: int, challenger: Address, node: Address
    ) -> Call: ...


class ClaimBuilders(Protocol):
    """``settlement.chain.calls.Calls``, as far as claiming needs it."""

    def claim(
        self,
        anchor: Address,
        period: int,
        index: int,
        payout: records.Payout,
        siblings: Sequence[records.ProofNode],
    ) -> Call: ...

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


class Recovery:
    """The performers of what a failed anchor leaves to do; all are idempotent.

    ``least`` is the smallest amount, in base units, that is worth a row of a transaction.
    """

    def __init__(
        self, known: WatchKnowledge, calls: ClaimBuilders, disputes: PostBuilders, least: int
    ) -> None:
        self._known = known
        self._calls = calls
        self._disputes = disputes
        self._least = least
        self._refused: set[LaneName] = set()
        self._log = structlog.get_logger("watchtower")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """By effect."""
        return {
            PerformPost: self._post,
            PerformCollect: self._collect,
            PerformClaim: self._claim,
            ContractSendForfeit: self._forfeit,
            ContractSendRestore: self._restore,
        }

    async def _post(self, effect: Effect) -> None:
        """Post what is promised and leased and not acknowledged, while that still counts; of lanes
        that were handed over only what their channels can pay."""
        task, _ = await self._known.task(effect)
        windows = await self._known.calendar.windows(task.period)
        lanes = await self._known.lanes(task)
        held = {
            lane.signer: (await self._known.directory.channel(lane.signer, lane.period)).balance
            for lane in lanes
        }
        for lane in sorted(lanes, key=lambda lane: not lane.own):
            marks = await self._known.marks(lane.node, task.period)
            posted = marks.posted_for(lane.signer, lane.token_class)
            within = min(lane.highest, lane.lease_cap)
            covered = within if lane.own else min(within, held[lane.signer])
            # What is not covered is leased beyond the deposit: a case against the anchor.
            held[lane.signer] -= within
            worth = covered - max(lane.most_owed.acknowledged, posted)
            if worth < self._least or not lane.acknowledgement:
                continue
            if await self._known.calendar.seconds() >= windows.settle_from:
                return
            row = _claim_row(lane)
            await self._known.submit(self._disputes.post_voucher(lane.node, task.period, row))

    async def _forfeit(self, effect: Effect) -> None:
        task, state = await self._known.task(effect)
        assert isinstance(task, ContractSendForfeit)
        if state.bond:
            await self._known.submit(
                self._disputes.forfeit_bond(task.anchor, task.period, task.challenger, task.node)
            )

    async def _restore(self, effect: Effect) -> None:
        """Give back a chunk that holds a channel which we claim from; the others are left to those
        whom they concern, as an anchor may fill as many as it likes with channels of its own."""
        task, state = await self._known.task(effect)
        assert isinstance(task, ContractSendRestore)
        if all(chunk.number != task.chunk for chunk in state.unrestored):
            return
        stream = debited_stream(task.anchor, task.period, task.commitment)
        (record,) = await self._known.engine.store.read_log(stream, 0, 1)
        chunk = msgspec.json.decode(record.body, type=DebitedChunk)
        signers = await self._claimed_signers(task)
        if all(row.signer not in signers for row in chunk.rows):
            return
        rows = [
            records.AcceptedRow(signer=row.signer, amount=row.amount, vouchers_root=row.root)
            for row in chunk.rows
        ]
        await self._known.submit(
            self._calls.restore_chunk(task.anchor, task.period, task.chunk, rows)
        )

    async def _claimed_signers(self, task: WatchTask) -> set[Address]:
        found: set[Address] = set()
        for lane in await self._known.lanes(task):
            if self._claimable(await self._known.marks(lane.node, task.period), lane):
                found.add(lane.signer)
        return found

    async def _collect(self, effect: Effect) -> None:
        """Credit the payouts of a final root one by one; nobody but the anchor has all of them."""
        task, state = await self._known.task(effect)
        anchor, period = task.anchor, task.period
        for payout in state.payouts:
            proof = proof_of(payout.shown)
            index = proof.first_index
            if not payout.amount or await self._known.chain.is_paid(anchor, period, index):
                continue
            call = self._calls.claim(anchor, period, index, proof.payouts[0], proof.siblings)
            await self._known.submit(call)

    async def _claim(self, effect: Effect) -> None:
        """Claim every lane whose channel the anchor did not settle, or was made to give back."""
        task, _ = await self._known.task(effect)
        lanes = sorted(await self._known.lanes(task), key=lambda lane: lane.node)
        for node, group in groupby(lanes, key=lambda lane: lane.node):
            marks = await self._known.marks(node, task.period)
            claimable = [lane for lane in group if self._claimable(marks, lane)]
            open_ = {lane.signer: await self._is_open(lane) for lane in claimable}
            await self._claim_for(marks, [lane for lane in claimable if open_[lane.signer]])

    async def _claim_for(self, marks: LaneMarks, lanes: Sequence[LaneState]) -> None:
        """Page by page; a page that somebody else changed meanwhile is left to the next look."""
        node, period = marks.node, marks.period
        waiting = {lane_id(lane.signer, period, node, lane.token_class): lane for lane in lanes}
        pages = await self._claim_pages(marks) if waiting else ClaimPages.of({}, [])
        while claim := pages.next_claim(waiting, ROWS_PER_CLAIM):
            chunk = [waiting.pop(lane) for lane in claim.lanes]
            rows = [_claim_row(_as_posted(lane, marks)) for lane in chunk]
            paid = [records.PaidLane(lane=e.lane, amount=e.amount) for e in claim.paid]
            call = self._calls.claim_direct(node, period, rows, page=claim.page, paid=paid)
            receipt = await self._known.submit(call)
            if receipt is None:
                return
            self._note_refused(node, period, chunk, receipt)
            pages = pages.after(_paid_by(receipt))

    async def _claim_pages(self, marks: LaneMarks) -> ClaimPages:
        """What the node's lanes were paid, whoever their anchors are."""
        node, period = marks.node, marks.period
        paid = {
            lane_id(mark.signer, period, node, mark.token_class): mark.amount
            for mark in marks.claimed
        }
        words: list[int] = []
        while word := await self._known.chain.claim_page(node, period, len(words)):
            words.append(word)
        return ClaimPages.of(paid, words)

    def _claimable(self, marks: LaneMarks, lane: LaneState) -> bool:
        posted = marks.posted_for(lane.signer, lane.token_class)
        owed = max(min(lane.highest, lane.lease_cap), posted)
        left = owed - marks.claimed_for(lane.signer, lane.token_class)
        named = (lane.node, lane.signer, lane.token_class, lane.period)
        return left >= self._least and named not in self._refused

    async def _is_open(self, lane: LaneState) -> bool:
        channel = await self._known.directory.channel(lane.signer, lane.period)
        return channel.balance >= self._least and not await self._known.chain.is_settled(
            lane.signer, lane.period
        )

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


def _as_posted(lane: LaneState, marks: LaneMarks) -> LaneState:
    """The lane without its signatures where more was posted than they would show."""
    posted = marks.posted_for(lane.signer, lane.token_class)
    if posted <= min(lane.highest, lane.lease_cap):
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


def _compact(signature: Signature) -> tuple[Hash, Hash]:
    return compact(signature) if signature else (ZERO_HASH, ZERO_HASH)


def _paid_by(receipt: TransactionReceipt) -> dict[Hash, int]:
    return {
        lane_id(event.signer, event.period, event.node, event.token_class): event.claimed
        for event in receipt.events
        if isinstance(event, DirectClaimed)
    }
