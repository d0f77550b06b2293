"""Errors of calls to the outside; the tree is drawn in ``node.errors``."""

from dataclasses import dataclass
from typing import ClassVar

from node.errors import EffectError
from settlement.errors import Party


@dataclass(kw_only=True, eq=False, repr=False)
class GuardRefused(EffectError):
    """A call was not made, because it is not one that the script's signer allowed."""

    code: ClassVar[str] = "SL-6510"
    title: ClassVar[str] = "An outgoing call was refused"
    fix: ClassVar[str] = "Call only public https addresses on the signed allow-list: {problem}."

    url: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class NotConnected(EffectError):
    """No connection was made, so nothing was sent."""

    code: ClassVar[str] = "SL-6511"
    title: ClassVar[str] = "A server cannot be reached"
    fix: ClassVar[str] = "Check that the server is up: {problem}."
    retryable: ClassVar[bool] = True

    url: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class NoAnswer(EffectError):
    """The request may have arrived, and no answer that can be read came back."""

    code: ClassVar[str] = "SL-6512"
    title: ClassVar[str] = "A server gave no answer"
    fix: ClassVar[str] = "Ask the server what became of the request before repeating it: {problem}."

    url: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class ScriptSchemeUnsupported(EffectError):
    """A token script lies under a scheme that this node does not read."""

    code: ClassVar[str] = "SL-6513"
    title: ClassVar[str] = "The script's address cannot be read by this node"
    fix: ClassVar[str] = "Publish the script under an https address instead of {uri}."
    party: ClassVar[Party] = Party.CALLER

    uri: str
