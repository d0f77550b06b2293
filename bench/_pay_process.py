"""A till that is paid for ever, to be killed: ``python -m bench._pay_process [DATABASE]``. The
crash tests and ``bench.payments`` run it.

Each of its payers makes one call after the other; call ``n`` has a request id and a voucher of its
own, the same in every life of the process. A life begins with the last calls of the one before,
repeated as a client repeats what it had no answer to. Prints ``serving MS`` (since the process
began) when the first charge is durable, then ``PAYER N`` for every call that was answered.

Without DATABASE it reads ``DATABASE POINT:N`` from its input, line by line, and forks a life for
each, which reaches the failpoint POINT at most N times (``never`` for none): a thousand kills need
not load the same modules a thousand times. Then ``pid N`` precedes a life's lines and ``ended
STATUS`` follows them.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from bench._till import CLASS, NODE, PRICE, Till, answer_to, header, open_till, payers, request_of
from settlement.core.lane import LANE, lane_key
from settlement.protocol.signing import SigningKey
from settlement.store.sqlite import SqliteStore

PAYERS = 32
REPEATED = 3


class KillAt:
    """A failpoint that ends the process when a point is reached for the n-th time."""

    def __init__(self, wanted: str) -> None:
        self._point, _, times = wanted.partition(":")
        self._times = int(times or "1")
        self._reached: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        self._reached[point] += 1
        if point == self._point and self._reached[point] == self._times:
            os.kill(os.getpid(), signal.SIGKILL)


def say(*words: object) -> None:
    """One line in one write, so that a kill cannot leave half of it in the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def began_ms_ago() -> int:
    """How long ago the kernel started this process."""
    ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    started = ticks / os.sysconf("SC_CLK_TCK")
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1_000)


async def charged_before(till: Till, payer: SigningKey) -> int:
    """How many calls of a payer the store holds."""
    key = lane_key(payer.address, 0, NODE.address, CLASS)
    return (await till.engine.state(LANE, key)).charges


async def pay_for_ever(till: Till, payer: SigningKey, serving: list[int]) -> None:
    call = max(0, await charged_before(till, payer) - REPEATED)
    while True:
        charge = await till.pay(header(payer, PRICE * (call + 1)), request_of(payer, call))
        assert charge.answer == answer_to(payer, call)
        if not serving:
            serving.append(began_ms_ago())
            say("serving", serving[0])
        say(payer.address.hex(), call)
        call += 1


async def live(database: Path, kill_at: str = "never") -> None:
    """One life."""
    keys = payers(PAYERS)
    async with (
        SqliteStore(database, failpoint=KillAt(kill_at)) as store,
        open_till(store, keys) as till,
        asyncio.TaskGroup() as group,
    ):
        serving: list[int] = []
        for payer in keys:
            group.create_task(pay_for_ever(till, payer, serving))


def lives() -> None:
    """Fork a life for each line of the input."""
    for line in sys.stdin:
        database, kill_at = line.split()
        if not (child := os.fork()):
            say("pid", os.getpid())
            asyncio.run(live(Path(database), kill_at))
            os._exit(0)
        say("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(live(Path(sys.argv[1])))
    else:
        lives()
