"""Make a module count what it costs and how deep it is, by rewriting its functions.

Gas is a property of the module's bytes, not of the runtime that happens to execute it:

- every straight run of instructions is charged where it begins, in one subtraction;
- a loop's head, and the entry of every function that calls another, stop the run when the
  counter has gone below zero. Between two such places there is only code without repetition, so
  the overshoot is bounded, and it is not billed;
- ``memory.copy``, ``memory.fill`` and ``memory.grow`` are charged by their size before they act.

Depth is the sum of the frames' weights; passing the limit stops the run long before the native
stack, whose frames differ from one runtime to the next, could end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import wasm
from wasm import Body, Instruction

GAS_PER_BULK_BYTE_SHIFT: Final = 1
"""Copying or filling costs one gas per two bytes."""
GAS_PER_BULK: Final = 20
GAS_PER_PAGE: Final = 170_000
"""A new page of 64 KiB: the kernel zeroes and maps it on first touch."""
MAX_DEPTH: Final = 1024 * 1024
FRAME_WEIGHT: Final = 64
LOCAL_WEIGHT: Final = 8

_FREE: Final = frozenset(
    {0x01, wasm.BLOCK, wasm.LOOP, wasm.ELSE, wasm.END, 0x1A, 0x20, 0x21, 0x22, 0x41, 0x42, 0x43,
     0x44}
)  # fmt: skip
"""Structure, locals and constants: a compiler makes nothing, or next to it, of them."""

_BREAKS: Final = frozenset(
    {wasm.UNREACHABLE, wasm.IF, wasm.ELSE, wasm.END, wasm.BR, wasm.BR_IF, wasm.BR_TABLE,
     wasm.RETURN}
)  # fmt: skip


def price(instruction: Instruction) -> int:
    """What one instruction costs. The unit is about a fifth of a nanosecond."""
    match instruction.code:
        case code if code in _FREE:
            return 0
        case wasm.CALL:
            return 8
        case wasm.CALL_INDIRECT:
            return 16
        case wasm.BR_TABLE:
            return 6
        case 0x6D | 0x6E | 0x6F | 0x70 | 0x7F | 0x80 | 0x81 | 0x82:  # integer division
            return 16
        case 0x95 | 0xA3 | 0x91 | 0x9F:  # floating division and square root
            return 12
        case _:
            return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Indices of the globals and functions that the rewritten code uses."""

    gas: int
    depth: int
    copy: int
    fill: int
    grow: int

    def charge(self, cost: int) -> bytes:
        return self._get(self.gas) + _i64(cost) + b"\x7d" + self._set(self.gas)

    def stop_when_spent(self) -> bytes:
        return self._get(self.gas) + _i64(0) + b"\x53\x04\x40\x00\x0b"

    def enter(self, weight: int) -> bytes:
        """Add a frame's weight, and stop past the limit."""
        added = self._get(self.depth) + _i32(weight) + b"\x6a" + self._set(self.depth)
        return added + self._get(self.depth) + _i32(MAX_DEPTH) + b"\x4b\x04\x40\x00\x0b"

    def leave(self, weight: int) -> bytes:
        return self._get(self.depth) + _i32(weight) + b"\x6b" + self._set(self.depth)

    def _get(self, index: int) -> bytes:
        return b"\x23" + wasm.unsigned(index)

    def _set(self, index: int) -> bytes:
        return b"\x24" + wasm.unsigned(index)

    def rewrite(self, body: Body, results: bytes, shift: int) -> Body:
        """The metered function. Function indices move up by ``shift``."""
        ops = list(wasm.instructions(body.code))
        calls = any(op.code in (wasm.CALL, wasm.CALL_INDIRECT) for op in ops)
        out = _Segments(self, check=calls)
        nesting = 0
        for op in ops[:-1]:
            if op.code == wasm.LOOP:
                out.close(check=True, keep=op.raw)
            elif op.code == wasm.RETURN and calls:
                out.add(b"\x0c" + wasm.unsigned(nesting), 1)
                out.close()
            else:
                out.add(self._replaced(op, shift), price(op))
                if op.code in _BREAKS:
                    out.close()
            nesting += (op.code in (wasm.BLOCK, wasm.LOOP, wasm.IF)) - (op.code == wasm.END)
        code = out.encode()
        if calls:
            weight = FRAME_WEIGHT + LOCAL_WEIGHT * body.local_count
            kind = results or bytes([wasm.EMPTY])
            code = self.enter(weight) + b"\x02" + kind + code + b"\x0b" + self.leave(weight)
        return Body(body.kind, body.groups, code + b"\x0b")

    def _replaced(self, op: Instruction, shift: int) -> bytes:
        match op.code:
            case wasm.CALL:
                return b"\x10" + wasm.unsigned(op.operand + shift)
            case wasm.REF_FUNC:
                return b"\xd2" + wasm.unsigned(op.operand + shift)
            case wasm.MEMORY_COPY:
                return b"\x10" + wasm.unsigned(self.copy)
            case wasm.MEMORY_FILL:
                return b"\x10" + wasm.unsigned(self.fill)
            case wasm.MEMORY_GROW:
                return b"\x10" + wasm.unsigned(self.grow)
            case _:
                return op.raw


class _Segments:
    """Straight runs of instructions, each led by its charge."""

    def __init__(self, meter: Meter, *, check: bool) -> None:
        self._meter = meter
        self._done: list[bytes] = []
        self._code: list[bytes] = []
        self._cost = 0
        self._check = check

    def add(self, code: bytes, cost: int) -> None:
        self._code.append(code)
        self._cost += cost

    def close(self, *, check: bool = False, keep: bytes = b"") -> None:
        """End the run here. ``keep`` stands between the runs; ``check`` is of the next one."""
        self._done += [*self._lead(), *self._code, keep]
        self._code, self._cost, self._check = [], 0, check

    def _lead(self) -> Iterator[bytes]:
        if self._cost:
            yield self._meter.charge(self._cost)
        if self._check:
            yield self._meter.stop_when_spent()

    def encode(self) -> bytes:
        self.close()
        return b"".join(self._done)


def _i32(value: int) -> bytes:
    return b"\x41" + wasm.signed(value)


def _i64(value: int) -> bytes:
    return b"\x42" + wasm.signed(value)
