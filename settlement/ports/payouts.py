"""The port through which a watchtower asks an anchor for the payouts under its root."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from settlement.core.payouts import PayoutLeaf
from settlement.ports.peers import AnchorUnreachable
from settlement.types import Address


class PayoutSource(Protocol):
    """Shows the leaves of committed periods."""

    async def leaves(self, anchor: Address, period: int, leaf_count: int) -> Sequence[PayoutLeaf]:
        """What ``anchor`` says that its root of ``period`` pays, in order, ``leaf_count`` of them;
        it is for the caller to compare with the root. Raises AnchorUnreachable (retryable), or
        the PaymentError that the anchor refused with."""
        ...


class ShownPayouts:
    """The in-memory fake: what each anchor shows; one that shows nothing cannot be reached."""

    def __init__(
        self, shown: Mapping[tuple[Address, int], Sequence[PayoutLeaf]] | None = None
    ) -> None:
        self.shown = dict(shown or {})

    async def leaves(self, anchor: Address, period: int, leaf_count: int) -> Sequence[PayoutLeaf]:
        if (anchor, period) not in self.shown:
            raise AnchorUnreachable(anchor=anchor, problem="it shows no payouts")
        return self.shown[anchor, period][:leaf_count]
