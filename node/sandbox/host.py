"""WebAssembly on wasmtime: compile once, a fresh instance for every run.

The only module that calls wasmtime, by its C library (pooled allocation, unchecked calls, raw
memory): the package is pinned, and the conformance and hostile suites run against every release
before the pin moves.
"""

import ctypes
import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.sandbox.errors import SandboxBroken
from node.sandbox.library import CALLBACK, I32, STACK_OVERFLOW, Library

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
        self._library = Library()
        self._engine = self._library.engine_new_with_config(_configured(self._library, config))
        module = _compiled(self._library, self._engine, binary, config)
        self._pure = pure
        self._callback = CALLBACK(self._call_pure)
        self._template = self._linked(module)
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
        store = self._library.store_new(self._engine, None, None)
        try:
            yield Instance(self._library, self._library.store_context(store), self._template)
        finally:
            self._library.store_delete(store)

    def _linked(self, module: int) -> int:
        """The module with its import, ready to be instantiated."""
        c, template = self._library, ctypes.c_void_p()
        linker = c.linker_new(self._engine)
        kind = _function_type(c, 3, 1)
        error = c.linker_define_func_unchecked(
            linker, b"env", 3, b"pure", 4, kind, self._callback, None, None
        ) or c.linker_instantiate_pre(linker, module, ctypes.byref(template))
        c.functype_delete(kind)
        c.linker_delete(linker)
        if error or not template.value:
            raise _refused(c, error, "the engine imports something else")
        return template.value

    def _call_pure(self, _environment: int, caller: int, values: int, _count: int) -> int:
        """``pure(start, length, into) -> length``, its arguments 16 bytes apart."""
        c, found = self._library, ctypes.create_string_buffer(_EXTERN_BYTES)
        c.caller_export_get(caller, b"memory", 6, found)
        context = c.caller_context(caller)
        memory = ctypes.addressof(found) + _OF
        base, size = c.memory_data(context, memory), c.memory_size(context, memory) * PAGE_BYTES
        start, length, into = (
            ctypes.c_uint32.from_address(values + _RAW_BYTES * index).value for index in range(3)
        )
        if start + length > size:
            return self._outside()
        answer = self._pure(ctypes.string_at(base + start, length))
        if into + len(answer) > size:
            return self._outside()
        ctypes.memmove(base + into, answer, len(answer))
        ctypes.c_uint64.from_address(values).value = len(answer)
        return 0

    def _outside(self) -> int:
        """A trap: the engine named what is not in its memory, which a sound one never does."""
        return int(self._library.trap_new(_OUTSIDE, len(_OUTSIDE)))


class Instance:
    """One engine with its own memory, and raw access to it.

    What the C library reads and writes is in one buffer, at fixed places.
    """

    def __init__(self, library: Library, context: int, template: int) -> None:
        self._c, self._context = library, context
        self._buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
        self._at = at = ctypes.addressof(self._buffer)
        error = library.instance_pre_instantiate(template, context, at, at + _TRAP)
        if error or self._trap:
            self._forget(error)
            raise Stopped(ours=True)
        self._find(b"memory", _MEMORY)
        self._base = library.memory_data(context, at + _MEMORY + _OF)

    def _find(self, name: bytes, place: int) -> None:
        """Put an export at a place in the buffer; the library aborts over what is none."""
        at = self._at
        if not self._c.instance_export_get(self._context, at, name, len(name), at + place):
            raise SandboxBroken(problem=f"the engine has no {name.decode()}")

    @property
    def _trap(self) -> int:
        return int(struct.unpack_from("<Q", self._buffer, _TRAP)[0])

    def _forget(self, error: int | None) -> bool:
        """Free what a call returned; whether this machine, not the script, is to blame."""
        if error:
            self._c.error_delete(error)
            return True
        trap, code = self._trap, ctypes.c_uint8(0)
        coded = self._c.trap_code(trap, ctypes.byref(code))
        self._c.trap_delete(trap)
        struct.pack_into("<Q", self._buffer, _TRAP, 0)
        return not coded or code.value == STACK_OVERFLOW

    def constant(self, name: str) -> int:
        """The value of an exported global."""
        at = self._at
        self._find(name.encode(), _OTHER)
        self._c.global_get(self._context, at + _OTHER + _OF, at + _VALUE)
        wide = self._buffer[_VALUE] != bytes([I32])
        return int(struct.unpack_from("<q" if wide else "<i", self._buffer, _VALUE + _OF)[0])

    @property
    def pages(self) -> int:
        return int(self._c.memory_size(self._context, self._at + _MEMORY + _OF))

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
        at = self._at
        error = self._c.memory_grow(
            self._context, at + _MEMORY + _OF, pages - self.pages, at + _VALUE
        )
        if error:
            self._forget(error)
            raise Stopped(ours=True)
        self._base = self._c.memory_data(self._context, at + _MEMORY + _OF)

    def run(self, *arguments: int) -> int:
        """Call ``run``; raises Stopped."""
        at, context = self._at, self._context
        for index, argument in enumerate(arguments):
            struct.pack_into("<q", self._buffer, _RAW + _RAW_BYTES * index, argument)
        self._find(b"run", _OTHER)
        error = self._c.func_call_unchecked(
            context, at + _OTHER + _OF, at + _RAW, len(arguments), at + _TRAP
        )
        self._base = self._c.memory_data(context, at + _MEMORY + _OF)
        if error or self._trap:
            raise Stopped(ours=self._forget(error))
        return int(struct.unpack_from("<Q", self._buffer, _RAW)[0])


_EXTERN_BYTES: Final = 32
"""``wasmtime_extern_t`` and ``wasmtime_val_t``: a kind, and from the eighth byte on the thing."""
_OF: Final = 8
_MEMORY, _OTHER, _VALUE, _TRAP, _RAW = 16, 48, 80, 112, 128
"""Where in an instance's buffer, whose first 16 bytes are ``wasmtime_instance_t``, the externs of
its memory and of what was asked for last are, a value, a trap, and a call's raw values."""
_OUTSIDE: Final = b"outside of memory"
_RAW_BYTES: Final = 16
_BUFFER_BYTES: Final = _RAW + 4 * _RAW_BYTES


def _refused(c: Library, error: int | None, problem: str) -> SandboxBroken:
    """What is raised after a call that should not fail; its error, if it gave one, is freed."""
    if error:
        c.error_delete(error)
    return SandboxBroken(problem=problem)


def _function_type(c: Library, parameters: int, results: int) -> int:
    """A function type of i32 alone."""
    vectors = []
    for count in (parameters, results):
        kinds = (ctypes.c_void_p * count)(*(c.valtype_new(I32) for _ in range(count)))
        vector = ctypes.create_string_buffer(16)
        c.valtype_vec_new(vector, count, kinds)
        vectors.append(vector)
    return int(c.functype_new(*vectors))


def _configured(c: Library, config: HostConfig) -> int:
    wanted: int = c.config_new()
    if config.interpreted and (error := c.config_target_set(wanted, b"pulley64")):
        raise _refused(c, error, "this wasmtime has no interpreter")
    on, off = 1, 0
    c.config_cranelift_nan_canonicalization_set(wanted, on)
    c.config_wasm_threads_set(wanted, off)
    c.config_wasm_memory64_set(wanted, off)
    c.config_gc_support_set(wanted, off)
    c.config_async_stack_size_set(wanted, _ASYNC_STACK)
    c.config_max_wasm_stack_set(wanted, _WASM_STACK)
    c.config_memory_reservation_set(wanted, _RESERVED_BYTES)
    pool = c.pooling_allocation_config_new()
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
        getattr(c, f"pooling_allocation_config_{name}_set")(pool, value)
    c.pooling_allocation_strategy_set(wanted, pool)
    c.pooling_allocation_config_delete(pool)
    return wanted


def _compiled(c: Library, engine: int, binary: bytes, config: HostConfig) -> int:
    """The module, from the private cache when its copy is whole, else compiled and kept."""
    if config.cache is None:
        return _module(c, engine, binary)
    kind = "interpreted" if config.interpreted else "native"
    digest = hashlib.sha256(binary).hexdigest()[:32]
    file = config.cache / f"{digest}-{kind}.cwasm"
    module, kept = ctypes.c_void_p(), _kept(file)
    if kept is not None:
        error = c.module_deserialize(engine, kept, len(kept), ctypes.byref(module))
        if module.value and not error:
            return module.value
        if error:
            c.error_delete(error)  # of another release of wasmtime, or another processor
    compiled = _module(c, engine, binary)
    code = (ctypes.c_size_t * 2)()  # wasm_byte_vec_t
    error = c.module_serialize(compiled, code)
    if error:
        raise _refused(c, error, "the compiled engine cannot be written down")
    _keep(file, ctypes.string_at(code[1], code[0]))
    c.byte_vec_delete(code)
    return compiled


def _module(c: Library, engine: int, binary: bytes) -> int:
    module = ctypes.c_void_p()
    error = c.module_new(engine, binary, len(binary), ctypes.byref(module))
    if error or not module.value:
        raise _refused(c, error, "wasmtime does not take the engine")
    return module.value


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
