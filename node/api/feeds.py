"""Feeds over HTTP: attesters append, anybody reads.

``POST /feeds`` takes a signed FeedEntry with its body in base64. An entry that is not the next
one of its feed is kept for a while (202) and delivered when the gap is closed.
"""

from typing import Any

from aiohttp import web

from node.api.requests import address_of, decimal, json_body, query_number
from node.protocol.wire import push_from_json, push_to_json
from node.services.feeds import FeedService

PAGE = 64


class FeedRoutes:
    """The routes of feeds."""

    def __init__(self, feeds: FeedService) -> None:
        self._feeds = feeds

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post("/feeds", self.append)
        router.add_get("/feeds/{attester}/{topic}/{epoch}", self.read)
        router.add_get("/feeds/{attester}/{topic}/{epoch}/head", self.head)

    async def append(self, request: web.Request) -> web.Response:
        push = push_from_json(await json_body(request))
        await self._feeds.receive(push, None)
        entry = push.entry
        head = await self._feeds.head(entry.attester, entry.topic, entry.epoch)
        delivered = head is not None and head.entry.sequence >= entry.sequence
        return web.json_response({"delivered": delivered}, status=201 if delivered else 202)

    async def head(self, request: web.Request) -> web.Response:
        found = await self._feeds.head(*self._name(request))
        return web.json_response({"head": None if found is None else push_to_json(found)})

    async def read(self, request: web.Request) -> web.Response:
        first = query_number(request, "first", 0, 2**63)
        found = await self._feeds.entries(*self._name(request), first, PAGE)
        return web.json_response({"entries": [push_to_json(push) for push in found]})

    def _name(self, request: web.Request) -> tuple[Any, str, int]:
        epoch = decimal(request.match_info["epoch"], 32, "epoch")
        return address_of(request, "attester"), request.match_info["topic"], epoch
