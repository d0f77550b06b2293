"""Frames from a stranger: whatever the bytes are, decoding gives a frame or FrameInvalid."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import FrameInvalid
from node.protocol.frames import (
    FRAME_LIMIT,
    FeedFrontier,
    FeedRange,
    Frame,
    JournalQuery,
    VoteRequest,
    decode_frame,
    encode_frame,
)
from settlement.types import Address, keccak

NODE = Address(b"\x05" * 20)


def text(length: int) -> str:
    """Base64 of so many zero bytes, as a frame carries them."""
    return base64.b64encode(bytes(length)).decode()


def raw(body: Any, request_id: Any = 1, reply_to: Any = 0) -> bytes:
    return b"\x01" + json.dumps([request_id, reply_to, body]).encode()


def acknowledge(**changes: Any) -> dict[str, Any]:
    voucher = {
        "signer": text(20),
        "period": 1,
        "node": text(20),
        "token_class": text(32),
        "cumulative": 1,
    }
    return {
        "type": "AcknowledgeRequest",
        "voucher": voucher | changes,
        "signature": text(65),
    }


def ask_vote(**changes: Any) -> dict[str, Any]:
    asked = {
        "type": "VoteRequest",
        "token": text(32),
        "version": 1,
        "attempt": 0,
        "trigger": text(32),
        "trigger_time": 0,
    }
    return asked | changes


def ask_feed(**changes: Any) -> dict[str, Any]:
    asked = {
        "type": "FeedRange",
        "attester": text(20),
        "topic": "delays",
        "epoch": 0,
        "first": 0,
        "limit": 1,
    }
    return asked | changes


def ask_journal(**changes: Any) -> dict[str, Any]:
    return {"type": "JournalQuery", "token": text(32), "first": 1, "limit": 16} | changes


@pytest.mark.parametrize("body", [acknowledge(), ask_vote(), ask_feed(), ask_journal()])
def test_a_whole_request_is_read(body: dict[str, Any]) -> None:
    assert type(decode_frame(raw(body)).body).__name__ == body["type"]


@pytest.mark.parametrize(
    "changes",
    [{"signer": text(19)}, {"token_class": text(33)}, {"cumulative": -1}, {"period": 2**32},
     {"cumulative": 2**128}],
)  # fmt: skip
def test_a_message_that_its_own_checks_refuse_is_an_invalid_frame(changes: dict[str, Any]) -> None:
    with pytest.raises(FrameInvalid):
        decode_frame(raw(acknowledge(**changes)))


@pytest.mark.parametrize("number", [-1, -(2**70), 2**63, 2**70, 10**4_000])
@pytest.mark.parametrize(
    ("ask", "field"),
    [(ask_vote, "version"), (ask_vote, "attempt"), (ask_vote, "trigger_time"),
     (ask_feed, "epoch"), (ask_feed, "first"), (ask_feed, "limit"),
     (ask_journal, "first"), (ask_journal, "limit")],
)  # fmt: skip
def test_a_number_that_nothing_can_hold_is_an_invalid_frame(
    ask: Any, field: str, number: int
) -> None:
    with pytest.raises(FrameInvalid):
        decode_frame(raw(ask(**{field: number})))


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_frames_own_numbers_are_bounded_too(number: int) -> None:
    with pytest.raises(FrameInvalid):
        decode_frame(raw(ask_feed(), request_id=number))
    with pytest.raises(FrameInvalid):
        decode_frame(raw(ask_feed(), reply_to=number))


@pytest.mark.parametrize(
    "body",
    [ask_feed(limit=1_025), ask_journal(limit=1_025), ask_feed(topic="t" * 65),
     ask_feed(attester=text(21)), ask_vote(token=text(31)), ask_vote(attempt=2**32),
     ask_vote(head_signatures=[[text(20), text(64)]])],
)  # fmt: skip
def test_what_is_longer_or_more_than_it_may_be_is_an_invalid_frame(body: dict[str, Any]) -> None:
    with pytest.raises(FrameInvalid):
        decode_frame(raw(body))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x02[]",
        b"\x01" + b"[" * (FRAME_LIMIT - 1),
        b'\x01[0,0,{"type":"Done","x":' + b"[" * 60_000,
        b"\x01" + bytes(FRAME_LIMIT),
        raw(ask_feed()).replace(b"delays", b"\xff\xfe"),
        raw(ask_feed(topic="\ud800")),
    ],
)
def test_bytes_that_no_codec_takes_are_an_invalid_frame(data: bytes) -> None:
    with pytest.raises(FrameInvalid):
        decode_frame(data)


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_nothing_but_an_invalid_frame_comes_of_any_bytes(junk: bytes, at: int, byte: int) -> None:
    whole = bytearray(raw(acknowledge()))
    whole[at % len(whole)] = byte
    for data in (b"\x01" + junk, bytes(whole)):
        with contextlib.suppress(FrameInvalid):
            decode_frame(data)


def test_what_fits_comes_back_as_it_went() -> None:
    token = keccak(b"token")
    for body in (
        FeedRange(attester=NODE, topic="t" * 64, epoch=2**32 - 1, first=2**63 - 1, limit=1_024),
        FeedFrontier(next_sequences=((NODE, "t", 1, 2),) * 256),
        JournalQuery(token=token, first=2**63 - 1, limit=0),
        VoteRequest(token=token, version=7, attempt=2**32 - 1, trigger=token, trigger_time=1),
    ):
        frame = Frame(id=1, reply_to=0, body=body)
        assert decode_frame(encode_frame(frame)) == frame
