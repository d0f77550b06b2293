"""The functions of wasmtime's C library that the sandbox uses, and no others.

wasmtime-py brings the library; its own Python part, which binds all of it, takes half of a worker's
start to import, and asks the interpreter for a good deal around each call. The declarations follow
``wasm.h``, ``wasmtime.h`` and what these include, of the releases 45 to 50, which agree in them.
Everything opaque is an address; 0 is none.
"""

import ctypes
import platform
import sys
from ctypes import c_bool, c_char_p, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from node.sandbox.errors import SandboxBroken

I32: Final = 0
"""``wasm_valkind_t`` and ``wasmtime_valkind_t`` of an i32; that of an i64 is one more."""
STACK_OVERFLOW: Final = 0
"""``wasmtime_trap_code_t``."""
CALLBACK: Final = ctypes.CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_size_t)
"""``wasmtime_func_unchecked_callback_t``: environment, caller, values, how many; a trap or 0."""

_SUFFIX: Final = {"darwin": "dylib"}
_MACHINES: Final = {"AMD64": "x86_64", "arm64": "aarch64"}

_QUICK: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "wasm_config_new": (c_void_p, ()),
    "wasmtime_config_target_set": (c_void_p, (c_void_p, c_char_p)),
    "wasmtime_config_cranelift_nan_canonicalization_set": (None, (c_void_p, c_bool)),
    "wasmtime_config_wasm_threads_set": (None, (c_void_p, c_bool)),
    "wasmtime_config_wasm_memory64_set": (None, (c_void_p, c_bool)),
    "wasmtime_config_gc_support_set": (None, (c_void_p, c_bool)),
    "wasmtime_config_async_stack_size_set": (None, (c_void_p, c_size_t)),
    "wasmtime_config_max_wasm_stack_set": (None, (c_void_p, c_size_t)),
    "wasmtime_config_memory_reservation_set": (None, (c_void_p, c_uint64)),
    "wasmtime_pooling_allocation_config_new": (c_void_p, ()),
    "wasmtime_pooling_allocation_config_delete": (None, (c_void_p,)),
    "wasmtime_pooling_allocation_strategy_set": (None, (c_void_p, c_void_p)),
    "wasm_engine_new_with_config": (c_void_p, (c_void_p,)),
    "wasm_engine_delete": (None, (c_void_p,)),
    "wasmtime_module_delete": (None, (c_void_p,)),
    "wasmtime_module_serialize": (c_void_p, (c_void_p, c_void_p)),
    "wasm_byte_vec_delete": (None, (c_void_p,)),
    "wasm_valtype_new": (c_void_p, (c_uint8,)),
    "wasm_valtype_vec_new": (None, (c_void_p, c_size_t, c_void_p)),
    "wasm_functype_new": (c_void_p, (c_void_p, c_void_p)),
    "wasm_functype_delete": (None, (c_void_p,)),
    "wasmtime_linker_new": (c_void_p, (c_void_p,)),
    "wasmtime_linker_delete": (None, (c_void_p,)),
    "wasmtime_linker_define_func_unchecked": (
        c_void_p,
        (
            *(c_void_p, c_char_p, c_size_t, c_char_p, c_size_t),
            *(c_void_p, CALLBACK, c_void_p, c_void_p),
        ),
    ),
    "wasmtime_linker_instantiate_pre": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "wasmtime_instance_pre_delete": (None, (c_void_p,)),
    "wasmtime_caller_context": (c_void_p, (c_void_p,)),
    "wasmtime_caller_export_get": (c_bool, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "wasmtime_store_new": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "wasmtime_store_context": (c_void_p, (c_void_p,)),
    "wasmtime_store_delete": (None, (c_void_p,)),
    "wasmtime_instance_pre_instantiate": (c_void_p, (c_void_p, c_void_p, c_void_p, c_void_p)),
    "wasmtime_instance_export_get": (c_bool, (c_void_p, c_void_p, c_char_p, c_size_t, c_void_p)),
    "wasmtime_memory_data": (c_void_p, (c_void_p, c_void_p)),
    "wasmtime_memory_size": (c_uint64, (c_void_p, c_void_p)),
    "wasmtime_memory_grow": (c_void_p, (c_void_p, c_void_p, c_uint64, c_void_p)),
    "wasmtime_global_get": (None, (c_void_p, c_void_p, c_void_p)),
    "wasmtime_trap_code": (c_bool, (c_void_p, c_void_p)),
    "wasmtime_trap_new": (c_void_p, (c_char_p, c_size_t)),
    "wasmtime_error_delete": (None, (c_void_p,)),
    "wasm_trap_delete": (None, (c_void_p,)),
}
_LONG: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "wasmtime_module_new": (c_void_p, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "wasmtime_module_deserialize": (c_void_p, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "wasmtime_func_call_unchecked": (c_void_p, (c_void_p, c_void_p, c_void_p, c_size_t, c_void_p)),
}
"""What may take its time, during which other threads of this interpreter go on."""

_LIMITS: Final = {
    "total_core_instances": c_uint32,
    "total_stacks": c_uint32,
    "total_gc_heaps": c_uint32,
    "total_memories": c_uint32,
    "total_tables": c_uint32,
    "table_elements": c_size_t,
    "max_memory_size": c_size_t,
    "table_keep_resident": c_size_t,
    "max_unused_warm_slots": c_uint32,
}


class Library:
    """The functions as attributes, without the ``wasmtime_`` or ``wasm_`` before their names."""

    def __init__(self) -> None:
        path = library_path()
        try:
            quick, long = ctypes.PyDLL(str(path)), ctypes.CDLL(str(path))
            for name, (result, parameters) in _QUICK.items():
                self._bind(getattr(quick, name), name, result, parameters)
            for name, (result, parameters) in _LONG.items():
                self._bind(getattr(long, name), name, result, parameters)
            for limit, kind in _LIMITS.items():
                name = f"wasmtime_pooling_allocation_config_{limit}_set"
                self._bind(getattr(quick, name), name, None, (c_void_p, kind))
        except (OSError, AttributeError) as error:
            raise SandboxBroken(problem=f"wasmtime's library is another one: {error}") from error

    def _bind(self, function: Any, name: str, result: Any, parameters: tuple[Any, ...]) -> None:
        function.restype, function.argtypes = result, parameters
        setattr(self, name.removeprefix("wasmtime_").removeprefix("wasm_"), function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # what was not bound; the rest is found before this is asked


def library_path() -> Path:
    """Where wasmtime-py keeps the library. Raises SandboxBroken when it is not installed."""
    found = find_spec("wasmtime")
    if found is None or found.origin is None:
        raise SandboxBroken(problem="wasmtime is not installed")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    name = f"_libwasmtime.{_SUFFIX.get(sys.platform, 'so')}"
    return Path(found.origin).parent / f"{sys.platform}-{machine}" / name
