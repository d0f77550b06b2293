"""Frames between nodes: typed, versioned, length-bounded; decoded into types before any decision.

A frame travels as ``version byte | JSON`` (bytes in base64; msgpack would cap integers at 64
bits and amounts have 128). Requests carry an id that their reply repeats; the
link keeps the pairs together, so services see only bodies.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from node.errors import FrameInvalid
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    FeedEntry,
    JournalEntry,
    ObservedResponse,
    Placement,
)
from settlement.protocol.messages import Acknowledgement, UptimeAcknowledgement, Voucher
from settlement.types import Address, Hash, Signature

FRAME_VERSION = 1
FRAME_LIMIT = 65_536
"""Bytes of one frame, at most."""
LONGEST_TOPIC = 64
"""Characters of a feed's topic, at most."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A number that every store and every width of the protocol can hold."""
Attempt = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""An election's attempt, as wide as in the vote."""
Limit = Annotated[int, Meta(ge=0, le=1_024)]
NodeKey = Annotated[Address, Meta(min_length=20, max_length=20)]
Digest = Annotated[Hash, Meta(min_length=32, max_length=32)]
Seal = Annotated[Signature, Meta(min_length=65, max_length=65)]
Topic = Annotated[str, Meta(max_length=LONGEST_TOPIC)]

CLASSES_PER_FRAME = 128
"""Classes that one frame speaks of, at most: with their claims they fit a frame."""
_MANY = Meta(max_length=1_024)
_CLASSES = Meta(max_length=CLASSES_PER_FRAME)
Seals = Annotated[tuple[tuple[NodeKey, Seal], ...], _MANY]
"""Who signed, each with the signature."""


class Body(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base of everything that a frame can carry; the class name is its tag."""


class Refused(Body, frozen=True, kw_only=True):
    """Reply: the request was refused; the code of the typed error and its sentence."""

    code: str
    reason: str


class Done(Body, frozen=True, kw_only=True):
    """Reply: accepted, nothing more to say."""


# Money


class AcknowledgeRequest(Body, frozen=True, kw_only=True):
    """Service node to its payer's anchor: acknowledge this voucher and lease me more."""

    voucher: Voucher
    signature: Seal


class AcknowledgeReply(Body, frozen=True, kw_only=True):
    acknowledgement: Acknowledgement
    signature: Seal


class UptimeQuery(Body, frozen=True, kw_only=True):
    """Service node to an anchor: what did you measure of me in this period, of classes from
    ``first`` on, and will you sign these claims?"""

    period: Attempt
    first: Digest
    claims: Annotated[tuple[UptimeAcknowledgement, ...], _CLASSES]


class UptimeReply(Body, frozen=True, kw_only=True):
    """A page of what the anchor measured, by class, and for each claim a signature or None."""

    measured: Annotated[tuple[UptimeAcknowledgement, ...], _CLASSES]
    signatures: Annotated[tuple[Seal | None, ...], _CLASSES]


class HoldingQuery(Body, frozen=True, kw_only=True):
    """Anchor to a token's holders, to all with one nonce: show that you hold its state."""

    token: Digest
    nonce: Digest


class HoldingReply(Body, frozen=True, kw_only=True):
    """The state's version, and a hash that only who has the state can make for this nonce."""

    version: Count
    proof: Digest


# The anchors' hash table


class PlacementAnnounce(Body, frozen=True, kw_only=True):
    """Anchor to the record's homes and to the holders: this is where the token lives."""

    placement: Placement
    anchor: NodeKey
    signature: Seal


class PlacementQuery(Body, frozen=True, kw_only=True):
    token: Digest


class PlacementReply(Body, frozen=True, kw_only=True):
    """The newest record the asked anchor holds; ``placement`` None is an answer: absent."""

    placement: Placement | None
    anchor: NodeKey | None
    signature: Seal | None


# Feeds


class FeedPush(Body, frozen=True, kw_only=True):
    """A feed entry with its body, pushed eagerly and forwarded at once."""

    entry: FeedEntry
    signature: Seal
    body: bytes


class FeedRange(Body, frozen=True, kw_only=True):
    """Ask for the entries of a feed from ``first`` on, at most ``limit``."""

    attester: NodeKey
    topic: Topic
    epoch: Count
    first: Count
    limit: Limit


class FeedEntries(Body, frozen=True, kw_only=True):
    entries: Annotated[tuple[FeedPush, ...], _MANY]


class FeedForked(Body, frozen=True, kw_only=True):
    """Proof that an attester signed two entries that cannot be in one log; the feed freezes."""

    first: FeedPush
    second: FeedPush


class FeedFrontier(Body, frozen=True, kw_only=True):
    """What I hold of each feed: (attester, topic, epoch) and the next sequence that I need."""

    next_sequences: Annotated[tuple[tuple[NodeKey, Topic, Count, Count], ...], _MANY]


# Election


class VoteRequest(Body, frozen=True, kw_only=True):
    """The window's winner to every anchor: the trigger is out, vote for this lease.

    ``version`` is the one after ``head``, the newest committed entry, which its co-signatures
    prove; None asks for version 1. An anchor holds no token state, and a version that an asker
    could choose freely would let it choose the winner.
    """

    token: Digest
    version: Count
    attempt: Attempt
    trigger: Digest
    trigger_time: Count
    head: JournalEntry | None = None
    head_signatures: Seals = ()


class VoteReply(Body, frozen=True, kw_only=True):
    vote: ElectionVote
    anchor: NodeKey
    signature: Seal


class Lease(Body, frozen=True, kw_only=True):
    """A certificate: one vote's content with the signatures of a quorum of anchors."""

    vote: ElectionVote
    signatures: Seals


# Journal


class Proposal(Body, frozen=True, kw_only=True):
    """Executor to the replicas: next version, the input it follows from, and my lease."""

    entry: JournalEntry
    signature: Seal
    input: bytes
    lease: Lease


class Cosigned(Body, frozen=True, kw_only=True):
    """Replica's reply: I ran it, the root is the same, it is on my disk."""

    node: NodeKey
    signature: Seal


class Commit(Body, frozen=True, kw_only=True):
    """Executor to the replicas: this entry is committed; here is the majority."""

    entry: JournalEntry
    signatures: Seals
    input: bytes


class JournalQuery(Body, frozen=True, kw_only=True):
    """Ask a replica for committed entries from ``first`` on, and its accepted proposal.

    With a ``lease``, the asker is a new executor: whoever replies promises to accept nothing
    under a lower fence. Without, it only catches up.
    """

    token: Digest
    first: Count
    limit: Limit
    lease: Lease | None = None


class JournalReply(Body, frozen=True, kw_only=True):
    """``version`` is the replier's newest committed version; ``accepted`` what it accepted for
    the next one."""

    version: Count
    commits: Annotated[tuple[Commit, ...], _MANY]
    accepted: Proposal | None


# Failing actions


class RouteCall(Body, frozen=True, kw_only=True):
    """Executor to an anchor: I failed; make this call yourself, under the same key.

    ``commit`` is the journal commit whose run asked for the call. ``output`` are the hashes of
    that run's output and ``effects`` its effects, which belong to the commit's output hash: no
    executor can send an anchor anywhere that the script did not.
    """

    token: Digest
    index: Count
    commit: Commit
    effects: Annotated[tuple[bytes, ...], _MANY]
    output: bytes
    lease: Lease


class RouteReply(Body, frozen=True, kw_only=True):
    """Either a failure that the anchor attests, or the response that it observed."""

    anchor: NodeKey
    signature: Seal
    failure: FailureAttestation | None
    outcomes: bytes
    response: ObservedResponse | None
    body: bytes


AnyBody = (
    Refused
    | Done
    | AcknowledgeRequest
    | AcknowledgeReply
    | UptimeQuery
    | UptimeReply
    | HoldingQuery
    | HoldingReply
    | PlacementAnnounce
    | PlacementQuery
    | PlacementReply
    | FeedPush
    | FeedRange
    | FeedEntries
    | FeedForked
    | FeedFrontier
    | VoteRequest
    | VoteReply
    | Proposal
    | Cosigned
    | Commit
    | JournalQuery
    | JournalReply
    | RouteCall
    | RouteReply
)


class Frame(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """``id`` 0 is a one-way message; a request has id > 0 and its reply carries ``reply_to``."""

    id: Count
    reply_to: Count
    body: AnyBody


_LONGEST_PROBLEM = 512

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Bytes of a frame; raises FrameInvalid when it is larger than FRAME_LIMIT."""
    data = bytes([FRAME_VERSION]) + _encoder.encode(frame)
    if len(data) > FRAME_LIMIT:
        raise FrameInvalid(problem=f"{len(data)} bytes exceed {FRAME_LIMIT}")
    return data


def decode_frame(data: bytes) -> Frame:
    """Parse and check a frame; raises FrameInvalid for anything that is not exactly one.

    Lengths and ranges are checked here as far as the types say them, so that no service sees a
    number that it cannot store.
    """
    if len(data) > FRAME_LIMIT or data[:1] != bytes([FRAME_VERSION]):
        raise FrameInvalid(problem="wrong version or too long")
    try:
        return _decoder.decode(data[1:])
    except Exception as error:
        # These bytes are a stranger's: whatever a codec or a message's own checks (InputError,
        # RecursionError, ...) make of them is that peer's fault and never this process's end.
        problem = f"{type(error).__name__}: {error}"[:_LONGEST_PROBLEM]
        raise FrameInvalid(problem=problem) from error
