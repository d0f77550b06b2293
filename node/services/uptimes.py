"""Uptime over the links: a service node asks anchors for their word about its closed periods."""

from collections.abc import Sequence

from node.errors import PeerRefused, PeerUnreachable
from node.ports.network import Network
from node.protocol.frames import CLASSES_PER_FRAME, AnyBody, UptimeQuery, UptimeReply
from node.services.dispatch import Dispatch
from settlement.ports.peers import AnchorUnreachable
from settlement.ports.uptimes import UptimeAnswer
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.services.uptime_desk import UptimeDesk
from settlement.types import ZERO_HASH, Address, Hash, Signature

TIMEOUT_MS = 3_000
MOST_PAGES = 64
"""Pages of measurements that are read of one anchor: classes of one node, in CLASSES_PER_FRAME."""


class LinkUptimes:
    """Implements :class:`settlement.ports.uptimes.UptimePort` over the network port."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def ask(
        self, anchor: Address, period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeAnswer:
        """Ask the anchor, page by page. Raises AnchorUnreachable (retryable), PeerRefused."""
        measured: list[UptimeAcknowledgement] = []
        signatures: list[Signature | None] = []
        rest = list(claims)
        for _ in range(MOST_PAGES):
            page, rest = rest[:CLASSES_PER_FRAME], rest[CLASSES_PER_FRAME:]
            first = _after(measured[-1].token_class) if measured else ZERO_HASH
            reply = await self._page(anchor, period, first, page)
            measured += reply.measured
            signatures += reply.signatures
            if not rest and len(reply.measured) < CLASSES_PER_FRAME:
                break
        return UptimeAnswer(measured=tuple(measured), signatures=tuple(signatures))

    async def _page(
        self, anchor: Address, period: int, first: Hash, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeReply:
        body = UptimeQuery(period=period, first=first, claims=tuple(claims))
        try:
            reply = await self._network.request(anchor, body, TIMEOUT_MS)
        except PeerUnreachable as error:
            raise AnchorUnreachable(anchor=anchor, problem=error.problem) from error
        if not isinstance(reply, UptimeReply) or len(reply.signatures) != len(claims):
            raise PeerRefused(peer=anchor, refusal="", reason="it sent something else")
        return reply


def serve_uptimes(dispatch: Dispatch, desk: UptimeDesk) -> None:
    """Answer requests from the anchor's desk, about the peer that asks and nobody else."""

    async def answer(peer: Address, body: UptimeQuery) -> AnyBody:
        found = await desk.answer(peer, body.period, body.claims)
        page = [each for each in found.measured if each.token_class >= body.first]
        return UptimeReply(measured=tuple(page[:CLASSES_PER_FRAME]), signatures=found.signatures)

    dispatch.on(UptimeQuery, answer)


def _after(token_class: Hash) -> Hash:
    """The next class id: where the following page begins."""
    number = (int.from_bytes(token_class, "big") + 1) % 2**256
    return Hash(number.to_bytes(32, "big"))
