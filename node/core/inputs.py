"""What moves a token: the tagged union of inputs, their canonical bytes and their identities.

An input's bytes travel in a proposal and stand in the journal. Its *hash* covers whatever the
script can see of it and leaves signatures out, so that two signatures over the same word are one
input. Its *lane* and *place* say what it must not precede: inputs of one lane are journalled in
order of place, each place once.
"""

import msgspec

from node.protocol.messages import FailureAttestation, FeedEntry, ObservedResponse
from settlement.types import Address, Hash, Signature

MAX_INPUT_BYTES = 24_576
"""Bytes of an encoded input, at most: in base64 it must fit a frame beside its lease."""


class Input(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Base of the union; the class name is the tag."""


class Activation(Input, frozen=True, kw_only=True):
    """The token was minted: what the chain says of it at ``block``. ``attributes`` is canonical
    JSON; ``time`` is the block's, in milliseconds."""

    token: Hash
    block: int
    block_hash: Hash
    time: int
    attributes: bytes


class Attested(Input, frozen=True, kw_only=True):
    """An attester said something on a feed that the script subscribes to."""

    entry: FeedEntry
    signature: Signature
    body: bytes


class ChainEvent(Input, frozen=True, kw_only=True):
    """A contract that the script watches emitted an event. ``arguments`` is canonical JSON."""

    chain_id: int
    contract: Address
    name: str
    block: int
    block_hash: Hash
    log_index: int
    time: int
    arguments: bytes


class Outcome(Input, frozen=True, kw_only=True):
    """An action's call was answered. ``key`` names the open action (its idempotency key).

    ``response`` is signed by ``witness``: the executor, or the anchor that made a routed call.
    ``attestation`` is the JSON of the attestation that the outside returned, None without one.
    """

    key: Hash
    response: ObservedResponse
    witness: Address
    signature: Signature
    body: bytes
    attestation: bytes | None = None


class FailureWord(msgspec.Struct, frozen=True, kw_only=True):
    """One anchor's attested failure, with the canonical JSON of what it observed."""

    anchor: Address
    attestation: FailureAttestation
    signature: Signature
    outcomes: bytes


class Failure(Input, frozen=True, kw_only=True):
    """f + 1 anchors made an action's call themselves, and it failed."""

    key: Hash
    words: tuple[FailureWord, ...]


class Timer(Input, frozen=True, kw_only=True):
    """A timer that version ``version`` of the token set is due."""

    name: str
    version: int
    due: int


AnyInput = Activation | Attested | ChainEvent | Outcome | Failure | Timer
