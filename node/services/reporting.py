"""Reports to the dispute contract what the signatures of other nodes prove against them.

Whoever sees a lease, a vote or a commit shows it here; what contradicts something seen before
becomes a case, which is durable and reported once. The chain pays the first reporter, so a case
that somebody else was faster with costs nothing: the hub refuses it before it is sent.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from node.core.election import Fence, equivocation, fence_of
from node.core.journal import DoubleProposal, evidence_stream
from node.core.reporting import (
    REPORT,
    ContractReceiveVerdict,
    DoubleEntry,
    ReceiveContradiction,
    SendElectionReport,
    SendJournalReport,
    beside_commit,
    double_entry,
    election_case,
    journal_case,
)
from node.protocol.frames import Commit, Lease, Proposal
from node.protocol.messages import ElectionVote
from settlement.errors import SignatureInvalid
from settlement.ports.chain import Call, ChainWriter
from settlement.ports.chain_errors import CallReverted
from settlement.ports.dispute_events import Punished
from settlement.protocol.signing import recover
from settlement.protocol.typed_data import Domain, TypedMessage
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Hash, Signature, checksum

REMEMBERED_FENCES = 10_000
"""Fences whose votes are kept for comparison; older ones are past their windows."""

MOST_EVIDENCE = 1_000
"""Records of one token's evidence that are looked at again."""

Seen = dict[Address, tuple[ElectionVote, Signature]]


class Verdicts(Protocol):
    """The builders of reports (``settlement.chain.dispute_calls.DisputeCalls``)."""

    def punish_election(
        self, first: TypedMessage, first_by: Signature, second: TypedMessage, second_by: Signature
    ) -> Call: ...

    def punish_journal(
        self, first: TypedMessage, first_by: Signature, second: TypedMessage, second_by: Signature
    ) -> Call: ...


class Reporting:
    """Finds contradictions among what it is shown and reports them."""

    def __init__(
        self, *, engine: Engine, domain: Domain, writer: ChainWriter, verdicts: Verdicts
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._writer = writer
        self._verdicts = verdicts
        self._votes: OrderedDict[tuple[Hash, Fence], Seen] = OrderedDict()
        self._log = structlog.get_logger("reporting")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """The reports; sending one again is refused by the chain and does no harm."""
        return {SendElectionReport: self._send, SendJournalReport: self._send}

    async def saw_lease(self, lease: Lease) -> None:
        """Compare a certificate's votes with those seen before on its fence."""
        for anchor, signature in lease.signatures:
            await self.saw_vote(lease.vote, anchor, signature)

    async def saw_vote(self, vote: ElectionVote, anchor: Address, signature: Signature) -> None:
        """Compare one anchor's vote with the one seen before on its fence."""
        seen = self._seen(vote)
        known = seen.setdefault(anchor, (vote, signature))
        if known[0] == vote:
            return
        if not self._is_by(anchor, vote, signature):
            return
        if not self._is_by(anchor, *known):
            seen[anchor] = (vote, signature)
            return
        proof = equivocation(self._domain, known, (vote, signature))
        assert proof is not None, "two votes by one key on one fence"
        await self._open(election_case(proof), ReceiveContradiction(votes=proof), anchor)

    def _is_by(self, anchor: Address, vote: ElectionVote, signature: Signature) -> bool:
        try:
            return recover(self._domain, vote, signature) == anchor
        except SignatureInvalid:
            return False

    async def saw_commit(self, held: Proposal | None, commit: Commit) -> None:
        """Compare a commit with what its executor proposed to this replica."""
        await self._found(beside_commit(self._domain, held, commit))

    async def saw_evidence(self, body: object) -> None:
        """Take what the journal's machine logged as evidence; only a double proposal is a case."""
        if isinstance(body, DoubleProposal):
            first, second = body.first, body.second
            one, other = (first.entry, first.signature), (second.entry, second.signature)
            await self._found(double_entry(self._domain, one, other))

    async def review(self, tokens: Sequence[Hash]) -> None:
        """Look again at what journals logged as evidence; a process may have died right after."""
        for token in tokens:
            for record in await self._engine.store.read_log(
                evidence_stream(token), 0, MOST_EVIDENCE
            ):
                try:
                    body = msgspec.json.decode(record.body, type=DoubleProposal)
                except msgspec.ValidationError:
                    continue  # evidence of another kind
                await self.saw_evidence(body)

    async def receive(self, events: Sequence[object]) -> None:
        """Take confirmed events: note what our reports came to."""
        for event in events:
            if isinstance(event, Punished) and event.reporter == self._writer.account:
                self._log.warning(
                    "report_rewarded",
                    culprit=checksum(event.culprit),
                    offence=event.offence.name,
                    slashed=event.slashed,
                    reward=event.reward,
                )

    async def _found(self, proof: DoubleEntry | None) -> None:
        if proof is not None:
            event = ReceiveContradiction(entries=proof)
            await self._open(journal_case(proof), event, proof.executor)

    async def _open(self, case: str, event: ReceiveContradiction, culprit: Address) -> None:
        if not (await self._engine.state(REPORT, case)).sent:
            self._log.warning("contradiction_found", culprit=checksum(culprit), case=case)
            await self._engine.apply(REPORT, case, event)

    async def _send(self, effect: Effect) -> None:
        report = effect.request
        assert isinstance(report, SendElectionReport | SendJournalReport)
        build = (
            self._verdicts.punish_election
            if isinstance(report, SendElectionReport)
            else self._verdicts.punish_journal
        )
        call = build(report.first, report.first_signature, report.second, report.second_signature)
        try:
            receipt = await self._writer.submit(call)
        except CallReverted as error:
            self._log.info("report_refused", case=effect.key, error=error.error)
            return
        for event in receipt.events:
            if isinstance(event, Punished):
                verdict = ContractReceiveVerdict(slashed=event.slashed, reward=event.reward)
                await self._engine.apply(REPORT, effect.key, verdict)

    def _seen(self, vote: ElectionVote) -> Seen:
        name = (vote.token, fence_of(vote))
        seen = self._votes.setdefault(name, {})
        self._votes.move_to_end(name)
        while len(self._votes) > REMEMBERED_FENCES:
            self._votes.popitem(last=False)
        return seen
