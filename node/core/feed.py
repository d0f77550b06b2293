"""One feed at one node (key from :func:`feed_key`): push at once, deliver only in order.

A feed is one attester's log on one topic in one epoch. Duplicates, gaps and forks all show from
(feed, sequence), so there is no cache of what was seen. Delivered entries are the records of the
stream :func:`feed_stream`, at their sequence.
"""

from dataclasses import dataclass

from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Hash

MAX_BODY_BYTES = 16_384
"""Bytes of an entry's body, at most; a journal input that carries one must fit a frame."""
MAX_HELD = 64
"""Entries kept out of order, at most; those furthest ahead are dropped first."""
MAX_ASKED = 64
"""Entries asked for at once, at most."""
GAP_PATIENCE_MS = 150
"""How long a gap may be open before its entries are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkProof:
    """Two entries that one attester signed and that cannot be in one log.

    Either both have one sequence, or ``second`` follows ``first`` and names another entry as the
    one before it. Anyone can verify it.
    """

    first: FeedPush
    second: FeedPush


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Where this node is in a feed.

    ``next`` is the sequence that it needs, ``last`` the newest delivered entry, ``held`` later
    entries in order of sequence. ``gap_since_ms`` is 0 when nothing is missing. ``fork`` set
    means frozen for good.
    """

    next: int = 0
    head: Hash = ZERO_HASH
    last: FeedPush | None = None
    held: tuple[FeedPush, ...] = ()
    gap_since_ms: int = 0
    asked_ms: int = 0
    fork: ForkProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveEntry:
    """An entry arrived, pushed by ``peer`` (None: by its attester, through the API).

    ``stored`` is what the log holds at its sequence, where the service has looked; it turns an
    old duplicate that differs into a fork's proof.
    """

    push: FeedPush
    peer: Address | None
    domain: Domain
    stored: FeedPush | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFork:
    """A peer shows that the feed is forked."""

    proof: ForkProof
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCheckGap:
    """Time has passed: ask ``peer`` for what is missing, if it has been missing long enough."""

    attester: Address
    topic: str
    epoch: int
    peer: Address


FeedEvent = ReceiveEntry | ReceiveFork | ActionCheckGap


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverEntry:
    """The next entry in order, for everybody at this node who subscribes to it."""

    push: FeedPush


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardEntry:
    """Push a new entry on to every peer but ``came_from``."""

    push: FeedPush
    came_from: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskRange:
    """Ask ``peer`` for ``limit`` entries from ``first`` on."""

    peer: Address
    attester: Address
    topic: str
    epoch: int
    first: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFork:
    """Tell every peer that the feed is forked."""

    proof: ForkProof


FeedEffect = DeliverEntry | ForwardEntry | AskRange | SendFork


def feed_key(attester: Address, topic: str, epoch: int) -> str:
    """The machine's key: ``{attester hex}/{topic}/{epoch}``."""
    return f"{attester.hex()}/{topic}/{epoch}"


def feed_stream(attester: Address, topic: str, epoch: int) -> str:
    """The log of delivered entries: ``feed/`` and the key."""
    return "feed/" + feed_key(attester, topic, epoch)


def entry_hash(entry: FeedEntry) -> Hash:
    """What the next entry's ``previous`` names: the EIP-712 hashStruct of the entry."""
    return entry.struct_hash()
