"""Hands what arrives on a link to the service that answers for it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from node.errors import FrameInvalid
from node.protocol.frames import AnyBody
from settlement.types import Address

B = TypeVar("B")
Handler = Callable[[Address, B], Awaitable[AnyBody | None]]


class Dispatch:
    """A table of body types. It is the network's one handler."""

    def __init__(self) -> None:
        self._handlers: dict[type, Handler[AnyBody]] = {}

    def on(self, kind: type[B], handler: Handler[B]) -> None:
        """Let ``handler`` answer for bodies of ``kind``; one handler a kind."""
        assert kind not in self._handlers, f"two services answer for {kind.__name__}"
        self._handlers[kind] = cast("Handler[AnyBody]", handler)

    async def __call__(self, peer: Address, body: AnyBody) -> AnyBody | None:
        """Answer, or raise FrameInvalid where nobody here answers for this kind."""
        handler = self._handlers.get(type(body))
        if handler is None:
            raise FrameInvalid(problem=f"this node does not take {type(body).__name__}")
        return await handler(peer, body)
