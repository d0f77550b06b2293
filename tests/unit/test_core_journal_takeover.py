"""A token's journal: what a new executor takes over."""

from dataclasses import replace

import msgspec
import pytest
from journal_bench import (
    ANCHORS,
    DOMAIN,
    NOW,
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
    gathered,
    lease,
    run,
    three,
)

from node.core.actions import live_lease
from node.core.commits import content_hash
from node.core.inputs import (
    MAX_INPUT_BYTES,
)
from node.core.journal import (
    ReceiveInput,
    ReceiveQuery,
    SendCommit,
    journal_stream,
)
from node.core.proposing import next_order
from node.core.replicating import reply_to_query
from node.errors import (
    CertificateInvalid,
    JournalBehind,
    LeaseMissing,
    ProposalInvalid,
    SignerUnknown,
)
from node.protocol.frames import Frame, JournalReply, Lease, Proposal, encode_frame
from settlement.errors import SignatureInvalid
from settlement.types import ZERO_HASH


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
