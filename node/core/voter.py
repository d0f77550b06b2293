"""An anchor's vote on one token (key = token id, hexadecimal): never two on one fence.

The vote to sign is ``transition.state.vote`` after a step that did not refuse: sign it only
once the step is durable. Asking again for the same lease gives the same vote.
"""

from dataclasses import dataclass, replace

from node.core.commits import verify_signatures
from node.core.election import Timing, Window, fence_of, window_at, winner
from node.errors import (
    AlreadyVoted,
    FenceTooLow,
    LeaseHeld,
    NotElected,
    TriggerTimeWrong,
    TriggerTooOld,
    TriggerUnknown,
    VersionUnproven,
    WindowClosing,
    WrongWindow,
)
from node.protocol.frames import VoteRequest
from node.protocol.messages import ElectionVote, Placement
from settlement.core.machine import Machine, Transition
from settlement.protocol.typed_data import Domain
from settlement.types import Address

MAX_ATTEMPT = 10_000
"""Attempts of one version, at most. A trigger of long ago would otherwise give a fence so high that
no honest candidate of that version could ever be above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterState:
    """What an anchor remembers of a token: its newest vote, which has the highest fence, when
    every lease that this executor may hold by this anchor's votes is over, and the version of the
    newest commit that anybody has proven here."""

    vote: ElectionVote | None = None
    held_until_ms: int = 0
    head: int = 0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveHead:
    """A request that was refused has still shown a commit: nobody may ask for less afterwards."""

    asked: ReceiveVoteRequest


def step(
    state: VoterState, event: ReceiveVoteRequest | ReceiveHead, now_ms: int
) -> Transition[VoterState, NoEffect]:
    """Vote for the lease asked for, or refuse; or keep the head that a request has proven.

    Raises NotElected, TriggerUnknown, TriggerTimeWrong, TriggerTooOld, WrongWindow, WindowClosing,
    FenceTooLow, AlreadyVoted, LeaseHeld, VersionUnproven (or what verify_signatures raises
    for the head).
    """
    if isinstance(event, ReceiveHead):
        _check_version(event.asked)
        return Transition(state=replace(state, head=max(state.head, proven(event.asked.request))))
    request = event.request
    _check_version(event)
    _check_winner(event)
    window = _check_window(event, now_ms)
    vote = ElectionVote(
        token=request.token,
        version=request.version,
        attempt=request.attempt,
        executor=event.asker,
        trigger=request.trigger,
        window_end=window.end_ms,
    )
    moved = _cast(state, vote, now_ms)
    if proven(request) < state.head:
        raise VersionUnproven(problem=f"a commit of version {state.head} has been shown here")
    return Transition(state=replace(moved, head=proven(request)))


def proven(request: VoteRequest) -> int:
    """The version of the commit that a request shows, 0 for none."""
    return request.head.version if request.head else 0


def _check_version(event: ReceiveVoteRequest) -> None:
    request, placement = event.request, event.placement
    if request.token != placement.token:
        raise VersionUnproven(problem="the placement is another token's")
    if request.head is None:
        if request.version != 1:
            raise VersionUnproven(problem="only version 1 needs no commit before it")
        return
    if request.head.token != request.token or request.version != request.head.version + 1:
        raise VersionUnproven(problem="the commit shown is not the one before it")
    verify_signatures(event.domain, request.head, request.head_signatures, placement.holders)


def _check_winner(event: ReceiveVoteRequest) -> None:
    request = event.request
    elected = winner(event.placement, request.version, request.attempt, event.scrutiny)
    if elected != event.asker:
        raise NotElected(asker=event.asker, winner=elected)


def _check_window(event: ReceiveVoteRequest, now_ms: int) -> Window:
    request, timing, logged = event.request, event.timing, event.trigger_ms
    if logged is None:
        raise TriggerUnknown(trigger=request.trigger)
    if request.trigger_time != logged or logged > now_ms + timing.skew_ms:
        raise TriggerTimeWrong(time=request.trigger_time, logged=logged, now=now_ms)
    if request.attempt > MAX_ATTEMPT:
        raise TriggerTooOld(attempt=request.attempt, most=MAX_ATTEMPT)
    # The asker's clock may run ahead: a window that opens within the skew bound is open.
    window = window_at(logged, now_ms + timing.skew_ms, timing)
    if window.attempt != request.attempt:
        raise WrongWindow(attempt=request.attempt, current=window.attempt)
    if window.end_ms - now_ms < timing.margin_ms:
        raise WindowClosing(end=window.end_ms, now=now_ms)
    return window


def _cast(state: VoterState, vote: ElectionVote, now_ms: int) -> VoterState:
    """The state with this vote cast, if no earlier vote of this anchor stands against it."""
    before = state.vote
    if before is None:
        return VoterState(vote=vote, held_until_ms=vote.window_end)
    if before == vote:
        return state
    if fence_of(vote) < fence_of(before):
        raise FenceTooLow(version=before.version, attempt=before.attempt)
    if fence_of(vote) == fence_of(before):
        raise AlreadyVoted(trigger=before.trigger)
    if before.executor == vote.executor:
        # A newer trigger's window may end before an older one's; the older lease still stands.
        until = max(state.held_until_ms, vote.window_end)
        return VoterState(vote=vote, held_until_ms=until)
    if now_ms < state.held_until_ms:
        raise LeaseHeld(executor=before.executor, until=state.held_until_ms)
    return VoterState(vote=vote, held_until_ms=vote.window_end)


VOTER: Machine[VoterState, ReceiveVoteRequest | ReceiveHead, NoEffect] = Machine(
    kind="voter",
    state_type=VoterState,
    effect_types=(),
    initial=lambda _key: VoterState(),
    step=step,
)
