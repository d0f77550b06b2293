"""A token's journal at its replicas: leases, proposals, commits, recovery, actions, evidence."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from node.core.actions import action_key, due_timers, guard, live_lease
from node.core.canonical import to_bytes
from node.core.commits import content_hash
from node.core.election import NO_FENCE, Fence, Timing, fence_of, window_at, winner
from node.core.failure import FailureWord
from node.core.inputs import (
    MAX_INPUT_BYTES,
    Activation,
    Attested,
    Failure,
    Outcome,
    decode_input,
    encode_input,
    input_hash,
)
from node.core.instance import JOURNAL, journal_key
from node.core.journal import (
    MAX_QUEUE,
    ActionActivate,
    ActionAttemptFailed,
    ActionExecuted,
    ActionPhase,
    DoubleCommit,
    DoubleProposal,
    Execution,
    JournalState,
    PerformHttp,
    Phase,
    ReceiveCommit,
    ReceiveCosignature,
    ReceiveFailureAttestations,
    ReceiveGathered,
    ReceiveInput,
    ReceiveLease,
    ReceiveProposal,
    ReceiveQuery,
    RootDiffers,
    RunKept,
    SendCommit,
    SendProposal,
    SendQuery,
    SendRouteCall,
    evidence_stream,
    journal_stream,
    runs_stream,
)
from node.core.proposing import candidacy, draft, next_order, next_window_ms
from node.core.replicating import needs_run, reply_to_query, require_accepted
from node.errors import (
    ActionUnknown,
    AlreadyCommitted,
    BaseMoved,
    CertificateInvalid,
    CommitInvalid,
    EntryUnknown,
    FailureUnproven,
    FenceTooLow,
    InputInvalid,
    InputOutOfOrder,
    InputStale,
    JournalBehind,
    LeaseMissing,
    NotActive,
    PlacementInvalid,
    ProposalInvalid,
    QueueFull,
    RunDiffers,
    SignerUnknown,
)
from node.protocol.frames import Commit, Frame, JournalReply, Lease, Proposal, encode_frame
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    FeedEntry,
    JournalEntry,
    ObservedResponse,
    Placement,
)
from settlement.core.machine import Record, Transition
from settlement.errors import SignatureInvalid
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TIMING = Timing(lease_ms=10_000, gap_ms=1_000, skew_ms=100, margin_ms=1_000)
TOKEN = keccak(b"token")
NOW = 1_700_000_000_000
ANCHOR_KEYS = [SigningKey(keccak(b"anchor %d" % i)) for i in range(4)]
ANCHORS = tuple(sorted(key.address for key in ANCHOR_KEYS))
NODES = [SigningKey(keccak(b"node %d" % i)) for i in range(3)]
A, B, C = NODES
AIRLINE, STRANGER = SigningKey(keccak(b"airline")), SigningKey(keccak(b"stranger"))
PLACEMENT = Placement(
    token=TOKEN,
    token_class=keccak(b"class"),
    number=1,
    activation_block=5,
    seed=keccak(b"seed"),
    holders=tuple(node.address for node in NODES),
    version=1,
)
ACTIVATION = encode_input(
    Activation(token=TOKEN, block=5, block_hash=keccak(b"b"), time=NOW - 500, attributes=b"{}")
)
ACTIVATE: dict[str, Any] = {
    "placement": PLACEMENT,
    "attempt_limits": {"rebook": 2},
    "activation": ACTIVATION,
}


def attested(sequence: int, time: int = NOW - 400) -> bytes:
    entry = FeedEntry(
        attester=AIRLINE.address,
        topic="flights",
        epoch=0,
        sequence=sequence,
        previous=keccak(b"%d" % sequence),
        body_hash=keccak(b"late"),
        tags=(),
        time=time + sequence,
    )
    given = Attested(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=b"late")
    return encode_input(given)


REBOOK = to_bytes({"kind": "http", "action": "rebook", "url": "https://hotel.example"})


def run(state: JournalState, data: bytes, time: int, *effects: bytes) -> Execution:
    """A run whose state is a list of what was run."""
    after = to_bytes({"ran": state.version + 1, "input": keccak(data).hex()})
    return Execution(
        input=data,
        time=time,
        base_version=state.version,
        base_root=state.state_root,
        state=after,
        effects=effects,
        output_hash=keccak(after + b"".join(effects)),
    )


def lease(executor: SigningKey, version: int, attempt: int = 0, end: int = NOW + 10_000) -> Lease:
    vote = ElectionVote(
        token=TOKEN,
        version=version,
        attempt=attempt,
        executor=executor.address,
        trigger=keccak(b"trigger"),
        window_end=end,
    )
    signed = tuple((key.address, key.sign(DOMAIN, vote)) for key in ANCHOR_KEYS[:3])
    return Lease(vote=vote, signatures=signed)


@dataclass
class Node:
    """A replica driven by hand; ``records`` and ``effects`` are all that its steps gave."""

    key: SigningKey
    state: JournalState = field(default_factory=lambda: JOURNAL.initial(journal_key(TOKEN)))
    records: list[Record] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)
    now: int = NOW

    def take(self, event: Any) -> Transition[JournalState, Any]:
        transition = JOURNAL.step(self.state, event, self.now)
        self.state = transition.state
        self.records += transition.records
        self.effects += transition.effects
        data = msgspec.json.encode(self.state)
        assert msgspec.json.decode(data, type=JournalState) == self.state
        return transition

    def lead(self, held: Lease, *others: "Node") -> None:
        """Take a lease and gather from others."""
        shared: dict[str, Any] = {"anchors": ANCHORS, "timing": TIMING, "domain": DOMAIN}
        self.take(ReceiveLease(lease=held, **shared))
        for other in others:
            other.take(ReceiveQuery(asker=self.key.address, lease=held, **shared))
            reply = reply_to_query(other.state, (), 8)
            self.take(gathered(other, held, reply))

    def propose(self, *effects: bytes) -> Proposal:
        order = next_order(self.state, TIMING, self.now)
        assert order is not None
        self.take(executed(self, run(self.state, order.input, order.time, *effects)))
        assert self.state.accepted is not None
        return self.state.accepted.proposal

    def accept(self, proposal: Proposal, *effects: bytes) -> ReceiveCosignature:
        """Run and accept a proposal, and co-sign it."""
        self.take(proposed(self, proposal, *effects))
        require_accepted(self.state, proposal.entry)
        return cosigned(self.key, proposal.entry)

    def logged(self, stream: str) -> dict[int, Any]:
        return {r.position: r.body for r in self.records if r.stream == stream}

    def sent(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]


def gathered(peer: Node, held: Lease, reply: JournalReply) -> ReceiveGathered:
    return ReceiveGathered(
        peer=peer.key.address,
        fence=fence_of(held.vote),
        reply=reply,
        anchors=ANCHORS,
        timing=TIMING,
        domain=DOMAIN,
    )


def executed(node: Node, execution: Execution) -> ActionExecuted:
    entry = draft(node.state, execution)
    return ActionExecuted(
        execution=execution,
        entry=entry,
        signature=node.key.sign(DOMAIN, entry),
        timing=TIMING,
        domain=DOMAIN,
    )


def proposed(node: Node, proposal: Proposal, *effects: bytes) -> ReceiveProposal:
    execution = None
    if needs_run(node.state, proposal.entry):
        execution = run(node.state, proposal.input, proposal.entry.time, *effects)
    return ReceiveProposal(
        proposal=proposal, execution=execution, anchors=ANCHORS, timing=TIMING, domain=DOMAIN
    )


def cosigned(key: SigningKey, entry: JournalEntry) -> ReceiveCosignature:
    return ReceiveCosignature(
        entry=entry,
        node=key.address,
        signature=key.sign(DOMAIN, entry),
        timing=TIMING,
        domain=DOMAIN,
    )


def committed(node: Node, commit: Commit, *effects: bytes) -> ReceiveCommit:
    execution = None
    if needs_run(node.state, commit.entry):
        execution = run(node.state, commit.input, commit.entry.time, *effects)
    return ReceiveCommit(commit=commit, execution=execution, timing=TIMING, domain=DOMAIN)


def forged(proposal: Proposal, key: SigningKey, **changes: Any) -> Proposal:
    """The same proposal with its entry changed and signed again."""
    entry = replace(proposal.entry, **changes)
    return msgspec.structs.replace(proposal, entry=entry, signature=key.sign(DOMAIN, entry))


def commit_of(proposal: Proposal, *keys: SigningKey) -> Commit:
    signatures = tuple((k.address, k.sign(DOMAIN, proposal.entry)) for k in keys)
    return Commit(entry=proposal.entry, signatures=signatures, input=proposal.input)


def three() -> tuple[Node, Node, Node]:
    """Three replicas of one token, activated."""
    nodes = [Node(key) for key in NODES]
    for node in nodes:
        node.take(ActionActivate(node=node.key.address, **ACTIVATE))
    return nodes[0], nodes[1], nodes[2]


def begun(*inputs: bytes) -> tuple[Node, Node, Node]:
    """Three replicas after the activation's commit, ``a`` leading, with inputs waiting."""
    a, b, c = three()
    a.lead(lease(A, 1), b)
    proposal = a.propose()
    a.take(b.accept(proposal))
    commit = a.sent(SendCommit)[0].commit
    for other in (b, c):
        other.take(committed(other, commit))
    for node in (a, b, c):
        node.effects.clear()
        for data in inputs:
            node.take(ReceiveInput(data=data))
    return a, b, c


# Activation and the queue


def test_a_token_that_is_not_held_takes_no_part() -> None:
    node = Node(A)
    with pytest.raises(NotActive):
        node.take(ReceiveInput(data=attested(0)))


def test_activation_queues_the_first_input_and_is_idempotent() -> None:
    a, _, _ = three()
    assert a.state.phase is Phase.ACTIVE
    assert [q.data for q in a.state.queue] == [ACTIVATION]
    assert a.take(ActionActivate(node=A.address, **ACTIVATE)).state == a.state


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (ActionActivate(node=STRANGER.address, **ACTIVATE), PlacementInvalid),
        (
            ActionActivate(
                node=A.address, **ACTIVATE | {"placement": replace(PLACEMENT, token=ZERO_HASH)}
            ),
            PlacementInvalid,
        ),
        (ActionActivate(node=A.address, **ACTIVATE | {"activation": attested(0)}), InputInvalid),
    ],
)
def test_a_wrong_activation_is_refused(event: ActionActivate, error: type[Exception]) -> None:
    with pytest.raises(error):
        Node(A).take(event)


def test_an_input_waits_once_and_its_strand_keeps_its_order() -> None:
    a, b, _ = begun(attested(1), attested(0), attested(1))
    assert len(a.state.queue) == 2
    first = a.propose()
    assert first.input == attested(0)
    a.take(b.accept(first))
    assert [q.data for q in a.state.queue] == [attested(1)]


def test_an_input_that_has_had_its_turn_is_refused() -> None:
    a, b, _ = begun(attested(0))
    a.take(b.accept(a.propose()))
    with pytest.raises(InputStale):
        a.take(ReceiveInput(data=attested(0)))
    with pytest.raises(InputStale):
        a.take(ReceiveInput(data=ACTIVATION))


def test_the_queue_is_bounded() -> None:
    a, _, _ = begun()
    full = replace(
        a.state,
        queue=tuple(
            replace(three()[0].state.queue[0], hash=keccak(b"%d" % i)) for i in range(MAX_QUEUE)
        ),
    )
    with pytest.raises(QueueFull):
        JOURNAL.step(full, ReceiveInput(data=attested(0)), NOW)


# Leases


def test_the_windows_winner_asks_and_the_others_wait() -> None:
    nodes = three()
    elected = winner(PLACEMENT, 1, 0)
    asked = {n.key.address: candidacy(n.state, TIMING, NOW) for n in nodes}
    assert [name for name, request in asked.items() if request is not None] == [elected]
    request = asked[elected]
    assert request is not None
    assert (request.version, request.attempt, request.trigger_time) == (1, 0, NOW - 500)
    assert request.head is None


def test_every_holder_comes_to_ask_in_some_window() -> None:
    nodes = three()
    asking = set()
    for attempt in range(20):
        now = NOW - 500 + attempt * 11_000
        asking |= {n.key.address for n in nodes if candidacy(n.state, TIMING, now) is not None}
    assert asking == set(PLACEMENT.holders)


def test_nobody_asks_without_work_or_late_in_a_window_or_under_an_open_lease() -> None:
    idle = begun()
    assert [candidacy(n.state, TIMING, NOW) for n in idle] == [None, None, None]
    a, b, _ = begun(attested(0))
    assert [candidacy(n.state, TIMING, NOW) for n in (a, b)] == [None, None]
    fresh = three()
    late = window_at(NOW - 500, NOW, TIMING).end_ms - 1_500
    assert [candidacy(n.state, TIMING, late) for n in fresh] == [None, None, None]
    assert next_window_ms(fresh[0].state, TIMING, NOW) == NOW - 500 + 11_000
    assert next_window_ms(idle[0].state, TIMING, NOW) is None
    assert next_window_ms(a.state, TIMING, NOW) == NOW + 10_000


def test_after_a_lease_the_next_request_proves_its_version() -> None:
    nodes = begun(attested(0))
    asked = [candidacy(n.state, TIMING, NOW - 400 + 11_000 * i) for i in range(1, 9) for n in nodes]
    request = next(r for r in asked if r is not None)
    assert request.version == 2
    assert request.head is not None
    assert request.head.version == 1
    assert len(request.head_signatures) >= 2


def test_a_lease_is_taken_only_by_its_executor_with_a_quorum_and_in_time() -> None:
    a, _, _ = three()
    shared: dict[str, Any] = {"anchors": ANCHORS, "timing": TIMING, "domain": DOMAIN}
    thin = Lease(vote=lease(A, 1).vote, signatures=lease(A, 1).signatures[:2])
    for wrong, error in (
        (lease(B, 1), CertificateInvalid),
        (lease(STRANGER, 1), CertificateInvalid),
        (thin, CertificateInvalid),
        (lease(A, 1, end=NOW + 999), LeaseMissing),
    ):
        with pytest.raises(error):
            a.take(ReceiveLease(lease=wrong, **shared))
    assert a.state.promised == NO_FENCE
    a.take(ReceiveLease(lease=lease(A, 1), **shared))
    assert {q.peer for q in a.sent(SendQuery)} == {B.address, C.address}


def test_an_executor_waits_for_a_majority_before_it_runs_anything() -> None:
    a, b, _ = three()
    a.lead(lease(A, 1))
    assert next_order(a.state, TIMING, NOW) is None
    assert live_lease(a.state, TIMING, NOW) is None
    a.lead(lease(A, 1), b)
    assert next_order(a.state, TIMING, NOW) is not None


def test_an_executor_stops_a_second_before_its_window_ends() -> None:
    a, b, _ = three()
    a.lead(lease(A, 1), b)
    assert next_order(a.state, TIMING, NOW + 9_000) is not None
    assert next_order(a.state, TIMING, NOW + 9_001) is None


def test_a_promise_to_a_newer_executor_ends_the_own_lease() -> None:
    a, b, c = begun(attested(0))
    c.lead(lease(C, 2), a, b)
    assert a.state.tenure is None
    assert next_order(a.state, TIMING, NOW) is None
    with pytest.raises(FenceTooLow):
        b.take(proposed(b, msgspec.structs.replace(c.propose(), lease=lease(A, 1))))


def test_a_query_under_a_lower_or_a_strangers_or_a_closed_lease_is_refused() -> None:
    _, b, c = begun()
    c.lead(lease(C, 4), b)
    shared: dict[str, Any] = {"anchors": ANCHORS, "timing": TIMING, "domain": DOMAIN}
    for asker, held, error in (
        (A, lease(A, 2), FenceTooLow),
        (B, lease(A, 5), CertificateInvalid),
        (A, lease(A, 5, end=NOW - 101), CertificateInvalid),
    ):
        with pytest.raises(error):
            b.take(ReceiveQuery(asker=asker.address, lease=held, **shared))


# Proposals and commits


def test_two_of_three_signatures_commit_and_all_replicas_reach_one_state() -> None:
    a, b, c = begun(attested(0))
    proposal = a.propose()
    assert {s.peer for s in a.sent(SendProposal)} == {B.address, C.address}
    assert a.state.version == 1

    a.take(b.accept(proposal))

    commit = a.sent(SendCommit)[0].commit
    b.take(committed(b, commit))
    c.take(committed(c, commit))
    assert {n.state.version for n in (a, b, c)} == {2}
    assert len({n.state.state_root for n in (a, b, c)}) == 1
    assert len({n.state.head for n in (a, b, c)}) == 1
    assert all(n.logged(journal_stream(TOKEN))[2] == commit for n in (a, b, c))
    assert not any(n.state.queue or n.state.accepted for n in (a, b, c))


def test_one_lease_covers_many_versions() -> None:
    a, b, _ = begun(attested(0), attested(1), attested(2))
    for _ in range(3):
        a.take(b.accept(a.propose()))
        b.take(committed(b, a.sent(SendCommit)[-1].commit))
    assert a.state.version == 4
    assert {c.entry.lease_version for c in a.logged(journal_stream(TOKEN)).values()} == {1}


def test_a_proposal_sent_again_is_accepted_again_without_a_change() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose()
    b.accept(proposal)
    before = b.state
    b.accept(proposal)
    assert b.state == before


CHANGED: list[tuple[Callable[[Proposal], Proposal], type[Exception]]] = [
    (lambda p: forged(p, A, previous=keccak(b"x")), ProposalInvalid),
    (lambda p: forged(p, A, version=3), JournalBehind),
    (lambda p: forged(p, A, version=1), AlreadyCommitted),
    (lambda p: forged(p, A, time=1), ProposalInvalid),
    (lambda p: forged(p, A, time=NOW + 101), ProposalInvalid),
    (lambda p: forged(p, A, attempt=1), ProposalInvalid),
    (lambda p: forged(p, A, token=ZERO_HASH), ProposalInvalid),
    (lambda p: forged(p, B, executor=B.address), ProposalInvalid),
    (lambda p: forged(p, A, input_hash=ZERO_HASH), ProposalInvalid),
    (lambda p: forged(p, STRANGER), SignatureInvalid),
    (lambda p: msgspec.structs.replace(p, input=attested(1)), ProposalInvalid),
    (lambda p: msgspec.structs.replace(p, input=b"x"), InputInvalid),
    (lambda p: msgspec.structs.replace(p, lease=lease(A, 9)), ProposalInvalid),
    (lambda p: msgspec.structs.replace(p, lease=lease(A, 1, end=NOW - 200)), CertificateInvalid),
]


@pytest.mark.parametrize(("change", "error"), CHANGED)
def test_a_proposal_that_its_lease_or_the_journal_does_not_allow_is_refused(
    change: Callable[[Proposal], Proposal], error: type[Exception]
) -> None:
    a, b, _ = begun(attested(0), attested(1))
    wrong = change(a.propose())
    before = b.state
    with pytest.raises(error):
        b.take(proposed(b, wrong))
    assert b.state == before


def test_a_run_on_another_base_is_refused() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose()
    event = proposed(b, proposal)
    assert event.execution is not None
    for stale in (
        replace(event.execution, base_version=0),
        replace(event.execution, base_root=keccak(b"x")),
        replace(event.execution, input=attested(1)),
        replace(event.execution, time=5),
    ):
        with pytest.raises(BaseMoved):
            b.take(replace(event, execution=stale))


def test_a_differing_root_is_evidence_and_is_not_cosigned() -> None:
    a, b, _ = begun(attested(0))
    proposal = forged(a.propose(), A, state_root=keccak(b"invented"))

    b.take(proposed(b, proposal))

    with pytest.raises(RunDiffers):
        require_accepted(b.state, proposal.entry)
    found = b.logged(evidence_stream(TOKEN))[0]
    assert isinstance(found, RootDiffers)
    assert found.proposal == proposal
    b.take(proposed(b, proposal))
    assert len(b.logged(evidence_stream(TOKEN))) == 1


def test_differing_effects_are_evidence_too() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose(REBOOK)
    b.take(proposed(b, proposal))
    with pytest.raises(RunDiffers):
        require_accepted(b.state, proposal.entry)


def test_an_executor_that_leaves_out_an_input_is_not_followed() -> None:
    a, b, c = begun()
    a.take(ReceiveInput(data=attested(1)))
    b.take(ReceiveInput(data=attested(0)))
    skipping = a.propose()
    with pytest.raises(InputOutOfOrder):
        b.take(proposed(b, skipping))
    c.accept(skipping)


def test_two_proposals_under_one_fence_prove_their_executor_wrong() -> None:
    a, b, _ = begun(attested(0))
    first = a.propose()
    b.accept(first)
    second = forged(first, A, output_hash=keccak(b"other"))

    b.take(proposed(b, second))

    with pytest.raises(RunDiffers):
        require_accepted(b.state, second.entry)
    assert b.logged(evidence_stream(TOKEN))[0] == DoubleProposal(first=first, second=second)


def test_an_executor_proposes_one_entry_at_a_time() -> None:
    a, _, _ = begun(attested(0), attested(1))
    a.propose()
    assert next_order(a.state, TIMING, NOW) is None
    with pytest.raises(ProposalInvalid):
        a.take(executed(a, run(a.state, attested(0), NOW - 5)))


def test_cosignatures_count_once_and_only_by_holders_on_the_proposed_entry() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose()
    with pytest.raises(SignerUnknown):
        a.take(cosigned(STRANGER, proposal.entry))
    with pytest.raises(SignatureInvalid):
        a.take(replace(cosigned(STRANGER, proposal.entry), node=B.address))
    with pytest.raises(EntryUnknown):
        a.take(cosigned(B, replace(proposal.entry, time=1)))
    a.take(cosigned(A, proposal.entry))
    assert a.state.version == 1
    a.take(b.accept(proposal))
    assert a.state.version == 2
    a.take(cosigned(C, proposal.entry))
    assert a.state.version == 2


def test_a_commit_needs_a_majority_of_holders() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose()
    for keys in ((A,), (A, STRANGER), (A, A), (B, C)):
        with pytest.raises(CommitInvalid):
            b.take(committed(b, commit_of(proposal, *keys)))
    b.take(committed(b, commit_of(proposal, A, C)))
    assert b.state.version == 2


def test_a_commit_ahead_asks_for_what_lies_between_and_an_old_one_changes_nothing() -> None:
    a, b, c = begun(attested(0), attested(1))
    for _ in range(2):
        a.take(b.accept(a.propose()))
        b.take(committed(b, a.sent(SendCommit)[-1].commit))
    first, third = a.sent(SendCommit)[0].commit, a.sent(SendCommit)[-1].commit
    with pytest.raises(JournalBehind):
        c.take(committed(c, third))
    c.take(committed(c, first))
    before = c.state
    c.take(committed(c, first))
    assert c.state == before


def test_a_replica_in_the_minority_logs_it_and_stops() -> None:
    a, b, c = begun(attested(0))
    proposal = a.propose(REBOOK)
    commit = commit_of(proposal, A, B)
    c.take(committed(c, commit))
    assert c.state.phase is Phase.DIVERGED
    assert c.state.version == 1
    assert isinstance(c.logged(evidence_stream(TOKEN))[0], RootDiffers)
    with pytest.raises(NotActive):
        c.take(ReceiveInput(data=attested(1)))
    assert b.state.phase is Phase.ACTIVE


def test_two_commits_on_one_version_are_evidence() -> None:
    a, _, c = begun(attested(0))
    proposal = a.propose()
    other = forged(proposal, A, time=proposal.entry.time - 1)
    c.take(committed(c, commit_of(proposal, A, B)))
    c.take(committed(c, commit_of(other, A, B)))
    assert isinstance(c.logged(evidence_stream(TOKEN))[0], DoubleCommit)
    assert c.state.phase is Phase.DIVERGED


# A new executor


def test_a_new_executor_takes_over_what_may_have_been_committed() -> None:
    """A proposed and B accepted; A dies. C gathers from B and proposes the same again, although
    another input would come first for C itself."""
    a, b, c = begun(attested(0))
    c.take(ReceiveInput(data=attested(0, time=NOW - 9_000)))
    abandoned = a.propose()
    b.accept(abandoned)
    c.lead(lease(C, 2), b)

    proposal = c.propose()

    assert proposal.input == abandoned.input
    assert content_hash(proposal.entry) == content_hash(abandoned.entry)
    assert proposal.entry.executor == C.address
    c.take(b.accept(proposal))
    a.take(cosigned(B, abandoned.entry))
    assert a.state.head == c.state.head
    assert a.state.version == c.state.version == 2


def test_a_new_executor_may_not_put_anything_before_what_it_recovered() -> None:
    a, b, c = begun(attested(0), attested(1))
    b.accept(a.propose())
    c.lead(lease(C, 2), b)
    with pytest.raises(ProposalInvalid):
        c.take(executed(c, run(c.state, attested(1), NOW)))


def test_the_recovered_proposal_is_the_one_of_the_highest_fence() -> None:
    a, b, c = begun(attested(0), attested(1))
    a.propose()
    b.lead(lease(B, 2), c)
    newer = b.propose()
    a.now = b.now = c.now = NOW + 50
    a.lead(lease(A, 2, attempt=1), b)
    assert a.state.tenure is not None
    assert a.state.tenure.recovered == newer


def test_a_new_executor_learns_commits_before_it_counts_an_answer() -> None:
    a, b, c = begun(attested(0))
    a.take(b.accept(a.propose()))
    commit = a.sent(SendCommit)[0].commit
    b.take(committed(b, commit))
    held = lease(C, 2)
    c.lead(held)
    b.take(ReceiveQuery(asker=C.address, lease=held, anchors=ANCHORS, timing=TIMING, domain=DOMAIN))

    reply = reply_to_query(b.state, [commit], 8)
    with pytest.raises(JournalBehind):
        c.take(gathered(b, held, reply))
    c.take(committed(c, commit))
    c.take(gathered(b, held, reply))
    assert live_lease(c.state, TIMING, NOW) is not None


def test_a_reply_fits_a_frame_and_always_shows_what_was_accepted() -> None:
    a, b, _ = begun(attested(0))
    proposal = a.propose()
    b.accept(proposal)
    commit = b.logged(journal_stream(TOKEN))[1]
    long = msgspec.structs.replace(commit, input=b"x" * MAX_INPUT_BYTES)
    for commits in ([], [commit] * 40, [long, commit]):
        reply = reply_to_query(b.state, commits, 100)
        assert reply.accepted == proposal
        encode_frame(Frame(id=1, reply_to=0, body=reply))
    full = replace(b.state, accepted=replace(b.state.accepted, proposal=widened(proposal)))
    encode_frame(Frame(id=1, reply_to=0, body=reply_to_query(full, [long], 8)))
    bare = replace(b.state, accepted=None)
    assert reply_to_query(bare, [long, commit], 8).commits == (long, commit)
    encode_frame(Frame(id=1, reply_to=0, body=reply_to_query(bare, [long] * 5, 8)))


def widened(proposal: Proposal) -> Proposal:
    """A proposal as large as one can be, its input and its certificate."""
    signatures = tuple((key.address, key.sign(DOMAIN, proposal.lease.vote)) for key in [A] * 15)
    lease_of_many = Lease(vote=proposal.lease.vote, signatures=signatures)
    return msgspec.structs.replace(proposal, input=b"x" * MAX_INPUT_BYTES, lease=lease_of_many)


def test_an_answer_to_an_older_query_or_by_a_stranger_does_not_count() -> None:
    a, b, _ = three()
    a.lead(lease(A, 1))
    reply = JournalReply(version=0, commits=(), accepted=None)
    with pytest.raises(LeaseMissing):
        a.take(gathered(b, lease(A, 2), reply))
    with pytest.raises(SignerUnknown):
        a.take(replace(gathered(b, lease(A, 1), reply), peer=STRANGER.address))


def test_a_made_up_accepted_proposal_is_refused() -> None:
    a, b, c = begun(attested(0))
    real = a.propose()
    held = lease(C, 2)
    c.lead(held)
    thin = msgspec.structs.replace(
        real, lease=Lease(vote=real.lease.vote, signatures=real.lease.signatures[:1])
    )
    for shown, error in (
        (forged(real, STRANGER), SignatureInvalid),
        (forged(real, A, previous=ZERO_HASH), ProposalInvalid),
        (thin, CertificateInvalid),
    ):
        reply = JournalReply(version=1, commits=(), accepted=shown)
        with pytest.raises(error):
            c.take(gathered(b, held, reply))


def test_a_commit_that_arrives_while_gathering_ends_the_recovery() -> None:
    a, b, c = begun(attested(0))
    proposal = a.propose()
    b.accept(proposal)
    c.lead(lease(C, 2), b)
    c.take(committed(c, commit_of(proposal, A, B)))
    assert c.state.tenure is not None
    assert c.state.tenure.recovered is None
    assert next_order(c.state, TIMING, NOW) is None


# Actions


def asking() -> tuple[Node, Node, Node]:
    """Version 2 has asked for a rebooking; A leads."""
    a, b, c = begun(attested(0))
    a.take(b.accept(a.propose(REBOOK), REBOOK))
    commit = a.sent(SendCommit)[0].commit
    b.take(committed(b, commit, REBOOK))
    c.take(committed(c, commit, REBOOK))
    return a, b, c


KEY = action_key(TOKEN, 2, 0, "rebook")


def outcome(node: SigningKey, key: Hash = KEY, action: str = "rebook") -> bytes:
    response = ObservedResponse(
        token=TOKEN,
        action=action,
        version=1,
        attempt=0,
        request_hash=keccak(b"request"),
        status=200,
        body_hash=keccak(b"{}"),
        time=NOW,
    )
    signature = node.sign(DOMAIN, response)
    given = Outcome(
        key=key, response=response, witness=node.address, signature=signature, body=b"{}"
    )
    return encode_input(given)


def failure(anchors: list[SigningKey]) -> Failure:
    words = []
    for key in anchors:
        attestation = FailureAttestation(
            token=TOKEN,
            action="rebook",
            version=1,
            attempt=0,
            method="PUT",
            request_hash=keccak(b"request"),
            outcomes_hash=keccak(b"[]"),
            started=1,
            ended=2,
        )
        words.append(
            FailureWord(
                anchor=key.address,
                attestation=attestation,
                signature=key.sign(DOMAIN, attestation),
                outcomes=b"[]",
            )
        )
    return Failure(key=KEY, words=tuple(words))


def test_an_action_opens_everywhere_and_is_performed_by_the_executor_only() -> None:
    a, b, c = asking()
    assert [x.key for n in (a, b, c) for x in n.state.actions] == [KEY] * 3
    (call,) = a.sent(PerformHttp)
    assert (call.key, call.attempts, call.fence) == (KEY, 2, Fence(version=1, attempt=0))
    assert call.deadline_ms == NOW + 9_000
    assert not b.sent(PerformHttp)
    assert not c.sent(PerformHttp)
    kept = a.logged(runs_stream(TOKEN))[2]
    assert isinstance(kept, RunKept)
    assert kept.effects == (REBOOK,)


def test_undeclared_and_malformed_effects_open_nothing() -> None:
    a, b, _ = begun(attested(0))
    effects = tuple(
        to_bytes(effect)
        for effect in (
            {"kind": "http", "action": "steal"},
            {"kind": "http"},
            {"kind": "timer", "name": "x", "at": "soon"},
            {"kind": "timer", "name": "x", "at": True},
            {"kind": "notify", "to": "holder"},
            {},
        )
    )
    a.take(b.accept(a.propose(*effects), *effects))
    assert a.state.actions == ()
    assert a.state.timers == ()


def test_an_outcome_settles_its_action_once() -> None:
    a, b, c = asking()
    a.take(ReceiveInput(data=outcome(A)))
    with pytest.raises(ActionUnknown):
        guard(a.state, a.sent(PerformHttp)[0], TIMING, NOW)
    a.take(b.accept(a.propose()))
    assert a.state.actions == ()
    with pytest.raises(ActionUnknown):
        a.take(ReceiveInput(data=outcome(B)))
    c.take(ReceiveInput(data=outcome(C)))
    c.take(committed(c, a.sent(SendCommit)[-1].commit))
    assert c.state.queue == ()


def test_an_outcome_of_another_action_is_refused() -> None:
    a, _, _ = asking()
    with pytest.raises(InputInvalid):
        a.take(ReceiveInput(data=outcome(A, action="cancel")))
    with pytest.raises(ActionUnknown):
        a.take(ReceiveInput(data=outcome(A, key=ZERO_HASH)))


def test_used_up_attempts_are_routed_and_only_then() -> None:
    a, _, _ = asking()
    a.take(ActionAttemptFailed(key=KEY, count=1))
    assert not a.sent(SendRouteCall)
    a.take(ActionAttemptFailed(key=KEY, count=1))
    (routed,) = a.sent(SendRouteCall)
    assert (routed.key, routed.version, routed.index) == (KEY, 2, 0)
    assert a.state.actions[0].phase is ActionPhase.ROUTING
    with pytest.raises(ActionUnknown):
        guard(a.state, a.sent(PerformHttp)[0], TIMING, NOW)
    assert guard(a.state, routed, TIMING, NOW).key == KEY
    a.take(ActionAttemptFailed(key=KEY, count=1))
    assert len(a.sent(SendRouteCall)) == 1


def test_a_failure_that_enough_anchors_attest_becomes_an_input_and_settles() -> None:
    a, b, _ = asking()
    a.take(ActionAttemptFailed(key=KEY, count=2))
    few = ReceiveFailureAttestations(
        failure=failure(ANCHOR_KEYS[:1]), anchors=ANCHORS, domain=DOMAIN
    )
    with pytest.raises(FailureUnproven):
        a.take(few)
    a.take(replace(few, failure=failure(ANCHOR_KEYS[:2])))
    a.take(b.accept(a.propose()))
    assert a.state.actions == ()


def test_no_call_is_made_after_the_lease() -> None:
    a, b, c = asking()
    (call,) = a.sent(PerformHttp)
    assert guard(a.state, call, TIMING, NOW + 9_000)
    with pytest.raises(LeaseMissing):
        guard(a.state, call, TIMING, NOW + 9_001)
    c.lead(lease(C, 3), a, b)
    with pytest.raises(LeaseMissing):
        guard(a.state, call, TIMING, NOW)


def test_a_new_executor_takes_over_open_actions_under_the_same_key() -> None:
    a, b, c = asking()
    a.take(ActionAttemptFailed(key=KEY, count=1))
    c.lead(lease(C, 3))
    assert not c.sent(PerformHttp)
    c.lead(lease(C, 3), b)
    (call,) = c.sent(PerformHttp)
    assert call.key == a.sent(PerformHttp)[0].key
    assert call.fence == Fence(version=3, attempt=0)


def test_a_renewed_executor_goes_on_where_it_was() -> None:
    a, b, _ = asking()
    a.take(ActionAttemptFailed(key=KEY, count=2))
    a.lead(lease(A, 3), b)
    assert [r.fence.version for r in a.sent(SendRouteCall)] == [1, 3]
    assert len(a.sent(PerformHttp)) == 1


def test_an_open_action_keeps_the_token_electing() -> None:
    _, b, c = asking()
    asked = [
        candidacy(n.state, TIMING, NOW - 400 + 11_000 * i) for i in range(1, 9) for n in (b, c)
    ]
    assert any(request is not None for request in asked)


# Timers


def test_a_timer_fires_once_when_it_is_due_and_a_later_one_replaces_it() -> None:
    a, b, _ = begun(attested(0), attested(1))
    for at in (NOW // 1000 + 100, NOW // 1000 + 2):
        timer = to_bytes({"kind": "timer", "name": "checkout", "at": at})
        a.take(b.accept(a.propose(timer), timer))
        b.take(committed(b, a.sent(SendCommit)[-1].commit, timer))
    assert [(t.name, t.version) for t in a.state.timers] == [("checkout", 3)]
    assert due_timers(a.state, NOW) == ()
    a.now = b.now = NOW + 2_000
    (due,) = due_timers(a.state, a.now)
    a.take(ReceiveInput(data=due))
    a.take(b.accept(a.propose()))
    assert a.state.timers == ()
    with pytest.raises(ActionUnknown):
        a.take(ReceiveInput(data=due))


def test_a_timer_is_not_journalled_before_it_is_due() -> None:
    a, b, _ = begun(attested(0))
    timer = to_bytes({"kind": "timer", "name": "checkout", "at": NOW // 1000 + 5})
    a.take(b.accept(a.propose(timer), timer))
    b.take(committed(b, a.sent(SendCommit)[-1].commit, timer))
    (early,) = due_timers(a.state, NOW + 5_000)
    a.take(ReceiveInput(data=early))
    with pytest.raises(ProposalInvalid):
        b.take(proposed(b, a.propose()))


def test_the_hash_of_the_input_is_what_the_entry_names() -> None:
    a, _, _ = begun(attested(0))
    entry = a.propose().entry
    assert entry.input_hash == input_hash(decode_input(attested(0)))
