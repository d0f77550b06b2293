"""A life that writes everything a node, an anchor and a payer write, to be killed at every write.

Reads ``DATABASE POINT:N`` from its input, line by line, and forks a life for each, which dies by
SIGKILL when it reaches the store's failpoint POINT for the N-th time. With ``DATABASE`` as its
argument it lives once, for a tracer that kills it at a system call.

A life opens the database (which migrates it), follows a channel, is paid for calls, has them
acknowledged, pays itself, takes attestations into a feed, signs and takes a statement, and begins
to settle the month. Every step may be repeated. After each it prints how many revisions and log
records are on disk; at the end ``points POINT=N…``, and ``state HASH`` of all that was kept.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import alembic.command  # noqa: F401 - loaded before the forks, not by each of them
import sqlalchemy.ext.asyncio  # noqa: F401

from node.core.feed import FEED, ReceiveEntry, entry_hash, feed_key
from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from settlement.client.channel import ChannelClient
from settlement.core.lane import LANE
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import Store
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.services.settler import Settler
from settlement.store.sqlite import SqliteStore
from settlement.types import ZERO_HASH, Address, Hash, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
CLASS = keccak(b"tickets")
PAYER, NODE, ANCHOR, AIRLINE = (
    SigningKey(keccak(name)) for name in (b"payer", b"node", b"anchor", b"airline")
)
COIN = 10**18


def say(*words: object) -> None:
    """One line in one write, so that a kill cannot leave half of it in the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class KillAt:
    """Counts the failpoints that are reached, and ends the process at one of them."""

    def __init__(self, wanted: str) -> None:
        self._point, _, times = wanted.partition(":")
        self._times = int(times or "0")
        self.reached: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        self.reached[point] += 1
        if point == self._point and self.reached[point] == self._times:
            os.kill(os.getpid(), signal.SIGKILL)


async def steps(store: Store) -> AsyncIterator[str]:
    """The life, step by step."""
    clock, chain = VirtualClock(), MemoryChain()
    engine, calendar = Engine(store, clock), Calendar(chain)
    directory = ChannelDirectory(engine)
    opened = ChannelOpened(
        signer=PAYER.address, owner=PAYER.address, anchor=ANCHOR.address, period=0, amount=COIN
    )
    calendar.observe(chain.mine(opened))
    await directory.receive(await chain.events(0, 1, frozenset()))
    yield "channel"
    anchor = Anchor(
        engine=engine,
        domain=DOMAIN,
        key=ANCHOR,
        directory=directory,
        calendar=calendar,
        lease_step=1_000,
    )
    collector = Collector(
        engine=engine,
        domain=DOMAIN,
        node=NODE.address,
        directory=directory,
        calendar=calendar,
        anchors=DirectAcknowledgements({ANCHOR.address: anchor.acknowledge}),
        terms=CollectorTerms(exposure_limit=1_000),
    )
    purse = ChannelClient(key=PAYER, domain=DOMAIN, store=store, clock=clock)
    for number in range(3):
        request_id = keccak(b"call %d" % number)
        spent = (await purse.state()).lane(0, NODE.address, CLASS)
        if spent.receipts > number:
            continue
        voucher = await purse.voucher(NODE.address, CLASS, 10, 0, request_id=request_id)
        yield f"promise {number}"
        admission = await collector.admit(
            voucher, token_class=CLASS, price=10, request_id=request_id
        )
        charge = await collector.charge(admission, b"answer %d" % number)
        assert charge.answer == b"answer %d" % number
        yield f"charge {number}"
        (call,) = await purse.pending()
        await purse.receipt(call, charge.price)
        yield f"receipt {number}"
    voucher = await _last_voucher(engine)
    acknowledged = await anchor.acknowledge(voucher)
    assert acknowledged.message.acknowledged == 30
    yield "acknowledged"
    previous = ZERO_HASH
    for number in range(3):
        push = _said(number, previous)
        previous = entry_hash(push.entry)
        event = ReceiveEntry(push=push, peer=None, domain=DOMAIN)
        await engine.apply(FEED, feed_key(AIRLINE.address, "gates", 0), event)
        yield f"attestation {number}"
    draft = await anchor.draft(PAYER.address, 0)
    await anchor.receive_statement(await purse.statement(draft, ANCHOR.address))
    yield "statement"
    settler = Settler(
        engine=engine,
        anchor=anchor,
        chain=chain,
        writer=chain,
        calls=_NoCalls(),
        disputes=_NoCalls(),
        calendar=calendar,
    )
    windows = await calendar.windows(0)
    calendar.observe(chain.advance(windows.settle_from + 1 - (await chain.head()).timestamp))
    await settler.wake()
    yield "claim"


class _NoCalls:
    """The life ends before anything is sent."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was asked for")


async def _last_voucher(engine: Engine) -> Signed[Voucher]:
    (key,) = await engine.store.keys(LANE.kind)
    voucher = (await engine.state(LANE, key)).best_voucher
    assert voucher is not None
    return voucher


def _said(number: int, previous: Hash) -> FeedPush:
    body = b"gate B%d" % number
    entry = FeedEntry(
        attester=AIRLINE.address,
        topic="gates",
        epoch=0,
        sequence=number,
        previous=previous,
        body_hash=keccak(body),
        tags=(),
        time=number,
    )
    return FeedPush(entry=entry, signature=AIRLINE.sign(DOMAIN, entry), body=body)


def on_disk(database: Path) -> tuple[int, int]:
    """How many revisions and log records there are."""
    connection = sqlite3.connect(database)
    try:
        (revisions,) = connection.execute("SELECT total(revision) FROM machine").fetchone()
        (records,) = connection.execute("SELECT count(*) FROM log_record").fetchone()
    finally:
        connection.close()
    return int(revisions), int(records)


def state_of(database: Path) -> str:
    """One hash over all states and logs; revisions and effects' ids count repetitions."""
    connection = sqlite3.connect(database)
    try:
        parts = [
            *connection.execute("SELECT kind, key, state FROM machine ORDER BY kind, key"),
            *connection.execute("SELECT stream, position, body FROM log_record ORDER BY 1, 2"),
            *connection.execute("SELECT DISTINCT kind, key, body FROM outbox ORDER BY 1, 2, 3"),
        ]
    finally:
        connection.close()
    return keccak(repr(parts).encode()).hex()


async def live(database: Path, kill_at: str) -> None:
    """One life, to its end unless it is killed."""
    failpoint = KillAt(kill_at)
    async with SqliteStore(database, failpoint=failpoint) as store:
        async for step in steps(store):
            say("did", step.replace(" ", "-"), *on_disk(database))
    say("points", *(f"{name}={count}" for name, count in sorted(failpoint.reached.items())))
    say("state", state_of(database))


def lives() -> None:
    """Fork a life for each line of the input."""
    for line in sys.stdin:
        database, kill_at = line.split()
        if not (child := os.fork()):
            asyncio.run(live(Path(database), kill_at))
            os._exit(0)
        say("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(live(Path(sys.argv[1]), "never"))
    else:
        lives()
