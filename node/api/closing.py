"""Cooperative closes over HTTP: what an anchor offers to its channels' payers."""

from aiohttp import web

from node.api.requests import address_of, decimal, json_body
from settlement.core.closing import ClosingState
from settlement.protocol.messages import Close
from settlement.protocol.wire import signed_from_json
from settlement.services.closing import Closing
from settlement.types import checksum


class ClosingRoutes:
    """Offers out, signed agreements in."""

    def __init__(self, closing: Closing) -> None:
        self._closing = closing

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/channels/{signer}/close", self.offer)
        router.add_post("/closes", self.close)
        router.add_get("/closes/{signer}/{period}", self.stage)

    async def offer(self, request: web.Request) -> web.Response:
        """What the anchor would sign now."""
        offer = await self._closing.offer(address_of(request, "signer"))
        return web.json_response(
            {
                "signer": checksum(offer.signer),
                "period": str(offer.period),
                "finalAmount": str(offer.final_amount),
                "balance": str(offer.balance),
                "deadline": str(offer.deadline),
            }
        )

    async def close(self, request: web.Request) -> web.Response:
        """Agree to a close that the payer signed; taking it again changes nothing."""
        signed = signed_from_json(Close, await json_body(request))
        return _stage(await self._closing.close(signed), status=202)

    async def stage(self, request: web.Request) -> web.Response:
        """Where a close stands."""
        period = decimal(request.match_info["period"], 32, "period")
        return _stage(await self._closing.state(address_of(request, "signer"), period), status=200)


def _stage(state: ClosingState, status: int) -> web.Response:
    return web.json_response({"stage": state.stage.value, "problem": state.problem}, status=status)
