"""One feed at one node: order, duplicates, gaps, forks."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.feed import (
    FEED,
    GAP_PATIENCE_MS,
    MAX_BODY_BYTES,
    MAX_HELD,
    MAX_TAGS,
    ActionCheckGap,
    AskRange,
    DeliverEntry,
    FeedState,
    ForkProof,
    ForwardEntry,
    Frontier,
    ReceiveEntry,
    ReceiveFork,
    SendFork,
    behind,
    entry_hash,
    feed_stream,
    gap_due_ms,
    verify_fork,
)
from node.errors import FeedEntryInvalid, FeedFrozen, ForkUnproven
from node.protocol.frames import LONGEST_TOPIC, FeedForked, FeedPush, Frame, encode_frame
from node.protocol.messages import FeedEntry
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, Signature, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
AIRLINE = SigningKey(keccak(b"airline"))
PEER = Address(b"\x05" * 20)
NOW = 1_700_000_000_000


def push(sequence: int, previous: Hash, body: bytes = b"late", time: int = NOW) -> FeedPush:
    entry = FeedEntry(
        attester=AIRLINE.address,
        topic="flight-status",
        epoch=1,
        sequence=sequence,
        previous=previous,
        body_hash=keccak(body),
        tags=(),
        time=time,
    )
    return FeedPush(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=body)


def chain(count: int) -> list[FeedPush]:
    made: list[FeedPush] = []
    for sequence in range(count):
        previous = entry_hash(made[-1].entry) if made else ZERO_HASH
        made.append(push(sequence, previous, b"body %d" % sequence))
    return made


CHAIN = chain(10)


def receive(entry: FeedPush, stored: FeedPush | None = None) -> ReceiveEntry:
    return ReceiveEntry(push=entry, peer=PEER, domain=DOMAIN, stored=stored)


def take(state: FeedState, *entries: FeedPush, now: int = NOW) -> tuple[FeedState, list[object]]:
    effects: list[object] = []
    for entry in entries:
        transition = FEED.step(state, receive(entry), now)
        state = transition.state
        effects += transition.effects
    return state, effects


def delivered(effects: list[object]) -> list[int]:
    return [e.push.entry.sequence for e in effects if isinstance(e, DeliverEntry)]


def forwarded(effects: list[object]) -> list[int]:
    return [e.push.entry.sequence for e in effects if isinstance(e, ForwardEntry)]


@given(st.permutations(list(range(10))), st.lists(st.integers(0, 9), max_size=10))
def test_any_arrival_is_delivered_in_order_once_and_forwarded_once(
    order: list[int], doubled: list[int]
) -> None:
    state, effects = take(FeedState(), *(CHAIN[i] for i in [*order, *doubled]))

    assert delivered(effects) == list(range(10))
    assert sorted(forwarded(effects)) == list(range(10))
    assert state == replace(FeedState(), next=10, head=entry_hash(CHAIN[-1].entry), last=CHAIN[-1])


def test_delivered_entries_are_records_at_their_sequence() -> None:
    state, _ = take(FeedState(), CHAIN[1], CHAIN[2])
    transition = FEED.step(state, receive(CHAIN[0]), NOW)
    stream = feed_stream(AIRLINE.address, "flight-status", 1)
    assert [(r.stream, r.position, r.body) for r in transition.records] == [
        (stream, i, CHAIN[i]) for i in range(3)
    ]


def test_a_gap_is_asked_for_once_it_is_old_enough_and_again_when_unanswered() -> None:
    state, _ = take(FeedState(), CHAIN[0], CHAIN[4])
    check = ActionCheckGap(attester=AIRLINE.address, topic="flight-status", epoch=1, peer=PEER)

    early = FEED.step(state, check, NOW + GAP_PATIENCE_MS - 1)
    assert early.effects == ()
    due = FEED.step(state, check, NOW + GAP_PATIENCE_MS)
    assert due.effects == (
        AskRange(
            peer=PEER, attester=AIRLINE.address, topic="flight-status", epoch=1, first=1, limit=3
        ),
    )
    assert FEED.step(due.state, check, NOW + GAP_PATIENCE_MS + 1).effects == ()
    assert FEED.step(due.state, check, NOW + 2 * GAP_PATIENCE_MS).effects != ()


def test_a_feed_without_gaps_has_nothing_to_ask() -> None:
    state, _ = take(FeedState(), *CHAIN[:3])
    assert gap_due_ms(state) is None


def test_entries_out_of_order_are_kept_up_to_a_bound() -> None:
    far = [push(i, ZERO_HASH if i == 0 else keccak(b"x")) for i in range(1, MAX_HELD + 3)]
    state, effects = take(FeedState(), *reversed(far))
    assert len(state.held) == MAX_HELD
    assert state.held[0].entry.sequence == 1
    assert len(forwarded(effects)) == len(far)


@pytest.mark.parametrize("held", [0, 2])
def test_two_entries_on_one_sequence_freeze_the_feed(held: int) -> None:
    """Whether the first one was delivered or waits."""
    state, _ = take(FeedState(), CHAIN[held])
    rival = push(held, CHAIN[held].entry.previous, b"on time")

    transition = FEED.step(state, receive(rival), NOW)

    proof = ForkProof(first=CHAIN[held], second=rival)
    assert transition.state.fork == proof
    assert transition.effects == (SendFork(proof=proof),)
    verify_fork(DOMAIN, proof)
    with pytest.raises(FeedFrozen):
        FEED.step(transition.state, receive(CHAIN[1]), NOW)


def test_an_old_fork_shows_when_the_log_is_looked_at() -> None:
    state, _ = take(FeedState(), *CHAIN[:5])
    rival = push(1, CHAIN[1].entry.previous, b"on time")

    assert FEED.step(state, receive(rival), NOW).state == state
    frozen = FEED.step(state, receive(rival, stored=CHAIN[1]), NOW).state
    assert frozen.fork == ForkProof(first=CHAIN[1], second=rival)


def test_an_entry_that_names_another_predecessor_freezes_the_feed() -> None:
    state, _ = take(FeedState(), *CHAIN[:2])
    broken = push(2, keccak(b"elsewhere"))
    frozen = FEED.step(state, receive(broken), NOW).state
    assert frozen.fork == ForkProof(first=CHAIN[1], second=broken)
    assert frozen.fork is not None
    verify_fork(DOMAIN, frozen.fork)


def test_a_broken_chain_among_held_entries_delivers_what_is_whole_and_freezes() -> None:
    broken = push(2, keccak(b"elsewhere"))
    state, _ = take(FeedState(), CHAIN[1], broken)
    transition = FEED.step(state, receive(CHAIN[0]), NOW)
    assert delivered(list(transition.effects)) == [0, 1]
    assert transition.state.fork == ForkProof(first=CHAIN[1], second=broken)


def test_a_peers_proof_of_a_fork_freezes_the_feed_and_two_harmless_entries_do_not() -> None:
    state, _ = take(FeedState(), CHAIN[0])
    rival = push(3, keccak(b"elsewhere"))
    fork = ReceiveFork(proof=ForkProof(first=CHAIN[3], second=rival), domain=DOMAIN)
    assert FEED.step(state, fork, NOW).state.fork == fork.proof

    harmless = ReceiveFork(proof=ForkProof(first=CHAIN[0], second=CHAIN[1]), domain=DOMAIN)
    with pytest.raises(ForkUnproven):
        FEED.step(state, harmless, NOW)


def test_the_same_content_signed_twice_is_no_fork() -> None:
    state, _ = take(FeedState(), CHAIN[0])
    assert FEED.step(state, receive(CHAIN[0]), NOW).state == state


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        (FeedPush(entry=CHAIN[0].entry, signature=CHAIN[0].signature, body=b"x"), FeedEntryInvalid),
        (push(0, ZERO_HASH, b"x" * (MAX_BODY_BYTES + 1)), FeedEntryInvalid),
        (push(0, keccak(b"before")), FeedEntryInvalid),
        (
            FeedPush(
                entry=CHAIN[0].entry,
                signature=SigningKey(keccak(b"mallory")).sign(DOMAIN, CHAIN[0].entry),
                body=CHAIN[0].body,
            ),
            SignatureInvalid,
        ),
        (
            FeedPush(entry=CHAIN[0].entry, signature=Signature(bytes(65)), body=CHAIN[0].body),
            SignatureInvalid,
        ),
    ],
)
def test_what_is_not_the_attesters_entry_is_refused(
    entry: FeedPush, error: type[Exception]
) -> None:
    with pytest.raises(error):
        FEED.step(FeedState(), receive(entry), NOW)


def test_the_state_survives_the_store() -> None:
    state, _ = take(FeedState(), CHAIN[0], CHAIN[3])
    assert msgspec.json.decode(msgspec.json.encode(state), type=FeedState) == state


# Anti-entropy


def frontier(topic: str, next_: int) -> Frontier:
    return Frontier(attester=AIRLINE.address, topic=topic, epoch=0, next=next_)


def test_what_the_other_side_has_more_of_is_asked_for_from_where_we_are() -> None:
    mine = [frontier("a", 3), frontier("b", 1)]
    theirs = [frontier("a", 2), frontier("b", 5), frontier("c", 4)]
    assert behind(mine, theirs) == (frontier("b", 1), frontier("c", 0))


def wide(topic: str, tags: int, time: int = NOW) -> FeedPush:
    body = bytes(MAX_BODY_BYTES)
    shown = tuple(keccak(b"tag %d" % number) for number in range(tags))
    entry = replace(
        push(0, ZERO_HASH, body, time).entry, topic=topic, tags=shown, body_hash=keccak(body)
    )
    return FeedPush(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=body)


@pytest.mark.parametrize(
    ("topic", "tags"), [("t" * (LONGEST_TOPIC + 1), 0), ("t", MAX_TAGS + 1), ("t" * 9_000, 900)]
)
def test_an_entry_with_more_topic_or_tags_than_a_fork_proof_holds_is_refused(
    topic: str, tags: int
) -> None:
    with pytest.raises(FeedEntryInvalid):
        take(FeedState(), wide(topic, tags))


@pytest.mark.parametrize("character", ["t", "\x00", "\U0001f6eb"])
def test_the_proof_of_any_fork_fits_a_frame(character: str) -> None:
    topic = character * LONGEST_TOPIC
    state, effects = take(FeedState(), wide(topic, MAX_TAGS), wide(topic, MAX_TAGS, NOW + 1))

    (shown,) = [effect.proof for effect in effects if isinstance(effect, SendFork)]
    assert state.fork == shown
    encode_frame(Frame(id=0, reply_to=0, body=FeedForked(first=shown.first, second=shown.second)))
