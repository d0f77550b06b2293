"""What the executor does: ask for a lease, gather what is open, run, propose, commit.

A lease covers every version from its own on until its window closes, so a busy token costs the
anchors one election per window. Before anything new, a new executor takes over the proposal with
the highest fence that a majority of the replicas may have accepted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from node.core.actions import live_lease, start
from node.core.commits import fence_of_entry
from node.core.election import Timing, fence_of, verify_lease, window_at, winner
from node.core.inputs import decode_input, input_hash
from node.core.journal import (
    Accepted,
    ActionExecuted,
    Execution,
    JournalEffect,
    JournalState,
    Phase,
    ReceiveCosignature,
    ReceiveGathered,
    ReceiveLease,
    SendCommit,
    SendProposal,
    SendQuery,
    Tenure,
)
from node.core.queueing import admit, next_input
from node.core.replicating import (
    Step,
    check_lease,
    commit_entry,
    promise,
    require_active,
    root_of,
    tip_time,
    verify_proposal,
)
from node.errors import (
    BaseMoved,
    CertificateInvalid,
    EntryUnknown,
    JournalBehind,
    LeaseMissing,
    ProposalInvalid,
    SignerUnknown,
)
from node.protocol.frames import Commit, Proposal, VoteRequest
from node.protocol.messages import JournalEntry
from settlement.core.machine import Transition
from settlement.protocol.signing import require_signer
from settlement.types import Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the executor has to run next, at which agreed time, on which base."""

    input: bytes
    time: int
    base_version: int
    base_root: Hash
    state: bytes


# Lease


def candidacy(
    state: JournalState, timing: Timing, now_ms: int, scrutiny: Iterable[Address] = ()
) -> VoteRequest | None:
    """The lease that this node should ask every anchor for now, or None.

    None while nothing waits, while somebody's lease that this replica has seen is open, in a
    window that another holder has won, and in the last ``margin_ms`` of a window.
    """
    work = oldest_work(state)
    if state.phase is not Phase.ACTIVE or state.placement is None or work is None:
        return None
    if state.seen is not None and _may_act(state, timing, now_ms):
        return None
    trigger_ms, trigger = work
    window = window_at(trigger_ms, now_ms, timing)
    version = state.version + 1
    elected = winner(state.placement, version, window.attempt, scrutiny)
    if elected != state.node or window.end_ms - now_ms < 2 * timing.margin_ms:
        return None
    if now_ms < trigger_ms:
        return None
    return VoteRequest(
        token=state.token,
        version=version,
        attempt=window.attempt,
        trigger=trigger,
        trigger_time=trigger_ms,
        head=state.tip.entry if state.tip else None,
        head_signatures=state.tip.signatures if state.tip else (),
    )


def _may_act(state: JournalState, timing: Timing, now_ms: int) -> bool:
    """Whether the newest lease seen may still be used by its executor."""
    if state.seen is None:
        return False
    vote = state.seen.vote
    margin = timing.margin_ms if vote.executor == state.node else 0
    return now_ms + margin < vote.window_end and fence_of(vote) == state.promised


def oldest_work(state: JournalState) -> tuple[int, Hash] | None:
    """The oldest trigger with work to do: (time in milliseconds, trigger).

    Always the oldest one: while it waits, attempts counted from it only grow, so that fences do.
    """
    waiting = [(queued.trigger_ms, queued.trigger) for queued in state.queue]
    waiting += [(action.trigger_ms, action.trigger) for action in state.actions]
    return min(waiting, default=None)


def next_window_ms(state: JournalState, timing: Timing, now_ms: int) -> int | None:
    """When to look at :func:`candidacy` again if nothing else happens: when a window opens or the
    lease seen is over, whichever is first. None while nothing waits."""
    work = oldest_work(state)
    if work is None:
        return None
    window = window_at(work[0], now_ms, timing)
    opens = window.start_ms if now_ms < window.start_ms else window.end_ms + timing.gap_ms
    ends = state.seen.vote.window_end if state.seen else 0
    return min(opens, ends) if ends > now_ms else opens


def take_lease(state: JournalState, event: ReceiveLease, now_ms: int) -> Step:
    """Take up a certified lease: promise it, and ask the other replicas what they hold.

    Raises NotActive, CertificateInvalid (and what else verify_lease raises), FenceTooLow,
    LeaseMissing when it is over already.
    """
    require_active(state)
    vote = event.lease.vote
    check_lease(state, event.lease, event.anchors, event.domain)
    if vote.executor != state.node:
        raise CertificateInvalid(problem="the lease is another node's")
    if now_ms + event.timing.margin_ms > vote.window_end:
        raise LeaseMissing(problem="it is over")
    if state.tenure is not None and fence_of(state.tenure.lease.vote) == fence_of(vote):
        return Transition(state=state)
    held = state.accepted.proposal if state.accepted else None
    tenure = Tenure(lease=event.lease, gathered=(state.node,), recovered=held)
    promised = replace(promise(state, event.lease), tenure=tenure)
    queries = tuple(
        SendQuery(peer=peer, first=state.version + 1, lease=event.lease) for peer in others(state)
    )
    begun, effects = start(promised, event.timing, now_ms)
    return Transition(state=begun, effects=(*queries, *effects))


def others(state: JournalState) -> tuple[Address, ...]:
    """The other replicas' nodes."""
    return tuple(holder for holder in state.holders if holder != state.node)


# Gather


def gather(state: JournalState, event: ReceiveGathered, now_ms: int) -> Step:
    """Count a replica's answer; with a majority, the executor may begin.

    Raises NotActive, LeaseMissing for an answer to an older query, JournalBehind while the peer
    has commits that this replica lacks, SignerUnknown, and for an accepted proposal that is none:
    ProposalInvalid, CertificateInvalid, SignatureInvalid.
    """
    require_active(state)
    tenure, reply = state.tenure, event.reply
    if tenure is None or fence_of(tenure.lease.vote) != event.fence:
        raise LeaseMissing(problem="the query was for another lease")
    if event.peer not in state.holders:
        raise SignerUnknown(signer=event.peer, role="holder")
    if reply.version > state.version:
        raise JournalBehind(needed=state.version + 1, given=reply.version)
    if event.peer in tenure.gathered:
        return Transition(state=state)
    complete = len(tenure.gathered) >= state.majority
    recovered = tenure.recovered if complete else _newer(state, event)
    counted = replace(tenure, gathered=(*tenure.gathered, event.peer), recovered=recovered)
    begun, effects = start(replace(state, tenure=counted), event.timing, now_ms)
    return Transition(state=begun, effects=effects)


def _newer(state: JournalState, event: ReceiveGathered) -> Proposal | None:
    """The proposal of the higher fence among what was recovered so far and what a peer shows."""
    shown = event.reply.accepted
    known = state.tenure.recovered if state.tenure else None
    if shown is None or shown.entry.version <= state.version:
        return known
    verify_proposal(state, shown, event.domain)
    verify_lease(event.domain, shown.lease, event.anchors)
    if known is not None and fence_of_entry(known.entry) >= fence_of_entry(shown.entry):
        return known
    return shown


# Run and propose


def next_order(state: JournalState, timing: Timing, now_ms: int) -> Order | None:
    """What this node has to run now as executor; None without a live lease, without work, and
    while its last proposal waits for co-signatures."""
    lease = live_lease(state, timing, now_ms)
    if lease is None or state.tenure is None or state.phase is not Phase.ACTIVE:
        return None
    held = state.accepted
    if held is not None and fence_of_entry(held.proposal.entry) == fence_of(lease.vote):
        return None
    recovered = state.tenure.recovered
    if recovered is not None:
        return _order(state, recovered.input, recovered.entry.time)
    queued = next_input(state)
    if queued is None:
        return None
    return _order(state, queued.data, max(now_ms, tip_time(state)))


def _order(state: JournalState, data: bytes, time: int) -> Order:
    return Order(
        input=data,
        time=time,
        base_version=state.version,
        base_root=state.state_root,
        state=state.state,
    )


def draft(state: JournalState, execution: Execution) -> JournalEntry:
    """The entry that the executor signs for a run. Raises LeaseMissing without a lease."""
    if state.tenure is None:
        raise LeaseMissing(problem="another node has been elected")
    vote = state.tenure.lease.vote
    return JournalEntry(
        token=state.token,
        version=state.version + 1,
        lease_version=vote.version,
        attempt=vote.attempt,
        executor=state.node,
        previous=state.head,
        input_hash=input_hash(decode_input(execution.input)),
        state_root=root_of(execution),
        output_hash=execution.output_hash,
        time=execution.time,
    )


def propose(state: JournalState, event: ActionExecuted, now_ms: int) -> Step:
    """Accept the own run and send it to the other replicas.

    Raises NotActive, LeaseMissing, BaseMoved, ProposalInvalid for an entry that is not the draft
    of this run or is a second one under this lease, SignatureInvalid, and what its input is
    refused with.
    """
    require_active(state)
    execution, entry = event.execution, event.entry
    lease = live_lease(state, event.timing, now_ms)
    if lease is None or state.tenure is None:
        raise LeaseMissing(problem="it is over, or too few replicas have answered")
    base = (execution.base_version, execution.base_root)
    if base != (state.version, state.state_root):
        raise BaseMoved(version=state.version)
    held = state.accepted
    if held is not None and fence_of_entry(held.proposal.entry) == fence_of(lease.vote):
        if held.proposal.entry == entry:
            return Transition(state=state)
        raise ProposalInvalid(problem="another entry is proposed under this lease")
    _check_own(state, event, now_ms)
    proposal = Proposal(entry=entry, signature=event.signature, input=execution.input, lease=lease)
    own = ((state.node, event.signature),)
    accepted = Accepted(proposal=proposal, execution=execution, cosignatures=own)
    proposed = replace(state, accepted=accepted)
    if len(own) >= state.majority:
        return _commit(proposed, accepted, event.timing, now_ms)
    sent = tuple(SendProposal(peer=peer, proposal=proposal) for peer in others(state))
    return Transition(state=proposed, effects=sent)


def _check_own(state: JournalState, event: ActionExecuted, now_ms: int) -> None:
    execution, entry = event.execution, event.entry
    if entry != draft(state, execution):
        raise ProposalInvalid(problem="it is not the draft of this run")
    recovered = state.tenure.recovered if state.tenure else None
    if recovered is not None:
        expected = (recovered.input, recovered.entry.time)
        if (execution.input, execution.time) != expected:
            raise ProposalInvalid(problem="a proposal of the executor before comes first")
    elif entry.time > max(now_ms, tip_time(state)) or entry.time < tip_time(state):
        raise ProposalInvalid(problem="its time is not now")
    admit(state, execution.input)
    require_signer(event.domain, entry, event.signature, state.node)


def collect(state: JournalState, event: ReceiveCosignature, now_ms: int) -> Step:
    """Count a co-signature; a majority commits the entry, whatever the clock says by then.

    Raises NotActive, EntryUnknown, SignerUnknown, SignatureInvalid.
    """
    require_active(state)
    held, entry = state.accepted, event.entry
    if state.tip is not None and state.tip.entry == entry:
        return Transition(state=state)
    if held is None or held.proposal.entry != entry or entry.executor != state.node:
        raise EntryUnknown(version=entry.version)
    if event.node not in state.holders:
        raise SignerUnknown(signer=event.node, role="holder")
    require_signer(event.domain, entry, event.signature, event.node)
    if any(node == event.node for node, _ in held.cosignatures):
        return Transition(state=state)
    signatures = (*held.cosignatures, (event.node, event.signature))
    signed = replace(held, cosignatures=signatures)
    if len(signatures) < state.majority:
        return Transition(state=replace(state, accepted=signed))
    return _commit(state, signed, event.timing, now_ms)


def _commit(state: JournalState, signed: Accepted, timing: Timing, now_ms: int) -> Step:
    proposal = signed.proposal
    commit = Commit(
        entry=proposal.entry, signatures=tuple(sorted(signed.cosignatures)), input=proposal.input
    )
    done = commit_entry(state, commit, signed.execution, timing, now_ms)
    sent: tuple[JournalEffect, ...] = tuple(
        SendCommit(peer=peer, commit=commit) for peer in others(state)
    )
    return replace(done, effects=(*sent, *done.effects))
