"""What every replica does: promise, accept, co-sign, commit.

Source: design of the network, "The token's journal"; the shape is Vertical Paxos, with leases as
ballots. A replica accepts nothing below the fence that it has promised, keeps what it accepted
until the version is committed, and hands it to whoever holds a higher fence.
"""

from collections.abc import Sequence
from dataclasses import replace

from node.core.actions import opened, settled, start
from node.core.canonical import object_from_bytes
from node.core.commits import content_hash, fence_of_entry, verify_signatures
from node.core.election import Timing, fence_of, verify_lease
from node.core.inputs import Activation, Timer, decode_input, input_hash
from node.core.journal import (
    Accepted,
    ActionActivate,
    DoubleCommit,
    DoubleProposal,
    Execution,
    JournalEffect,
    JournalState,
    Phase,
    Queued,
    ReceiveCommit,
    ReceiveProposal,
    ReceiveQuery,
    RootDiffers,
    RunKept,
    evidence_stream,
    journal_stream,
    runs_stream,
)
from node.core.queueing import admit, after_input, enqueue, left_out
from node.core.state import state_root
from node.errors import (
    AlreadyCommitted,
    BaseMoved,
    CertificateInvalid,
    FenceTooLow,
    InputInvalid,
    InputOutOfOrder,
    InputStale,
    JournalBehind,
    NotActive,
    PlacementInvalid,
    ProposalInvalid,
    RunDiffers,
)
from node.protocol.frames import Commit, JournalReply, Lease, Proposal
from node.protocol.messages import JournalEntry
from settlement.core.machine import Record, Transition
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash

MAX_REPLY_BYTES = 40_000
"""Bytes of commits and inputs in one reply; in base64, beside a lease, they must fit a frame."""
COMMIT_BYTES = 1_500
"""What a commit counts beside its input: its entry and signatures."""

Step = Transition[JournalState, JournalEffect]


def activate(state: JournalState, event: ActionActivate) -> Step:
    """Begin to hold the token. Raises PlacementInvalid and what an input is refused with."""
    placement = event.placement
    if state.placement == placement:
        return Transition(state=state)
    if state.placement is not None:
        raise PlacementInvalid(problem="a token that is held is not moved by activating it again")
    if placement.token != state.token or event.node not in placement.holders:
        raise PlacementInvalid(problem="it is another token's, or without this node")
    if not isinstance(decode_input(event.activation), Activation):
        raise InputInvalid(problem="a token begins with its activation")
    placed = replace(
        state,
        phase=Phase.ACTIVE,
        node=event.node,
        placement=placement,
        attempt_limits=event.attempt_limits,
    )
    return Transition(state=enqueue(placed, event.activation))


def require_active(state: JournalState) -> None:
    """Raise NotActive unless this replica takes part."""
    if state.phase is not Phase.ACTIVE:
        raise NotActive(phase=state.phase.value)


# Promise


def answer_query(state: JournalState, event: ReceiveQuery, now_ms: int) -> Step:
    """Promise a new executor's fence; the service then replies with what this replica holds.

    Raises NotActive, CertificateInvalid (and what else verify_lease raises), FenceTooLow.
    """
    require_active(state)
    check_lease(state, event.lease, event.anchors, event.domain)
    if event.lease.vote.executor != event.asker:
        raise CertificateInvalid(problem="the lease is another node's")
    _check_open(event.lease, event.timing, now_ms)
    return Transition(state=promise(state, event.lease))


def check_lease(
    state: JournalState, lease: Lease, anchors: tuple[Address, ...], domain: Domain
) -> None:
    """Raise unless this is a certified lease of this token for one of its holders, and not below
    what has been promised."""
    vote = lease.vote
    if vote.token != state.token or vote.executor not in state.holders:
        raise CertificateInvalid(problem="it is another token's, or its executor holds nothing")
    if fence_of(vote) < state.promised:
        raise FenceTooLow(version=state.promised.version, attempt=state.promised.attempt)
    if state.seen != lease:
        verify_lease(domain, lease, anchors)


def _check_open(lease: Lease, timing: Timing, now_ms: int) -> None:
    if now_ms > lease.vote.window_end + timing.skew_ms:
        raise CertificateInvalid(problem="its window has closed")


def promise(state: JournalState, lease: Lease) -> JournalState:
    """The state that accepts nothing below this lease's fence; an own lower lease is over."""
    fence = fence_of(lease.vote)
    tenure = state.tenure
    if tenure is not None and fence_of(tenure.lease.vote) < fence:
        tenure = None
    return replace(state, promised=fence, seen=lease, tenure=tenure)


# Accept


def needs_run(state: JournalState, entry: JournalEntry) -> bool:
    """Whether the input of an entry must be run before its event; not when this replica has
    accepted the same content, or has it committed."""
    if entry.version <= state.version:
        return False
    held = state.accepted
    return held is None or content_hash(held.proposal.entry) != content_hash(entry)


def accept(state: JournalState, event: ReceiveProposal, now_ms: int) -> Step:
    """Accept a proposal, or log evidence against it; require_accepted tells which.

    Raises NotActive, AlreadyCommitted, JournalBehind, FenceTooLow, CertificateInvalid,
    ProposalInvalid, InputInvalid, InputStale, InputOutOfOrder, ActionUnknown, BaseMoved,
    SignatureInvalid.
    """
    require_active(state)
    proposal, entry = event.proposal, event.proposal.entry
    _check_next(state, entry.version)
    check_lease(state, proposal.lease, event.anchors, event.domain)
    _check_open(proposal.lease, event.timing, now_ms)
    held = state.accepted
    if held is not None and held.proposal.entry == entry:
        return Transition(state=state)
    verify_proposal(state, proposal, event.domain)
    if entry.time > now_ms + event.timing.skew_ms:
        raise ProposalInvalid(problem="its time is in the future")
    queued = admit(state, proposal.input)
    fence = fence_of_entry(entry)
    if held is not None and fence_of_entry(held.proposal.entry) == fence:
        found = DoubleProposal(first=held.proposal, second=proposal)
        return _evidence(state, entry, found)
    same = held is not None and content_hash(held.proposal.entry) == content_hash(entry)
    if not same:
        _check_order(state, proposal, queued, event.timing)
    run = _own_run(state, entry, proposal.input, event.execution)
    promised = enqueue(promise(state, proposal.lease), proposal.input, bounded=False)
    if not same and not agrees(entry, run):
        return _evidence(promised, entry, _differs(run, proposal=proposal))
    return Transition(state=replace(promised, accepted=Accepted(proposal=proposal, execution=run)))


def require_accepted(state: JournalState, entry: JournalEntry) -> None:
    """Raise RunDiffers unless this replica accepted (or has committed) exactly this entry: only
    then may it co-sign. Call it on the state after the step of ReceiveProposal."""
    if state.accepted is not None and state.accepted.proposal.entry == entry:
        return
    raise RunDiffers(version=entry.version, proposed=entry.state_root, own=state.disputed)


def verify_proposal(state: JournalState, proposal: Proposal, domain: Domain) -> None:
    """Raise ProposalInvalid or SignatureInvalid unless the proposal is its executor's, covered by
    its lease, and the next one after this replica's head. The certificate is checked apart."""
    entry, vote = proposal.entry, proposal.lease.vote
    covered = (
        entry.token == vote.token == state.token
        and entry.executor == vote.executor
        and fence_of_entry(entry) == fence_of(vote)
        and entry.version >= vote.version
    )
    if not covered:
        raise ProposalInvalid(problem="its lease does not cover it")
    if entry.version != state.version + 1 or entry.previous != state.head:
        raise ProposalInvalid(problem="it does not follow from the newest commit")
    if entry.time < tip_time(state):
        raise ProposalInvalid(problem="its time is before that of the entry before it")
    given = decode_input(proposal.input)
    if entry.input_hash != input_hash(given):
        raise ProposalInvalid(problem="its input is another one")
    if isinstance(given, Timer) and entry.time < given.due:
        raise ProposalInvalid(problem="the timer is not due")
    require_signer(domain, entry, proposal.signature, entry.executor)


def tip_time(state: JournalState) -> int:
    """The agreed time of the newest commit, in milliseconds; 0 before the first one."""
    return state.tip.entry.time if state.tip else 0


def _check_next(state: JournalState, version: int) -> None:
    if version <= state.version:
        raise AlreadyCommitted(version=state.version)
    if version > state.version + 1:
        raise JournalBehind(needed=state.version + 1, given=version)


def _check_order(state: JournalState, proposal: Proposal, queued: Queued, timing: Timing) -> None:
    """Raise InputOutOfOrder when an executor leaves out what this replica holds.

    Only for entries made under this very lease: one that a new executor took over may have been
    committed without this replica, and to refuse it would stop the token.
    """
    opened_ms = proposal.lease.vote.window_end - timing.lease_ms
    earlier = left_out(state, queued)
    if earlier is not None and proposal.entry.time >= opened_ms:
        raise InputOutOfOrder(strand=earlier.strand, place=earlier.place)


def _own_run(
    state: JournalState, entry: JournalEntry, data: bytes, execution: Execution | None
) -> Execution:
    """This replica's run of an entry's input on its own newest state. Raises BaseMoved."""
    if execution is None and state.accepted is not None and not needs_run(state, entry):
        return state.accepted.execution
    if (
        execution is None
        or (execution.base_version, execution.base_root) != (state.version, state.state_root)
        or (execution.input, execution.time) != (data, entry.time)
    ):
        raise BaseMoved(version=state.version)
    return execution


def root_of(execution: Execution) -> Hash:
    """The state root after a run."""
    return state_root(object_from_bytes(execution.state))


def agrees(entry: JournalEntry, execution: Execution) -> bool:
    """Whether a run gave what an entry says."""
    return (entry.state_root, entry.output_hash) == (root_of(execution), execution.output_hash)


def _differs(
    run: Execution, *, proposal: Proposal | None = None, commit: Commit | None = None
) -> RootDiffers:
    return RootDiffers(
        own_root=root_of(run), own_output=run.output_hash, proposal=proposal, commit=commit
    )


def _evidence(state: JournalState, entry: JournalEntry, found: object) -> Step:
    """Log evidence about an entry, once while it is the last one disputed."""
    if state.disputed == entry.struct_hash():
        return Transition(state=state)
    record = Record(stream=evidence_stream(state.token), position=state.evidence, body=found)
    noted = replace(state, evidence=state.evidence + 1, disputed=entry.struct_hash())
    return Transition(state=noted, records=(record,))


# Commit


def learn_commit(state: JournalState, event: ReceiveCommit, now_ms: int) -> Step:
    """Apply what a majority has signed; nothing for what is applied already.

    A majority that contradicts this replica's own journal or its own run is logged as evidence,
    and the replica stops (phase DIVERGED). Raises NotActive, JournalBehind, CommitInvalid,
    InputInvalid, BaseMoved, SignatureInvalid.
    """
    require_active(state)
    commit, entry = event.commit, event.commit.entry
    if entry.version > state.version + 1:
        raise JournalBehind(needed=state.version + 1, given=entry.version)
    if entry.version < state.version or _is_tip(state, entry):
        return Transition(state=state)
    verify_signatures(event.domain, entry, commit.signatures, state.holders)
    if entry.version == state.version and state.tip is not None:
        return _stop(state, entry, DoubleCommit(first=state.tip, second=commit))
    if entry.input_hash != input_hash(decode_input(commit.input)):
        raise InputInvalid(problem="it is not the input of this commit")
    run = _own_run(state, entry, commit.input, event.execution)
    if entry.previous != state.head or not agrees(entry, run):
        return _stop(state, entry, _differs(run, commit=commit))
    return commit_entry(state, commit, run, event.timing, now_ms)


def _is_tip(state: JournalState, entry: JournalEntry) -> bool:
    return entry.version == state.version and content_hash(entry) == state.head


def _stop(state: JournalState, entry: JournalEntry, found: object) -> Step:
    noted = _evidence(state, entry, found)
    return replace(noted, state=replace(noted.state, phase=Phase.DIVERGED, tenure=None))


def commit_entry(
    state: JournalState, commit: Commit, run: Execution, timing: Timing, now_ms: int
) -> Step:
    """The state after a commit whose signatures and run have been checked."""
    entry = commit.entry
    given = decode_input(commit.input)
    source = _source(state, commit.input)
    held, tenure = state.accepted, state.tenure
    moved = replace(
        state,
        version=entry.version,
        state=run.state,
        state_root=entry.state_root,
        head=content_hash(entry),
        tip=Commit(entry=entry, signatures=commit.signatures, input=b""),
        accepted=held if held and held.proposal.entry.version > entry.version else None,
        tenure=replace(tenure, recovered=None) if tenure else None,
    )
    asked = opened(settled(moved, given), source, run.effects)
    after, effects = start(after_input(asked, source), timing, now_ms)
    records = [Record(stream=journal_stream(state.token), position=entry.version, body=commit)]
    if any(a.version == entry.version for a in asked.actions):
        kept = RunKept(effects=run.effects, output_hash=run.output_hash, output=run.output)
        stream = runs_stream(state.token)
        records.append(Record(stream=stream, position=entry.version, body=kept))
    return Transition(state=after, records=tuple(records), effects=effects)


def _source(state: JournalState, data: bytes) -> Queued:
    """What a committed input is here; a majority has judged its place, so that is not refused."""
    try:
        return admit(state, data)
    except InputStale:
        return admit(replace(state, cursors={}), data)


def reply_to_query(state: JournalState, commits: Sequence[Commit], limit: int) -> JournalReply:
    """What this replica answers to a query: what it accepted, and ``commits`` as the journal has
    them from the first one asked for, as many as fit the frame beside it. An asker that still
    lacks commits then asks for them alone."""
    held = state.accepted.proposal if state.accepted else None
    room = MAX_REPLY_BYTES - (len(held.input) if held else 0)
    fitting: list[Commit] = []
    for commit in commits[:limit]:
        room -= len(commit.input) + COMMIT_BYTES
        if room < 0 and (fitting or held):
            break
        fitting.append(commit)
    return JournalReply(version=state.version, commits=tuple(fitting), accepted=held)
