"""A node's contact with its payers' anchors, and what is at stake while it has none.

A node without its anchor serves on, up to leases and exposure. Long before it must stop it says so:
at once when the anchor does not answer, and again when a quarter and three quarters of what it may
serve without an answer are used up.
"""

from dataclasses import dataclass, replace

import structlog

from settlement.core.lane import LaneState
from settlement.types import BASIS_POINTS, Address, checksum

WARN_AT = (7_500, 2_500)
"""Shares of the allowance, in basis points, at which a lane is warned of; the higher first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """An anchor that did not answer the last ``failures`` requests, the first at ``since_ms``."""

    anchor: Address
    since_ms: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a node has earned and is not sure of, in base units.

    ``unacknowledged`` no anchor owes yet; ``exposed`` of it no lease covers. ``fullest`` is the
    largest share, in basis points, of what any lane may be charged without a further answer.
    """

    unacknowledged: int
    exposed: int
    fullest: int
    cut_off: tuple[CutOff, ...]


class Contact:
    """Bookkeeping of one process; lanes come in as they are charged and acknowledged."""

    def __init__(self, exposure_limit: int) -> None:
        self._limit = exposure_limit
        self._lanes: dict[str, LaneState] = {}
        self._warned: dict[str, int] = {}
        self._cut_off: dict[Address, CutOff] = {}
        self._log = structlog.get_logger("contact")

    def note(self, key: str, state: LaneState) -> None:
        """A lane stands so now."""
        if not state.unacknowledged:
            self._lanes.pop(key, None)
            self._warned.pop(key, None)
            return
        self._lanes[key] = state
        used = used_share(state, self._limit)
        level = next((level for level in WARN_AT if used >= level), 0)
        if level > self._warned.get(key, 0):
            self._warned[key] = level
            self._log.warning(
                "allowance_used",
                signer=checksum(state.signer),
                period=state.period,
                unacknowledged=state.unacknowledged,
                used=f"{used / 100:.0f} %",
            )

    def answered(self, anchor: Address) -> None:
        """An anchor gave an answer."""
        if (lost := self._cut_off.pop(anchor, None)) is not None:
            self._log.info("anchor_back", anchor=checksum(anchor), failures=lost.failures)

    def failed(self, anchor: Address, now_ms: int, problem: str) -> None:
        """An anchor gave none."""
        known = self._cut_off.get(anchor)
        if known is None:
            self._cut_off[anchor] = CutOff(anchor=anchor, since_ms=now_ms, failures=1)
            self._log.warning("anchor_cut_off", anchor=checksum(anchor), problem=problem)
        else:
            self._cut_off[anchor] = replace(known, failures=known.failures + 1)

    def standing(self) -> Standing:
        """What is at stake now."""
        lanes = self._lanes.values()
        return Standing(
            unacknowledged=sum(lane.unacknowledged for lane in lanes),
            exposed=sum(max(0, lane.charged - lane.lease_cap) for lane in lanes),
            fullest=max((used_share(lane, self._limit) for lane in lanes), default=0),
            cut_off=tuple(self._cut_off[anchor] for anchor in sorted(self._cut_off)),
        )


def used_share(state: LaneState, exposure_limit: int) -> int:
    """How much of what a lane may be charged without an answer is charged, in basis points."""
    allowance = state.lease_cap + exposure_limit - state.acknowledged
    return state.unacknowledged * BASIS_POINTS // max(1, allowance)
