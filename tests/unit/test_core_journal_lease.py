"""A token's journal at one replica: inputs that wait, elections, leases."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from journal_bench import (
    ACTIVATE,
    ACTIVATION,
    ANCHORS,
    DOMAIN,
    NOW,
    PLACEMENT,
    STRANGER,
    TIMING,
    A,
    B,
    C,
    Node,
    attested,
    begun,
    lease,
    proposed,
    three,
)

from node.core.actions import live_lease
from node.core.election import NO_FENCE, window_at, winner
from node.core.instance import JOURNAL
from node.core.journal import (
    MAX_QUEUE,
    ActionActivate,
    Phase,
    ReceiveInput,
    ReceiveLease,
    ReceiveQuery,
    SendQuery,
)
from node.core.proposing import candidacy, next_order, next_window_ms
from node.errors import (
    CertificateInvalid,
    FenceTooLow,
    InputInvalid,
    InputStale,
    LeaseMissing,
    NotActive,
    PlacementInvalid,
    QueueFull,
)
from node.protocol.frames import Lease
from settlement.types import ZERO_HASH, keccak


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
