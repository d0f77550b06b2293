"""A token's journal: calls to the outside, and timers."""

from dataclasses import replace

import pytest
from journal_bench import (
    ANCHOR_KEYS,
    ANCHORS,
    DOMAIN,
    NOW,
    REBOOK,
    TIMING,
    TOKEN,
    A,
    B,
    C,
    Node,
    attested,
    begun,
    committed,
    lease,
    proposed,
)

from node.core.actions import action_key, due_timers, guard, opened
from node.core.canonical import to_bytes
from node.core.election import Fence
from node.core.failure import FailureWord
from node.core.inputs import (
    Failure,
    Outcome,
    decode_input,
    encode_input,
    input_hash,
)
from node.core.journal import (
    ActionAttemptFailed,
    ActionPhase,
    JournalState,
    PerformHttp,
    Queued,
    ReceiveFailureAttestations,
    ReceiveInput,
    RunKept,
    SendCommit,
    SendRouteCall,
    runs_stream,
)
from node.core.proposing import candidacy
from node.errors import (
    ActionUnknown,
    FailureUnproven,
    InputInvalid,
    LeaseMissing,
    ProposalInvalid,
)
from node.protocol.messages import (
    FailureAttestation,
    ObservedResponse,
)
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_HASH, Hash, keccak


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


@pytest.mark.parametrize(
    "asked",
    [
        b'{"action":[],"kind":"http"}',
        b'{"kind":"http","action":"book"}',
        b'{"action":"book","kind":"http","n":1e999}',
        b'{"action":{},"kind":"http"}',
        b'{"at":1,"kind":"timer","name":"' + b"n" * 65 + b'"}',
        b'{"at":1,"kind":"timer","name":[]}',
    ],
)
def test_an_effect_that_nobody_could_carry_out_opens_nothing(asked: bytes) -> None:
    state = JournalState(token=keccak(b"token"), attempt_limits={"book": 1})
    source = Queued(hash=ZERO_HASH, data=b"", strand="s", place=0, trigger=ZERO_HASH, trigger_ms=1)
    assert opened(state, source, (asked,)) == state
