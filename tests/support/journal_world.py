"""A token's journal under faults, in virtual time: four anchors of which one lies, five service
nodes of which three hold the token, messages lost, doubled and reordered, nodes that crash at any
moment and come back with what they had committed.

Every actor runs the machines that the services run, and follows "persist, then act": effects are
kept with the state and performed again after a crash.
"""

import heapq
import itertools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from node.core.canonical import object_from_bytes, to_bytes
from node.core.declared import Declarations, Subscription
from node.core.election import Timing
from node.core.failure import FailureWord
from node.core.inputs import (
    Activation,
    Attested,
    Failure,
    Outcome,
)
from node.core.journal import (
    PerformHttp,
    SendRouteCall,
)
from node.core.placement import Candidate, draw_holders
from node.core.voter import VOTER, ReceiveVoteRequest
from node.protocol.frames import (
    VoteReply,
    VoteRequest,
)
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    ObservedResponse,
    Placement,
)
from settlement.errors import SmartLayerError
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, keccak

SEEDS = int(os.environ.get("SMARTLAYER_SEEDS", "120"))
START = 1_700_000_000_000
FAULTY_MS = 25_000
CALM_MS = 60_000
TIMING = Timing(lease_ms=4_000, gap_ms=500, skew_ms=100, margin_ms=1_000)
DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TOKEN = keccak(b"ticket 1")
MINTED_IN = 7
LIMITS = {"rebookHotel": 2}


def key_of(name: str) -> SigningKey:
    return SigningKey(keccak(name.encode()))


ANCHOR_KEYS = [key_of(f"anchor {i}") for i in range(4)]
NODE_KEYS = [key_of(f"node {i}") for i in range(5)]
AIRLINE = key_of("airline")
ANCHORS = tuple(sorted(key.address for key in ANCHOR_KEYS))
LIAR = ANCHOR_KEYS[0].address


class World:
    """Virtual time, a lossy network, a hotel, and the actors."""

    def __init__(self, seed: int, skew: int, replica: "Callable[[World, SigningKey], Any]") -> None:
        self.skew = skew
        self.random = random.Random(seed)
        self.now = START
        self.faulty = True
        self._order = itertools.count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self.calls: dict[Hash, int] = {}
        self.booked: dict[Hash, int] = {}
        self.hotel_is_down = self.random.random() < 0.4
        self.loss = self.random.choice((0, 10, 30))
        self.late = self.random.choice((0, 10, 30))
        self.cut: set[frozenset[Address]] = set()
        self.placement = Placement(
            token=TOKEN,
            token_class=keccak(b"tickets"),
            number=1,
            activation_block=MINTED_IN,
            seed=keccak(seed.to_bytes(8, "big")),
            holders=draw_holders(
                keccak(seed.to_bytes(8, "big")),
                TOKEN,
                [Candidate(key=key.address, weight=100) for key in NODE_KEYS],
                3,
            ),
            version=1,
        )
        self.anchors = {key.address: Anchor(self, key) for key in ANCHOR_KEYS}
        self.replicas = {
            key.address: replica(self, key)
            for key in NODE_KEYS
            if key.address in self.placement.holders
        }
        self.declared = Declarations(
            token=TOKEN,
            subscriptions=(Subscription(topic="flights", attester=AIRLINE.address),),
            holders=self.placement.holders,
            anchors=ANCHORS,
        )

    def at(self, time: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), action))

    def after(self, delay: int, action: Callable[[], None]) -> None:
        self.at(self.now + delay, action)

    def message(self, one: Address, other: Address, deliver: Callable[[], None]) -> None:
        """Deliver later, perhaps much later, perhaps twice, perhaps never."""
        if not self.faulty:
            self.after(self.random.randint(1, 20), deliver)
        elif frozenset({one, other}) not in self.cut:
            ordinary = 100 - self.loss
            for _ in range(self.random.choices((0, 1, 2), (self.loss, ordinary, 7))[0]):
                late = self.random.randrange(100) < self.late
                self.after(self.random.randint(1, 6_000 if late else 150), deliver)

    def cut_off(self, node: Address, pause: int) -> None:
        """A replica loses the others for a while, but not the anchors."""
        links = {frozenset({node, other}) for other in self.replicas if other != node}
        self.cut |= links
        self.after(pause, lambda: self.cut.difference_update(links))

    def run(self, until: int, done: Callable[[], bool] = lambda: False) -> None:
        while self._events and self._events[0][0] <= until and not done():
            self.now, _, action = heapq.heappop(self._events)
            action()
            self.check_one_executor()
        self.now = max(self.now, until) if not done() else self.now

    def check_one_executor(self) -> None:
        if self.skew > TIMING.skew_ms:
            return
        acting = [r for r in self.replicas.values() if r.acting()]
        assert len(acting) <= 1, "two nodes hold a lease at the same time"

    def hotel(self, key: Hash) -> int | None:
        """The hotel's answer to a call: it books once for each idempotency key."""
        self.calls[key] = self.calls.get(key, 0) + 1
        if self.hotel_is_down or (self.faulty and self.random.random() < 0.3):
            return None
        self.booked.setdefault(key, 0)
        if not self.booked[key]:
            self.booked[key] += 1
        return None if self.faulty and self.random.random() < 0.2 else 200


@dataclass
class Anchor:
    """An anchor: it votes and makes routed calls. The liar does whatever it is asked."""

    world: World
    key: SigningKey
    state: Any = field(default_factory=lambda: VOTER.initial(""))
    log: dict[Hash, int] = field(default_factory=dict)

    @property
    def lies(self) -> bool:
        return self.key.address == LIAR

    def vote(self, asker: Address, request: VoteRequest) -> VoteReply | None:
        vote = self._false_vote(asker, request) if self.lies else self._vote(asker, request)
        if vote is None:
            return None
        signature = self.key.sign(DOMAIN, vote)
        return VoteReply(vote=vote, anchor=self.key.address, signature=signature)

    def _vote(self, asker: Address, request: VoteRequest) -> ElectionVote | None:
        event = ReceiveVoteRequest(
            request=request,
            asker=asker,
            placement=self.world.placement,
            trigger_ms=self.log.get(request.trigger),
            timing=TIMING,
            domain=DOMAIN,
        )
        try:
            self.state = VOTER.step(self.state, event, self.world.now).state
        except SmartLayerError:
            return None
        vote: ElectionVote = self.state.vote
        return vote

    def _false_vote(self, asker: Address, request: VoteRequest) -> ElectionVote:
        return ElectionVote(
            token=request.token,
            version=request.version,
            attempt=request.attempt,
            executor=asker,
            trigger=request.trigger,
            window_end=self.world.now + TIMING.lease_ms,
        )

    def route(self, effect: SendRouteCall) -> FailureWord | Outcome:
        status = None if self.lies else self.world.hotel(effect.key)
        if status is not None:
            return outcome_of(self.key, effect, status, self.world.now)
        outcomes = to_bytes([{"kind": "unreachable", "at": self.world.now // 1000}])
        word = FailureAttestation(
            token=TOKEN,
            action=effect.action,
            version=effect.fence.version,
            attempt=effect.fence.attempt,
            method="PUT",
            request_hash=effect.key,
            outcomes_hash=keccak(outcomes),
            started=self.world.now,
            ended=self.world.now,
        )
        signature = self.key.sign(DOMAIN, word)
        return FailureWord(
            anchor=self.key.address, attestation=word, signature=signature, outcomes=outcomes
        )


def outcome_of(
    key: SigningKey, effect: PerformHttp | SendRouteCall, status: int, now: int
) -> Outcome:
    response = ObservedResponse(
        token=TOKEN,
        action=effect.action,
        version=effect.fence.version,
        attempt=effect.fence.attempt,
        request_hash=effect.key,
        status=status,
        body_hash=keccak(b"booked"),
        time=now,
    )
    return Outcome(
        key=effect.key,
        response=response,
        witness=key.address,
        signature=key.sign(DOMAIN, response),
        body=b"booked",
    )


def script(state: bytes, given: Any, time: int) -> tuple[bytes, tuple[bytes, ...]]:
    """The token script: counts delays, rebooks on every second one, keeps outcomes."""
    fields = object_from_bytes(state)
    effects: tuple[bytes, ...] = ()
    match given:
        case Activation():
            fields = {"delays": [], "booked": 0, "failed": 0}
        case Attested(entry=entry):
            fields["delays"] = [*fields["delays"], entry.sequence]
            if entry.sequence % 2 == 0:
                effects = (to_bytes({"kind": "http", "action": "rebookHotel"}),)
        case Outcome():
            fields["booked"] += 1
        case Failure():
            fields["failed"] += 1
    fields["time"] = time // 1000
    return to_bytes(fields), effects
