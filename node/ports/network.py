"""The network port: typed frames between registered nodes.

A peer is named by its registered key's address and nothing else; the implementation proves it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from node.errors import PeerRefused, PeerUnreachable
from node.protocol.frames import AnyBody, Frame, Refused, decode_frame, encode_frame
from settlement.errors import SmartLayerError
from settlement.types import Address

Handler = Callable[[Address, AnyBody], Awaitable[AnyBody | None]]
"""Takes (peer, body) and returns the reply to a request, or None. A typed error that it raises
reaches the asker as ``Refused``; any other exception is a bug and ends the process's task group."""


class Network(Protocol):
    """Sends frames to peers. Peers are authenticated; bodies are parsed, not yet judged."""

    def peers(self) -> Sequence[Address]:
        """Peers with a live link now, sorted."""
        ...

    async def send(self, peer: Address, body: AnyBody) -> None:
        """Queue a one-way message. Dropped, not blocked, when the peer's queue is full or the
        link is down: whatever must arrive is asked for again by its receiver."""
        ...

    async def request(self, peer: Address, body: AnyBody, timeout_ms: int) -> AnyBody:
        """Send and wait for the reply. Raises PeerUnreachable (retryable) or PeerRefused."""
        ...

    def serve(self, handler: Handler) -> None:
        """Set the handler of everything that arrives; once, before the links open."""
        ...


def refusal(error: SmartLayerError) -> Refused:
    """The reply that tells a peer about a typed error."""
    return Refused(code=error.code, reason=error.advice())


class MemoryNetwork:
    """In-memory hub for tests: nodes join, links can be cut, frames really are encoded."""

    def __init__(self) -> None:
        self._nodes: dict[Address, MemoryPeer] = {}
        self.cut: set[frozenset[Address]] = set()

    def join(self, key: Address) -> "MemoryPeer":
        """Add a node and return its end."""
        self._nodes[key] = MemoryPeer(key, self)
        return self._nodes[key]

    def leave(self, key: Address) -> None:
        """A node crashes: nothing reaches it any more."""
        self._nodes.pop(key, None)

    def linked(self, one: Address, other: Address) -> "MemoryPeer | None":
        """The other end, if it is there and the link is not cut."""
        return None if frozenset({one, other}) in self.cut else self._nodes.get(other)

    def names(self) -> list[Address]:
        return sorted(self._nodes)


class MemoryPeer:
    """One node's end of a MemoryNetwork; implements Network."""

    def __init__(self, key: Address, hub: MemoryNetwork) -> None:
        self.key = key
        self._hub = hub
        self.handler: Handler | None = None
        self._running: set[asyncio.Task[None]] = set()

    def serve(self, handler: Handler) -> None:
        self.handler = handler

    def peers(self) -> Sequence[Address]:
        return [n for n in self._hub.names() if n != self.key and self._hub.linked(self.key, n)]

    async def send(self, peer: Address, body: AnyBody) -> None:
        task = asyncio.create_task(self._deliver_one_way(peer, body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def request(self, peer: Address, body: AnyBody, timeout_ms: int) -> AnyBody:
        try:
            reply = await asyncio.wait_for(self._deliver(peer, body), timeout_ms / 1000)
        except TimeoutError as error:
            raise PeerUnreachable(peer=peer, problem=f"no reply in {timeout_ms} ms") from error
        match reply:
            case None:
                raise PeerUnreachable(peer=peer, problem="no link")
            case Refused(code=code, reason=reason):
                raise PeerRefused(peer=peer, refusal=code, reason=reason)
            case _:
                return reply

    async def drain(self) -> None:
        """Wait until every one-way message sent from here has been handled."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _deliver_one_way(self, peer: Address, body: AnyBody) -> None:
        await self._deliver(peer, body)

    async def _deliver(self, peer: Address, body: AnyBody) -> AnyBody | None:
        await asyncio.sleep(0)
        end = self._hub.linked(self.key, peer)
        if end is None or end.handler is None:
            return None
        arrived = decode_frame(encode_frame(Frame(id=1, reply_to=0, body=body))).body
        try:
            reply = await end.handler(self.key, arrived)
        except SmartLayerError as error:
            reply = refusal(error)
        if reply is None:
            return None
        return decode_frame(encode_frame(Frame(id=0, reply_to=1, body=reply))).body
