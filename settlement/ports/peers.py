"""The port through which a service node asks an anchor to acknowledge a voucher."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from settlement.errors import PeerError
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.types import Address


@dataclass(kw_only=True, eq=False, repr=False)
class AnchorUnreachable(PeerError):
    """The channel's anchor did not answer. Service goes on up to the exposure limit."""

    code: ClassVar[str] = "SL-2030"
    title: ClassVar[str] = "The channel's anchor cannot be reached"
    fix: ClassVar[str] = "Nothing to do at once: anchor {anchor} is asked again ({problem})."
    retryable: ClassVar[bool] = True

    anchor: Address
    problem: str


class AcknowledgementPort(Protocol):
    """Carries a voucher to the anchor of its channel and the acknowledgement back."""

    async def request(self, anchor: Address, voucher: SignedVoucher) -> SignedAcknowledgement:
        """Ask ``anchor`` to acknowledge. The answer is as the anchor sent it: its signature is
        for the caller to check. Raises AnchorUnreachable (retryable), or the PaymentError that
        the anchor refused with."""
        ...


Acknowledger = Callable[[SignedVoucher], Awaitable[SignedAcknowledgement]]


class DirectAcknowledgements:
    """The in-memory fake: anchors in the same process, any of which may be made unreachable."""

    def __init__(self, anchors: dict[Address, Acknowledger] | None = None) -> None:
        self.anchors = dict(anchors or {})
        self.unreachable: set[Address] = set()
        self.requests = 0

    async def request(self, anchor: Address, voucher: SignedVoucher) -> SignedAcknowledgement:
        self.requests += 1
        if anchor in self.unreachable or anchor not in self.anchors:
            raise AnchorUnreachable(anchor=anchor, problem="no such anchor in this process")
        return await self.anchors[anchor](voucher)
