"""A token's journal: proposals, commits and evidence."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from journal_bench import (
    NOW,
    REBOOK,
    STRANGER,
    TIMING,
    TOKEN,
    A,
    B,
    C,
    attested,
    begun,
    commit_of,
    committed,
    cosigned,
    executed,
    forged,
    lease,
    proposed,
    run,
)

from node.core.journal import (
    DoubleCommit,
    DoubleProposal,
    Phase,
    ReceiveInput,
    RootDiffers,
    SendCommit,
    SendProposal,
    evidence_stream,
    journal_stream,
)
from node.core.proposing import next_order
from node.core.replicating import require_accepted
from node.errors import (
    AlreadyCommitted,
    BaseMoved,
    CertificateInvalid,
    CommitInvalid,
    EntryUnknown,
    InputInvalid,
    InputOutOfOrder,
    JournalBehind,
    NotActive,
    ProposalInvalid,
    RunDiffers,
    SignerUnknown,
)
from node.protocol.frames import Proposal
from settlement.errors import SignatureInvalid
from settlement.types import ZERO_HASH, keccak


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
