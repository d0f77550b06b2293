"""One feed over a lossy network of nine nodes, in virtual time: everybody delivers every entry, in
order, once; a forked feed freezes everywhere, and everybody can prove why."""

import heapq
import itertools
import os
import random
from collections.abc import Callable

import pytest

from node.core.feed import (
    FEED,
    GAP_PATIENCE_MS,
    ActionCheckGap,
    AskRange,
    DeliverEntry,
    FeedState,
    ForkProof,
    ForwardEntry,
    Frontier,
    ReceiveEntry,
    ReceiveFork,
    SendFork,
    behind,
    entry_hash,
    verify_fork,
)
from node.errors import FeedFrozen
from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash, keccak

SEEDS = int(os.environ.get("SMARTLAYER_SEEDS", "120")) // 4
DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
AIRLINE = SigningKey(keccak(b"airline"))
FEED_ID = (AIRLINE.address, "flights", 0)
START = 1_700_000_000_000
NODES = 9


def push(sequence: int, previous: Hash, body: bytes) -> FeedPush:
    entry = FeedEntry(
        attester=AIRLINE.address,
        topic="flights",
        epoch=0,
        sequence=sequence,
        previous=previous,
        body_hash=keccak(body),
        tags=(),
        time=START + sequence,
    )
    return FeedPush(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=body)


def chain(count: int) -> list[FeedPush]:
    made: list[FeedPush] = []
    for sequence in range(count):
        previous = entry_hash(made[-1].entry) if made else ZERO_HASH
        made.append(push(sequence, previous, b"delay %d" % sequence))
    return made


CHAIN = chain(30)


class Mesh:
    """Nodes that each know four others; a message is lost with 20 %, doubled with 10 %."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self._order = itertools.count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        names = [Address(keccak(b"node %d" % i)[:20]) for i in range(NODES)]
        self.nodes = {name: FeedNode(self, name) for name in names}
        for index, name in enumerate(names):
            for step in (1, 3):
                other = names[(index + step) % NODES]
                self.nodes[name].peers.append(other)
                self.nodes[other].peers.append(name)

    def at(self, time: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), action))

    def send(self, deliver: Callable[[], None]) -> None:
        for _ in range(self.random.choices((0, 1, 2), (20, 70, 10))[0]):
            self.at(self.now + self.random.randint(1, 120), deliver)

    def run(self, until: int) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()


class FeedNode:
    """A node's feed machine and what it does with its effects."""

    def __init__(self, mesh: Mesh, name: Address) -> None:
        self.mesh = mesh
        self.name = name
        self.peers: list[Address] = []
        self.state = FeedState()
        self.log: dict[int, FeedPush] = {}
        self.delivered: list[int] = []
        self.up = True
        mesh.at(START + mesh.random.randint(0, GAP_PATIENCE_MS), self.check)
        mesh.at(START + mesh.random.randint(0, 1_000), self.compare)

    def receive(self, pushed: FeedPush, peer: Address | None) -> None:
        if not self.up:
            return
        stored = self.log.get(pushed.entry.sequence)
        event = ReceiveEntry(push=pushed, peer=peer, domain=DOMAIN, stored=stored)
        self.apply(event)

    def apply(self, event: ReceiveEntry | ReceiveFork | ActionCheckGap) -> None:
        try:
            transition = FEED.step(self.state, event, self.mesh.now)
        except FeedFrozen:
            return
        self.state = transition.state
        for record in transition.records:
            assert record.position not in self.log
            assert isinstance(record.body, FeedPush)
            self.log[record.position] = record.body
        for effect in transition.effects:
            match effect:
                case DeliverEntry(push=pushed):
                    self.delivered.append(pushed.entry.sequence)
                case ForwardEntry(push=pushed, came_from=source):
                    for peer in self.peers:
                        if peer != source:
                            self.push_to(peer, pushed)
                case AskRange():
                    other = self.mesh.nodes[effect.peer]
                    first, limit = effect.first, effect.limit
                    self.mesh.send(lambda o=other, f=first, n=limit: o.answer(self.name, f, n))
                case SendFork(proof=proof):
                    for peer in self.peers:
                        self.tell_fork(peer, proof)

    def push_to(self, peer: Address, pushed: FeedPush) -> None:
        other = self.mesh.nodes[peer]
        self.mesh.send(lambda: other.receive(pushed, self.name))

    def tell_fork(self, peer: Address, proof: ForkProof) -> None:
        other = self.mesh.nodes[peer]
        self.mesh.send(lambda: other.hear_fork(proof))

    def hear_fork(self, proof: ForkProof) -> None:
        if self.up:
            self.apply(ReceiveFork(proof=proof, domain=DOMAIN))

    def answer(self, peer: Address, first: int, limit: int) -> None:
        if self.up:
            for sequence in range(first, first + limit):
                if sequence in self.log:
                    self.push_to(peer, self.log[sequence])

    def check(self) -> None:
        """Ask one peer after another for what is missing."""
        peer = self.mesh.random.choice(self.peers)
        attester, topic, epoch = FEED_ID
        if self.up:
            self.apply(ActionCheckGap(attester=attester, topic=topic, epoch=epoch, peer=peer))
        self.mesh.at(self.mesh.now + GAP_PATIENCE_MS, self.check)

    def frontier(self) -> tuple[Frontier, ...]:
        attester, topic, epoch = FEED_ID
        if not self.state.next:
            return ()
        return (Frontier(attester=attester, topic=topic, epoch=epoch, next=self.state.next),)

    def compare(self) -> None:
        """Once a second, one random peer: its frontier, and its proof of a fork if it has one."""
        other = self.mesh.nodes[self.mesh.random.choice(self.peers)]
        if self.up:
            mine = self.frontier()
            self.mesh.send(lambda: other.offer(self.name, mine))
        self.mesh.at(self.mesh.now + 1_000, self.compare)

    def offer(self, peer: Address, theirs: tuple[Frontier, ...]) -> None:
        if not self.up:
            return
        if self.state.fork is not None:
            self.tell_fork(peer, self.state.fork)
        for lacking in behind(theirs, self.frontier()):
            self.answer(peer, lacking.next, 64)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_node_delivers_every_entry_in_order_once(seed: int) -> None:
    mesh = Mesh(seed)
    names = list(mesh.nodes)
    for index, entry in enumerate(CHAIN):
        name = mesh.random.choice(names)
        entrance = mesh.nodes[name]
        mesh.at(START + index * 100, lambda n=entrance, e=entry: n.receive(e, None))
    for name in mesh.random.sample(names, 3):
        node = mesh.nodes[name]
        down = START + mesh.random.randint(0, 3_000)
        mesh.at(down, lambda n=node: setattr(n, "up", False))
        mesh.at(down + 2_000, lambda n=node: setattr(n, "up", True))

    # What reached only a node that was down is the attester's to publish again.
    for entry in CHAIN:
        mesh.at(START + 6_000, lambda e=entry: mesh.nodes[names[0]].receive(e, None))
    mesh.run(START + 20_000)

    for node in mesh.nodes.values():
        assert node.delivered == list(range(len(CHAIN)))
        assert node.state.held == ()
        assert node.state.fork is None


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_a_forked_feed_freezes_everywhere_with_a_proof(seed: int) -> None:
    """The attester tells half of the network one thing and half another."""
    mesh = Mesh(seed)
    names = list(mesh.nodes)
    at = mesh.random.randint(0, 20)
    rival = push(at, CHAIN[at].entry.previous, b"another story")
    for index, entry in enumerate(CHAIN):
        mesh.at(START + index * 100, lambda e=entry: mesh.nodes[names[0]].receive(e, None))
    mesh.at(START + at * 100, lambda: mesh.nodes[names[4]].receive(rival, None))

    mesh.run(START + 20_000)

    for node in mesh.nodes.values():
        assert node.state.fork is not None
        verify_fork(DOMAIN, node.state.fork)
        assert node.delivered == list(range(len(node.delivered)))
