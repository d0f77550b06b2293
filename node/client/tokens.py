"""What a website or an agent imports to read smart tokens.

::

    reader = TokenReader(session=session, anchors=[url], channel=channel, domain=domain,
                         trusted=anchor_keys)
    answer = await reader.read(token, "status", grant)     # routed, paid, verified
    answer.result["delayMinutes"]

A read asks an anchor for the route once, picks a replica at random, pays with a voucher and
verifies the answer offline. When a replica cannot be reached, or says that another may, the same
request goes to the next; when an answer is lost, the same replica is asked again.
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
from settlement.client.calls import CallRefused, NodeNotReached, Offer, PaidCalls
from settlement.client.channel import ChannelClient
from settlement.core.refusals import CallPending, VoucherTooLow, VoucherWrongPeriod
from settlement.ports.clock import Clock
from settlement.protocol.signed import Signed
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_from_json, signed_to_header
from settlement.services.clock import SystemClock
from settlement.types import Address, Hash, TokenId, hex_text, parse_address

FIRST_PAUSE_MS = 250
STALE_QUOTE = frozenset({VoucherWrongPeriod.code, VoucherTooLow.code})
"""What a node says to a voucher for another period, or below a price that has risen since."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One read, wherever it goes."""

    token: TokenId
    interface: str
    grant: Signed[Grant] | None
    arguments: dict[str, str]
    request_id: Hash
    route: Route


@dataclass(slots=True, kw_only=True)
class TokenReader:
    """Reads for one channel. ``trusted`` are the anchors' keys, from the chain's registry;
    ``random_bytes`` draws request ids. While all replicas say "not now", it asks again for up to
    ``patience_ms``: a channel that was just opened is not known everywhere yet."""

    session: aiohttp.ClientSession
    anchors: Sequence[str]
    channel: ChannelClient
    domain: Domain
    trusted: Collection[Address]
    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=lambda: Random(os.urandom(16)))  # noqa: S311
    random_bytes: Callable[[int], bytes] = os.urandom
    patience_ms: int = 0
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
        request_id: Hash | None = None,
    ) -> ReadAnswer:
        """One paid, verified read.

        A read that is repeated under its ``request_id``, in this process or after a crash, goes to
        the node that it was promised to, with its old voucher, and is charged once. Without one, a
        new id is drawn.

        Raises PeerUnreachable when no replica answers and PeerRefused with the node's problem
        (nothing was charged), CallPending when it is not known whether it was charged (repeat it
        under the error's request id), and BudgetExceeded.
        """
        route = await self.route(token)
        asked = _Asked(
            token=token,
            interface=interface,
            grant=grant,
            arguments=arguments or {},
            request_id=request_id or Hash(self.random_bytes(32)),
            route=route,
        )
        pause_ms, end_ms = FIRST_PAUSE_MS, self.clock.now_ms() + self.patience_ms
        while True:
            try:
                return await self._read_anywhere(asked)
            except PeerRefused as error:
                if not error.again or self.clock.now_ms() + pause_ms > end_ms:
                    raise
            await self.clock.sleep_ms(pause_ms)
            pause_ms *= 2

    async def _read_anywhere(self, asked: "_Asked") -> ReadAnswer:
        """The first answer of any replica."""
        last: PeerUnreachable | PeerRefused | CallPending | None = None
        for replica in await self._order(asked):
            try:
                return await self._read_at(replica, asked)
            except PeerRefused as error:
                if not error.again:
                    raise
                last = last if isinstance(last, CallPending) else error
            except PeerUnreachable as error:
                last = last if isinstance(last, CallPending) else error
            except CallPending as error:
                # A node that is gone may have charged for an answer that nobody will ever see.
                # Waiting for it would be worse; its promise stays pending, and in the budgets.
                if not error.gone:
                    raise
                last = error
        self._routes.pop(asked.token.id, None)
        raise last or PeerUnreachable(peer=b"", problem="the token has no replicas")

    async def _order(self, asked: "_Asked") -> list[Replica]:
        """The replicas at random, after those that have a promise for this very request."""
        replicas = asked.route.replicas
        state = await self.channel.state()
        promised = {c.node for c in state.pending if c.request_id == asked.request_id}
        order = self.random.sample(replicas, len(replicas))
        return sorted(order, key=lambda replica: replica.key not in promised)

    async def _read_at(self, replica: Replica, asked: "_Asked") -> ReadAnswer:
        """One read at one replica; a quote of a period that is over is asked for anew, once."""
        try:
            return await self._read_quoted(replica, asked)
        except PeerRefused as error:
            if error.refusal not in STALE_QUOTE:
                raise
        self._quotes.pop((replica.key, asked.token.token_class.id, asked.interface), None)
        return await self._read_quoted(replica, asked)

    async def _read_quoted(self, replica: Replica, asked: "_Asked") -> ReadAnswer:
        quote = await self._quote(replica, asked.token, asked.interface)
        path = f"{replica.api_url}/tokens/{asked.token.path}/{asked.interface}"
        url = URL(path).with_query(asked.arguments)
        headers = {"SL-Request-Id": hex_text(asked.request_id)}
        if asked.grant is not None:
            headers["SL-Grant"] = signed_to_header(asked.grant)
        if quote.price == 0:
            body = await expect_json(self.session, "GET", str(url), headers=headers)
            return self._verified(body, asked)
        offer = Offer(
            node=quote.node,
            token_class=quote.token_class,
            price=quote.price,
            period=quote.period,
            token=asked.token.id,
        )

        def check(raw: bytes) -> tuple[ReadAnswer, int]:
            answer = self._verified(_json(raw), asked)
            if answer.node != replica.key:
                raise AnswerInvalid(problem="another replica signed it")
            return answer, answer.charged

        calls = PaidCalls(channel=self.channel, session=self.session, clock=self.clock)
        try:
            paid = await calls.get(str(url), offer, asked.request_id, check, headers)
        except NodeNotReached as error:
            raise PeerUnreachable(peer=replica.key, problem=error.problem) from error
        except CallRefused as error:
            raise PeerRefused(
                peer=replica.key,
                refusal=error.problem_code,
                reason=error.reason,
                again=error.again,
            ) from error
        return paid.value

    def _verified(self, body: Any, asked: "_Asked") -> ReadAnswer:
        signed = answer_from_json(body)
        proven = verify_answer(
            self.domain,
            signed,
            Expected(
                token=asked.token.id,
                interface=asked.interface,
                request_id=asked.request_id,
                holders=asked.route.placement.holders,
            ),
        )
        answer = signed.answer.message
        return ReadAnswer(
            result=json.loads(signed.result),
            version=answer.version,
            node=answer.node,
            charged=answer.charged,
            proven=proven,
            receipt=signed,
        )

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


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(problem="it is not JSON") from error
