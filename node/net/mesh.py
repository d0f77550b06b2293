"""The mesh: one proven, encrypted link to every other registered node.

Implements :class:`node.ports.network.Network`. The member list comes from the chain's registry
(:meth:`Mesh.set_members`); of two members the one with the lower address dials.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
import structlog
from aiohttp import web

from node.errors import PeerRefused, PeerUnreachable
from node.net.deadlines import Limits, serve
from node.net.errors import LinkRefused, NoReply, PeerOverloaded
from node.net.handshake import Claim, Greeting, Prover, Welcome, parse_step
from node.net.inbox import Inbox
from node.net.link import LONGEST_MESSAGE, Link, LinkLimits, WebSocket, transport_info
from node.net.members import LINK_PATH, Member, link_address
from node.net.standing import Standing
from node.net.tls import Certificate, dialling_context, listening_context, make_certificate
from node.ports.network import Handler
from node.protocol.frames import AnyBody, Frame, Refused, decode_frame, encode_frame
from settlement.errors import InputError
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash

_REFUSED_CLOSE_CODE = 4001
# Every link of a network on one machine, or behind one proxy, comes from one address.
_LISTENER = Limits(connections=1_024, connections_per_address=512)
_LIMITS = LinkLimits()
# A URL comes from a stranger: what a codec or the resolver says of it (ValueError) is one member's
# trouble, and must never end the links of all others.
_UNREACHABLE = (LinkRefused, InputError, aiohttp.ClientError, OSError, ValueError)
_RETRYABLE = frozenset({PeerOverloaded.code, NoReply.code})


class Mesh:
    """The links of one node. Enter it to listen, give it members, leave it to close all links.

    Set the handler with :meth:`serve` before entering. An exception in a handler that is not a
    typed error ends the mesh: leaving it raises the exception in a group.
    """

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        folder: Path,
        host: str,
        port: int,
        random_bytes: Callable[[int], bytes],
        limits: LinkLimits = _LIMITS,
    ) -> None:
        self.key = key.address
        self.port = port
        self._prover = Prover(key, domain, random_bytes)
        self._random_bytes = random_bytes
        self._folder = folder
        self._host = host
        self._limits = limits
        self._handler: Handler | None = None
        self._members: dict[Address, Member] = {}
        self._links: dict[Address, Link] = {}
        self._inboxes: dict[Address, Inbox] = {}
        self._standings: dict[Address, Standing] = {}
        self._dials: dict[Address, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._leaving = False
        self._stack = AsyncExitStack()
        self._log = structlog.get_logger("mesh")

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the address is taken or the folder cannot be written."""
        await self._stack.enter_async_context(self._opened())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    # --- the port --------------------------------------------------------------------------------

    def serve(self, handler: Handler) -> None:
        """Set the handler of everything that arrives; once, before entering."""
        assert self._handler is None, "a mesh has one handler"
        self._handler = handler

    def peers(self) -> Sequence[Address]:
        """Peers with a live link now, sorted."""
        return sorted(self._links)

    async def send(self, peer: Address, body: AnyBody) -> None:
        """Queue a one-way message; dropped when there is no link or no room."""
        if peer == self.key:
            self._take_own(Frame(id=0, reply_to=0, body=body), lambda _: None)
        elif (link := self._links.get(peer)) is not None:
            link.send(body)

    async def request(self, peer: Address, body: AnyBody, timeout_ms: int) -> AnyBody:
        """Send and wait for the reply. Raises PeerUnreachable (retryable) or PeerRefused."""
        if peer == self.key:
            reply = await self._ask_own(body, timeout_ms)
        elif (link := self._links.get(peer)) is not None:
            reply = await link.request(body, timeout_ms)
        else:
            raise PeerUnreachable(peer=peer, problem="no link")
        if not isinstance(reply, Refused):
            return reply
        if reply.code in _RETRYABLE:
            raise PeerUnreachable(peer=peer, problem=reply.reason)
        raise PeerRefused(peer=peer, refusal=reply.code, reason=reply.reason)

    # --- membership ------------------------------------------------------------------------------

    def set_members(self, members: Iterable[Member]) -> None:
        """Take the registry's newest list: dial who is new or moved, drop who is gone."""
        wanted = {member.key: member for member in members if member.key != self.key}
        for key, member in list(self._members.items()):
            if wanted.get(key) != member:
                self._forget(key)
        for key, member in wanted.items():
            if key not in self._members:
                self._members[key] = member
                if self.key < key:
                    self._dials[key] = self._group.create_task(self._keep_linked(member))

    async def until_linked(self, peers: Collection[Address]) -> None:
        """Return once every one of ``peers`` has a live link."""
        while not self._links.keys() >= set(peers):
            await self._changed.wait()

    async def until_unlinked(self, peers: Collection[Address]) -> None:
        """Return once none of ``peers`` has a live link."""
        while not self._links.keys().isdisjoint(peers):
            await self._changed.wait()

    def _forget(self, key: Address) -> None:
        del self._members[key]
        if (dial := self._dials.pop(key, None)) is not None:
            dial.cancel()
        if (link := self._links.get(key)) is not None:
            link.end("no longer a member, or moved")

    # --- opening and closing ---------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        certificate = await asyncio.to_thread(make_certificate, self._folder)
        app = web.Application()

        async def accept(request: web.Request) -> web.StreamResponse:
            return await self._accept(request, certificate)

        app.router.add_get(LINK_PATH, accept)
        listening = serve(app, self._host, self.port, _LISTENER, tls=listening_context(certificate))
        connector = aiohttp.TCPConnector(limit=0, ssl=dialling_context(), force_close=True)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        async with asyncio.TaskGroup() as group, session, listening as self.port:
            self._group, self._session = group, session
            try:
                yield
            finally:
                await self._close()

    async def _close(self) -> None:
        self._leaving = True
        for dial in self._dials.values():
            dial.cancel()
        for link in self._links.values():
            link.end("this node is leaving")
        await self.until_unlinked(list(self._links))
        for inbox in self._inboxes.values():
            inbox.close()

    # --- links -----------------------------------------------------------------------------------

    async def _keep_linked(self, member: Member) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(self._limits.handshake_ms / 1000):
                    ws = await self._dial(member)
            except _UNREACHABLE as error:
                self._log.info("dial_failed", peer=member.key.hex(), error=str(error))
                failures = min(failures + 1, 16)
            else:
                failures = 0
                await self._carry(self._link(ws, member.key))
            await asyncio.sleep(self._redial_s(failures))

    def _redial_s(self, failures: int) -> float:
        """Doubling from the first delay to the longest; half of it is jitter."""
        delay = min(self._limits.first_redial_ms << failures, self._limits.longest_redial_ms)
        jitter = int.from_bytes(self._random_bytes(2), "big") / 65_536
        return delay / 1000 * (0.5 + jitter / 2)

    async def _dial(self, member: Member) -> WebSocket:
        """Connect and prove both ends. Raises LinkRefused, aiohttp's and OS errors."""
        if self._barred(member.key):
            raise LinkRefused(peer=member.key, problem="too many invalid frames lately")
        ws = await self._session.ws_connect(
            link_address(member.link_url),
            max_msg_size=LONGEST_MESSAGE,
            compress=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
        )
        try:
            await self._introduce(ws, member.key)
        except BaseException:
            await ws.close()
            raise
        return ws

    async def _introduce(self, ws: aiohttp.ClientWebSocketResponse[bool], peer: Address) -> None:
        if (tls := transport_info(ws, "ssl_object")) is None:
            raise LinkRefused(peer=peer, problem="the link closed during the handshake")
        certificate = Hash(hashlib.sha256(tls.getpeercert(binary_form=True)).digest())
        greeting = parse_step((await ws.receive()).data, Greeting, peer)
        challenge = self._prover.challenge()
        signature = self._prover.prove(peer, greeting.challenge, certificate)
        claim = Claim(node=self.key, challenge=challenge, signature=signature)
        await ws.send_bytes(msgspec.json.encode(claim))
        welcome = parse_step((await ws.receive()).data, Welcome, peer)
        self._prover.check(peer, challenge, certificate, welcome.signature)

    async def _accept(
        self, request: web.Request, certificate: Certificate
    ) -> web.WebSocketResponse[bool]:
        ws = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE, compress=False, timeout=0.5)
        await ws.prepare(request)
        try:
            async with asyncio.timeout(self._limits.handshake_ms / 1000):
                peer = await self._welcome(ws, certificate)
        except (LinkRefused, TimeoutError, ConnectionError) as error:
            self._log.info("link_refused", address=request.remote, error=str(error))
            await ws.close(code=_REFUSED_CLOSE_CODE)
            return ws
        # The mesh's group owns the link, not aiohttp: a bug in a handler must end the mesh.
        await asyncio.wait({self._group.create_task(self._carry(self._link(ws, peer)))})
        return ws

    async def _welcome(self, ws: web.WebSocketResponse[bool], certificate: Certificate) -> Address:
        challenge = self._prover.challenge()
        await ws.send_bytes(msgspec.json.encode(Greeting(challenge=challenge)))
        claim = parse_step((await ws.receive()).data, Claim, Address(b""))
        if self._leaving or claim.node not in self._members or self._barred(claim.node):
            raise LinkRefused(peer=claim.node, problem="not a member, or barred for now")
        if claim.node > self.key:
            raise LinkRefused(peer=claim.node, problem="of two nodes the lower address dials")
        self._prover.check(claim.node, challenge, certificate.sha256, claim.signature)
        signature = self._prover.prove(claim.node, claim.challenge, certificate.sha256)
        await ws.send_bytes(msgspec.json.encode(Welcome(signature=signature)))
        return claim.node

    def _link(self, ws: WebSocket, peer: Address) -> Link:
        return Link(ws, peer, self._limits, self._take, self._invalid)

    async def _carry(self, link: Link) -> None:
        # A proven dialler that comes again has lost the old link, whatever it looks like here.
        if (old := self._links.get(link.peer)) is not None:
            old.end("replaced by a newer one")
        self._links[link.peer] = link
        self._notify()
        if self._leaving or link.peer not in self._members:
            link.end("no longer a member")
        self._log.info("link_up", peer=link.peer.hex())
        try:
            await link.run()
        finally:
            if self._links.get(link.peer) is link:
                del self._links[link.peer]
            self._notify()
            self._log.info("link_down", peer=link.peer.hex(), because=link.ended_because)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # --- frames ----------------------------------------------------------------------------------

    def _take(self, link: Link, frame: Frame, size: int) -> None:
        def reply(body: AnyBody) -> None:
            link.reply(frame.id, body)

        self._inbox(link.peer).take(frame, size, reply)

    def _take_own(self, frame: Frame, reply: Callable[[AnyBody], None]) -> None:
        data = encode_frame(frame)
        self._inbox(self.key).take(decode_frame(data), len(data), reply)

    async def _ask_own(self, body: AnyBody, timeout_ms: int) -> AnyBody:
        answered: asyncio.Future[AnyBody] = asyncio.get_running_loop().create_future()

        def reply(answer: AnyBody) -> None:
            if not answered.done():
                answered.set_result(answer)

        self._take_own(Frame(id=1, reply_to=0, body=body), reply)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await answered
        except TimeoutError as error:
            problem = f"no reply in {timeout_ms} ms"
            raise PeerUnreachable(peer=self.key, problem=problem) from error

    def _inbox(self, peer: Address) -> Inbox:
        if (inbox := self._inboxes.get(peer)) is None:
            assert self._handler is not None, "serve() comes before the links"
            inbox = Inbox(peer, self._handler, self._group, self._limits)
            self._inboxes[peer] = inbox
        return inbox

    def _invalid(self, link: Link, problem: str) -> None:
        self._log.warning("invalid_frame", peer=link.peer.hex(), problem=problem)
        standing = self._standings.setdefault(link.peer, Standing())
        if standing.invalid_frame(self._now_ms()):
            link.end("too many invalid frames")

    def _barred(self, peer: Address) -> bool:
        standing = self._standings.get(peer)
        return standing is not None and standing.barred(self._now_ms())

    @staticmethod
    def _now_ms() -> int:
        return int(asyncio.get_running_loop().time() * 1000)
