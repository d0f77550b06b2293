"""The functions that take the place of QuickJS's imports, and the one that runs a script.

After the rewrite a module imports one function, ``pure(pointer, length, into) -> length``, the
host's table of pure functions, and exports one, ``run(kind, length, now, gas) -> words``. What
used to ask the host for time, chance, files or modules is answered here, from a constant or from
what ``run`` was given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import meter
import wasm
from wasm import I32, I64, Body

PAGE: Final = 64 * 1024
MAX_PAGES: Final = 48 * 1024 * 1024 // PAGE
INPUT_BYTES: Final = 512 * 1024
SCRATCH_BYTES: Final = 4096
LOAD, PERFORM = 0, 1
MODULE_FLAG: Final = 1
NANOSECONDS: Final = 1_000_000_000

PURE_GAS: Final = 120_000
"""Leaving the guest and coming back, about 20 µs, with the work of a hash."""
PURE_GAS_PER_BYTE: Final = 20
RECOVER_GAS: Final = 600_000
"""Recovering a public key, about 100 µs."""
RECOVER_LETTER: Final = ord("e")


class Global(IntEnum):
    """The module's globals. Those from STEP on are set once, when the snapshot is taken."""

    STACK = 0
    GAS = 1
    DEPTH = 2
    NOW = 3
    FAULT = 4
    STEP = 5
    UNDEFINED = 6
    INPUT = 7
    SCRATCH = 8
    NAME = 9
    LOADED = 10
    FAILED = 11
    BEGIN = 12
    FINISH = 13
    FOREVER = 14


@dataclass(frozen=True, slots=True)
class Glue:
    """Assembles functions that call into the metered module by name."""

    function: Callable[[str], int]
    kind: Callable[[bytes, bytes], int]
    meter: meter.Meter

    # -- one line of assembly each ------------------------------------------------------------

    def call(self, name: str) -> bytes:
        return b"\x10" + wasm.unsigned(self.function(name))

    def get(self, index: int) -> bytes:
        return b"\x20" + wasm.unsigned(index)

    def set(self, index: int) -> bytes:
        return b"\x21" + wasm.unsigned(index)

    def load_global(self, index: Global) -> bytes:
        return b"\x23" + wasm.unsigned(index)

    def store_global(self, index: Global) -> bytes:
        return b"\x24" + wasm.unsigned(index)

    def i32(self, value: int) -> bytes:
        return b"\x41" + wasm.signed(value)

    def i64(self, value: int) -> bytes:
        return b"\x42" + wasm.signed(value)

    def body(self, parameters: bytes, results: bytes, *code: bytes, groups: int = 0) -> Body:
        """A function with ``groups`` locals of 32 bits."""
        locals_ = [(groups, I32)] if groups else []
        return Body(self.kind(parameters, results), locals_, b"".join(code) + b"\x0b")

    # -- in the place of imports ---------------------------------------------------------------

    def import_body(self, name: str, kind: wasm.FunctionType) -> Body:
        """What answers an import of the original module."""
        answers: dict[str, tuple[bytes, ...]] = {
            "clock_time_get": (
                self.get(2), self.load_global(Global.NOW), self.i64(NANOSECONDS), b"\x7e",
                b"\x37\x03\x00", self.i32(0),
            ),
            "random_get": (
                self.get(0), self.i32(0), self.get(1), b"\xfc\x0b\x00", self.i32(0),
            ),
            "host_call": self._host_call(),
        }  # fmt: skip
        if name in answers:
            groups = 2 if name == "host_call" else 0
            return self.body(kind.parameters, kind.results, *answers[name], groups=groups)
        # nothing is there: files answer EBADF, a module is not found, time stands in UTC
        refusal = 8 if name.startswith("fd_") else 0
        return self.body(kind.parameters, kind.results, self.i32(refusal) if kind.results else b"")

    def _host_call(self) -> tuple[bytes, ...]:
        """argv[0] is a text: a letter that names a pure function, then its argument."""
        text, length = 5, 6
        scratch = self.load_global(Global.SCRATCH)
        return (
            self.get(4), b"\x28\x02\x00", scratch, self.call("qjs_get_string_len"),
            self.set(text), scratch, b"\x28\x02\x00", self.set(length),
            # dearer for the letter of key recovery
            self.i64(RECOVER_GAS), self.i64(PURE_GAS), self.get(text), b"\x2d\x00\x00",
            self.i32(RECOVER_LETTER), b"\x46\x1b", self._pay(),
            self.get(length), b"\xad", self.i64(PURE_GAS_PER_BYTE), b"\x7e", self._pay(),
            self.meter.stop_when_spent(),
            scratch, self.i32(16), b"\x6a", self.get(text), self.get(length),
            scratch, self.i32(16), b"\x6a", b"\x10\x00", self.call("qjs_new_string"),
        )  # fmt: skip

    def _pay(self) -> bytes:
        """Charge the 64-bit amount on the stack."""
        gas = self.load_global(Global.GAS)
        return self.i64(-1) + b"\x7e" + gas + b"\x7c" + self.store_global(Global.GAS)

    # -- sized operations ----------------------------------------------------------------------

    def bulk(self, operation: bytes) -> Body:
        """``memory.copy`` or ``memory.fill`` after its price."""
        three = bytes([I32] * 3)
        return self.body(
            three, b"",
            self.get(2), b"\xad", self.i64(meter.GAS_PER_BULK_BYTE_SHIFT), b"\x88",
            self.i64(meter.GAS_PER_BULK), b"\x7c", self._pay(), self.meter.stop_when_spent(),
            self.get(0), self.get(1), self.get(2), operation,
        )  # fmt: skip

    def grow(self) -> Body:
        """``memory.grow`` after its price. To be refused below the module's own maximum is the
        machine's doing, and no script may see it: the run stops as a fault of the node."""
        one = bytes([I32])
        refused = self.get(1) + self.i32(-1) + b"\x46"
        within = b"\x3f\x00\xad" + self.get(0) + b"\xad\x7c" + self.i64(MAX_PAGES) + b"\x58"
        return self.body(
            one, one,
            self.get(0), b"\xad", self.i64(meter.GAS_PER_PAGE), b"\x7e", self._pay(),
            self.meter.stop_when_spent(), self.get(0), b"\x40\x00", self.set(1),
            refused, within, b"\x71\x04\x40",
            self.i32(1), self.store_global(Global.FAULT), b"\x00\x0b",
            self.get(1),
            groups=1,
        )  # fmt: skip

    # -- one run -------------------------------------------------------------------------------

    def run(self) -> Body:
        """``run(kind, length, now, gas)``: load the module in the input buffer, or perform the
        request in it. The result is the outcome's place, address << 32 | length; zero after a
        load, and after a run that left no memory to tell its outcome."""
        parameters = bytes([I32, I32, I64, I64])
        value = 4
        code = (
            self.get(2), self.store_global(Global.NOW),
            self.get(3), self.store_global(Global.GAS),
            self.i32(0), self.store_global(Global.DEPTH),
            self.get(0), b"\x45\x04\x40", self._load(value), b"\x42\x00\x0f\x0b",
            self._perform(),
        )  # fmt: skip
        return self.body(parameters, bytes([I64]), *code, groups=1)

    def _load(self, value: int) -> bytes:
        """Evaluate the source, then tell the guest its namespace or what it threw."""
        evaluate = (
            self.load_global(Global.INPUT), self.get(1), self.load_global(Global.NAME),
            self.i32(MODULE_FLAG), self.call("qjs_eval"), self.set(value),
        )  # fmt: skip
        failed = self._tell(Global.FAILED, self.call("qjs_get_exception")) + b"\x1a\x42\x00\x0f"
        state = self.get(value) + self.call("qjs_promise_state")
        result = self.get(value) + self.call("qjs_promise_result")
        return b"".join(
            (
                *evaluate,
                self.get(value), self.call("qjs_is_exception"), b"\x04\x40", failed, b"\x0b",
                self._drain(),
                state, self.i32(1), b"\x46\x04\x40",
                self._tell(Global.LOADED, result), b"\x1a\x42\x00\x0f\x0b",
                state, self.i32(2), b"\x46\x04\x40",
                self._tell(Global.FAILED, result), b"\x1a\x42\x00\x0f\x0b",
                self._tell(Global.FAILED, self.load_global(Global.FOREVER)), b"\x1a",
            )
        )  # fmt: skip

    def _perform(self) -> bytes:
        value = 4
        text = self.load_global(Global.INPUT) + self.get(1) + self.call("qjs_new_string")
        place = self.load_global(Global.SCRATCH)
        return b"".join(
            (
                self._tell(Global.BEGIN, text), self.call("qjs_is_exception"),
                b"\x04\x40\x42\x00\x0f\x0b",
                self._drain(),
                self._tell(Global.FINISH, self.load_global(Global.UNDEFINED)), self.set(value),
                self.get(value), self.call("qjs_is_exception"), b"\x04\x40\x42\x00\x0f\x0b",
                self.get(value), place, self.call("qjs_get_string_len"), b"\xad",
                self.i64(32), b"\x86", place, b"\x35\x02\x00", b"\x84",
            )
        )  # fmt: skip

    def _tell(self, kind: Global, value: bytes) -> bytes:
        """step(kind, value), with its arguments in the scratch space; leaves the answer."""
        place = self.load_global(Global.SCRATCH)
        return b"".join(
            (
                place, self.load_global(kind), b"\x36\x02\x00",
                place, value, b"\x36\x02\x04",
                self.load_global(Global.STEP), self.load_global(Global.UNDEFINED),
                self.i32(2), place, self.call("qjs_call"),
            )
        )  # fmt: skip

    def _drain(self) -> bytes:
        """Settle every promise: ``block loop; no job → out; do it; again``."""
        return b"".join(
            (
                b"\x02\x40\x03\x40", self.meter.charge(8), self.meter.stop_when_spent(),
                self.call("qjs_is_job_pending"), b"\x45\x0d\x01",
                self.call("qjs_execute_pending_job"), b"\x1a\x0c\x00\x0b\x0b",
            )
        )  # fmt: skip
