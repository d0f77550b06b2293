"""What moves a token: the tagged union of inputs, their canonical bytes and their identities.

An input's bytes travel in a proposal and stand in the journal. Its *hash* covers whatever the
script can see of it and leaves signatures out, so that two signatures over the same word are one
input. Its *strand* and *place* say what it must not precede: inputs of one strand are journalled in
order of place, each place once.
"""

from typing import assert_never

import msgspec

from node.core.failure import FailureWord
from node.core.feed import feed_stream
from node.errors import InputInvalid
from node.protocol.messages import FeedEntry, ObservedResponse
from settlement.errors import InputError
from settlement.types import Address, Hash, Signature, keccak

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

_decoder = msgspec.json.Decoder(AnyInput)


def encode_input(given: AnyInput) -> bytes:
    """The one byte form of an input. Raises InputInvalid when it is too long."""
    data = msgspec.json.encode(given)
    if len(data) > MAX_INPUT_BYTES:
        raise InputInvalid(problem=f"{len(data)} bytes exceed {MAX_INPUT_BYTES}")
    return data


def decode_input(data: bytes) -> AnyInput:
    """The input of its bytes. Raises InputInvalid for anything but :func:`encode_input`'s form."""
    try:
        given: AnyInput = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, InputError) as error:
        raise InputInvalid(problem=str(error)) from error
    if encode_input(given) != data:
        raise InputInvalid(problem="it is not in its canonical form")
    return given


def input_hash(given: AnyInput) -> Hash:
    """What a journal entry names: a hash over all that the script can see of the input."""
    match given:
        case Activation():
            seen = given.token + given.block_hash + _word(given.block) + _word(given.time)
            return keccak(b"activation" + seen + keccak(given.attributes))
        case Attested():
            return entry_trigger(given.entry)
        case ChainEvent():
            seen = _word(given.chain_id) + given.contract + given.block_hash
            seen += _word(given.block) + _word(given.log_index) + _word(given.time)
            return keccak(b"event" + seen + keccak(given.name.encode()) + keccak(given.arguments))
        case Outcome():
            shown = b"" if given.attestation is None else keccak(given.attestation)
            return keccak(b"outcome" + given.key + given.response.struct_hash() + shown)
        case Failure():
            words = b"".join(word.anchor + word.attestation.struct_hash() for word in given.words)
            return keccak(b"failure" + given.key + words)
        case Timer():
            seen = keccak(given.name.encode()) + _word(given.version) + _word(given.due)
            return keccak(b"timer" + seen)
        case _:
            assert_never(given)


def _word(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise InputInvalid(problem=f"{value} does not fit 256 bits")
    return value.to_bytes(32, "big")


def strand_and_place(given: AnyInput) -> tuple[str, int]:
    """The order that an input must keep: its strand, and its place in that strand."""
    match given:
        case Activation():
            return "activation", 0
        case Attested(entry=entry):
            return feed_stream(entry.attester, entry.topic, entry.epoch), entry.sequence
        case ChainEvent():
            strand = f"chain/{given.chain_id}/{given.contract.hex()}"
            return strand, (given.block << 20) + given.log_index
        case Outcome(key=key) | Failure(key=key):
            return f"action/{key.hex()}", 0
        case Timer():
            return f"timer/{given.name}", given.version
        case _:
            assert_never(given)


def activation_trigger(token: Hash, block: int) -> Hash:
    """The trigger of a token's first election; its time is the activation block's."""
    return keccak(b"activated" + token + _word(block))


def entry_trigger(entry: FeedEntry) -> Hash:
    """The trigger that a feed entry is, for every token that hears it; its time is the entry's."""
    return keccak(b"attested" + entry.struct_hash())


def own_trigger(given: AnyInput) -> tuple[Hash, int] | None:
    """The trigger that an input is, and its time in milliseconds, as an anchor's log has them.

    None for inputs that follow from earlier ones: they name the trigger that those came from.
    """
    match given:
        case Activation():
            return activation_trigger(given.token, given.block), given.time
        case Attested(entry=entry):
            return entry_trigger(entry), entry.time
        case ChainEvent():
            return input_hash(given), given.time
        case Outcome() | Failure() | Timer():
            return None
        case _:
            assert_never(given)
