"""Judging the roots that other anchors commit: clear them, disprove them, or ask to see more."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from settlement.chain.calls import compact
from settlement.core.owed import Disproof, OwedLane, OwedNode, is_tree, judge, show_all
from settlement.core.payouts import PayoutLeaf
from settlement.core.watch import LOOKS_PER_WINDOW, WATCH, WatchState, watch_key
from settlement.core.watch_events import (
    ActionClear,
    ContractSendVoidUnshown,
    PerformInspect,
    ShownPayout,
    WatchStage,
    WatchTask,
)
from settlement.errors import PeerError
from settlement.ports import chain_records as records
from settlement.ports.chain import Call
from settlement.ports.payouts import PayoutSource
from settlement.ports.peers import AnchorUnreachable
from settlement.services.engine import Effect, Performer
from settlement.services.settler import proof_of
from settlement.services.watch_knowledge import WatchKnowledge
from settlement.types import ZERO_HASH, Address, checksum

LONGEST_FETCH_S = 300
"""Seconds in which an anchor must have shown a whole tree, or the pause between two looks where
that is shorter: who shows it drop by drop must not use up the time in which it can be demanded."""


class RootBuilders(Protocol):
    """``settlement.chain.dispute_calls.DisputeCalls``, as far as judging roots needs it."""

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


class RootInspection:
    """The performers of what a committed root asks for; all are idempotent."""

    def __init__(
        self, known: WatchKnowledge, disputes: RootBuilders, payouts: PayoutSource
    ) -> None:
        self._known = known
        self._disputes = disputes
        self.payouts = payouts
        self._log = structlog.get_logger("watchtower")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """By effect."""
        return {PerformInspect: self._inspect, ContractSendVoidUnshown: self._void_unshown}

    async def _inspect(self, effect: Effect) -> None:
        task, state = await self._known.task(effect)
        if state.stage is not WatchStage.COMMITTED:
            return
        debts = await self._known.debts(task)
        if not debts:
            return
        leaves = await self._leaves(state)
        if leaves:
            disproof = judge(leaves, debts)
            if disproof is None:
                accounts = [debt.account for debt in debts]
                await self._clear(state, _payouts(leaves, accounts))
            else:
                await self._disprove(task, disproof)
            return
        shown = [await self._inspect_shown(task, state, debt, leaves is None) for debt in debts]
        if all(shown):
            wanted = {debt.account for debt in debts}
            await self._clear(state, [p for p in state.shown if p.account in wanted])

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
        window = (await self._known.calendar.terms(task.period)).challenge_window
        now = await self._known.calendar.seconds()
        # One that cannot be reached may only be slow; one that shows another tree is not.
        patient = unreachable and now < state.final_at - window + window // 8
        demanded = any(demand.account == debt.account for demand in state.demands)
        if not patient and not demanded and now < state.final_at - window // 2:
            lanes = [_owed_lane(lane) for lane in debt.beyond(0)]
            await self._known.submit(
                self._disputes.demand_payout(task.anchor, task.period, debt.node, lanes)
            )
        return False

    async def _leaves(self, state: WatchState) -> Sequence[PayoutLeaf] | None:
        """The tree under the root; empty where the anchor shows another, None where it shows
        nothing."""
        try:
            leaves = await self._fetched(state)
        except PeerError as error:
            self._log.info("payouts_not_shown", period=state.period, error=str(error))
            return None
        complete = len(leaves) == state.leaf_count and is_tree(leaves, state.root, state.total)
        return leaves if complete else ()

    async def _fetched(self, state: WatchState) -> Sequence[PayoutLeaf]:
        window = (await self._known.calendar.terms(state.period)).challenge_window
        try:
            async with asyncio.timeout(min(LONGEST_FETCH_S, max(1, window // LOOKS_PER_WINDOW))):
                return await self.payouts.leaves(state.anchor, state.period, state.leaf_count)
        except TimeoutError as error:
            problem = "it did not show the whole tree in time"
            raise AnchorUnreachable(anchor=state.anchor, problem=problem) from error

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
        await self._known.submit(call)

    async def _clear(self, state: WatchState, payouts: Sequence[ShownPayout]) -> None:
        event = ActionClear(root=state.root, payouts=tuple(payouts))
        await self._known.engine.apply(WATCH, watch_key(state.anchor, state.period), event)

    async def _void_unshown(self, effect: Effect) -> None:
        task, state = await self._known.task(effect)
        assert isinstance(task, ContractSendVoidUnshown)
        if state.stage is WatchStage.COMMITTED:
            await self._known.submit(
                self._disputes.void_unshown(task.anchor, task.period, task.account)
            )


def _payouts(leaves: Sequence[PayoutLeaf], accounts: Sequence[Address]) -> list[ShownPayout]:
    return [
        ShownPayout(account=account, amount=amount, shown=shown)
        for account, amount, shown in show_all(leaves, accounts)
    ]


def _owed_lane(lane: OwedLane) -> records.OwedLane:
    r, vs = compact(lane.signature) if lane.signature else (ZERO_HASH, ZERO_HASH)
    return records.OwedLane(
        signer=lane.signer,
        token_class=lane.token_class,
        acknowledged=lane.acknowledged,
        lease_cap=lane.lease_cap,
        r=r,
        vs=vs,
    )
