"""WebAssembly on wasmtime: compile once, a fresh instance for every run.

The only module that touches wasmtime, and with it bindings of wasmtime-py that are not public
(pooled allocation, unchecked calls, raw memory): the package is pinned, and the conformance and
hostile suites run against every release before the pin moves.
"""

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wasmtime
from wasmtime import _ffi as ffi  # the C API, see above

_MEMORY_BYTES: Final = 48 * 1024 * 1024
_RESERVED_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Addresses, not memory: with all that 32 bits can reach set aside, no access needs a check."""
_WASM_STACK: Final = 4 * 1024 * 1024
_ASYNC_STACK: Final = 5 * 1024 * 1024
"""Never used, but wasmtime aborts the process when it is smaller than the wasm stack."""
_SLOTS: Final = 2
_PRIVATE: Final = 0o700
_DIGEST_BYTES: Final = 32

PAGE_BYTES: Final = 64 * 1024
CHUNK_BYTES: Final = 4096
INPUT_BYTES: Final = 512 * 1024
"""The engine's input buffer, from its exported address on."""
STACK_OVERFLOW: Final = ffi.wasmtime_trap_code_enum.WASMTIME_TRAP_CODE_STACK_OVERFLOW.value

_POPULATE_WRITE: Final = 23
_madvise: Final = ctypes.CDLL(None).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

PureFunction = Callable[[bytes], bytes]
"""What ``env.pure`` does: a letter and an argument in, an answer out, at most 4,080 bytes."""


@dataclass(kw_only=True, eq=False)
class Stopped(Exception):
    """The instance stopped in the middle. ``ours`` when this machine is to blame."""

    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """``interpreted`` runs on wasmtime's interpreter instead of machine code, to compare."""

    cache: Path | None = None
    interpreted: bool = False


class Host:
    """One compiled engine. ``pure`` answers the engine's only import."""

    def __init__(self, binary: bytes, pure: PureFunction, config: HostConfig) -> None:
        self._engine = wasmtime.Engine(_configured(config))
        self._module = _compiled(self._engine, binary, config)
        self._pure = pure
        linker = wasmtime.Linker(self._engine)
        linker.define_func(
            "env", "pure", self._module.imports[0].type, self._call_pure, access_caller=True
        )
        self._template: Any = linker.instantiate_pre(self._module)
        with self.instance() as fresh:
            self.input_address = fresh.constant("input")
            self.blank = fresh.read(0, fresh.pages * PAGE_BYTES)
            # the stack is dead between runs, and the input buffer empty but for its end pages
            first = -(-self.input_address // CHUNK_BYTES) * CHUNK_BYTES
            last = (self.input_address + INPUT_BYTES) // CHUNK_BYTES * CHUNK_BYTES
            self.live = ((fresh.constant("stack"), first), (last, _MEMORY_BYTES))

    @contextmanager
    def instance(self) -> Iterator["Instance"]:
        """A fresh instance, as the engine's snapshot left it; gone afterwards."""
        store = wasmtime.Store(self._engine)
        try:
            yield Instance(store, self._template)
        finally:
            store.close()

    def _call_pure(self, caller: Any, start: int, length: int, into: int) -> int:
        memory = caller["memory"]
        answer = self._pure(bytes(memory.read(caller, start, start + length)))
        memory.write(caller, answer, into)
        return len(answer)


class Instance:
    """One engine with its own memory, and raw access to it."""

    def __init__(self, store: wasmtime.Store, template: Any) -> None:
        self._context = store._context()  # noqa: SLF001 - see the module's docstring
        self._instance = ffi.wasmtime_instance_t()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_instance_pre_instantiate(
            template.ptr(), self._context, ctypes.byref(self._instance), ctypes.byref(trap)
        )
        if error or trap:
            _forget(error, trap)
            raise Stopped(ours=True)
        self._memory = self._export("memory").memory
        self._base = self._address()

    def _export(self, name: str) -> Any:
        found = ffi.wasmtime_extern_t()
        text = name.encode()
        ffi.wasmtime_instance_export_get(
            self._context, ctypes.byref(self._instance), text, len(text), ctypes.byref(found)
        )
        return found.of

    def _address(self) -> int:
        pointer = ffi.wasmtime_memory_data(self._context, ctypes.byref(self._memory))
        return ctypes.addressof(pointer.contents)

    def constant(self, name: str) -> int:
        """The value of an exported global."""
        value = ffi.wasmtime_val_t()
        exported = self._export(name).global_
        ffi.wasmtime_global_get(self._context, ctypes.byref(exported), ctypes.byref(value))
        kind = value.kind
        return int(value.of.i64 if kind == ffi.WASMTIME_I64.value else value.of.i32)

    @property
    def pages(self) -> int:
        return int(ffi.wasmtime_memory_size(self._context, ctypes.byref(self._memory)))

    def read(self, start: int, length: int) -> bytes:
        """A copy of a part; the part must lie inside."""
        if start < 0 or length < 0 or start + length > self.pages * PAGE_BYTES:
            raise Stopped(ours=False)
        return ctypes.string_at(self._base + start, length)

    def write(self, start: int, data: bytes) -> None:
        """Replace a part, which must lie inside."""
        if start < 0 or start + len(data) > self.pages * PAGE_BYTES:
            raise Stopped(ours=True)
        ctypes.memmove(self._base + start, data, len(data))

    def restore(
        self, changes: tuple[tuple[int, bytes], ...], hot: tuple[tuple[int, int], ...]
    ) -> None:
        """Write many parts, all inside. ``hot`` parts are mapped first, in one call each: a page
        fault for every four kilobytes costs more than the copying."""
        base = self._base
        for start, length in hot:
            _madvise(base + start, length, _POPULATE_WRITE)  # an old kernel refuses: slower only
        for start, data in changes:
            ctypes.memmove(base + start, data, len(data))

    def grow(self, pages: int) -> None:
        """Make the memory ``pages`` large."""
        before = ctypes.c_uint64(0)
        error = ffi.wasmtime_memory_grow(
            self._context, ctypes.byref(self._memory), pages - self.pages, ctypes.byref(before)
        )
        if error:
            _forget(error, None)
            raise Stopped(ours=True)
        self._base = self._address()

    def run(self, *arguments: int) -> int:
        """Call ``run``; raises Stopped."""
        values = (ffi.wasmtime_val_raw_t * len(arguments))()
        for value, argument in zip(values, arguments, strict=True):
            value.i64 = argument
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        run = self._export("run").func
        error = ffi.wasmtime_func_call_unchecked(
            self._context, ctypes.byref(run), values, len(values), ctypes.byref(trap)
        )
        self._base = self._address()
        if error or trap:
            raise Stopped(ours=_forget(error, trap))
        return int(values[0].i64) & (1 << 64) - 1


def _forget(error: Any, trap: Any) -> bool:
    """Free what the C API returned; whether this machine, not the script, is to blame."""
    if error:
        ffi.wasmtime_error_delete(error)
        return True
    code = ctypes.c_uint8(0)
    coded = ffi.wasmtime_trap_code(trap, ctypes.byref(code))
    ffi.wasm_trap_delete(trap)
    return not coded or code.value == STACK_OVERFLOW


def _configured(config: HostConfig) -> wasmtime.Config:
    wanted = wasmtime.Config()
    if config.interpreted:
        wanted.target = "pulley64"
    wanted.cranelift_nan_canonicalization = True
    wanted.wasm_threads = False
    wanted.wasm_memory64 = False
    wanted.gc_support = False
    ffi.wasmtime_config_async_stack_size_set(wanted.ptr(), _ASYNC_STACK)
    wanted.max_wasm_stack = _WASM_STACK
    wanted.memory_reservation = _RESERVED_BYTES
    pool = ffi.wasmtime_pooling_allocation_config_new()
    for name, value in (
        ("total_core_instances", _SLOTS),
        ("total_stacks", 0),
        ("total_gc_heaps", 0),
        ("total_memories", _SLOTS),
        ("total_tables", _SLOTS),
        ("table_elements", 1024),
        ("max_memory_size", _MEMORY_BYTES),
        ("table_keep_resident", 16 * 1024),
        ("max_unused_warm_slots", _SLOTS),
    ):
        getattr(ffi, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    ffi.wasmtime_pooling_allocation_strategy_set(wanted.ptr(), pool)
    ffi.wasmtime_pooling_allocation_config_delete(pool)
    return wanted


def _compiled(engine: wasmtime.Engine, binary: bytes, config: HostConfig) -> wasmtime.Module:
    """The module, from the private cache when its copy is whole, else compiled and kept."""
    if config.cache is None:
        return wasmtime.Module(engine, binary)
    kind = "interpreted" if config.interpreted else "native"
    digest = hashlib.sha256(binary).hexdigest()[:32]
    file = config.cache / f"{digest}-{kind}.cwasm"
    kept = _kept(file)
    if kept is not None:
        # another release of wasmtime, or another processor, refuses it
        with suppress(wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize(engine, kept)
    module = wasmtime.Module(engine, binary)
    _keep(file, bytes(module.serialize()))
    return module


def _kept(file: Path) -> bytes | None:
    """A cached module: machine code, so from a folder of ours alone, and only if intact."""
    try:
        folder = file.parent.stat()
        data = file.read_bytes()
    except OSError:
        return None
    if folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
        return None
    digest, code = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _keep(file: Path, code: bytes) -> None:
    """Write whole or not at all: workers start side by side."""
    file.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(hashlib.sha256(code).digest() + code)
    Path(name).replace(file)
