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

import allocator
import wasm
import wasmtime
from glue import INPUT_BYTES, MAX_PAGES, PAGE, SCRATCH_BYTES, Global, Glue
from layout import Blocks, after_the_sample, touched_blocks
from meter import Meter
from wasm import I32, I64, Body, Module
from watch import END as TRACED_BYTES
from watch import traced

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
OTHERS_BYTES: Final = 256 * 1024
APART_BYTES: Final = 48 * 1024
"""Room for the blocks that lie apart, and for what an ordinary script makes."""
CHUNK_HEADER: Final = 8
SMALLEST_HOLE: Final = 8
CHUNK: Final = 4096
"""Memory is kept in runs of chunks that hold anything but zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What booting leaves behind."""

    memory: bytes
    globals: dict[Global, int]
    small: Blocks
    large: Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """In which region each small block lies, and whether a large one lies apart, a byte each; and
    how long the regions of those only read, and of the large ones, are."""

    small: bytes = b""
    large: bytes = b""
    read_bytes: int = 0
    large_bytes: int = 0


class Builder:
    """One original module on its way to an engine."""

    def __init__(self, original: bytes, *, planned: bool = False) -> None:
        self.module: Module = wasm.parse(original)
        allocator.replace(self.module, planned=planned)
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

    def encode(self, image: Image | None = None, *, watch: bool = False) -> bytes:
        """The module; without an image, the one to boot, which exports everything. With ``watch``
        it notes what it touches."""
        bodies, pages = self.bodies, self.module.pages
        if image is not None:
            pages = len(image.memory) // PAGE
        if watch:
            bodies = [traced(body, len(self.module.types[body.kind].parameters)) for body in bodies]
            pages = TRACED_BYTES // PAGE
        sections = (
            (wasm.TYPE, wasm.vector([kind.encode() for kind in self.module.types])),
            (wasm.IMPORT, self._imports()),
            (wasm.FUNCTION, wasm.vector([wasm.unsigned(body.kind) for body in self.bodies])),
            (wasm.TABLE, self.module.table),
            (wasm.MEMORY, b"\x01\x01" + wasm.unsigned(pages) + wasm.unsigned(MAX_PAGES)),
            (wasm.GLOBAL, wasm.vector(list(self._globals(image)))),
            (wasm.EXPORT, wasm.vector(list(self._exports(image)))),
            (wasm.ELEMENT, self._elements()),
            (wasm.CODE, wasm.vector([body.encode() for body in bodies])),
            (wasm.DATA, self._data(image)),
        )
        return wasm.MAGIC + b"".join(
            bytes([number]) + wasm.unsigned(len(body)) + body for number, body in sections
        )

    def _imports(self) -> bytes:
        pure = wasm.name("env") + wasm.name("pure") + b"\0" + wasm.unsigned(self.pure_kind)
        return wasm.vector([pure])

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

    def plan(self, plan: Plan) -> None:
        """Set memory aside for the blocks that lie apart, behind all others: small ones that are
        only read, large ones, and small ones that are written, which begin a page."""
        memory = self._exports["memory"]
        memory.write(self._store, plan.small, allocator.PLAN)
        memory.write(self._store, plan.large, allocator.LARGE_PLAN)
        before = plan.read_bytes + plan.large_bytes
        start = self.call("wasm_malloc", OTHERS_BYTES)
        self.call("wasm_free", start)
        others = OTHERS_BYTES - (start + OTHERS_BYTES + before + CHUNK_HEADER) % CHUNK
        self.call("wasm_malloc", others)
        region = self.call("wasm_malloc", before + APART_BYTES)
        self.call("wasm_free", start)
        large, written = region + plan.read_bytes, region + before
        end = written + APART_BYTES
        fields = (written, end, region, large, large, plan.large_bytes)
        data = b"".join(field.to_bytes(4, "little") for field in fields)
        memory.write(self._store, data, allocator.APART)

    def fill_holes(self, last: int) -> None:
        """Use up the free memory before ``last``, so that later blocks come after it."""
        size = OTHERS_BYTES
        while size >= SMALLEST_HOLE:
            place = self.call("wasm_malloc", size)
            if place > last:
                self.call("wasm_free", place)
                size //= 2

    def text(self, data: bytes) -> int:
        return self.call("qjs_new_string", self.put(data + b"\0"), len(data))

    def image(self, found: dict[Global, int]) -> Image:
        stack = self._exports["global STACK"].value(self._store)
        memory = bytes(self._exports["memory"].read(self._store))
        # what lies below the stack's pointer is dead, and would differ from one compiler's boot
        # to the next only if somebody read it
        settled = bytearray(memory)
        allocator.settle(settled, self.call("qjs_get_runtime_ptr"))
        return Image(
            memory=bytes(stack) + bytes(settled[stack:]),
            globals={Global.STACK: stack, **found},
            small=allocator.made(memory),
            large=allocator.made_large(memory),
        )


def boot(binary: bytes, prelude: bytes, plan: Plan) -> Image:
    """Start QuickJS, set its limits, evaluate the guest's half of a run, and stop there."""
    guest = _Boot(binary)
    guest.call("_initialize")
    guest.plan(plan)
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
    found = {
        Global.STEP: step,
        Global.UNDEFINED: undefined,
        Global.SCRATCH: guest.call("wasm_malloc", SCRATCH_BYTES),
        Global.NAME: guest.put(b"script\0"),
        Global.LOADED: guest.text(b"loaded"),
        Global.FAILED: guest.text(b"failed"),
        Global.BEGIN: guest.text(b"begin"),
        Global.FINISH: guest.text(b"finish"),
        Global.FOREVER: guest.text(b"the top level awaits for ever"),
        Global.INPUT: guest.call("wasm_malloc", INPUT_BYTES),
    }
    guest.fill_holes(found[Global.INPUT])
    return guest.image(found)


def build() -> bytes:
    """The engine, from the files beside this one."""
    original, prelude = (HERE / "quickjs.wasm").read_bytes(), (HERE / "prelude.js").read_bytes()
    booting, builder = Builder(original, planned=True).encode(), Builder(original)
    watched = boot(booting, prelude, Plan())
    memory = after_the_sample(builder.encode(watched, watch=True))
    return builder.encode(boot(booting, prelude, _plan(watched, memory)))


def _plan(watched: Image, memory: bytes) -> Plan:
    """Where blocks should lie, after what the watched engine touched."""
    written, read = touched_blocks(memory, watched.small)
    small = bytearray(len(watched.small))
    for number in written | read:
        small[number] = allocator.WRITTEN if number in written else allocator.READ
    large = set[int]().union(*touched_blocks(memory, watched.large))
    lengths = sum(watched.large[number][1] for number in large)
    read_bytes = sum(watched.small[number][1] for number in read)
    return Plan(
        small=bytes(small),
        large=bytes(number in large for number in range(len(watched.large))),
        read_bytes=-(-read_bytes // 16) * 16,
        large_bytes=lengths + 16 if large else 0,
    )


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
