"""Errors of the links between nodes; the tree is drawn in ``node.errors``."""

from dataclasses import dataclass
from typing import ClassVar

from node.errors import NetworkError


@dataclass(kw_only=True, eq=False, repr=False)
class LinkRefused(NetworkError):
    """The other end of a link did not prove a registered key, or refused ours."""

    code: ClassVar[str] = "SL-5020"
    title: ClassVar[str] = "A link was refused"
    fix: ClassVar[str] = "Check that both nodes are registered on the same chain: {problem}."
    retryable: ClassVar[bool] = True

    peer: bytes
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class PeerOverloaded(NetworkError):
    """This node has as much of one peer's work in hand as it accepts."""

    code: ClassVar[str] = "SL-5021"
    title: ClassVar[str] = "Too much is under way for this peer"
    fix: ClassVar[str] = "Send fewer requests at once, or ask again later."
    retryable: ClassVar[bool] = True

    peer: bytes


@dataclass(kw_only=True, eq=False, repr=False)
class NoReply(NetworkError):
    """The node has no reply to this kind of request."""

    code: ClassVar[str] = "SL-5022"
    title: ClassVar[str] = "The node does not answer this request"
    fix: ClassVar[str] = "Ask a node with the role that answers it."
    retryable: ClassVar[bool] = True

    peer: bytes
