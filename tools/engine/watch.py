"""A copy of a module that notes which words of memory it reads and writes.

Each load and store first sets a byte in a shadow of the memory, one byte for each word of four
bytes, far above what the module itself uses. For looking at an engine while it is built; nothing
of it is in the result.
"""

from typing import Final

import wasm
from wasm import I32, I64, Body

WRITTEN: Final = 16 * 1024 * 1024
READ: Final = 24 * 1024 * 1024
END: Final = 32 * 1024 * 1024
"""Where the shadows begin and end; words below 16 MiB have one."""

_F32, _F64 = 0x7D, 0x7C
_STORED: Final = {
    0x36: I32, 0x37: I64, 0x38: _F32, 0x39: _F64, 0x3A: I32, 0x3B: I32, 0x3C: I64, 0x3D: I64,
    0x3E: I64,
}  # fmt: skip
_KINDS: Final = (I32, I32, I64, _F32, _F64)
"""The locals that are added: an address, and a value of each type."""


def traced(body: Body, parameters: int) -> Body:
    """The same function with its accesses noted. ``parameters`` is how many it has."""
    first = parameters + body.local_count
    values = {kind: first + place for place, kind in enumerate(_KINDS) if place}
    out: list[bytes] = []
    for op in wasm.instructions(body.code):
        if op.code in _STORED:
            value = values[_STORED[op.code]]
            out += [_set(value), _tee(first), _note(first, _offset(op.raw), WRITTEN), _get(value)]
        elif 0x28 <= op.code <= 0x35:
            out += [_tee(first), _note(first, _offset(op.raw), READ)]
        elif op.code in (wasm.MEMORY_COPY, wasm.MEMORY_FILL) and parameters == 3:
            out = [*out[:-3], _note_many(0, WRITTEN), *out[-3:]]
            if op.code == wasm.MEMORY_COPY:
                out = [*out[:-3], _note_many(1, READ), *out[-3:]]
        out.append(op.raw)
    groups = [*body.groups, *((1, kind) for kind in _KINDS)]
    return Body(body.kind, groups, b"".join(out))


def _note(address: int, offset: int, shadow: int) -> bytes:
    word = _get(address) + _i32(offset) + b"\x6a" + _i32(2) + b"\x76"
    return word + _i32(1) + b"\x3a\x00" + wasm.unsigned(shadow)


def _note_many(start: int, shadow: int) -> bytes:
    """Of the function's own (to, from, length), as the engine's bulk functions have them."""
    place = _get(start) + _i32(2) + b"\x76" + _i32(shadow) + b"\x6a"
    length = _get(2) + _i32(2) + b"\x76"
    return place + _i32(1) + length + b"\xfc\x0b\x00"


def _offset(raw: bytes) -> int:
    reader = wasm.Reader(raw, 1)
    reader.unsigned()
    return reader.unsigned()


def _get(index: int) -> bytes:
    return b"\x20" + wasm.unsigned(index)


def _set(index: int) -> bytes:
    return b"\x21" + wasm.unsigned(index)


def _tee(index: int) -> bytes:
    return b"\x22" + wasm.unsigned(index)


def _i32(value: int) -> bytes:
    return b"\x41" + wasm.signed(value)
