"""What a token has asked the outside for, from the commit that asks to the input that settles.

An action opens when the version that asks for it is committed, on every replica alike. Only the
executor, under a live lease, is told to perform it; a new executor takes over what is open. It
is settled by the next committed input that names its key: an outcome or an attested failure.
"""

from dataclasses import replace

from node.core.canonical import Json, object_from_bytes
from node.core.election import Timing, fence_of
from node.core.failure import verify_failure
from node.core.inputs import AnyInput, Failure, Outcome, Timer, encode_input
from node.core.journal import (
    ActionAttemptFailed,
    ActionPhase,
    JournalEffect,
    JournalState,
    OpenAction,
    OpenTimer,
    PerformHttp,
    Queued,
    ReceiveFailureAttestations,
    SendRouteCall,
)
from node.core.queueing import action_by_key, enqueue
from node.errors import ActionUnknown, LeaseMissing, NotCanonical
from node.protocol.frames import Lease
from settlement.core.machine import Transition
from settlement.types import Hash, keccak

MAX_OPEN = 32
"""Actions, and timers, that one token may have open; what a run asks beyond that is dropped, on
every replica alike."""
MAX_NAME = 64
"""Characters of a timer's name: it goes into the input that the timer becomes."""


def action_key(token: Hash, version: int, index: int, action: str) -> Hash:
    """The idempotency key: keccak(token | version | index | action), integers as 8 bytes
    big-endian, the action in UTF-8. ``index`` is the effect's place in its run."""
    numbers = version.to_bytes(8, "big") + index.to_bytes(8, "big")
    return keccak(token + numbers + action.encode())


def opened(state: JournalState, source: Queued, effects: tuple[bytes, ...]) -> JournalState:
    """The state with what a run asked for: ``{"kind": "http", "action": …}`` opens a declared
    action, ``{"kind": "timer", "name": …, "at": …}`` (``at`` in seconds) sets a timer.

    ``state.version`` is the run's version. What is malformed or not declared opens nothing, on
    every replica alike; other kinds are the service's to handle.
    """
    actions, timers = list(state.actions), {timer.name: timer for timer in state.timers}
    for index, effect in enumerate(effects):
        try:
            asked = object_from_bytes(effect)
        except NotCanonical:
            continue
        action, timer = _action(state, source, index, asked, effect), _timer(state, source, asked)
        if action is not None and len(actions) < MAX_OPEN:
            actions.append(action)
        if timer is not None and (timer.name in timers or len(timers) < MAX_OPEN):
            timers[timer.name] = timer
    return replace(state, actions=tuple(actions), timers=tuple(timers.values()))


def _action(
    state: JournalState, source: Queued, index: int, asked: dict[str, Json], effect: bytes
) -> OpenAction | None:
    name = asked.get("action")
    if asked.get("kind") != "http" or not isinstance(name, str) or name not in state.attempt_limits:
        return None
    return OpenAction(
        key=action_key(state.token, state.version, index, name),
        action=name,
        version=state.version,
        index=index,
        effect=effect,
        trigger=source.trigger,
        trigger_ms=source.trigger_ms,
        limit=state.attempt_limits[name],
    )


def _timer(state: JournalState, source: Queued, asked: dict[str, Json]) -> OpenTimer | None:
    name, at = asked.get("name"), asked.get("at")
    if asked.get("kind") != "timer" or not isinstance(name, str) or len(name) > MAX_NAME:
        return None
    if not isinstance(at, int) or isinstance(at, bool) or at < 0:
        return None
    return OpenTimer(
        name=name,
        version=state.version,
        due=at * 1000,
        trigger=source.trigger,
        trigger_ms=source.trigger_ms,
    )


def settled(state: JournalState, given: AnyInput) -> JournalState:
    """The state without the action or timer that a journalled input settles."""
    match given:
        case Outcome(key=key) | Failure(key=key):
            return replace(state, actions=tuple(a for a in state.actions if a.key != key))
        case Timer(name=name, version=version):
            kept = tuple(t for t in state.timers if (t.name, t.version) != (name, version))
            return replace(state, timers=kept)
        case _:
            return state


def due_timers(state: JournalState, now_ms: int) -> tuple[bytes, ...]:
    """The timers that are due, as inputs for ReceiveInput; every replica makes the same ones."""
    return tuple(
        encode_input(Timer(name=timer.name, version=timer.version, due=timer.due))
        for timer in state.timers
        if timer.due <= now_ms
    )


# The executor's part


def live_lease(state: JournalState, timing: Timing, now_ms: int) -> Lease | None:
    """This node's lease, if it may act under it now: complete, newest, and with the margin left."""
    tenure = state.tenure
    if tenure is None or len(tenure.gathered) < state.majority:
        return None
    vote = tenure.lease.vote
    if fence_of(vote) < state.promised or now_ms + timing.margin_ms > vote.window_end:
        return None
    return tenure.lease


def start(
    state: JournalState, timing: Timing, now_ms: int
) -> tuple[JournalState, tuple[JournalEffect, ...]]:
    """Tell this node to perform every open action that it was not told of under its lease.

    Nothing without a live lease: a later executor finds the actions still open.
    """
    lease = live_lease(state, timing, now_ms)
    if lease is None:
        return state, ()
    fence = fence_of(lease.vote)
    todo = [action for action in state.actions if action.fence != fence]
    told = tuple(replace(action, fence=fence) for action in state.actions)
    effects = tuple(_effect(state.token, action, lease, timing) for action in todo)
    return replace(state, actions=told), effects


def _effect(token: Hash, action: OpenAction, lease: Lease, timing: Timing) -> JournalEffect:
    fence = fence_of(lease.vote)
    if action.phase is ActionPhase.ROUTING:
        return SendRouteCall(
            token=token,
            key=action.key,
            action=action.action,
            version=action.version,
            index=action.index,
            fence=fence,
            lease=lease,
        )
    return PerformHttp(
        token=token,
        key=action.key,
        action=action.action,
        version=action.version,
        index=action.index,
        effect=action.effect,
        attempts=action.limit - action.attempts,
        fence=fence,
        deadline_ms=lease.vote.window_end - timing.margin_ms,
    )


def guard(
    state: JournalState, effect: PerformHttp | SendRouteCall, timing: Timing, now_ms: int
) -> OpenAction:
    """The open action that an effect may be performed for right now; ask before every try.

    Raises ActionUnknown when it is settled, routed or answered already, LeaseMissing when this
    node's lease is over or another one: then drop the effect, the next executor takes over.
    """
    action = action_by_key(state, effect.key)
    lease = live_lease(state, timing, now_ms)
    if lease is None or fence_of(lease.vote) != effect.fence:
        raise LeaseMissing(problem="the lease of this call is over")
    if isinstance(effect, PerformHttp) and action.phase is not ActionPhase.CALLING:
        raise ActionUnknown(problem="anchors make the call now")
    if any(queued.strand == f"action/{effect.key.hex()}" for queued in state.queue):
        raise ActionUnknown(problem="its outcome waits for its turn")
    return action


def attempt_failed(
    state: JournalState, event: ActionAttemptFailed
) -> Transition[JournalState, JournalEffect]:
    """Count failed attempts; when they are used up, have anchors make the call.

    Raises ActionUnknown.
    """
    action = action_by_key(state, event.key)
    if action.phase is ActionPhase.ROUTING:
        return Transition(state=state)
    tried = replace(action, attempts=action.attempts + event.count)
    if tried.attempts < tried.limit:
        return Transition(state=_with(state, tried))
    routed = replace(tried, phase=ActionPhase.ROUTING)
    after = _with(state, routed)
    tenure = state.tenure
    if tenure is None or routed.fence != fence_of(tenure.lease.vote):
        return Transition(state=after)
    effect = SendRouteCall(
        token=state.token,
        key=routed.key,
        action=routed.action,
        version=routed.version,
        index=routed.index,
        fence=routed.fence,
        lease=tenure.lease,
    )
    return Transition(state=after, effects=(effect,))


def failure_attested(
    state: JournalState, event: ReceiveFailureAttestations
) -> Transition[JournalState, JournalEffect]:
    """Queue an attested failure as an input. Raises ActionUnknown, FailureUnproven and others."""
    verify_failure(event.domain, event.failure.words, state.token, event.anchors)
    return Transition(state=enqueue(state, encode_input(event.failure)))


def _with(state: JournalState, changed: OpenAction) -> JournalState:
    actions = tuple(changed if each.key == changed.key else each for each in state.actions)
    return replace(state, actions=actions)
