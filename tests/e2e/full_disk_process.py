"""A process that goes on asking while its disk is full: it prints what was acknowledged and what
was refused, one line each, and ends once it was acknowledged ``--after`` times after a refusal."""

import argparse
import asyncio
import os
from pathlib import Path

from settlement.ports.store import Batch, LogRecord, MachineRow
from settlement.store.errors import StoreFull
from settlement.store.sqlite import SqliteStore


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("--after", type=int, default=20)
    parser.add_argument("--size", type=int, default=2_000)
    asked = parser.parse_args()
    number, after, refused = 0, 0, False
    async with SqliteStore(asked.database) as store:
        say("ready")
        while after < asked.after:
            row = MachineRow(kind="desk", key="a", revision=number + 1, state=bytes(asked.size))
            record = LogRecord(stream="a", position=number, body=bytes(asked.size))
            try:
                await store.commit(Batch(machines=(row,), records=(record,)))
            except StoreFull:
                assert store.failure is not None
                refused = True
                say("refused", number + 1)
                await asyncio.sleep(0.01)
                continue
            assert store.failure is None
            number += 1
            after += refused
            say("acknowledged", number)
        say("reads", await store.log_length("a"))


if __name__ == "__main__":
    asyncio.run(main())
