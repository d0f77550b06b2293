"""Payouts under an anchor's roots, and lanes that other nodes hand over to be watched."""

from aiohttp import web

from node.api.requests import decimal, json_body, query_number
from settlement.client.watch_client import PAYOUTS_PER_PAGE, lanes_from_json, leaves_to_json
from settlement.services.settler import Settler
from settlement.services.watchtower import Watchtower
from settlement.types import checksum


class PayoutRoutes:
    """What an anchor's periods pay, for everybody who recomputes it."""

    def __init__(self, settler: Settler) -> None:
        self._settler = settler

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/periods/{period}/payouts", self.payouts)

    async def payouts(self, request: web.Request) -> web.Response:
        """A page of payouts from ``first`` on; empty before they are counted, and at the end."""
        period = decimal(request.match_info["period"], 32, "period")
        first = query_number(request, "first", 0, (1 << 32) - 1)
        leaves = await self._settler.leaves(period)
        return web.json_response(leaves_to_json(leaves[first : first + PAYOUTS_PER_PAGE]))


class WatchRoutes:
    """What a watchtower takes in and what it sees."""

    def __init__(self, tower: Watchtower) -> None:
        self._tower = tower

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post("/watch", self.hand_over)
        router.add_get("/watch", self.watched)

    async def hand_over(self, request: web.Request) -> web.Response:
        """Watch lanes for another node; each is a voucher with its acknowledgement."""
        lanes = lanes_from_json(await json_body(request))
        for voucher, acknowledgement in lanes:
            await self._tower.hand_over(voucher, acknowledgement)
        return web.json_response({"watched": len(lanes)}, status=201)

    async def watched(self, _request: web.Request) -> web.Response:
        """The anchors' periods that are watched now."""
        found = await self._tower.periods()
        return web.json_response(
            {
                "periods": [
                    {
                        "anchor": checksum(state.anchor),
                        "period": state.period,
                        "stage": state.stage.value,
                        "cleared": state.cleared,
                    }
                    for state in found
                ]
            }
        )
