"""Frames between nodes: typed, versioned, length-bounded; decoded into types before any decision.

A frame travels as ``version byte | JSON`` (bytes in base64; msgpack would cap integers at 64
bits and amounts have 128). Requests carry an id that their reply repeats; the
link keeps the pairs together, so services see only bodies.
"""

import msgspec

from node.errors import FrameInvalid
from node.protocol.messages import (
    ElectionVote,
    FailureAttestation,
    FeedEntry,
    JournalEntry,
    ObservedResponse,
    Placement,
)
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.types import Address, Hash, Signature

FRAME_VERSION = 1
FRAME_LIMIT = 65_536
"""Bytes of one frame, at most."""


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
    signature: Signature


class AcknowledgeReply(Body, frozen=True, kw_only=True):
    acknowledgement: Acknowledgement
    signature: Signature


# The anchors' hash table


class PlacementAnnounce(Body, frozen=True, kw_only=True):
    """Anchor to the record's homes and to the holders: this is where the token lives."""

    placement: Placement
    anchor: Address
    signature: Signature


class PlacementQuery(Body, frozen=True, kw_only=True):
    token: Hash


class PlacementReply(Body, frozen=True, kw_only=True):
    """The newest record the asked anchor holds; ``placement`` None is an answer: absent."""

    placement: Placement | None
    anchor: Address | None
    signature: Signature | None


# Feeds


class FeedPush(Body, frozen=True, kw_only=True):
    """A feed entry with its body, pushed eagerly and forwarded at once."""

    entry: FeedEntry
    signature: Signature
    body: bytes


class FeedRange(Body, frozen=True, kw_only=True):
    """Ask for the entries of a feed from ``first`` on, at most ``limit``."""

    attester: Address
    topic: str
    epoch: int
    first: int
    limit: int


class FeedEntries(Body, frozen=True, kw_only=True):
    entries: tuple[FeedPush, ...]


class FeedForked(Body, frozen=True, kw_only=True):
    """Proof that an attester signed two entries that cannot be in one log; the feed freezes."""

    first: FeedPush
    second: FeedPush


class FeedFrontier(Body, frozen=True, kw_only=True):
    """What I hold of each feed: (attester, topic, epoch) and the next sequence that I need."""

    next_sequences: tuple[tuple[Address, str, int, int], ...]


# Election


class VoteRequest(Body, frozen=True, kw_only=True):
    """The window's winner to every anchor: the trigger is out, vote for this lease.

    ``version`` is the one after ``head``, the newest committed entry, which its co-signatures
    prove; None asks for version 1. An anchor holds no token state, and a version that an asker
    could choose freely would let it choose the winner.
    """

    token: Hash
    version: int
    attempt: int
    trigger: Hash
    trigger_time: int
    head: JournalEntry | None = None
    head_signatures: tuple[tuple[Address, Signature], ...] = ()


class VoteReply(Body, frozen=True, kw_only=True):
    vote: ElectionVote
    anchor: Address
    signature: Signature


class Lease(Body, frozen=True, kw_only=True):
    """A certificate: one vote's content with the signatures of a quorum of anchors."""

    vote: ElectionVote
    signatures: tuple[tuple[Address, Signature], ...]


# Journal


class Proposal(Body, frozen=True, kw_only=True):
    """Executor to the replicas: next version, the input it follows from, and my lease."""

    entry: JournalEntry
    signature: Signature
    input: bytes
    lease: Lease


class Cosigned(Body, frozen=True, kw_only=True):
    """Replica's reply: I ran it, the root is the same, it is on my disk."""

    node: Address
    signature: Signature


class Commit(Body, frozen=True, kw_only=True):
    """Executor to the replicas: this entry is committed; here is the majority."""

    entry: JournalEntry
    signatures: tuple[tuple[Address, Signature], ...]
    input: bytes


class JournalQuery(Body, frozen=True, kw_only=True):
    """Ask a replica for committed entries from ``first`` on, and its accepted proposal.

    With a ``lease``, the asker is a new executor: whoever replies promises to accept nothing
    under a lower fence. Without, it only catches up.
    """

    token: Hash
    first: int
    limit: int
    lease: Lease | None = None


class JournalReply(Body, frozen=True, kw_only=True):
    """``version`` is the replier's newest committed version; ``accepted`` what it accepted for
    the next one."""

    version: int
    commits: tuple[Commit, ...]
    accepted: Proposal | None


# Failing actions


class RouteCall(Body, frozen=True, kw_only=True):
    """Executor to an anchor: I failed; make this call yourself, under the same key.

    ``commit`` is the journal commit whose run asked for the call. ``output`` are the hashes of
    that run's output and ``effects`` its effects, which belong to the commit's output hash: no
    executor can send an anchor anywhere that the script did not.
    """

    token: Hash
    index: int
    commit: Commit
    effects: tuple[bytes, ...]
    output: bytes
    lease: Lease


class RouteReply(Body, frozen=True, kw_only=True):
    """Either a failure that the anchor attests, or the response that it observed."""

    anchor: Address
    signature: Signature
    failure: FailureAttestation | None
    outcomes: bytes
    response: ObservedResponse | None
    body: bytes


AnyBody = (
    Refused
    | Done
    | AcknowledgeRequest
    | AcknowledgeReply
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

    id: int
    reply_to: int
    body: AnyBody


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Bytes of a frame; raises FrameInvalid when it is larger than FRAME_LIMIT."""
    data = bytes([FRAME_VERSION]) + _encoder.encode(frame)
    if len(data) > FRAME_LIMIT:
        raise FrameInvalid(problem=f"{len(data)} bytes exceed {FRAME_LIMIT}")
    return data


def decode_frame(data: bytes) -> Frame:
    """Parse and check a frame; raises FrameInvalid for anything that is not exactly one."""
    if len(data) > FRAME_LIMIT or data[:1] != bytes([FRAME_VERSION]):
        raise FrameInvalid(problem="wrong version or too long")
    try:
        return _decoder.decode(data[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameInvalid(problem=str(error)) from error
