"""Tokens over HTTP: where they live, what they answer, what moved them."""

from typing import Any

from aiohttp import web

from node.api.requests import (
    GRANT_HEADER,
    arguments_of,
    query_number,
    request_id_of,
    token_of,
    voucher_of,
)
from node.core.inputs import decode_input
from node.errors import TokenUnknown
from node.protocol.frames import Commit
from node.protocol.messages import Grant
from node.services.chain_view import ChainView
from node.services.instances import Instances
from node.services.reads import REMEMBERED_GRANTS, ReadRequest, Reads
from node.services.remembered import Remembered
from node.services.replication import Replication
from node.services.table import Table
from settlement.protocol.signed import Signed
from settlement.protocol.wire import message_to_json, signed_from_header, signed_to_json
from settlement.types import checksum, hex_text

TOKEN = "/{chain}/{contract}/{number}"  # noqa: S105 - a path
JOURNAL_PAGE = 16


class RouteRoutes:
    """Where a token lives; any node answers, from the anchors' hash table."""

    def __init__(self, table: Table, view: ChainView) -> None:
        self._table = table
        self._view = view

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/routes" + TOKEN, self.route)

    async def route(self, request: web.Request) -> web.Response:
        """The signed placement and the addresses of its holders; 404 is an answer."""
        token = token_of(request)
        record = await self._table.lookup(token.id)
        if record is None:
            raise TokenUnknown(token=token.path, problem="it has no placement")
        signed = Signed(message=record.placement, signature=record.signature)
        members = map(self._view.members.newest, record.placement.holders)
        return web.json_response(
            {
                "placement": signed_to_json(signed),
                "anchor": checksum(record.anchor),
                "replicas": [
                    {"key": checksum(member.key), "apiUrl": member.api_url}
                    for member in members
                    if member is not None
                ],
            }
        )


class TokenRoutes:
    """What a service node answers for the tokens that it holds."""

    def __init__(self, reads: Reads, instances: Instances, replication: Replication) -> None:
        self._reads = reads
        self._grants: Remembered[str, Signed[Grant]] = Remembered(REMEMBERED_GRANTS)
        self._instances = instances
        self._replication = replication

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/tokens" + TOKEN, self.describe)
        router.add_get("/tokens" + TOKEN + "/{interface}", self.read)
        router.add_get("/quotes" + TOKEN + "/{interface}", self.quote)
        router.add_get("/journals" + TOKEN, self.journal)

    async def describe(self, request: web.Request) -> web.Response:
        """What may be asked of a token here; nothing of its state."""
        instance = await self._instances.instance(token_of(request).id)
        return web.json_response(
            {
                "name": instance.script.model.name,
                "scriptHash": hex_text(instance.script.file_hash),
                "version": str(instance.state.version),
                "stateRoot": hex_text(instance.state.state_root),
                "holders": [checksum(holder) for holder in instance.state.holders],
                "interfaces": [
                    {"name": read.name, "access": read.access.value, "price": read.price}
                    for read in instance.script.service.reads
                ],
            }
        )

    async def read(self, request: web.Request) -> web.Response:
        """A paid read; headers SL-Request-Id, SL-Voucher and, where needed, SL-Grant."""
        asked = ReadRequest(
            token=token_of(request),
            interface=request.match_info["interface"],
            arguments=arguments_of(request),
            request_id=request_id_of(request),
            grant=self._grant_of(request),
            voucher=voucher_of(request),
        )
        return web.Response(body=await self._reads.answer(asked), content_type="application/json")

    def _grant_of(self, request: web.Request) -> Signed[Grant] | None:
        """The holder's grant in the headers; an integration sends the same one with every call."""
        header = request.headers.get(GRANT_HEADER)
        if header is None:
            return None
        return self._grants.of(header, lambda: signed_from_header(Grant, header, GRANT_HEADER))

    async def quote(self, request: web.Request) -> web.Response:
        """The signed price of one call in the current period."""
        quote = await self._reads.quote(token_of(request), request.match_info["interface"])
        return web.json_response({"quote": signed_to_json(quote)})

    async def journal(self, request: web.Request) -> web.Response:
        """Committed entries with their signatures; inputs are shown by kind, not by content."""
        first = query_number(request, "first", 1, 2**63)
        commits = await self._replication.commits(token_of(request).id, first, JOURNAL_PAGE)
        return web.json_response({"entries": [commit_to_json(commit) for commit in commits]})


def commit_to_json(commit: Commit) -> dict[str, Any]:
    """A committed entry: who wrote it under which fence, and who co-signed it."""
    return {
        "entry": message_to_json(commit.entry),
        "input": type(decode_input(commit.input)).__name__,
        "signatures": [
            {"node": checksum(node), "signature": hex_text(signature)}
            for node, signature in commit.signatures
        ],
    }
