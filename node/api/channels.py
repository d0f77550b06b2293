"""Channels over HTTP: what an anchor offers to integrations."""

from aiohttp import web

from node.api.requests import address_of, decimal, json_body
from node.core.routed import ServiceRecord
from node.services.routing import Routing
from settlement.core.draft_json import draft_to_json
from settlement.protocol.messages import Statement
from settlement.protocol.wire import signed_from_json
from settlement.services.anchor import Anchor
from settlement.types import checksum


class ChannelRoutes:
    """Drafts out, signed statements in."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/channels/{signer}/periods/{period}/draft", self.draft)
        router.add_post("/statements", self.statement)

    async def draft(self, request: web.Request) -> web.Response:
        """What the channel is asked to sign for a period."""
        period = decimal(request.match_info["period"], 32, "period")
        draft = await self._anchor.draft(address_of(request, "signer"), period)
        return web.json_response(draft_to_json(draft))

    async def statement(self, request: web.Request) -> web.Response:
        """Take a signed statement; taking it again changes nothing."""
        signed = signed_from_json(Statement, await json_body(request))
        accepted = await self._anchor.receive_statement(signed)
        amount = accepted.amount
        return web.json_response({"accepted": str(amount)}, status=201)


class RecordRoutes:
    """What an anchor has seen of executors."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/service-records/{node}", self.record)

    async def record(self, request: web.Request) -> web.Response:
        node = address_of(request, "node")
        found: ServiceRecord = await self._routing.service_record(node)
        return web.json_response(
            {"node": checksum(node), "routed": found.routed, "answered": found.answered}
        )
