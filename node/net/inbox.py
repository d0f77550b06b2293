"""The work that one peer has given us: bounded, handled in tasks, answered in types."""

import asyncio
from collections.abc import Callable

import structlog

from node.net.errors import NoReply, PeerOverloaded
from node.net.link import LinkLimits
from node.ports.network import Handler, refusal
from node.protocol.frames import AnyBody, Frame, Refused
from settlement.errors import SmartLayerError
from settlement.types import Address

_LONGEST_REASON = 1_024

Reply = Callable[[AnyBody], None]


class Inbox:
    """Runs the handler for one peer's frames, ``limits.handlers`` at a time.

    What waits is bounded in number and bytes; beyond that requests are refused and one-way
    messages dropped. It never stops reading: a reply that a handler waits for may be next.
    """

    def __init__(
        self, peer: Address, handler: Handler, group: asyncio.TaskGroup, limits: LinkLimits
    ) -> None:
        self._peer = peer
        self._handler = handler
        self._group = group
        self._limits = limits
        self._turn = asyncio.Semaphore(limits.handlers)
        self._frames = 0
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("mesh")

    def take(self, frame: Frame, size: int, reply: Reply) -> None:
        """Start handling a frame; ``reply`` is called once if it is a request."""
        full = self._frames >= self._limits.waiting_frames
        if full or self._bytes + size > self._limits.waiting_bytes:
            self._refuse(frame, PeerOverloaded(peer=self._peer), reply)
            return
        self._frames += 1
        self._bytes += size
        task = self._group.create_task(self._handle(frame, size, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _handle(self, frame: Frame, size: int, reply: Reply) -> None:
        try:
            async with self._turn:
                answer = await self._handler(self._peer, frame.body)
            if frame.id:
                reply(answer if answer is not None else refusal(NoReply(peer=self._peer)))
        except SmartLayerError as error:
            self._refuse(frame, error, reply)
        finally:
            self._frames -= 1
            self._bytes -= size

    def _refuse(self, frame: Frame, error: SmartLayerError, reply: Reply) -> None:
        if frame.id:
            reason = refusal(error).reason[:_LONGEST_REASON]
            reply(Refused(code=error.code, reason=reason))
            return
        body = type(frame.body).__name__
        self._log.info("one_way_refused", peer=self._peer.hex(), body=body, error=str(error))
