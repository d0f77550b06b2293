"""The machine of a token instance at one replica: which step takes which event."""

from typing import assert_never

from node.core.actions import attempt_failed, failure_attested
from node.core.journal import (
    ActionActivate,
    ActionAttemptFailed,
    ActionExecuted,
    JournalEffect,
    JournalEvent,
    JournalState,
    PerformHttp,
    ReceiveCommit,
    ReceiveCosignature,
    ReceiveFailureAttestations,
    ReceiveGathered,
    ReceiveInput,
    ReceiveLease,
    ReceiveProposal,
    ReceiveQuery,
    SendCommit,
    SendProposal,
    SendQuery,
    SendRouteCall,
)
from node.core.proposing import collect, gather, propose, take_lease
from node.core.queueing import enqueue
from node.core.replicating import (
    Step,
    accept,
    activate,
    answer_query,
    learn_commit,
    require_active,
)
from settlement.core.machine import Machine, Transition
from settlement.types import Hash, parse_hash


def step(state: JournalState, event: JournalEvent, now_ms: int) -> Step:
    """Take one event; see the steps named here for what each refuses."""
    match event:
        case ActionActivate():
            return activate(state, event)
        case ReceiveInput(data=data):
            require_active(state)
            return Transition(state=enqueue(state, data))
        case ReceiveLease():
            return take_lease(state, event, now_ms)
        case ReceiveQuery():
            return answer_query(state, event, now_ms)
        case ReceiveGathered():
            return gather(state, event, now_ms)
        case ActionExecuted():
            return propose(state, event, now_ms)
        case ReceiveProposal():
            return accept(state, event, now_ms)
        case _:
            return _settle(state, event, now_ms)


def _settle(
    state: JournalState,
    event: ReceiveCosignature | ReceiveCommit | ActionAttemptFailed | ReceiveFailureAttestations,
    now_ms: int,
) -> Step:
    match event:
        case ReceiveCosignature():
            return collect(state, event, now_ms)
        case ReceiveCommit():
            return learn_commit(state, event, now_ms)
        case ActionAttemptFailed():
            return attempt_failed(state, event)
        case ReceiveFailureAttestations():
            return failure_attested(state, event)
        case _:
            assert_never(event)


def journal_key(token: Hash) -> str:
    """The machine's key: the token id in hexadecimal, without 0x."""
    return token.hex()


def initial(key: str) -> JournalState:
    """A token that this node knows nothing of. Raises InputError for a key that is no token id."""
    return JournalState(token=parse_hash("0x" + key, "token id"))


JOURNAL: Machine[JournalState, JournalEvent, JournalEffect] = Machine(
    kind="journal",
    state_type=JournalState,
    effect_types=(SendQuery, SendProposal, SendCommit, PerformHttp, SendRouteCall),
    initial=initial,
    step=step,
)
