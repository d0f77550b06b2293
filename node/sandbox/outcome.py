"""From the guest's words to a result.

The guest ends a run with lines of text: status, error, state, result, logs, then one line per
effect; all but the first are JSON and hold no raw line feed, absent values are empty lines. The
script could have tampered with what writes them, so each is judged again here. Nothing depends
on the machine: the same words give the same result on every node.
"""

import struct
from typing import Final

import msgspec

from node.ports.sandbox import (
    MAX_EFFECTS,
    MAX_ERROR_CHARACTERS,
    MAX_LOG_BYTES,
    MAX_OUTPUT_BYTES,
    NESTED_OUTPUT,
    Mode,
    RunResult,
    Status,
    nested_too_deep,
)

_SAYABLE: Final = {
    status.encode(): status
    for status in (
        Status.OK,
        Status.ERROR,
        Status.TOO_BIG,
        Status.TOO_NESTED,
        Status.BAD_OUTPUT,
    )
}
_FIXED_LINES: Final = 5

_text = msgspec.json.Decoder(str)
_texts = msgspec.json.Decoder(list[str])
_record = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value = msgspec.json.Decoder(msgspec.Raw)


def outcome(words: bytes, *, mode: Mode, gas: int, pages: int) -> RunResult:
    """Read the guest's words. Words that break the form are ``bad_output``."""
    try:
        words.decode()  # the decoders below look no deeper than they must
        return _judged(words, mode=mode, gas=gas, pages=pages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _refused("the script tampered with how outputs are written", gas, pages)


def _judged(words: bytes, *, mode: Mode, gas: int, pages: int) -> RunResult:
    lines = words.split(b"\n")
    status = _SAYABLE.get(lines[0])
    if status is None or not _FIXED_LINES <= len(lines) <= _FIXED_LINES + MAX_EFFECTS:
        return _refused("the script tampered with how outputs are written", gas, pages)
    error = _text.decode(lines[1])[:MAX_ERROR_CHARACTERS]
    state, answer, effects = lines[2], lines[3], tuple(lines[_FIXED_LINES:])
    logs = tuple(_texts.decode(lines[4]))
    if sum(len(line.encode()) for line in logs) > MAX_LOG_BYTES:
        logs = ()
    if status is not Status.OK:
        return RunResult(status=status, gas=gas, pages=pages, error=error, logs=logs)
    if len(state) + len(answer) + sum(map(len, effects)) > MAX_OUTPUT_BYTES:
        return RunResult(
            status=Status.TOO_BIG, gas=gas, pages=pages, error="the output passes 256 KiB"
        )
    if mode is not Mode.UPDATE and (state or effects):
        return _refused("a read returns a result only", gas, pages)
    deep = nested_too_deep(words)  # seldom even taken together
    if deep and any(map(nested_too_deep, (state, answer, *effects))):
        return RunResult(status=Status.TOO_NESTED, gas=gas, pages=pages, error=NESTED_OUTPUT)
    for part in (*effects, state) if state else effects:
        _record.decode(part)
    if answer:
        _value.decode(answer)
    return RunResult(
        status=Status.OK,
        gas=gas,
        pages=pages,
        state=state or None,
        effects=effects,
        result=answer or None,
        logs=logs,
    )


def _refused(why: str, gas: int, pages: int) -> RunResult:
    return RunResult(status=Status.BAD_OUTPUT, gas=gas, pages=pages, error=why)


def request_text(
    *, entry: str, mode: Mode, seed: bytes, parts: tuple[bytes, bytes, bytes]
) -> bytes:
    """The request as the guest reads it; ``parts`` are state, event and context as JSON."""
    state, event, context = parts
    name = msgspec.json.encode(entry)
    return b"".join(
        (
            b'{"mode":"',
            mode.encode(),
            b'","seed":',
            msgspec.json.encode(struct.unpack("<4i", seed[:16])),
            b',"entry":',
            name,
            b',"state":',
            state,
            b',"event":',
            event,
            b',"context":',
            context,
            b"}",
        )
    )
