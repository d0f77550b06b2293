"""An anchor's vote on one token (key = token id, hexadecimal): never two on one fence.

The vote to sign is ``transition.state.vote`` after a step that did not refuse: sign it only
once the step is durable. Asking again for the same lease gives the same vote.
"""

from dataclasses import dataclass

from node.core.election import Timing
from node.protocol.frames import VoteRequest
from node.protocol.messages import ElectionVote, Placement
from settlement.protocol.typed_data import Domain
from settlement.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterState:
    """What an anchor remembers of a token: its newest vote, which has the highest fence."""

    vote: ElectionVote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """A voter has no effects; its answer is its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveVoteRequest:
    """A holder asks for this anchor's vote.

    ``asker`` is the linked peer that sent it. ``trigger_ms`` is the trigger's time in this
    anchor's own log, or None where the log does not have it. ``scrutiny`` are the holders that
    may not be elected now. The request's own ``head`` proves the version asked for.
    """

    request: VoteRequest
    asker: Address
    placement: Placement
    trigger_ms: int | None
    timing: Timing
    domain: Domain
    scrutiny: tuple[Address, ...] = ()
