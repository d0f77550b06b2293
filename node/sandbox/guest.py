"""One script in one fresh WebAssembly instance of QuickJS.

The guest has no way out: every import answers from a constant or from the request. It has a heap
of 32 MiB inside a memory of 48 MiB, and a stack of 512 KiB. Time is not bounded here: whoever
owns the process kills it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wasmtime

from node.ports.sandbox import (
    MAX_INPUT_BYTES,
    MAX_SOURCE_BYTES,
    Mode,
    RunRequest,
    RunResult,
    Status,
)
from node.sandbox.outcome import outcome, request_text
from settlement.types import Hash, keccak

ENGINE_FOLDER: Final = Path(__file__).parent / "engine"
HEAP_BYTES: Final = 32 * 1024 * 1024
MEMORY_BYTES: Final = 48 * 1024 * 1024
STACK_BYTES: Final = 512 * 1024

# Date, eval, RegExp, JSON, Proxy, Map and Set, typed arrays, Promise, BigInt
_INTRINSICS: Final = 0x1FF
_MODULE: Final = 1
_REJECTED: Final = 2
_FULFILLED: Final = 1
_BAD_FILE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The compiled engine and its id, the hash of its bytes and of the guest's half of a run."""

    compiled: wasmtime.Module
    wasmtime_engine: wasmtime.Engine
    prelude: bytes
    id: Hash


def load_engine() -> Engine:
    """Compile the engine that ships with this package (about 0.4 s)."""
    wasm = (ENGINE_FOLDER / "quickjs.wasm").read_bytes()
    prelude = (ENGINE_FOLDER / "prelude.js").read_bytes()
    config = wasmtime.Config()
    config.cranelift_nan_canonicalization = True
    config.wasm_threads = False
    config.max_wasm_stack = 2 * 1024 * 1024
    engine = wasmtime.Engine(config)
    return Engine(
        compiled=wasmtime.Module(engine, wasm),
        wasmtime_engine=engine,
        prelude=prelude,
        id=keccak(wasm + prelude),
    )


def run(engine: Engine, request: RunRequest) -> RunResult:
    """Run one request to its end in a fresh instance."""
    inputs = (request.state, request.event, request.context)
    if len(request.script) > MAX_SOURCE_BYTES:
        return RunResult(status=Status.TOO_BIG, error="the source passes 192 KiB")
    if request.mode is not Mode.LOAD and sum(map(len, inputs)) > MAX_INPUT_BYTES:
        return RunResult(status=Status.TOO_BIG, error="the input passes 256 KiB")
    if request.mode is Mode.LOAD:
        inputs = (b"{}", b"null", b"{}")
    text = request_text(entry=request.entry, mode=request.mode, seed=request.seed, parts=inputs)
    instance = _Instance(engine)
    try:
        instance.load(request.script)
        instance.now = 0 if request.mode is Mode.LOAD else request.now
        words = instance.perform(text)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return RunResult(status=Status.TRAP, pages=instance.pages, error="the engine trapped")
    if words is None:
        return RunResult(
            status=Status.ERROR, pages=instance.pages, error="InternalError: out of memory"
        )
    return outcome(words, mode=request.mode, gas=0, pages=instance.pages)


class _Instance:
    """QuickJS in its own memory, with the guest's half of a run loaded."""

    def __init__(self, engine: Engine) -> None:
        self.now = 0
        self._store = wasmtime.Store(engine.wasmtime_engine)
        self._store.set_limits(memory_size=MEMORY_BYTES)
        imports = [
            wasmtime.Func(self._store, wanted.type, self._import(wanted))
            for wanted in engine.compiled.imports
        ]
        exports = wasmtime.Instance(self._store, engine.compiled, imports).exports(self._store)
        self._exports: Any = exports
        self._memory: Any = exports["memory"]
        self._call("_initialize")
        self._call("qjs_init2", _INTRINSICS)
        self._call("qjs_set_memory_limit", HEAP_BYTES)
        self._call("qjs_set_max_stack_size", STACK_BYTES)
        self._undefined = self._call("qjs_get_undefined")
        self._step = self._evaluate(engine.prelude, b"guest", 0)

    @property
    def pages(self) -> int:
        return int(self._memory.size(self._store))

    def load(self, script: bytes) -> None:
        """Evaluate the module and hand its namespace, or what it threw, to the guest."""
        promise = self._evaluate(script, b"script", _MODULE)
        if self._call("qjs_is_exception", promise):
            self._tell(b"failed", self._call("qjs_get_exception"))
            return
        self._drain()
        match self._call("qjs_promise_state", promise):
            case state if state == _FULFILLED:
                self._tell(b"loaded", self._call("qjs_promise_result", promise))
            case state if state == _REJECTED:
                self._tell(b"failed", self._call("qjs_promise_result", promise))
            case _:
                self._tell(b"failed", self._string(b"the top level awaits for ever"))

    def perform(self, text: bytes) -> bytes | None:
        """Call the handler, let promises settle, and return the guest's words."""
        if self._call("qjs_is_exception", self._tell(b"begin", self._string(text))):
            return None
        self._drain()
        words = self._tell(b"finish", self._undefined)
        if self._call("qjs_is_exception", words):
            return None
        length = self._call("wasm_malloc", 4)
        start = self._call("qjs_get_string_len", words, length)
        size = int.from_bytes(self._memory.read(self._store, length, length + 4), "little")
        return bytes(self._memory.read(self._store, start, start + size)) if start else None

    def _call(self, name: str, *arguments: int) -> Any:
        return self._exports[name](self._store, *arguments)

    def _put(self, data: bytes) -> int:
        pointer = int(self._call("wasm_malloc", len(data) + 1))
        self._memory.write(self._store, data + b"\0", pointer)
        return pointer

    def _string(self, data: bytes) -> int:
        return int(self._call("qjs_new_string", self._put(data), len(data)))

    def _evaluate(self, source: bytes, name: bytes, flags: int) -> int:
        return int(self._call("qjs_eval", self._put(source), len(source), self._put(name), flags))

    def _tell(self, kind: bytes, value: int) -> int:
        arguments = b"".join(handle.to_bytes(4, "little") for handle in (self._string(kind), value))
        pointer = self._put(arguments)
        return int(self._call("qjs_call", self._step, self._undefined, 2, pointer))

    def _drain(self) -> None:
        while self._call("qjs_is_job_pending"):
            self._call("qjs_execute_pending_job")

    def _import(self, wanted: wasmtime.ImportType) -> Callable[..., int | None]:
        """A deterministic answer for one import of the engine."""

        def clock(_clock: int, _precision: int, into: int) -> int:
            nanoseconds = self.now * 1_000_000_000
            self._memory.write(self._store, nanoseconds.to_bytes(8, "little", signed=True), into)
            return 0

        def chance(into: int, size: int) -> int:
            self._memory.write(self._store, bytes(size), into)
            return 0

        def nothing(*_: int) -> int | None:
            if wanted.module == "env":
                return 0 if wanted.type.results else None
            return _BAD_FILE

        answers: dict[str, Callable[..., int | None]] = {
            "clock_time_get": clock,
            "random_get": chance,
        }
        return answers.get(wanted.name or "", nothing)
