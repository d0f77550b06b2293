"""Acknowledgements over the links: a service node asks, its payer's anchor answers."""

from collections.abc import Awaitable, Callable

from node.errors import PeerRefused, PeerUnreachable
from node.ports.network import Network
from node.protocol.frames import AcknowledgeReply, AcknowledgeRequest, AnyBody
from node.services.dispatch import Dispatch
from settlement.core.refusals import VoucherWrongNode
from settlement.ports.peers import AnchorUnreachable
from settlement.protocol.signed import Signed, SignedAcknowledgement, SignedVoucher
from settlement.types import Address

TIMEOUT_MS = 3_000

Acknowledge = Callable[[SignedVoucher], Awaitable[SignedAcknowledgement]]


class LinkAcknowledgements:
    """Implements :class:`settlement.ports.peers.AcknowledgementPort` over the network port."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def request(self, anchor: Address, voucher: SignedVoucher) -> SignedAcknowledgement:
        """Ask the anchor. Raises AnchorUnreachable (retryable), PeerRefused."""
        body = AcknowledgeRequest(voucher=voucher.message, signature=voucher.signature)
        try:
            reply = await self._network.request(anchor, body, TIMEOUT_MS)
        except PeerUnreachable as error:
            raise AnchorUnreachable(anchor=anchor, problem=error.problem) from error
        if not isinstance(reply, AcknowledgeReply):
            raise PeerRefused(peer=anchor, refusal="", reason="it sent something else")
        return Signed(message=reply.acknowledgement, signature=reply.signature)


def serve_acknowledgements(dispatch: Dispatch, acknowledge: Acknowledge) -> None:
    """Answer requests with ``acknowledge``.

    Only for the peer's own lane: a lease for another node, which that node never asked for, would
    take deposit away from those that serve. Refuses with VoucherWrongNode.
    """

    async def answer(peer: Address, body: AcknowledgeRequest) -> AnyBody:
        if body.voucher.node != peer:
            raise VoucherWrongNode(expected=peer, found=body.voucher.node)
        signed = await acknowledge(Signed(message=body.voucher, signature=body.signature))
        return AcknowledgeReply(acknowledgement=signed.message, signature=signed.signature)

    dispatch.on(AcknowledgeRequest, answer)
