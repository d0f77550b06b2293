"""The port through which a service node asks anchors what they measured of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from settlement.ports.peers import AnchorUnreachable
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.types import Address, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class UptimeAnswer:
    """What an anchor says of the node that asks: its own measurements of a period, by class, and a
    signature for each claim that is not above them, None for the others."""

    measured: tuple[UptimeAcknowledgement, ...]
    signatures: tuple[Signature | None, ...]


class UptimePort(Protocol):
    """Carries a node's claims to an anchor and its answer back."""

    async def ask(
        self, anchor: Address, period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeAnswer:
        """Ask ``anchor`` about the asker in a closed period. The answer is as the anchor sent it:
        its signatures are for the caller to check. Raises AnchorUnreachable (retryable), or the
        error that the anchor refused with."""
        ...


Answer = Callable[[Address, int, Sequence[UptimeAcknowledgement]], Awaitable[UptimeAnswer]]
"""An anchor's side: (the asking node, period, claims)."""


class DirectUptimes:
    """The in-memory fake: one node's view of anchors in the same process."""

    def __init__(self, node: Address, anchors: dict[Address, Answer] | None = None) -> None:
        self.node = node
        self.anchors = dict(anchors or {})
        self.unreachable: set[Address] = set()
        self.requests = 0

    async def ask(
        self, anchor: Address, period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeAnswer:
        self.requests += 1
        if anchor in self.unreachable or anchor not in self.anchors:
            raise AnchorUnreachable(anchor=anchor, problem="no such anchor in this process")
        return await self.anchors[anchor](self.node, period, claims)
