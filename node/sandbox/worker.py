"""A worker process: requests in on standard input, results out on standard output.

    python -m node.sandbox.worker CACHE brief|patient

(The pool starts it a little differently, to the same effect.)

A brief worker refuses runs that take long, and a patient one takes any, giving way to everybody
else on the machine.

It has no secret, no file and no socket to lose, and it keeps nothing that matters: it may be
killed at any moment. It ends when its input ends, so it cannot outlive the pool that started it.
"""

import gc
import os
import sys
from pathlib import Path
from typing import BinaryIO

from node.ports.sandbox import Mode, RunRequest
from node.sandbox import wire
from node.sandbox.confinement import confine
from node.sandbox.host import HostConfig
from node.sandbox.runner import BRIEF, Patience, Runner
from settlement.types import Hash, keccak

_WARM_UP = b"export function warm() {}"
_NICENESS = 10
"""A patient worker still gets a tenth of a processor that somebody else wants whole."""


def serve(source: BinaryIO, sink: BinaryIO, cache: Path, patience: Patience | None) -> None:
    """Answer requests until the input ends. The first frame out is the engine's id."""
    runner = Runner(HostConfig(cache=cache), patience)
    # what is set up on first use is set up now: afterwards the process may open nothing
    runner.run(_warm_up(runner.engine))
    gc.freeze()  # what stands now stays: no later collection need look at it
    confine()
    _send(sink, wire.frame(bytes(runner.engine)))
    while head := source.read(wire.LENGTH_BYTES):
        body = source.read(int.from_bytes(head, "big"))
        _send(sink, wire.frame(runner.run(wire.read_request(body))))


def _warm_up(engine: Hash) -> RunRequest:
    return RunRequest(
        engine=engine,
        script=_WARM_UP,
        script_hash=keccak(_WARM_UP),
        entry="warm",
        mode=Mode.READ,
        seed=Hash(bytes(32)),
        now=0,
        gas_limit=Mode.READ.gas_limit,
    )


def _send(sink: BinaryIO, data: bytes) -> None:
    sink.write(data)
    sink.flush()


def main() -> None:
    # whatever prints must not land between two frames
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    cache, kind = sys.argv[1:]
    if kind != "brief":
        os.nice(_NICENESS)
    serve(sys.stdin.buffer, sink, Path(cache), BRIEF if kind == "brief" else None)


if __name__ == "__main__":
    main()
