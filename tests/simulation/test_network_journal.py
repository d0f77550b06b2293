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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from node.core.actions import due_timers, guard, live_lease
from node.core.canonical import object_from_bytes, to_bytes
from node.core.commits import content_hash
from node.core.declared import Declarations, Subscription, check_input
from node.core.election import Timing, assemble, fence_of
from node.core.failure import FailureWord, gather_words, verify_word
from node.core.feed import entry_hash
from node.core.inputs import (
    Activation,
    Attested,
    Failure,
    Outcome,
    activation_trigger,
    decode_input,
    encode_input,
    entry_trigger,
)
from node.core.instance import JOURNAL, journal_key
from node.core.journal import (
    ActionActivate,
    ActionAttemptFailed,
    ActionExecuted,
    Execution,
    JournalState,
    PerformHttp,
    Phase,
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
    evidence_stream,
    journal_stream,
)
from node.core.placement import Candidate, draw_holders
from node.core.proposing import candidacy, draft, next_order
from node.core.replicating import needs_run, reply_to_query, require_accepted
from node.core.voter import VOTER, ReceiveVoteRequest
from node.protocol.frames import (
    Commit,
    Cosigned,
    JournalQuery,
    JournalReply,
    Proposal,
    VoteReply,
    VoteRequest,
)
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    FeedEntry,
    ObservedResponse,
    Placement,
)
from settlement.errors import SmartLayerError
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, keccak

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

    def __init__(self, seed: int, skew: int) -> None:
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
            key.address: Replica(self, key)
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


class Replica:
    """A service node's instance of the token."""

    def __init__(self, world: World, key: SigningKey) -> None:
        self.world = world
        self.key = key
        self.skew = world.random.randint(-world.skew, world.skew)
        # On disk
        self.state: JournalState = JOURNAL.initial(journal_key(TOKEN))
        self.logs: dict[tuple[str, int], Any] = {}
        self.outbox: dict[int, Any] = {}
        self._ids = itertools.count()
        # In memory: life counts restarts, so that what an earlier life began does not go on
        self.life = 0
        self.up = True
        self.running = False
        self.votes: dict[ElectionVote, dict[Address, Any]] = {}
        world.after(world.random.randint(0, 200), self.tick(self.life))

    @property
    def now(self) -> int:
        return self.world.now + self.skew

    def acting(self) -> bool:
        return self.up and live_lease(self.state, TIMING, self.now) is not None

    def apply(self, event: Any) -> bool:
        """Step, commit, then perform; False when the event is refused."""
        try:
            transition = JOURNAL.step(self.state, event, self.now)
        except SmartLayerError:
            return False
        self.state = transition.state
        if self.world.random.random() < 0.05:
            data = msgspec.json.encode(self.state)
            assert msgspec.json.decode(data, type=JournalState) == self.state
        for record in transition.records:
            place = (record.stream, record.position)
            assert place not in self.logs, "a place in a log was written twice"
            self.logs[place] = record.body
        for effect in transition.effects:
            number = next(self._ids)
            self.outbox[number] = effect
            self.world.after(0, self.perform(number, self.life))
        return True

    def crash(self, pause: int) -> None:
        self.up, self.running, self.votes = False, False, {}
        self.life += 1
        self.world.after(pause, self.restart)

    def restart(self) -> None:
        self.up = True
        self.world.after(0, self.tick(self.life))
        for number in list(self.outbox):
            self.world.after(self.world.random.randint(0, 100), self.perform(number, self.life))

    def alive(self, life: int) -> bool:
        return self.up and self.life == life

    # The loop

    def tick(self, life: int) -> Callable[[], None]:
        def go() -> None:
            if not self.alive(life):
                return
            for data in due_timers(self.state, self.now):
                self.apply(ReceiveInput(data=data))
            self.stand()
            self.work()
            self.world.after(200, go)

        return go

    def stand(self) -> None:
        request = candidacy(self.state, TIMING, self.now)
        if request is None:
            return
        for anchor in self.world.anchors.values():
            self.ask(
                anchor.key.address, lambda a=anchor: a.vote(self.key.address, request), self.count
            )

    def count(self, reply: VoteReply | None) -> None:
        if reply is None:
            return
        self.votes.setdefault(reply.vote, {})[reply.anchor] = reply.signature
        found = self.votes[reply.vote].items()
        lease = assemble(DOMAIN, reply.vote, found, ANCHORS)
        if lease is not None:
            self.apply(ReceiveLease(lease=lease, anchors=ANCHORS, timing=TIMING, domain=DOMAIN))

    def work(self) -> None:
        order = next_order(self.state, TIMING, self.now)
        if order is None or self.running:
            return
        self.running = True
        life = self.life

        def ran() -> None:
            if not self.alive(life):
                return
            self.running = False
            execution = self.execute(order.input, order.time, order.state)
            execution = replace(
                execution, base_version=order.base_version, base_root=order.base_root
            )
            if self.state.tenure is None:
                return
            entry = draft(self.state, execution)
            signature = self.key.sign(DOMAIN, entry)
            event = ActionExecuted(
                execution=execution, entry=entry, signature=signature, timing=TIMING, domain=DOMAIN
            )
            self.apply(event)
            self.work()

        self.world.after(self.world.random.randint(2, 30), ran)

    def execute(self, data: bytes, time: int, state: bytes) -> Execution:
        after, effects = script(state, decode_input(data), time)
        return Execution(
            input=data,
            time=time,
            base_version=self.state.version,
            base_root=self.state.state_root,
            state=after,
            effects=effects,
            output_hash=keccak(after + b"".join(effects)),
        )

    # Messages

    def ask(self, peer: Address, handle: Callable[[], Any], answer: Callable[[Any], None]) -> None:
        """A request over the network and its reply; either may be lost."""
        life, me = self.life, self.key.address

        def arrived(reply: Any) -> None:
            if self.alive(life):
                answer(reply)

        def handled() -> None:
            reply = handle()
            if reply is not None:
                self.world.message(peer, me, lambda: arrived(reply))

        self.world.message(me, peer, handled)

    def on_proposal(self, proposal: Proposal) -> Cosigned | None:
        if not self.up:
            return None
        entry = proposal.entry
        if entry.version > self.state.version + 1:
            self.catch_up(entry.executor)
            return None
        try:
            check_input(decode_input(proposal.input), self.world.declared, DOMAIN)
        except SmartLayerError:
            return None
        run = self.run_of(entry, proposal.input)
        event = ReceiveProposal(
            proposal=proposal, execution=run, anchors=ANCHORS, timing=TIMING, domain=DOMAIN
        )
        if not self.apply(event):
            return None
        require_accepted(self.state, entry)
        return Cosigned(node=self.key.address, signature=self.key.sign(DOMAIN, entry))

    def run_of(self, entry: Any, data: bytes) -> Execution | None:
        if not needs_run(self.state, entry):
            return None
        return self.execute(data, entry.time, self.state.state)

    def on_commit(self, commit: Commit) -> bool | None:
        if not self.up:
            return None
        if commit.entry.version > self.state.version + 1:
            self.catch_up(commit.entry.executor)
            return None
        run = self.run_of(commit.entry, commit.input)
        self.apply(ReceiveCommit(commit=commit, execution=run, timing=TIMING, domain=DOMAIN))
        return True

    def on_query(self, asker: Address, query: JournalQuery) -> JournalReply | None:
        if not self.up:
            return None
        if query.lease is not None:
            event = ReceiveQuery(
                asker=asker, lease=query.lease, anchors=ANCHORS, timing=TIMING, domain=DOMAIN
            )
            if not self.apply(event):
                return None
        commits = [commit for _, commit in sorted(self.journal().items())]
        wanted = [c for c in commits if c.entry.version >= query.first]
        return reply_to_query(self.state, wanted, query.limit)

    def journal(self) -> dict[int, Commit]:
        stream = journal_stream(TOKEN)
        return {at: body for (name, at), body in self.logs.items() if name == stream}

    def catch_up(self, peer: Address) -> None:
        query = JournalQuery(token=TOKEN, first=self.state.version + 1, limit=8)
        other = self.world.replicas[peer]
        me = self.key.address
        self.ask(peer, lambda: other.on_query(me, query), self.learn)

    def learn(self, reply: JournalReply) -> None:
        for commit in reply.commits:
            if commit.entry.version <= self.state.version + 1:
                self.on_commit(commit)

    # Effects

    def perform(self, number: int, life: int) -> Callable[[], None]:
        def go() -> None:
            if not self.alive(life) or number not in self.outbox:
                return
            effect = self.outbox[number]
            if self.over(effect):
                del self.outbox[number]
                return
            self.start(effect, lambda: self.outbox.pop(number, None))
            self.world.after(400, go)

        return go

    def over(self, effect: Any) -> bool:
        """Whether an effect has nothing left to do."""
        match effect:
            case SendProposal(proposal=proposal):
                fence = fence_of(proposal.lease.vote)
                passed = self.state.version >= proposal.entry.version
                return passed or fence < self.state.promised
            case SendQuery(peer=peer, lease=lease):
                tenure = self.state.tenure
                return tenure is None or tenure.lease != lease or peer in tenure.gathered
            case PerformHttp() | SendRouteCall():
                try:
                    guard(self.state, effect, TIMING, self.now)
                except SmartLayerError:
                    return True
                return False
            case _:
                return False

    def start(self, effect: Any, done: Callable[[], Any]) -> None:
        match effect:
            case SendProposal(peer=peer, proposal=proposal):
                other = self.world.replicas[peer]
                self.ask(peer, lambda: other.on_proposal(proposal), self.cosigned(proposal))
            case SendCommit(peer=peer, commit=commit):
                other = self.world.replicas[peer]
                self.ask(peer, lambda: other.on_commit(commit), lambda _: done())
            case SendQuery():
                self.query(effect)
            case PerformHttp():
                self.call(effect)
            case SendRouteCall():
                self.have_called(effect)

    def cosigned(self, proposal: Proposal) -> Callable[[Cosigned], None]:
        def take(reply: Cosigned) -> None:
            event = ReceiveCosignature(
                entry=proposal.entry,
                node=reply.node,
                signature=reply.signature,
                timing=TIMING,
                domain=DOMAIN,
            )
            self.apply(event)
            self.work()

        return take

    def query(self, effect: SendQuery) -> None:
        first = self.state.version + 1
        query = JournalQuery(token=TOKEN, first=first, limit=8, lease=effect.lease)
        other, me = self.world.replicas[effect.peer], self.key.address

        def take(reply: JournalReply) -> None:
            self.learn(reply)
            event = ReceiveGathered(
                peer=effect.peer,
                fence=fence_of(effect.lease.vote),
                reply=reply,
                anchors=ANCHORS,
                timing=TIMING,
                domain=DOMAIN,
            )
            self.apply(event)
            self.work()

        self.ask(effect.peer, lambda: other.on_query(me, query), take)

    def call(self, effect: PerformHttp) -> None:
        status = self.world.hotel(effect.key)
        if status is None:
            self.apply(ActionAttemptFailed(key=effect.key, count=1))
        else:
            found = outcome_of(self.key, effect, status, self.now)
            self.apply(ReceiveInput(data=encode_input(found)))
        self.work()

    def have_called(self, effect: SendRouteCall) -> None:
        words: list[FailureWord] = []

        def take(reply: FailureWord | Outcome) -> None:
            if isinstance(reply, Outcome):
                self.apply(ReceiveInput(data=encode_input(reply)))
            else:
                verify_word(DOMAIN, reply, ANCHORS)
                words.append(reply)
                enough = gather_words(words, ANCHORS)
                if enough is None:
                    return
                failure = Failure(key=effect.key, words=enough)
                event = ReceiveFailureAttestations(failure=failure, anchors=ANCHORS, domain=DOMAIN)
                self.apply(event)
            self.work()

        for anchor in self.world.anchors.values():
            self.ask(anchor.key.address, lambda a=anchor: a.route(effect), take)


def entries(count: int, apart: int) -> Iterator[Attested]:
    """The airline's feed."""
    previous = ZERO_HASH
    for sequence in range(count):
        body = to_bytes({"delay": sequence})
        entry = FeedEntry(
            attester=AIRLINE.address,
            topic="flights",
            epoch=0,
            sequence=sequence,
            previous=previous,
            body_hash=keccak(body),
            tags=(),
            time=START + 1_000 + sequence * apart,
        )
        previous = entry_hash(entry)
        yield Attested(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=body)


def activate(world: World) -> None:
    activation = Activation(
        token=TOKEN, block=MINTED_IN, block_hash=keccak(b"b"), time=START, attributes=b"{}"
    )
    for anchor in world.anchors.values():
        anchor.log[activation_trigger(TOKEN, MINTED_IN)] = START
    for replica in world.replicas.values():
        event = ActionActivate(
            placement=world.placement,
            node=replica.key.address,
            attempt_limits=LIMITS,
            activation=encode_input(activation),
        )
        assert replica.apply(event)


def publish(world: World, attested: list[Attested]) -> None:
    """Each entry reaches every node in order, each at its own time; a node that is down gets it
    when it is back (its feed asks for what it missed)."""

    def hear(replica: Replica, waiting: list[Attested]) -> None:
        if replica.up and waiting:
            replica.apply(ReceiveInput(data=encode_input(waiting.pop(0))))
            replica.work()
        if waiting:
            due = max(world.now, waiting[0].entry.time) + world.random.randint(5, 300)
            world.at(due, lambda: hear(replica, waiting))

    for replica in world.replicas.values():
        waiting = list(attested)
        world.at(waiting[0].entry.time, lambda r=replica, w=waiting: hear(r, w))
    for anchor in world.anchors.values():
        for each in attested:
            at = each.entry.time
            trigger = entry_trigger(each.entry)
            due = at + world.random.randint(5, 300)
            world.at(due, lambda a=anchor, t=trigger, m=at: a.log.update({t: m}))


def settled(world: World, inputs: int) -> Callable[[], bool]:
    """Whether every replica has everything and nothing is left to do."""

    def look() -> bool:
        states = [replica.state for replica in world.replicas.values()]
        heard = all(len(object_from_bytes(s.state).get("delays", ())) == inputs for s in states)
        idle = not any(s.queue or s.actions for s in states)
        return heard and idle and len({s.version for s in states}) == 1

    return look


@pytest.mark.parametrize("seed", range(SEEDS))
def test_replicas_agree_whatever_is_lost_or_crashes(seed: int) -> None:
    world, attested = run_faulty(seed, skew=50)

    done = settled(world, len(attested))
    world.run(START + FAULTY_MS + CALM_MS, done)

    assert done(), "the token did not come to rest after the faults ended"
    check_agreement(world)
    check_actions(world, attested)


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_replicas_agree_even_when_clocks_are_seconds_apart(seed: int) -> None:
    """Leases overlap then, so that only promises and fences keep the journal one."""
    world, attested = run_faulty(seed, skew=4_000)

    for replica in world.replicas.values():
        replica.skew = 0
    done = settled(world, len(attested))
    world.run(START + FAULTY_MS + CALM_MS, done)

    assert done(), "the token did not come to rest after the clocks were set"
    check_agreement(world)
    check_actions(world, attested)


def run_faulty(seed: int, skew: int) -> tuple[World, list[Attested]]:
    """A world after its faults have ended."""
    world = World(seed, skew)
    attested = list(entries(12, apart=world.random.choice((400, 1_700, 2_100))))
    activate(world)
    publish(world, attested)
    plan_faults(world)
    world.run(START + FAULTY_MS)
    world.faulty = False
    return world, attested


def plan_faults(world: World) -> None:
    """Crashes and partitions, each at a moment of its own."""
    for _ in range(world.random.choice((0, 6, 15))):
        victim = world.random.choice(list(world.replicas.values()))
        pause = world.random.choice((50, 1_000, 6_000))
        world.at(
            START + world.random.randint(0, FAULTY_MS),
            lambda v=victim, p=pause: v.crash(p) if v.up else None,
        )
    for _ in range(world.random.choice((0, 3, 8))):
        victim = world.random.choice(list(world.replicas.values()))
        pause = world.random.randint(500, 6_000)
        at = START + world.random.randint(0, FAULTY_MS)
        world.at(at, lambda v=victim, p=pause: world.cut_off(v.key.address, p))


def check_agreement(world: World) -> None:
    replicas = list(world.replicas.values())
    assert len({r.state.state_root for r in replicas}) == 1
    assert len({r.state.head for r in replicas}) == 1
    assert {r.state.phase for r in replicas} == {Phase.ACTIVE}
    for version in range(1, replicas[0].state.version + 1):
        found = {content_hash(r.journal()[version].entry) for r in replicas}
        assert len(found) == 1, f"version {version} was committed twice"
    for replica in replicas:
        assert not [at for name, at in replica.logs if name == evidence_stream(TOKEN)]


def check_actions(world: World, attested: list[Attested]) -> None:
    state = object_from_bytes(next(iter(world.replicas.values())).state.state)
    asked = sum(each.entry.sequence % 2 == 0 for each in attested)
    assert state["delays"] == [each.entry.sequence for each in attested]
    assert state["booked"] + state["failed"] == asked, "an action was settled twice or never"
    assert len(world.calls) == asked, "one action was called under two idempotency keys"
    assert len(world.booked) >= state["booked"]
    if world.hotel_is_down:
        assert state["failed"] == asked
