"""Frames between the pool and a worker."""

import msgspec
import pytest

from node.sandbox.wire import LENGTH_BYTES, MAX_FRAME_BYTES, body_length, frame


def test_a_frames_head_tells_the_length_of_its_body() -> None:
    framed = frame(b"engine")
    assert body_length(framed[:LENGTH_BYTES]) == len(framed) - LENGTH_BYTES
    assert body_length(MAX_FRAME_BYTES.to_bytes(LENGTH_BYTES, "big")) == MAX_FRAME_BYTES


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_longer_frame_is_refused_before_it_is_read(length: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        body_length(length.to_bytes(LENGTH_BYTES, "big"))
