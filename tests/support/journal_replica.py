"""A replica of the simulated network: the part of the services, over the real machines."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
from journal_world import (
    AIRLINE,
    ANCHORS,
    DOMAIN,
    LIMITS,
    MINTED_IN,
    START,
    TIMING,
    TOKEN,
    World,
    outcome_of,
    script,
)

from node.core.actions import due_timers, guard, live_lease
from node.core.canonical import object_from_bytes, to_bytes
from node.core.declared import check_input
from node.core.election import assemble, fence_of
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
    journal_stream,
)
from node.core.proposing import candidacy, draft, next_order
from node.core.replicating import needs_run, reply_to_query, require_accepted
from node.protocol.frames import (
    Commit,
    Cosigned,
    JournalQuery,
    JournalReply,
    Proposal,
    VoteReply,
)
from node.protocol.messages import (
    ElectionVote,
    FeedEntry,
)
from settlement.errors import SmartLayerError
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_HASH, Address, keccak


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
