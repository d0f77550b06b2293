"""Frames between the pool and a worker: four bytes of length, big-endian, then MessagePack."""

from typing import Final, TypeVar

import msgspec

from node.ports.sandbox import RunRequest, RunResult

MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
LENGTH_BYTES: Final = 4

Message = TypeVar("Message")

_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(RunRequest)
_results = msgspec.msgpack.Decoder(RunResult)


def frame(message: RunRequest | RunResult | bytes) -> bytes:
    """One message with its length in front."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def body_length(head: bytes) -> int:
    """The length that a frame's head announces; raises msgspec.DecodeError beyond the bound, so
    that a worker gone mad cannot fill the node's memory."""
    length = int.from_bytes(head, "big")
    if length > MAX_FRAME_BYTES:
        raise msgspec.DecodeError(f"a frame of {length} bytes")
    return length


def read_request(body: bytes) -> RunRequest:
    """Parse a request; raises msgspec.DecodeError."""
    return _read(_requests, body)


def read_result(body: bytes) -> RunResult:
    """Parse a result; raises msgspec.DecodeError."""
    return _read(_results, body)


def _read(decoder: msgspec.msgpack.Decoder[Message], body: bytes) -> Message:
    try:
        return decoder.decode(body)
    except UnicodeDecodeError as error:  # the one that the decoder lets through
        raise msgspec.DecodeError("a text is not UTF-8") from error
