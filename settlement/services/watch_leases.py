"""Adding up what an anchor leased of one channel to all nodes that this watchtower acts for."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from settlement.chain.calls import compact
from settlement.core.lane import LaneState
from settlement.core.watch_events import PerformCheckLeases, WatchTask
from settlement.ports import chain_records as records
from settlement.ports.chain import Call
from settlement.services.engine import Effect, Performer
from settlement.services.watch_knowledge import WatchKnowledge
from settlement.types import Address, checksum

MOST_LEASES = 256
"""Leases of one report, at most; the largest ones are taken."""


class LeaseVerdicts(Protocol):
    """``settlement.chain.dispute_calls.DisputeCalls``, as far as leases need it."""

    def punish_over_leasing(
        self, anchor: Address, signer: Address, period: int, leases: Sequence[records.Lease]
    ) -> Call: ...


class LeaseCheck:
    """The performer of a look at leases; the chain punishes each channel-period once."""

    def __init__(self, known: WatchKnowledge, verdicts: LeaseVerdicts) -> None:
        self._known = known
        self._verdicts = verdicts
        self._reported: set[tuple[Address, Address, int]] = set()
        self._log = structlog.get_logger("watchtower")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """By effect."""
        return {PerformCheckLeases: self._check}

    async def _check(self, effect: Effect) -> None:
        task, _ = await self._known.task(effect)
        leased: dict[Address, list[LaneState]] = {}
        for lane in await self._known.lanes(task):
            if lane.lease_cap:
                leased.setdefault(lane.signer, []).append(lane)
        for signer, lanes in leased.items():
            case = (task.anchor, signer, task.period)
            if case not in self._reported and await self._report(task, signer, lanes):
                self._reported.add(case)

    async def _report(self, task: WatchTask, signer: Address, lanes: Sequence[LaneState]) -> bool:
        total = sum(lane.lease_cap for lane in lanes)
        channel = await self._known.directory.channel(signer, task.period)
        if total <= channel.balance:
            return False  # it still holds more than that
        held = await self._known.chain.held_in(signer, task.period)
        chosen = sorted(lanes, key=lambda lane: -lane.lease_cap)[:MOST_LEASES]
        if not held or sum(lane.lease_cap for lane in chosen) <= held:
            return False
        self._log.warning(
            "over_leased",
            anchor=checksum(task.anchor),
            signer=checksum(signer),
            period=task.period,
            leased=total,
            held=held,
        )
        chosen.sort(key=lambda lane: (lane.node, lane.token_class))
        leases = [_lease(lane) for lane in chosen]
        await self._known.submit(
            self._verdicts.punish_over_leasing(task.anchor, signer, task.period, leases)
        )
        return True


def _lease(lane: LaneState) -> records.Lease:
    r, vs = compact(lane.acknowledgement)
    return records.Lease(
        node=lane.node,
        token_class=lane.token_class,
        acknowledged=lane.acknowledged,
        lease_cap=lane.lease_cap,
        r=r,
        vs=vs,
    )
