"""One feed at one node (key from :func:`feed_key`): push at once, deliver only in order.

A feed is one attester's log on one topic in one epoch. Duplicates, gaps and forks all show from
(feed, sequence), so there is no cache of what was seen. Delivered entries are the records of the
stream :func:`feed_stream`, at their sequence.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from node.errors import FeedEntryInvalid, FeedFrozen, ForkUnproven
from node.protocol.frames import LONGEST_TOPIC, FeedPush
from node.protocol.messages import FeedEntry
from settlement.core.machine import Machine, Record, Transition
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, keccak

MAX_BODY_BYTES = 16_384
"""Bytes of an entry's body, at most; a journal input that carries one must fit a frame."""
MAX_TAGS = 16
"""Tags of an entry, at most; two entries that prove a fork must fit a frame."""
MAX_HELD = 64
"""Entries kept out of order, at most; those furthest ahead are dropped first."""
MAX_ASKED = 64
"""Entries asked for at once, at most."""
GAP_PATIENCE_MS = 150
"""How long a gap may be open before its entries are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkProof:
    """Two entries that one attester signed and that cannot be in one log.

    Either both have one sequence, or ``second`` follows ``first`` and names another entry as the
    one before it. Anyone can verify it.
    """

    first: FeedPush
    second: FeedPush


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Where this node is in a feed.

    ``next`` is the sequence that it needs, ``last`` the newest delivered entry, ``held`` later
    entries in order of sequence. ``gap_since_ms`` is 0 when nothing is missing. ``fork`` set
    means frozen for good.
    """

    next: int = 0
    head: Hash = ZERO_HASH
    last: FeedPush | None = None
    held: tuple[FeedPush, ...] = ()
    gap_since_ms: int = 0
    asked_ms: int = 0
    fork: ForkProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveEntry:
    """An entry arrived, pushed by ``peer`` (None: by its attester, through the API).

    ``stored`` is what the log holds at its sequence, where the service has looked; it turns an
    old duplicate that differs into a fork's proof.
    """

    push: FeedPush
    peer: Address | None
    domain: Domain
    stored: FeedPush | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFork:
    """A peer shows that the feed is forked."""

    proof: ForkProof
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCheckGap:
    """Time has passed: ask ``peer`` for what is missing, if it has been missing long enough."""

    attester: Address
    topic: str
    epoch: int
    peer: Address


FeedEvent = ReceiveEntry | ReceiveFork | ActionCheckGap


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverEntry:
    """The next entry in order, for everybody at this node who subscribes to it."""

    push: FeedPush


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardEntry:
    """Push a new entry on to every peer but ``came_from``."""

    push: FeedPush
    came_from: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRange:
    """Ask ``peer`` for ``limit`` entries from ``first`` on."""

    peer: Address
    attester: Address
    topic: str
    epoch: int
    first: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFork:
    """Tell every peer that the feed is forked."""

    proof: ForkProof


FeedEffect = DeliverEntry | ForwardEntry | AskRange | SendFork


def feed_key(attester: Address, topic: str, epoch: int) -> str:
    """The machine's key: ``{attester hex}/{topic}/{epoch}``."""
    return f"{attester.hex()}/{topic}/{epoch}"


def feed_stream(attester: Address, topic: str, epoch: int) -> str:
    """The log of delivered entries: ``feed/`` and the key."""
    return "feed/" + feed_key(attester, topic, epoch)


def entry_hash(entry: FeedEntry) -> Hash:
    """What the next entry's ``previous`` names: the EIP-712 hashStruct of the entry."""
    return entry.struct_hash()


def step(state: FeedState, event: FeedEvent, now_ms: int) -> Transition[FeedState, FeedEffect]:
    """Take an entry, show a fork, or ask for what is missing.

    Raises FeedFrozen, FeedEntryInvalid, ForkUnproven, SignatureInvalid.
    """
    match event:
        case ReceiveEntry():
            return _receive(state, event, now_ms)
        case ReceiveFork(proof=proof, domain=domain):
            verify_fork(domain, proof)
            if state.fork is not None:
                return Transition(state=state)
            return _freeze(state, proof)
        case ActionCheckGap():
            return _check_gap(state, event, now_ms)
        case _:
            assert_never(event)


def verify_entry(domain: Domain, push: FeedPush) -> None:
    """Raise FeedEntryInvalid or SignatureInvalid unless this is the attester's own entry."""
    entry = push.entry
    if len(push.body) > MAX_BODY_BYTES:
        raise FeedEntryInvalid(sequence=entry.sequence, problem="its body is too long")
    if len(entry.topic) > LONGEST_TOPIC or len(entry.tags) > MAX_TAGS:
        raise FeedEntryInvalid(
            sequence=entry.sequence, problem="its topic is too long, or its tags too many"
        )
    if keccak(push.body) != entry.body_hash:
        raise FeedEntryInvalid(sequence=entry.sequence, problem="its body is another one")
    if entry.sequence == 0 and entry.previous != ZERO_HASH:
        raise FeedEntryInvalid(sequence=0, problem="the first entry names one before it")
    require_signer(domain, entry, push.signature, entry.attester)


def verify_fork(domain: Domain, proof: ForkProof) -> None:
    """Raise ForkUnproven (or what verify_entry raises) unless the two entries contradict."""
    first, second = proof.first.entry, proof.second.entry
    for push in (proof.first, proof.second):
        verify_entry(domain, push)
    if _feed_of(first) != _feed_of(second):
        raise ForkUnproven(problem="they are of two feeds")
    same_place = first.sequence == second.sequence and first != second
    broken = second.sequence == first.sequence + 1 and second.previous != entry_hash(first)
    if not same_place and not broken:
        raise ForkUnproven(problem="both can be in one log")


def _feed_of(entry: FeedEntry) -> tuple[Address, str, int]:
    return entry.attester, entry.topic, entry.epoch


def _receive(
    state: FeedState, event: ReceiveEntry, now_ms: int
) -> Transition[FeedState, FeedEffect]:
    push, entry = event.push, event.push.entry
    if state.fork is not None:
        raise FeedFrozen(sequence=state.fork.second.entry.sequence)
    verify_entry(event.domain, push)
    rival = _rival(state, push, event.stored)
    if rival is not None and rival.entry != entry:
        return _freeze(state, ForkProof(first=rival, second=push))
    if rival is not None or entry.sequence < state.next:
        return Transition(state=state)
    if entry.sequence > state.next:
        return _hold(state, event, now_ms)
    if state.last is not None and entry.previous != state.head:
        return _freeze(state, ForkProof(first=state.last, second=push))
    return _deliver(state, event, now_ms)


def _rival(state: FeedState, push: FeedPush, stored: FeedPush | None) -> FeedPush | None:
    """What this node holds on the entry's sequence, itself included."""
    known = (*state.held, *((state.last,) if state.last else ()), *((stored,) if stored else ()))
    found = (each for each in known if each.entry.sequence == push.entry.sequence)
    return next(found, None)


def _hold(state: FeedState, event: ReceiveEntry, now_ms: int) -> Transition[FeedState, FeedEffect]:
    """Keep an entry that is ahead, and pass it on at once."""
    held = tuple(sorted((*state.held, event.push), key=lambda push: push.entry.sequence))
    kept = held[:MAX_HELD]
    waiting = replace(state, held=kept, gap_since_ms=state.gap_since_ms or now_ms)
    forward = ForwardEntry(push=event.push, came_from=event.peer)
    return Transition(state=waiting, effects=(forward,) if event.push in kept else ())


def _deliver(
    state: FeedState, event: ReceiveEntry, now_ms: int
) -> Transition[FeedState, FeedEffect]:
    """Deliver the entry, and whatever was held behind it."""
    ready, head = [event.push], entry_hash(event.push.entry)
    rest = list(state.held)
    fork: ForkProof | None = None
    while rest and rest[0].entry.sequence == ready[-1].entry.sequence + 1:
        if rest[0].entry.previous != head:
            fork = ForkProof(first=ready[-1], second=rest[0])
            break
        ready.append(rest.pop(0))
        head = entry_hash(ready[-1].entry)
    last = ready[-1]
    delivered = FeedState(
        next=last.entry.sequence + 1,
        head=head,
        last=last,
        held=tuple(rest),
        gap_since_ms=now_ms if rest else 0,
        asked_ms=state.asked_ms if rest else 0,
    )
    stream = feed_stream(*_feed_of(last.entry))
    records = tuple(Record(stream=stream, position=p.entry.sequence, body=p) for p in ready)
    effects: tuple[FeedEffect, ...] = tuple(DeliverEntry(push=push) for push in ready)
    forward = ForwardEntry(push=event.push, came_from=event.peer)
    if fork is None:
        return Transition(state=delivered, records=records, effects=(*effects, forward))
    frozen = _freeze(delivered, fork)
    return Transition(
        state=frozen.state, records=records, effects=(*effects, forward, *frozen.effects)
    )


def _freeze(state: FeedState, proof: ForkProof) -> Transition[FeedState, FeedEffect]:
    frozen = replace(state, fork=proof, held=(), gap_since_ms=0)
    return Transition(state=frozen, effects=(SendFork(proof=proof),))


def _check_gap(
    state: FeedState, event: ActionCheckGap, now_ms: int
) -> Transition[FeedState, FeedEffect]:
    """Ask for the gap once it has been open, and once the last asking has gone unanswered."""
    due = gap_due_ms(state)
    if due is None or now_ms < due:
        return Transition(state=state)
    missing = state.held[0].entry.sequence - state.next
    ask = AskRange(
        peer=event.peer,
        attester=event.attester,
        topic=event.topic,
        epoch=event.epoch,
        first=state.next,
        limit=min(missing, MAX_ASKED),
    )
    return Transition(state=replace(state, asked_ms=now_ms), effects=(ask,))


def gap_due_ms(state: FeedState) -> int | None:
    """When ActionCheckGap will ask, or None when nothing is missing."""
    if not state.held or state.fork is not None:
        return None
    return max(state.gap_since_ms, state.asked_ms) + GAP_PATIENCE_MS


FEED: Machine[FeedState, FeedEvent, FeedEffect] = Machine(
    kind="feed",
    state_type=FeedState,
    effect_types=(DeliverEntry, ForwardEntry, AskRange, SendFork),
    initial=lambda _key: FeedState(),
    step=step,
)


# Anti-entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The next sequence that a node needs of one feed."""

    attester: Address
    topic: str
    epoch: int
    next: int


def behind(mine: Iterable[Frontier], theirs: Iterable[Frontier]) -> tuple[Frontier, ...]:
    """What the other side has and I have not: each with the sequence that I need next."""
    have = {(f.attester, f.topic, f.epoch): f.next for f in mine}
    return tuple(
        replace(f, next=have.get((f.attester, f.topic, f.epoch), 0))
        for f in theirs
        if f.next > have.get((f.attester, f.topic, f.epoch), 0)
    )
