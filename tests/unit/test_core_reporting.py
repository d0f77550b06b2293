"""Contradictions: what proves one, and that each is reported once."""

from dataclasses import replace

import pytest

from node.core.election import Equivocation
from node.core.reporting import (
    ContractReceiveVerdict,
    ReceiveContradiction,
    SendElectionReport,
    SendJournalReport,
    beside_commit,
    double_entry,
    election_case,
    initial_report,
    journal_case,
    step,
)
from node.protocol.frames import Commit, Lease, Proposal
from node.protocol.messages import ElectionVote, JournalEntry
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Signature, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
EXECUTOR, OTHER = SigningKey(keccak(b"executor")), SigningKey(keccak(b"other"))
TOKEN = keccak(b"token")
ENTRY = JournalEntry(
    token=TOKEN,
    version=4,
    lease_version=4,
    attempt=1,
    executor=EXECUTOR.address,
    previous=keccak(b"3"),
    input_hash=keccak(b"input"),
    state_root=keccak(b"root"),
    output_hash=ZERO_HASH,
    time=1_000,
)
RIVAL = replace(ENTRY, state_root=keccak(b"another root"))
VOTE = ElectionVote(
    token=TOKEN,
    version=4,
    attempt=1,
    executor=EXECUTOR.address,
    trigger=keccak(b"trigger"),
    window_end=9_000,
)


def signed(entry: JournalEntry, key: SigningKey = EXECUTOR) -> tuple[JournalEntry, Signature]:
    return entry, key.sign(DOMAIN, entry)


def test_two_entries_on_one_place_prove_their_executor_wrong() -> None:
    proof = double_entry(DOMAIN, signed(ENTRY), signed(RIVAL))
    assert proof is not None
    assert (proof.executor, proof.first, proof.second) == (EXECUTOR.address, ENTRY, RIVAL)


@pytest.mark.parametrize(
    "other",
    [
        signed(ENTRY),
        signed(RIVAL, OTHER),
        signed(replace(RIVAL, version=5)),
        signed(replace(RIVAL, attempt=2)),
        signed(replace(RIVAL, lease_version=3)),
        signed(replace(RIVAL, token=keccak(b"another token"))),
        signed(replace(RIVAL, executor=OTHER.address)),
        signed(replace(RIVAL, executor=OTHER.address), OTHER),
    ],
)
def test_anything_else_proves_nothing(other: tuple[JournalEntry, Signature]) -> None:
    assert double_entry(DOMAIN, signed(ENTRY), other) is None


def test_a_commit_beside_another_proposal_proves_its_executor_wrong() -> None:
    entry, signature = signed(ENTRY)
    lease = Lease(vote=VOTE, signatures=())
    held = Proposal(entry=entry, signature=signature, input=b"", lease=lease)
    others = (OTHER.address, OTHER.sign(DOMAIN, RIVAL))
    mine = (EXECUTOR.address, EXECUTOR.sign(DOMAIN, RIVAL))
    commit = Commit(entry=RIVAL, signatures=(mine, others), input=b"")
    assert beside_commit(DOMAIN, held, commit) is not None
    without = Commit(entry=RIVAL, signatures=(others,), input=b"")
    assert beside_commit(DOMAIN, held, without) is None
    assert beside_commit(DOMAIN, None, commit) is None


def test_a_case_is_reported_once_and_its_verdict_is_kept() -> None:
    proof = double_entry(DOMAIN, signed(ENTRY), signed(RIVAL))
    assert proof is not None
    opened = step(initial_report(journal_case(proof)), ReceiveContradiction(entries=proof), 0)
    (report,) = opened.effects
    assert isinstance(report, SendJournalReport)
    assert opened.state.culprit == EXECUTOR.address
    again = step(opened.state, ReceiveContradiction(entries=proof), 0)
    assert (again.state, again.effects) == (opened.state, ())
    judged = step(again.state, ContractReceiveVerdict(slashed=10, reward=1), 0).state
    assert (judged.judged, judged.slashed, judged.reward) == (True, 10, 1)


def test_a_third_vote_on_a_fence_is_the_same_case() -> None:
    rivals = [replace(VOTE, window_end=end) for end in (9_001, 9_002)]
    proofs = [
        Equivocation(
            anchor=OTHER.address,
            first=VOTE,
            first_signature=OTHER.sign(DOMAIN, VOTE),
            second=rival,
            second_signature=OTHER.sign(DOMAIN, rival),
        )
        for rival in rivals
    ]
    assert election_case(proofs[0]) == election_case(proofs[1])
    opened = step(
        initial_report(election_case(proofs[0])), ReceiveContradiction(votes=proofs[0]), 0
    )
    assert isinstance(opened.effects[0], SendElectionReport)
