"""A worker process: requests in on standard input, results out on standard output.

It has no secret, no file and no socket to lose, and it keeps nothing that matters: it may be
killed at any moment. It ends when its input ends, so it cannot outlive the pool that started it.
"""

import os
import resource
import sys
from typing import BinaryIO, Final

from node.sandbox import guest, wire

_DATA_BYTES: Final = 1024 * 1024 * 1024
_OPEN_FILES: Final = 32


def confine() -> None:
    """Give up what a run does not need. Called once, when everything is loaded."""
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_DATA, _DATA_BYTES),
    ):
        resource.setrlimit(limit, (value, value))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the input ends. The first frame out is the engine's id."""
    engine = guest.load_engine()
    confine()
    _send(sink, wire.frame(bytes(engine.id)))
    while head := source.read(wire.LENGTH_BYTES):
        body = source.read(int.from_bytes(head, "big"))
        _send(sink, wire.frame(guest.run(engine, wire.read_request(body))))


def _send(sink: BinaryIO, data: bytes) -> None:
    sink.write(data)
    sink.flush()


def main() -> None:
    # whatever prints must not land between two frames
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
