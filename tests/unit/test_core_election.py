"""Elections: fixed windows, a winner that nobody chooses, one vote on a fence."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.election import (
    Fence,
    Timing,
    assemble,
    committee,
    equivocation,
    fence_of,
    quorum,
    verify_lease,
    window_at,
    winner,
)
from node.core.voter import VOTER, ReceiveHead, ReceiveVoteRequest, VoterState
from node.errors import (
    AlreadyVoted,
    CertificateInvalid,
    CommitInvalid,
    FenceTooLow,
    LeaseHeld,
    NotElected,
    SignerUnknown,
    TriggerTimeWrong,
    TriggerTooOld,
    TriggerUnknown,
    VersionUnproven,
    WindowClosing,
    WrongWindow,
)
from node.protocol.frames import Lease, VoteRequest
from node.protocol.messages import ElectionVote, JournalEntry, Placement
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Signature, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TIMING = Timing(lease_ms=10_000, gap_ms=1_000, skew_ms=100, margin_ms=1_000)
TOKEN, TRIGGER = keccak(b"token"), keccak(b"trigger")
AT = 1_700_000_000_000
ANCHORS = [SigningKey(keccak(b"anchor %d" % i)) for i in range(4)]
NODES = [SigningKey(keccak(b"node %d" % i)) for i in range(3)]
NAMES = tuple(key.address for key in ANCHORS)
PLACEMENT = Placement(
    token=TOKEN,
    token_class=keccak(b"class"),
    number=1,
    activation_block=5,
    seed=keccak(b"seed"),
    holders=tuple(key.address for key in NODES),
    version=1,
)


def commit_of(version: int, signers: int = 2) -> VoteRequest:
    """A request for the version after a committed one."""
    entry = JournalEntry(
        token=TOKEN,
        version=version,
        lease_version=1,
        attempt=0,
        executor=NODES[0].address,
        previous=ZERO_HASH,
        input_hash=ZERO_HASH,
        state_root=ZERO_HASH,
        output_hash=ZERO_HASH,
        time=AT,
    )
    return VoteRequest(
        token=TOKEN,
        version=version + 1,
        attempt=0,
        trigger=TRIGGER,
        trigger_time=AT,
        head=entry,
        head_signatures=tuple((k.address, k.sign(DOMAIN, entry)) for k in NODES[:signers]),
    )


def request(version: int = 1, attempt: int = 0) -> VoteRequest:
    if version > 1:
        made = commit_of(version - 1)
        return VoteRequest(
            **{name: getattr(made, name) for name in made.__struct_fields__} | {"attempt": attempt}
        )
    return VoteRequest(token=TOKEN, version=1, attempt=attempt, trigger=TRIGGER, trigger_time=AT)


def asked(of: VoteRequest, **changes: object) -> ReceiveVoteRequest:
    event = ReceiveVoteRequest(
        request=of,
        asker=winner(PLACEMENT, of.version, of.attempt),
        placement=PLACEMENT,
        trigger_ms=AT,
        timing=TIMING,
        domain=DOMAIN,
    )
    return replace(event, **changes)  # type: ignore[arg-type]  # the test names real fields


def vote(state: VoterState, event: ReceiveVoteRequest | ReceiveHead, now: int) -> VoterState:
    return VOTER.step(state, event, now).state


# Windows and winners


@given(st.integers(0, 10**6), st.integers(1, 60_000), st.integers(0, 10_000))
def test_windows_follow_each_other_without_overlap(after: int, lease: int, gap: int) -> None:
    timing = Timing(lease_ms=lease, gap_ms=gap)
    window = window_at(AT, AT + after, timing)
    following = window_at(AT, window.end_ms + gap, timing)
    assert window.start_ms <= AT + after < window.end_ms + gap
    assert window.end_ms - window.start_ms == lease
    assert following.attempt == window.attempt + 1
    assert following.start_ms == window.end_ms + gap


def test_every_holder_wins_its_share_and_nobody_can_move_it() -> None:
    wins = Counter(winner(PLACEMENT, version, 0) for version in range(1, 3_001))
    assert all(abs(wins[holder] / 3_000 - 1 / 3) < 0.03 for holder in PLACEMENT.holders)


def test_a_holder_in_scrutiny_is_not_elected_unless_all_are() -> None:
    elected = winner(PLACEMENT, 1, 0)
    second = winner(PLACEMENT, 1, 0, scrutiny=(elected,))
    assert second != elected
    assert winner(PLACEMENT, 1, 0, scrutiny=PLACEMENT.holders) == elected


@pytest.mark.parametrize(("anchors", "votes"), [(1, 1), (4, 3), (5, 4), (7, 5), (21, 15), (90, 15)])
def test_a_quorum_is_more_than_two_thirds(anchors: int, votes: int) -> None:
    assert quorum(anchors) == votes


def test_a_large_network_votes_by_a_drawn_committee() -> None:
    many = [Address(keccak(b"%d" % i)[:20]) for i in range(50)]
    drawn = committee(many, TOKEN)
    assert len(drawn) == 21
    assert drawn == committee(reversed(many), TOKEN)
    assert drawn != committee(many, keccak(b"other"))


# An anchor's vote


def test_an_anchor_votes_for_the_windows_winner_and_again_when_asked_again() -> None:
    state = vote(VoterState(), asked(request()), AT + 50)
    assert state.vote == ElectionVote(
        token=TOKEN,
        version=1,
        attempt=0,
        executor=winner(PLACEMENT, 1, 0),
        trigger=TRIGGER,
        window_end=AT + TIMING.lease_ms,
    )
    assert vote(state, asked(request()), AT + 60) == state


@pytest.mark.parametrize(
    ("event", "now", "error"),
    [
        (asked(request(), asker=Address(b"\x01" * 20)), AT, NotElected),
        (asked(request(), trigger_ms=None), AT, TriggerUnknown),
        (asked(request(), trigger_ms=AT + 1), AT, TriggerTimeWrong),
        (asked(request()), AT - 101, TriggerTimeWrong),
        (asked(request(attempt=1)), AT, WrongWindow),
        (asked(request()), AT + 11_000, WrongWindow),
        (asked(request()), AT + 9_001, WindowClosing),
        (asked(request()), AT + 10_500, WindowClosing),
        (asked(request(), scrutiny=(winner(PLACEMENT, 1, 0),)), AT, NotElected),
        (asked(request(), placement=replace(PLACEMENT, token=TRIGGER)), AT, VersionUnproven),
        (asked(commit_of(3, signers=1)), AT, CommitInvalid),
    ],
)
def test_an_anchor_refuses_what_it_cannot_vouch_for(
    event: ReceiveVoteRequest, now: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        vote(VoterState(), event, now)


def test_clocks_within_the_bound_may_ask_a_little_early() -> None:
    assert vote(VoterState(), asked(request()), AT - 100).vote is not None
    early = asked(request(attempt=1))
    assert vote(VoterState(), early, AT + 11_000 - 100).vote is not None


def test_a_version_must_follow_from_a_commit_of_a_majority() -> None:
    skipping = commit_of(3)
    for version in (3, 5):
        fields = {name: getattr(skipping, name) for name in skipping.__struct_fields__}
        with pytest.raises(VersionUnproven):
            vote(VoterState(), asked(VoteRequest(**fields | {"version": version})), AT)
    bare = VoteRequest(token=TOKEN, version=2, attempt=0, trigger=TRIGGER, trigger_time=AT)
    with pytest.raises(VersionUnproven):
        vote(VoterState(), asked(bare), AT)
    assert vote(VoterState(), asked(skipping), AT).vote is not None


def test_an_anchor_never_votes_twice_on_one_fence() -> None:
    state = vote(VoterState(), asked(request()), AT)
    other = VoteRequest(
        token=TOKEN, version=1, attempt=0, trigger=keccak(b"another"), trigger_time=AT + 1
    )
    with pytest.raises(AlreadyVoted):
        vote(state, asked(other, trigger_ms=AT + 1), AT + 5)


def test_an_anchor_never_votes_below_its_vote() -> None:
    state = vote(VoterState(), asked(request(version=4)), AT)
    with pytest.raises(FenceTooLow):
        vote(state, asked(request(version=3)), AT)
    with pytest.raises(FenceTooLow):
        vote(state, asked(request(attempt=3)), AT + 3 * 11_000)


def test_a_trigger_of_long_ago_gives_no_fence_that_freezes_the_others() -> None:
    now = AT + 5_000
    stride = TIMING.lease_ms + TIMING.gap_ms
    attempt = next(
        n for n in range(10**8, 10**8 + 50) if winner(PLACEMENT, 1, n) == NODES[2].address
    )
    old = now - 1_000 - attempt * stride
    fields = {name: getattr(request(), name) for name in request().__struct_fields__}
    asking = VoteRequest(**fields | {"attempt": attempt, "trigger_time": old})
    with pytest.raises(TriggerTooOld):
        vote(VoterState(), asked(asking, trigger_ms=old), now)
    assert vote(VoterState(), asked(request()), now).vote is not None


def test_an_older_commit_elects_nobody_after_a_newer_one_was_shown() -> None:
    state = vote(VoterState(), ReceiveHead(asked=asked(request(version=30))), AT)
    assert (state.vote, state.head) == (None, 29)
    with pytest.raises(VersionUnproven):
        vote(state, asked(request(version=5)), AT)
    with pytest.raises(VersionUnproven):
        vote(state, asked(request()), AT)
    elected = vote(state, asked(request(version=30)), AT)
    assert elected.vote is not None
    assert elected.head == 29
    # Showing less again takes nothing back, and a commit without its majority shows nothing.
    assert vote(elected, ReceiveHead(asked=asked(request(version=5))), AT) == elected
    with pytest.raises(CommitInvalid):
        vote(elected, ReceiveHead(asked=asked(commit_of(40, signers=1))), AT)


def versions_won_by(executor: Address, beyond: int) -> int:
    return next(v for v in range(beyond, 999) if winner(PLACEMENT, v, 0) == executor)


def versions_lost_by(executor: Address, beyond: int) -> int:
    return next(v for v in range(beyond, 999) if winner(PLACEMENT, v, 0) != executor)


def test_nobody_else_is_elected_while_a_lease_may_be_open() -> None:
    state = vote(VoterState(), asked(request()), AT)
    assert state.vote is not None
    version = versions_lost_by(state.vote.executor, 2)
    fields = {name: getattr(request(version), name) for name in request().__struct_fields__}
    later = VoteRequest(**fields | {"trigger_time": AT + 4_000})

    with pytest.raises(LeaseHeld):
        vote(state, asked(later, trigger_ms=AT + 4_000), AT + 9_999)
    elected = vote(state, asked(later, trigger_ms=AT + 4_000), AT + 10_000)
    assert elected.vote is not None
    assert elected.held_until_ms == AT + 14_000


def test_the_holder_itself_may_be_elected_again_and_its_longest_lease_counts() -> None:
    """A later version's window may end before the one that is open."""
    first = request()
    state = vote(VoterState(), asked(first), AT)
    assert state.vote is not None
    version = versions_won_by(state.vote.executor, 2)
    fields = {name: getattr(request(version), name) for name in first.__struct_fields__}
    older = VoteRequest(**fields | {"trigger_time": AT - 5_000})

    renewed = vote(state, asked(older, trigger_ms=AT - 5_000), AT + 1_000)

    assert renewed.vote is not None
    assert renewed.vote.window_end == AT + 5_000
    assert renewed.held_until_ms == AT + 10_000


# Certificates


def cast(of: ElectionVote, keys: list[SigningKey]) -> list[tuple[Address, Signature]]:
    return [(key.address, key.sign(DOMAIN, of)) for key in keys]


VOTE = ElectionVote(
    token=TOKEN,
    version=1,
    attempt=0,
    executor=NODES[0].address,
    trigger=TRIGGER,
    window_end=AT + 10_000,
)


def test_three_of_four_votes_make_a_lease_and_two_do_not() -> None:
    assert assemble(DOMAIN, VOTE, cast(VOTE, ANCHORS[:2]), NAMES) is None
    lease = assemble(DOMAIN, VOTE, cast(VOTE, ANCHORS[1:]), NAMES)
    assert lease is not None
    verify_lease(DOMAIN, lease, NAMES)
    assert fence_of(lease.vote) == Fence(version=1, attempt=0)


def test_votes_that_are_not_a_committee_members_own_are_left_out() -> None:
    stranger = SigningKey(keccak(b"stranger"))
    other = replace(VOTE, attempt=1)
    votes = [*cast(VOTE, [*ANCHORS[:2], stranger]), *cast(other, [ANCHORS[2]])]
    assert assemble(DOMAIN, VOTE, votes, NAMES) is None


def certified(keys: list[SigningKey], of: ElectionVote = VOTE) -> Lease:
    return Lease(vote=VOTE, signatures=tuple((k.address, k.sign(DOMAIN, of)) for k in keys))


@pytest.mark.parametrize(
    ("lease", "error"),
    [
        (certified(ANCHORS[:2]), CertificateInvalid),
        (certified([*ANCHORS[:2], ANCHORS[1]]), CertificateInvalid),
        (certified([*ANCHORS[:2], SigningKey(keccak(b"stranger"))]), SignerUnknown),
        (certified(ANCHORS[:3], replace(VOTE, version=2)), SignatureInvalid),
    ],
)
def test_a_lease_without_its_quorum_is_refused(lease: Lease, error: type[Exception]) -> None:
    with pytest.raises(error):
        verify_lease(DOMAIN, lease, NAMES)


def test_two_votes_on_one_fence_prove_their_anchor_wrong() -> None:
    other = replace(VOTE, executor=NODES[1].address)
    one = (VOTE, ANCHORS[0].sign(DOMAIN, VOTE))
    proof = equivocation(DOMAIN, one, (other, ANCHORS[0].sign(DOMAIN, other)))
    assert proof is not None
    assert proof.anchor == ANCHORS[0].address


def test_votes_of_two_anchors_or_on_two_fences_or_the_same_vote_prove_nothing() -> None:
    one = (VOTE, ANCHORS[0].sign(DOMAIN, VOTE))
    other = replace(VOTE, executor=NODES[1].address)
    later = replace(other, attempt=1)
    assert equivocation(DOMAIN, one, (other, ANCHORS[1].sign(DOMAIN, other))) is None
    assert equivocation(DOMAIN, one, (later, ANCHORS[0].sign(DOMAIN, later))) is None
    assert equivocation(DOMAIN, one, one) is None


def test_no_two_quorums_elect_two_nodes_at_once_while_one_anchor_lies() -> None:
    """Three honest voters and a liar: every pair of quorums shares an honest anchor."""
    triggers = [(keccak(b"t%d" % i), AT + 1_500 * i) for i in range(12)]
    states = {name: VoterState() for name in NAMES[1:]}
    leases: list[ElectionVote] = []
    for index, (trigger, trigger_ms) in enumerate(triggers):
        fields = {name: getattr(request(index + 2), name) for name in request().__struct_fields__}
        wanted = VoteRequest(**fields | {"trigger": trigger, "trigger_time": trigger_ms})
        votes: list[ElectionVote] = []
        for name in NAMES[1:]:
            try:
                states[name] = vote(states[name], asked(wanted, trigger_ms=trigger_ms), trigger_ms)
            except LeaseHeld:
                continue
            cast_vote = states[name].vote
            assert cast_vote is not None
            votes.append(cast_vote)
        if len(votes) + 1 >= quorum(4):
            leases.append(votes[0])
    for one in leases:
        for other in leases:
            apart = abs(one.window_end - other.window_end) >= TIMING.lease_ms
            assert apart or one.executor == other.executor
    assert len(leases) > 2
