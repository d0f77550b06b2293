"""Which blocks of the booted engine a run touches, so that they can lie together.

A fresh instance shares the snapshot's pages with all others until it writes to them, and each page
that it writes costs half a microsecond and four kilobytes. Of the snapshot's objects a script
changes a few in a hundred, counts of references above all, and they lie where booting happened to
make them. So the engine is booted twice: once to be watched while a sample script runs, and once
more with every block that was seen to be written in a region apart, which what the script makes
then follows, and every block that was only read in another just before it. Nothing but speed
depends on it.
"""

import bisect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wasmtime
from glue import LOAD, PERFORM
from watch import END, READ, WRITTEN

SAMPLE: Final = Path(__file__).parent / "sample.js"
GAS: Final = 50_000_000
WORD: Final = 4

_STATE: Final = {
    "minutes": 0, "name": "A 7", "parts": {"hotel": {"count": 2}}, "pass": None, "seen": ["x@1"],
    "status": "open",
}  # fmt: skip
_CONTEXT: Final = {"attributes": {"name": "A 7"}, "now": 1, "token": {"tokenId": "7"}}
_DATA: Final = {"minutes": "180", "status": "late", "until": "1790010000"}
RUNS: Final[tuple[tuple[str, str, dict[str, object]], ...]] = (
    ("update", "onAttestation", {"data": _DATA, "kind": "attestation"}),
    ("update", "onTimer", {"due": 7, "kind": "timer"}),
    ("read", "status", {}),
)


Blocks = list[tuple[int, int]]
"""Starts and lengths, in the order of their making: of two at one place the later one is there."""


def touched_blocks(memory: bytes, blocks: Blocks) -> tuple[set[int], set[int]]:
    """The numbers of the blocks that were written, and of those that were only read, from the
    memory of a traced engine, see :func:`after_the_sample`."""
    standing = {start: number for number, (start, _) in enumerate(blocks)}
    starts = sorted(standing)
    found: tuple[set[int], set[int]] = (set(), set())
    for numbers, shadow in zip(found, (WRITTEN, READ), strict=True):
        for address in _noted(memory[shadow : shadow + END - READ]):
            at = bisect.bisect_right(starts, address) - 1
            if at >= 0 and address < starts[at] + blocks[standing[starts[at]]][1]:
                numbers.add(standing[starts[at]])
    return found[0], found[1] - found[0]


def after_the_sample(engine: bytes) -> bytes:
    """The memory of a traced engine that has loaded the sample and made all of its runs."""
    store = wasmtime.Store(wasmtime.Engine())
    module = wasmtime.Module(store.engine, engine)
    pure = wasmtime.Func(store, module.imports[0].type, lambda *_: 0)
    exports = wasmtime.Instance(store, module, [pure]).exports(store)
    memory, run, place = exports["memory"], exports["run"], exports["input"].value(store)
    script = SAMPLE.read_bytes()
    memory.write(store, script + b"\0", place)
    run(store, LOAD, len(script), 0, GAS)
    for mode, entry, event in RUNS:
        request = {
            "mode": mode, "seed": [1, 2, 3, 4], "entry": entry, "state": _STATE, "event": event,
            "context": _CONTEXT,
        }  # fmt: skip
        text = json.dumps(request, separators=(",", ":")).encode()
        memory.write(store, text + b"\0", place)
        run(store, PERFORM, len(text), 0, GAS)
    return bytes(memory.read(store))


def _noted(shadow: bytes) -> Iterator[int]:
    at = shadow.find(1)
    while at >= 0:
        yield at * WORD
        at = shadow.find(1, at + 1)
