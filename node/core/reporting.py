"""Contradictions that a node's own signatures prove, and the report of each, made once.

Source: ``contracts/disputes/DisputeManager.sol``, which slashes for two votes on one fence and for
two journal entries on one place, and pays whoever reports them. What proves nothing there is no
contradiction here: two leases of one version, or roots that two replicas computed differently.
"""

from dataclasses import dataclass, replace

from node.core.election import Equivocation
from node.protocol.frames import Commit, Proposal
from node.protocol.messages import ElectionVote, JournalEntry
from settlement.core.machine import Machine, Transition
from settlement.protocol.signing import recover
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Signature, Uint128

Place = tuple[Address, bytes, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleEntry:
    """Two entries that one executor signed on one place of a journal."""

    executor: Address
    first: JournalEntry
    first_signature: Signature
    second: JournalEntry
    second_signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SendElectionReport:
    """Report two votes on one fence."""

    first: ElectionVote
    first_signature: Signature
    second: ElectionVote
    second_signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SendJournalReport:
    """Report two entries on one place."""

    first: JournalEntry
    first_signature: Signature
    second: JournalEntry
    second_signature: Signature


ReportEffect = SendElectionReport | SendJournalReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportState:
    """One case. ``sent`` once its report was handed to the outbox; what the verdict took and paid
    is in base units of the Stake Token."""

    culprit: Address
    sent: bool = False
    judged: bool = False
    slashed: Uint128 = 0
    reward: Uint128 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveContradiction:
    """A contradiction, checked; exactly one of the two is given."""

    votes: Equivocation | None = None
    entries: DoubleEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveVerdict:
    """The chain punished the case by our report."""

    slashed: Uint128
    reward: Uint128


ReportEvent = ReceiveContradiction | ContractReceiveVerdict


def election_case(proof: Equivocation) -> str:
    """The case's name: ``{culprit}/election/{token}/{version}/{attempt}``."""
    vote = proof.first
    return f"{proof.anchor.hex()}/election/{vote.token.hex()}/{vote.version}/{vote.attempt}"


def journal_case(proof: DoubleEntry) -> str:
    """``{culprit}/journal/{token}/{version}/{lease version}/{attempt}``."""
    executor, token, *place = place_of(proof.first)
    return f"{executor.hex()}/journal/{token.hex()}/{'/'.join(map(str, place))}"


def initial_report(key: str) -> ReportState:
    """A case of which nothing is known."""
    return ReportState(culprit=Address(bytes.fromhex(key.split("/", 1)[0])))


def step(
    state: ReportState, event: ReportEvent, _now_ms: int
) -> Transition[ReportState, ReportEffect]:
    """Report a case once; note its verdict."""
    match event:
        case ContractReceiveVerdict(slashed=slashed, reward=reward):
            return Transition(state=replace(state, judged=True, slashed=slashed, reward=reward))
        case ReceiveContradiction():
            if state.sent:
                return Transition(state=state)
            return Transition(state=replace(state, sent=True), effects=(_report(event),))


REPORT: Machine[ReportState, ReportEvent, ReportEffect] = Machine(
    kind="report",
    state_type=ReportState,
    effect_types=(SendElectionReport, SendJournalReport),
    initial=initial_report,
    step=step,
)


def _report(event: ReceiveContradiction) -> ReportEffect:
    votes, entries = event.votes, event.entries
    if votes is not None:
        return SendElectionReport(
            first=votes.first,
            first_signature=votes.first_signature,
            second=votes.second,
            second_signature=votes.second_signature,
        )
    assert entries is not None, "a contradiction is of votes or of entries"
    return SendJournalReport(
        first=entries.first,
        first_signature=entries.first_signature,
        second=entries.second,
        second_signature=entries.second_signature,
    )


def place_of(entry: JournalEntry) -> Place:
    """Where an entry stands: executor, token, version and the fence that it was written under."""
    return entry.executor, entry.token, entry.version, entry.lease_version, entry.attempt


def double_entry(
    domain: Domain,
    one: tuple[JournalEntry, Signature],
    other: tuple[JournalEntry, Signature],
) -> DoubleEntry | None:
    """The proof that an executor wrote twice on one place, None if these two are no proof.

    Raises SignatureInvalid for a malformed signature.
    """
    (first, first_signature), (second, second_signature) = one, other
    if first == second or place_of(first) != place_of(second):
        return None
    signers = {
        recover(domain, first, first_signature),
        recover(domain, second, second_signature),
    }
    if signers != {first.executor}:
        return None
    return DoubleEntry(
        executor=first.executor,
        first=first,
        first_signature=first_signature,
        second=second,
        second_signature=second_signature,
    )


def beside_commit(domain: Domain, held: Proposal | None, commit: Commit) -> DoubleEntry | None:
    """The proof that an executor proposed to this replica another entry than the one that it had
    committed by others, None where it did not."""
    signature = dict(commit.signatures).get(commit.entry.executor)
    if held is None or signature is None:
        return None
    return double_entry(domain, (held.entry, held.signature), (commit.entry, signature))
