"""The inputs that wait at a token: each once, each strand in order, a bounded number."""

from dataclasses import replace

from node.core.inputs import (
    AnyInput,
    Failure,
    Outcome,
    Timer,
    decode_input,
    input_hash,
    own_trigger,
    strand_and_place,
)
from node.core.journal import MAX_QUEUE, JournalState, OpenAction, OpenTimer, Queued
from node.errors import ActionUnknown, InputInvalid, InputStale, QueueFull
from settlement.types import Hash


def admit(state: JournalState, data: bytes) -> Queued:
    """What an input is to this token now.

    Raises InputInvalid, InputStale for one that has had its turn, ActionUnknown for the outcome
    of an action (or a timer) that is not open.
    """
    given = decode_input(data)
    strand, place = strand_and_place(given)
    if place < state.cursors.get(strand, 0):
        raise InputStale(strand=strand, place=place, next=state.cursors[strand])
    trigger, trigger_ms = trigger_at(state, given)
    return Queued(
        hash=input_hash(given),
        data=data,
        strand=strand,
        place=place,
        trigger=trigger,
        trigger_ms=trigger_ms,
    )


def trigger_at(state: JournalState, given: AnyInput) -> tuple[Hash, int]:
    """The trigger that an election for this input names: its own, or that of what it follows from.

    Raises ActionUnknown and InputInvalid.
    """
    match given:
        case Outcome() | Failure():
            source: OpenAction | OpenTimer = _action_of(state, given)
        case Timer():
            source = _timer_of(state, given)
        case _:
            own = own_trigger(given)
            if own is None:
                raise InputInvalid(problem="it follows from nothing")
            return own
    return source.trigger, source.trigger_ms


def _action_of(state: JournalState, given: Outcome | Failure) -> OpenAction:
    action = action_by_key(state, given.key)
    named = (
        (given.response.action,)
        if isinstance(given, Outcome)
        else tuple(word.attestation.action for word in given.words)
    )
    if any(name != action.action for name in named):
        raise InputInvalid(problem="it speaks of another action than the one it settles")
    return action


def action_by_key(state: JournalState, key: Hash) -> OpenAction:
    """The open action with this key. Raises ActionUnknown."""
    for action in state.actions:
        if action.key == key:
            return action
    raise ActionUnknown(problem=f"nothing is open under 0x{key.hex()}")


def _timer_of(state: JournalState, given: Timer) -> OpenTimer:
    for timer in state.timers:
        if (timer.name, timer.version, timer.due) == (given.name, given.version, given.due):
            return timer
    raise ActionUnknown(problem=f"no timer {given.name} is set")


def enqueue(state: JournalState, data: bytes, *, bounded: bool = True) -> JournalState:
    """The state with one more input waiting; unchanged for one that waits already.

    Raises what :func:`admit` raises, and QueueFull.
    """
    queued = admit(state, data)
    if any(each.hash == queued.hash for each in state.queue):
        return state
    if bounded and len(state.queue) >= MAX_QUEUE:
        raise QueueFull(waiting=len(state.queue))
    return replace(state, queue=(*state.queue, queued))


def next_input(state: JournalState) -> Queued | None:
    """The oldest input by its trigger's time among the first ones of their strands."""
    heads: dict[str, Queued] = {}
    for each in state.queue:
        if each.strand not in heads or each.place < heads[each.strand].place:
            heads[each.strand] = each
    return min(
        heads.values(), key=lambda q: (q.trigger_ms, q.strand, q.place, q.hash), default=None
    )


def left_out(state: JournalState, proposed: Queued) -> Queued | None:
    """An input that waits here and comes before the proposed one in its strand, if there is any."""
    earlier = (q for q in state.queue if q.strand == proposed.strand and q.place < proposed.place)
    return next(earlier, None)


def after_input(state: JournalState, done: Queued) -> JournalState:
    """The state with an input journalled: its strand moved on, and the queue without whatever has
    lost its turn or its purpose."""
    cursors = state.cursors
    if not done.strand.startswith(("action/", "timer/")):
        cursors = cursors | {done.strand: done.place + 1}
    moved = replace(state, cursors=cursors)
    kept = tuple(
        q
        for q in state.queue
        if q.hash != done.hash and q.place >= cursors.get(q.strand, 0) and _still_open(moved, q)
    )
    return replace(moved, queue=kept)


def _still_open(state: JournalState, queued: Queued) -> bool:
    kind, _, name = queued.strand.partition("/")
    match kind:
        case "action":
            return any(action.key.hex() == name for action in state.actions)
        case "timer":
            return any(t.name == name and t.version == queued.place for t in state.timers)
        case _:
            return True
