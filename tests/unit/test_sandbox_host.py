"""The host against a small module of our own: what an engine that has gone wrong can do to it."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from node.sandbox import library
from node.sandbox.errors import SandboxBroken
from node.sandbox.host import Host, HostConfig, Stopped

TOOLS = Path(__file__).parents[2] / "tools" / "engine"
PAGE = 64 * 1024


@pytest.fixture(scope="module")
def wasm() -> Any:
    sys.path.insert(0, str(TOOLS))
    try:
        return import_module("wasm")
    finally:
        sys.path.remove(str(TOOLS))


def asking(wasm: Any, start: int, length: int, into: int) -> bytes:
    """A module with an engine's imports and exports, whose ``run`` asks ``pure`` once."""
    i32, i64 = bytes([wasm.I32]), bytes([wasm.I64])
    types = [wasm.FunctionType(i32 * 3, i32), wasm.FunctionType(i32 * 2 + i64 * 2, i64)]
    call = b"".join(b"\x41" + wasm.signed(value) for value in (start, length, into))
    body = wasm.Body(1, [], call + b"\x10\x00\xad\x0b")
    names = ("gas", "depth", "fault", "stack", "input")
    kept = [i32 + b"\x00\x41" + wasm.signed(4096 * index) + b"\x0b" for index in range(len(names))]
    exports = [wasm.name("memory") + b"\x02\x00", wasm.name("run") + b"\x00\x01"]
    exports += [wasm.name(name) + b"\x03" + bytes([place]) for place, name in enumerate(names)]
    sections = (
        (wasm.TYPE, wasm.vector([kind.encode() for kind in types])),
        (wasm.IMPORT, wasm.vector([wasm.name("env") + wasm.name("pure") + b"\x00\x00"])),
        (wasm.FUNCTION, wasm.vector([b"\x01"])),
        (wasm.MEMORY, b"\x01\x01\x01\x01"),
        (wasm.GLOBAL, wasm.vector(kept)),
        (wasm.EXPORT, wasm.vector(exports)),
        (wasm.CODE, wasm.vector([body.encode()])),
    )
    framed = (bytes([number]) + wasm.unsigned(len(part)) + part for number, part in sections)
    return bytes(wasm.MAGIC) + b"".join(framed)


def run(binary: bytes) -> int:
    host = Host(binary, lambda asked: b"answer" + asked[:0], HostConfig())
    with host.instance() as instance:
        return instance.run(0, 0, 0, 0)


def test_a_pure_function_is_asked_and_its_answer_written(wasm: Any) -> None:
    host = Host(asking(wasm, 0, 2, 16), lambda asked: b"<%b>" % asked, HostConfig())
    with host.instance() as instance:
        instance.write(0, b"hi")
        assert instance.run(0, 0, 0, 0) == 4
        assert instance.read(16, 4) == b"<hi>"


@pytest.mark.parametrize(
    ("start", "length", "into"),
    [(PAGE - 1, 2, 0), (0, PAGE + 1, 0), (-1, 1, 0), (0, -1, 0), (0, 1, PAGE - 2), (0, 1, -1)],
)
def test_an_engine_that_names_what_is_not_in_its_memory_is_stopped_as_our_fault(
    wasm: Any, start: int, length: int, into: int
) -> None:
    with pytest.raises(Stopped) as stopped:
        run(asking(wasm, start, length, into))
    assert stopped.value.ours


def test_a_stopped_instance_can_be_entered_again(wasm: Any) -> None:
    host = Host(asking(wasm, -1, 1, 0), lambda _: b"", HostConfig())
    with host.instance() as instance:
        for _ in range(2):
            with pytest.raises(Stopped):
                instance.run(0, 0, 0, 0)


def test_bytes_that_are_no_engine_are_refused() -> None:
    with pytest.raises(SandboxBroken):
        Host(b"\0asm\1\0\0\0", lambda _: b"", HostConfig())
    with pytest.raises(SandboxBroken):
        Host(b"not wasm", lambda _: b"", HostConfig())


def test_a_machine_without_wasmtime_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda _name: None)
    with pytest.raises(SandboxBroken) as refused:
        library.Library()
    assert refused.value.problem == "wasmtime is not installed"


def test_another_library_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "library_path", lambda: tmp_path / "missing.so")
    with pytest.raises(SandboxBroken):
        library.Library()
