"""A token's journal at its replicas: leases, proposals, commits, recovery, actions, evidence."""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from node.core.canonical import to_bytes
from node.core.election import Timing, fence_of
from node.core.inputs import (
    Activation,
    Attested,
    encode_input,
)
from node.core.instance import JOURNAL, journal_key
from node.core.journal import (
    ActionActivate,
    ActionExecuted,
    Execution,
    JournalState,
    ReceiveCommit,
    ReceiveCosignature,
    ReceiveGathered,
    ReceiveInput,
    ReceiveLease,
    ReceiveProposal,
    ReceiveQuery,
    SendCommit,
)
from node.core.proposing import draft, next_order
from node.core.replicating import needs_run, reply_to_query, require_accepted
from node.protocol.frames import Commit, JournalReply, Lease, Proposal
from node.protocol.messages import (
    ElectionVote,
    FeedEntry,
    JournalEntry,
    Placement,
)
from settlement.core.machine import Record, Transition
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, keccak

DOMAIN = Domain.of(31337, Address(b"\x11" * 20))
TIMING = Timing(lease_ms=10_000, gap_ms=1_000, skew_ms=100, margin_ms=1_000)
TOKEN = keccak(b"token")
NOW = 1_700_000_000_000
ANCHOR_KEYS = [SigningKey(keccak(b"anchor %d" % i)) for i in range(4)]
ANCHORS = tuple(sorted(key.address for key in ANCHOR_KEYS))
NODES = [SigningKey(keccak(b"node %d" % i)) for i in range(3)]
A, B, C = NODES
AIRLINE, STRANGER = SigningKey(keccak(b"airline")), SigningKey(keccak(b"stranger"))
PLACEMENT = Placement(
    token=TOKEN,
    token_class=keccak(b"class"),
    number=1,
    activation_block=5,
    seed=keccak(b"seed"),
    holders=tuple(node.address for node in NODES),
    version=1,
)
ACTIVATION = encode_input(
    Activation(token=TOKEN, block=5, block_hash=keccak(b"b"), time=NOW - 500, attributes=b"{}")
)
ACTIVATE: dict[str, Any] = {
    "placement": PLACEMENT,
    "attempt_limits": {"rebook": 2},
    "activation": ACTIVATION,
}


def attested(sequence: int, time: int = NOW - 400) -> bytes:
    entry = FeedEntry(
        attester=AIRLINE.address,
        topic="flights",
        epoch=0,
        sequence=sequence,
        previous=keccak(b"%d" % sequence),
        body_hash=keccak(b"late"),
        tags=(),
        time=time + sequence,
    )
    given = Attested(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=b"late")
    return encode_input(given)


REBOOK = to_bytes({"kind": "http", "action": "rebook", "url": "https://hotel.example"})


def run(state: JournalState, data: bytes, time: int, *effects: bytes) -> Execution:
    """A run whose state is a list of what was run."""
    after = to_bytes({"ran": state.version + 1, "input": keccak(data).hex()})
    return Execution(
        input=data,
        time=time,
        base_version=state.version,
        base_root=state.state_root,
        state=after,
        effects=effects,
        output_hash=keccak(after + b"".join(effects)),
    )


def lease(executor: SigningKey, version: int, attempt: int = 0, end: int = NOW + 10_000) -> Lease:
    vote = ElectionVote(
        token=TOKEN,
        version=version,
        attempt=attempt,
        executor=executor.address,
        trigger=keccak(b"trigger"),
        window_end=end,
    )
    signed = tuple((key.address, key.sign(DOMAIN, vote)) for key in ANCHOR_KEYS[:3])
    return Lease(vote=vote, signatures=signed)


@dataclass
class Node:
    """A replica driven by hand; ``records`` and ``effects`` are all that its steps gave."""

    key: SigningKey
    state: JournalState = field(default_factory=lambda: JOURNAL.initial(journal_key(TOKEN)))
    records: list[Record] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)
    now: int = NOW

    def take(self, event: Any) -> Transition[JournalState, Any]:
        transition = JOURNAL.step(self.state, event, self.now)
        self.state = transition.state
        self.records += transition.records
        self.effects += transition.effects
        data = msgspec.json.encode(self.state)
        assert msgspec.json.decode(data, type=JournalState) == self.state
        return transition

    def lead(self, held: Lease, *others: "Node") -> None:
        """Take a lease and gather from others."""
        shared: dict[str, Any] = {"anchors": ANCHORS, "timing": TIMING, "domain": DOMAIN}
        self.take(ReceiveLease(lease=held, **shared))
        for other in others:
            other.take(ReceiveQuery(asker=self.key.address, lease=held, **shared))
            reply = reply_to_query(other.state, (), 8)
            self.take(gathered(other, held, reply))

    def propose(self, *effects: bytes) -> Proposal:
        order = next_order(self.state, TIMING, self.now)
        assert order is not None
        self.take(executed(self, run(self.state, order.input, order.time, *effects)))
        assert self.state.accepted is not None
        return self.state.accepted.proposal

    def accept(self, proposal: Proposal, *effects: bytes) -> ReceiveCosignature:
        """Run and accept a proposal, and co-sign it."""
        self.take(proposed(self, proposal, *effects))
        require_accepted(self.state, proposal.entry)
        return cosigned(self.key, proposal.entry)

    def logged(self, stream: str) -> dict[int, Any]:
        return {r.position: r.body for r in self.records if r.stream == stream}

    def sent(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]


def gathered(peer: Node, held: Lease, reply: JournalReply) -> ReceiveGathered:
    return ReceiveGathered(
        peer=peer.key.address,
        fence=fence_of(held.vote),
        reply=reply,
        anchors=ANCHORS,
        timing=TIMING,
        domain=DOMAIN,
    )


def executed(node: Node, execution: Execution) -> ActionExecuted:
    entry = draft(node.state, execution)
    return ActionExecuted(
        execution=execution,
        entry=entry,
        signature=node.key.sign(DOMAIN, entry),
        timing=TIMING,
        domain=DOMAIN,
    )


def proposed(node: Node, proposal: Proposal, *effects: bytes) -> ReceiveProposal:
    execution = None
    if needs_run(node.state, proposal.entry):
        execution = run(node.state, proposal.input, proposal.entry.time, *effects)
    return ReceiveProposal(
        proposal=proposal, execution=execution, anchors=ANCHORS, timing=TIMING, domain=DOMAIN
    )


def cosigned(key: SigningKey, entry: JournalEntry) -> ReceiveCosignature:
    return ReceiveCosignature(
        entry=entry,
        node=key.address,
        signature=key.sign(DOMAIN, entry),
        timing=TIMING,
        domain=DOMAIN,
    )


def committed(node: Node, commit: Commit, *effects: bytes) -> ReceiveCommit:
    execution = None
    if needs_run(node.state, commit.entry):
        execution = run(node.state, commit.input, commit.entry.time, *effects)
    return ReceiveCommit(commit=commit, execution=execution, timing=TIMING, domain=DOMAIN)


def forged(proposal: Proposal, key: SigningKey, **changes: Any) -> Proposal:
    """The same proposal with its entry changed and signed again."""
    entry = replace(proposal.entry, **changes)
    return msgspec.structs.replace(proposal, entry=entry, signature=key.sign(DOMAIN, entry))


def commit_of(proposal: Proposal, *keys: SigningKey) -> Commit:
    signatures = tuple((k.address, k.sign(DOMAIN, proposal.entry)) for k in keys)
    return Commit(entry=proposal.entry, signatures=signatures, input=proposal.input)


def three() -> tuple[Node, Node, Node]:
    """Three replicas of one token, activated."""
    nodes = [Node(key) for key in NODES]
    for node in nodes:
        node.take(ActionActivate(node=node.key.address, **ACTIVATE))
    return nodes[0], nodes[1], nodes[2]


def begun(*inputs: bytes) -> tuple[Node, Node, Node]:
    """Three replicas after the activation's commit, ``a`` leading, with inputs waiting."""
    a, b, c = three()
    a.lead(lease(A, 1), b)
    proposal = a.propose()
    a.take(b.accept(proposal))
    commit = a.sent(SendCommit)[0].commit
    for other in (b, c):
        other.take(committed(other, commit))
    for node in (a, b, c):
        node.effects.clear()
        for data in inputs:
            node.take(ReceiveInput(data=data))
    return a, b, c


# Activation and the queue
