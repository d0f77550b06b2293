"""The committed engine is what its source builds, and lets nothing else in or out."""

import hashlib
import sys
from importlib import import_module
from pathlib import Path

import pytest

from node.sandbox.host import HostConfig
from node.sandbox.runner import ENGINE_FILE, Runner

TOOLS = Path(__file__).parents[2] / "tools" / "engine"


@pytest.mark.slow
def test_a_rebuild_gives_the_committed_engine_bit_for_bit() -> None:
    sys.path.insert(0, str(TOOLS))
    try:
        built = import_module("build").build()
    finally:
        sys.path.remove(str(TOOLS))
    assert hashlib.sha256(built).hexdigest() == hashlib.sha256(ENGINE_FILE.read_bytes()).hexdigest()


def test_the_engine_imports_one_pure_function_and_exports_one_run() -> None:
    sys.path.insert(0, str(TOOLS))
    try:
        module = import_module("wasm").parse(ENGINE_FILE.read_bytes())
    finally:
        sys.path.remove(str(TOOLS))
    assert [(item.module, item.name) for item in module.imports] == [("env", "pure")]
    functions = [name for name, (kind, _) in module.exports.items() if kind == 0]
    assert functions == ["run"]


def test_the_engine_id_is_the_hash_of_its_bytes() -> None:
    assert Runner(HostConfig()).engine == hashlib.sha256(ENGINE_FILE.read_bytes()).digest()
