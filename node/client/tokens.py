"""What a website or an agent imports to read smart tokens.

::

    reader = TokenReader(session=session, anchors=[url], channel=channel, domain=domain,
                         trusted=anchor_keys)
    answer = await reader.read(token, "status", grant)     # routed, paid, verified
    answer.result["delayMinutes"]

A read asks an anchor for the route once, picks a replica at random, pays with a voucher and
verifies the answer offline. When a replica does not answer, or says that another may, the same
request goes to the next.
"""

import asyncio
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from node.client.http import expect_json
from node.core.answers import Expected, SignedAnswer, answer_from_json, verify_answer
from node.core.placement import verify_announcement
from node.errors import AnswerInvalid, PeerRefused, PeerUnreachable
from node.protocol.messages import Grant, Placement, Quote
from settlement.client.channel import ChannelClient
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_from_json, signed_to_header
from settlement.types import Address, Hash, TokenId, hex_text, parse_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A service node that holds the token."""

    key: Address
    api_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a token lives, by an anchor's signed record."""

    placement: Placement
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """A verified answer. ``proven`` are the fields proven against the signed state root."""

    result: Any
    version: int
    node: Address
    charged: int
    proven: tuple[str, ...]
    receipt: SignedAnswer


@dataclass(slots=True, kw_only=True)
class TokenReader:
    """Reads for one channel. ``trusted`` are the anchors' keys, from the chain's registry;
    ``random_bytes`` draws request ids."""

    session: aiohttp.ClientSession
    anchors: Sequence[str]
    channel: ChannelClient
    domain: Domain
    trusted: Collection[Address]
    random: Random = field(default_factory=lambda: Random(os.urandom(16)))  # noqa: S311
    random_bytes: Callable[[int], bytes] = os.urandom
    _routes: dict[Hash, Route] = field(default_factory=dict)
    _quotes: dict[tuple[Address, Hash, str], Quote] = field(default_factory=dict)
    _turns: WeakValueDictionary[object, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def route(self, token: TokenId) -> Route:
        """Where a token lives; asked once, then remembered until every replica fails.

        Raises PeerRefused (no such token), PeerUnreachable, PlacementInvalid, SignatureInvalid.
        """
        async with self._turn(token.id):
            if token.id not in self._routes:
                self._routes[token.id] = await self._ask_route(token)
            return self._routes[token.id]

    async def _ask_route(self, token: TokenId) -> Route:
        body = await self._ask_anchors(f"/routes/{token.path}")
        signed = signed_from_json(Placement, body["placement"], "placement")
        anchor = parse_address(body["anchor"], "anchor")
        verify_announcement(
            self.domain, signed.message, anchor, signed.signature, tuple(self.trusted)
        )
        replicas = tuple(
            Replica(key=parse_address(each["key"], "replica"), api_url=each["apiUrl"])
            for each in body["replicas"]
        )
        if signed.message.token != token.id or not {r.key for r in replicas} <= set(
            signed.message.holders
        ):
            raise AnswerInvalid(problem="the route is another token's, or names other nodes")
        return Route(placement=signed.message, replicas=replicas)

    async def read(
        self,
        token: TokenId,
        interface: str,
        grant: Signed[Grant] | None = None,
        arguments: dict[str, str] | None = None,
    ) -> ReadAnswer:
        """One paid, verified read. Raises PeerUnreachable when no replica answers, PeerRefused
        with the node's problem, BudgetExceeded, and AnswerInvalid for an answer that lies."""
        route = await self.route(token)
        request_id = Hash(self.random_bytes(32))
        order = self.random.sample(route.replicas, len(route.replicas))
        last: PeerUnreachable | PeerRefused | None = None
        for replica in order:
            try:
                return await self._read_at(
                    replica, route, token, interface, grant, arguments or {}, request_id
                )
            except PeerUnreachable as error:
                last = error
            except PeerRefused as error:
                if not error.again:
                    raise
                last = error
        self._routes.pop(token.id, None)
        raise last or PeerUnreachable(peer=b"", problem="the token has no replicas")

    async def _read_at(
        self,
        replica: Replica,
        route: Route,
        token: TokenId,
        interface: str,
        grant: Signed[Grant] | None,
        arguments: dict[str, str],
        request_id: Hash,
    ) -> ReadAnswer:
        quote = await self._quote(replica, token, interface)
        url = URL(f"{replica.api_url}/tokens/{token.path}/{interface}").with_query(arguments)
        body = await self._paid(url, quote, token, grant, request_id)
        signed = answer_from_json(body)
        proven = verify_answer(
            self.domain,
            signed,
            Expected(
                token=token.id,
                interface=interface,
                request_id=request_id,
                holders=route.placement.holders,
            ),
        )
        answer = signed.answer.message
        if answer.charged > quote.price:
            raise AnswerInvalid(problem="it charges more than was quoted")
        return ReadAnswer(
            result=json.loads(signed.result),
            version=answer.version,
            node=answer.node,
            charged=answer.charged,
            proven=proven,
            receipt=signed,
        )

    async def _paid(
        self,
        url: URL,
        quote: Quote,
        token: TokenId,
        grant: Signed[Grant] | None,
        request_id: Hash,
    ) -> Any:
        """Ask with a voucher; its promise is taken back if the node refuses, uncharged."""
        headers = {"SL-Request-Id": hex_text(request_id)}
        if grant is not None:
            headers["SL-Grant"] = signed_to_header(grant)
        if quote.price == 0:
            return await expect_json(self.session, "GET", str(url), headers=headers)
        voucher = await self.channel.voucher(
            quote.node, quote.token_class, quote.price, quote.period, token.id
        )
        headers["SL-Voucher"] = signed_to_header(voucher)
        try:
            return await expect_json(self.session, "GET", str(url), headers=headers)
        except PeerRefused:
            await self.channel.release(voucher, quote.price, token=token.id)
            raise

    async def _quote(self, replica: Replica, token: TokenId, interface: str) -> Quote:
        known = (replica.key, token.token_class.id, interface)
        async with self._turn(known):
            if known not in self._quotes:
                url = f"{replica.api_url}/quotes/{token.path}/{interface}"
                body = await expect_json(self.session, "GET", url)
                signed = signed_from_json(Quote, body["quote"], "quote")
                signed.require(self.domain, replica.key)
                self._quotes[known] = signed.message
            return self._quotes[known]

    def _turn(self, of: object) -> asyncio.Lock:
        """Many reads that begin at once ask once; the lock goes when the last of them has."""
        if (lock := self._turns.get(of)) is None:
            lock = self._turns[of] = asyncio.Lock()
        return lock

    def new_period(self) -> None:
        """Forget quotes: prices are pinned for one period only."""
        self._quotes.clear()

    async def _ask_anchors(self, path: str) -> Any:
        last: PeerUnreachable | None = None
        for anchor in self.anchors:
            try:
                return await expect_json(self.session, "GET", anchor + path)
            except PeerUnreachable as error:
                last = error
        raise last or PeerUnreachable(peer=b"", problem="no anchor is named")
