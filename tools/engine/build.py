"""Build the engine: QuickJS, metered, booted once, its memory baked in.

    python tools/engine/build.py            writes node/sandbox/engine/engine.wasm
    python tools/engine/build.py --check    fails unless a rebuild gives the committed bytes

The sha256 of the result is the engine id of the protocol. Nothing in the result depends on the
machine or the runtime that built it: while it boots, the clock stands still and chance is zero.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wasm
import wasmtime
from glue import INPUT_BYTES, MAX_PAGES, PAGE, SCRATCH_BYTES, Global, Glue
from meter import Meter
from wasm import I32, I64, Body, Module

HERE: Final = Path(__file__).parent
TARGET: Final = HERE.parents[1] / "node" / "sandbox" / "engine" / "engine.wasm"

SHIFT: Final = 1
"""One import stands before the functions that took the imports' places."""
HEAP_BYTES: Final = 32 * 1024 * 1024
JS_STACK_BYTES: Final = 256 * 1024
GC_THRESHOLD: Final = 8 * 1024 * 1024
INTRINSICS: Final = 0x1FF
"""Date, eval, RegExp, JSON, Proxy, Map and Set, typed arrays, Promise, BigInt."""
BOOT_GAS: Final = 1 << 60
CHUNK: Final = 4096
"""Memory is kept in runs of chunks that hold anything but zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What booting leaves behind."""

    memory: bytes
    globals: dict[Global, int]


class Builder:
    """One original module on its way to an engine."""

    def __init__(self, original: bytes) -> None:
        self.module: Module = wasm.parse(original)
        # The function space is: pure, the answers to imports, the original functions, ours.
        first = SHIFT + len(self.module.imports) + len(self.module.bodies)
        self.copy, self.fill, self.grow, self.run = range(first, first + 4)
        meter = Meter(
            gas=Global.GAS, depth=Global.DEPTH, copy=self.copy, fill=self.fill, grow=self.grow
        )
        glue = Glue(self._exported, self.module.type_index, meter)
        types = self.module.types
        answers = [glue.import_body(item.name, types[item.kind]) for item in self.module.imports]
        metered = [
            meter.rewrite(body, types[body.kind].results, SHIFT) for body in self.module.bodies
        ]
        ours = [
            glue.bulk(b"\xfc\x0a\x00\x00"),
            glue.bulk(b"\xfc\x0b\x00"),
            glue.grow(),
            glue.run(),
        ]
        self.bodies: list[Body] = [*answers, *metered, *ours]
        self.pure_kind = self.module.type_index(bytes([I32] * 3), bytes([I32]))

    def _exported(self, name: str) -> int:
        kind, index = self.module.exports[name]
        if kind != 0:
            raise wasm.UnknownInstruction(f"{name} is not a function")
        return index + SHIFT

    def encode(self, image: Image | None = None) -> bytes:
        """The module; without an image, the one to boot, which exports everything."""
        sections = (
            (wasm.TYPE, wasm.vector([kind.encode() for kind in self.module.types])),
            (wasm.IMPORT, self._imports()),
            (wasm.FUNCTION, wasm.vector([wasm.unsigned(body.kind) for body in self.bodies])),
            (wasm.TABLE, self.module.table),
            (wasm.MEMORY, self._memory(image)),
            (wasm.GLOBAL, wasm.vector(list(self._globals(image)))),
            (wasm.EXPORT, wasm.vector(list(self._exports(image)))),
            (wasm.ELEMENT, self._elements()),
            (wasm.CODE, wasm.vector([body.encode() for body in self.bodies])),
            (wasm.DATA, self._data(image)),
        )
        return wasm.MAGIC + b"".join(
            bytes([number]) + wasm.unsigned(len(body)) + body for number, body in sections
        )

    def _imports(self) -> bytes:
        pure = wasm.name("env") + wasm.name("pure") + b"\0" + wasm.unsigned(self.pure_kind)
        return wasm.vector([pure])

    def _memory(self, image: Image | None) -> bytes:
        pages = self.module.pages if image is None else len(image.memory) // PAGE
        return b"\x01\x01" + wasm.unsigned(pages) + wasm.unsigned(MAX_PAGES)

    def _globals(self, image: Image | None) -> Iterator[bytes]:
        for item in Global:
            wide = item in (Global.GAS, Global.NOW)
            fixed = image is not None and item >= Global.STEP
            value = image.globals.get(item, 0) if image else _START.get(item, 0)
            opcode = b"\x42" if wide else b"\x41"
            kind = I64 if wide else I32
            yield bytes([kind, not fixed]) + opcode + wasm.signed(value) + b"\x0b"

    def _exports(self, image: Image | None) -> Iterator[bytes]:
        yield wasm.name("memory") + b"\x02\x00"
        yield wasm.name("run") + b"\x00" + wasm.unsigned(self.run)
        yield wasm.name("gas") + b"\x03" + wasm.unsigned(Global.GAS)
        yield wasm.name("depth") + b"\x03" + wasm.unsigned(Global.DEPTH)
        yield wasm.name("fault") + b"\x03" + wasm.unsigned(Global.FAULT)
        yield wasm.name("stack") + b"\x03" + wasm.unsigned(Global.STACK)
        yield wasm.name("input") + b"\x03" + wasm.unsigned(Global.INPUT)
        if image is not None:
            return
        for item in Global:
            yield wasm.name(f"global {item.name}") + b"\x03" + wasm.unsigned(item)
        for name, (kind, index) in self.module.exports.items():
            if kind == 0:
                yield wasm.name(f"original {name}") + b"\x00" + wasm.unsigned(index + SHIFT)

    def _elements(self) -> bytes:
        moved = [wasm.unsigned(index + SHIFT) for index in self.module.elements]
        offset = b"\x41" + wasm.signed(self.module.element_offset) + b"\x0b"
        return b"\x01\x00" + offset + wasm.vector(moved)

    def _data(self, image: Image | None) -> bytes:
        if image is None:
            return self.module.data
        return wasm.vector(
            [
                b"\x00\x41" + wasm.signed(start) + b"\x0b" + wasm.unsigned(len(run)) + run
                for start, run in runs(image.memory)
            ]
        )


_START: Final = {Global.STACK: 1024 * 1024, Global.GAS: BOOT_GAS}


def runs(memory: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of a memory that are not zero, in whole chunks."""
    empty, start = bytes(CHUNK), -1
    for at in range(0, len(memory) + CHUNK, CHUNK):
        if memory[at : at + CHUNK] not in (empty, b""):
            start = at if start < 0 else start
        elif start >= 0:
            yield start, memory[start:at]
            start = -1


class _Boot:
    """The module to boot, running."""

    def __init__(self, binary: bytes) -> None:
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        module = wasmtime.Module(engine, binary)
        pure = wasmtime.Func(self._store, module.imports[0].type, lambda *_: 0)
        self._exports: Any = wasmtime.Instance(self._store, module, [pure]).exports(self._store)

    def call(self, name: str, *arguments: int) -> int:
        return self._exports[f"original {name}"](self._store, *arguments)

    def put(self, data: bytes) -> int:
        pointer = self.call("wasm_malloc", len(data))
        self._exports["memory"].write(self._store, data, pointer)
        return pointer

    def text(self, data: bytes) -> int:
        return self.call("qjs_new_string", self.put(data + b"\0"), len(data))

    def image(self, found: dict[Global, int]) -> Image:
        stack = self._exports["global STACK"].value(self._store)
        memory = bytes(self._exports["memory"].read(self._store))
        # what lies below the stack's pointer is dead, and would differ from one compiler's boot
        # to the next only if somebody read it
        memory = bytes(stack) + memory[stack:]
        return Image(memory=memory, globals={Global.STACK: stack, **found})


def boot(binary: bytes, prelude: bytes) -> Image:
    """Start QuickJS, set its limits, evaluate the guest's half of a run, and stop there."""
    guest = _Boot(binary)
    guest.call("_initialize")
    if guest.call("qjs_init2", INTRINSICS):
        raise wasm.UnknownInstruction("QuickJS did not start")
    guest.call("qjs_set_memory_limit", HEAP_BYTES)
    guest.call("qjs_set_max_stack_size", JS_STACK_BYTES)
    guest.call("qjs_set_gc_threshold", GC_THRESHOLD)
    source, name = guest.put(prelude + b"\0"), guest.put(b"guest\0")
    make_step = guest.call("qjs_eval", source, len(prelude), name, 0)
    way_out = guest.put(guest.call("qjs_new_host_function", name, 1, 1).to_bytes(4, "little"))
    undefined = guest.call("qjs_get_undefined")
    step = guest.call("qjs_call", make_step, undefined, 1, way_out)
    if guest.call("qjs_is_exception", make_step) or guest.call("qjs_is_exception", step):
        raise wasm.UnknownInstruction("the prelude does not evaluate")
    for pointer in (source, name, way_out):
        guest.call("wasm_free", pointer)
    return guest.image(
        {
            Global.STEP: step,
            Global.UNDEFINED: undefined,
            Global.INPUT: guest.call("wasm_malloc", INPUT_BYTES),
            Global.SCRATCH: guest.call("wasm_malloc", SCRATCH_BYTES),
            Global.NAME: guest.put(b"script\0"),
            Global.LOADED: guest.text(b"loaded"),
            Global.FAILED: guest.text(b"failed"),
            Global.BEGIN: guest.text(b"begin"),
            Global.FINISH: guest.text(b"finish"),
            Global.FOREVER: guest.text(b"the top level awaits for ever"),
        }
    )


def build() -> bytes:
    """The engine, from the files beside this one."""
    builder = Builder((HERE / "quickjs.wasm").read_bytes())
    image = boot(builder.encode(), (HERE / "prelude.js").read_bytes())
    return builder.encode(image)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed engine")
    check = parser.parse_args().check
    engine = build()
    same = TARGET.exists() and TARGET.read_bytes() == engine
    if not check:
        TARGET.write_bytes(engine)
    print(f"{hashlib.sha256(engine).hexdigest()}  {len(engine)} bytes")
    print("as committed" if same else "differs from the file" if check else "written")
    return 1 if check and not same else 0


if __name__ == "__main__":
    sys.exit(main())
