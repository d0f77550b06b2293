"""One of several workers of an anchor on one database of PostgreSQL.

It acknowledges the vouchers that it reads from standard input, many at once, and counts each on a
machine of its own whose effect is to tell the count. What it acknowledged and what it told are its
lines of output. The database's password comes in the environment of the test alone.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass

from settlement.core.machine import Machine, Transition
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.memory_chain import MemoryChain
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Effect, Engine, Outbox
from settlement.store.postgres import PostgresStore
from settlement.store.postgres_session import Target
from settlement.types import Address, keccak

DOMAIN = Domain.of(31_337, Address(b"hub of the test chain"[:20]))
CLASS = keccak(b"tickets")
PAYER = SigningKey(keccak(b"integration"))
ANCHOR = SigningKey(keccak(b"anchor"))
DEPOSIT = 10_000
LEASE_STEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many vouchers all workers have acknowledged."""

    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCount:
    """One more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformTell:
    """Tell a count."""

    count: int


def step(state: Tally, _event: ActionCount, _now_ms: int) -> Transition[Tally, PerformTell]:
    after = Tally(count=state.count + 1)
    return Transition(state=after, effects=(PerformTell(count=after.count),))


TALLY = Machine(
    kind="tally",
    state_type=Tally,
    effect_types=(PerformTell,),
    initial=lambda _key: Tally(),
    step=step,
)


def node_of(lane: int) -> Address:
    """The service node that a lane pays."""
    return Address(lane.to_bytes(20, "big"))


def say(*words: object) -> None:
    """One line in one write, so that a kill cannot leave half of it in the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def anchor_over(engine: Engine) -> Anchor:
    """An anchor that has seen one channel being opened."""
    chain = MemoryChain()
    calendar, directory = Calendar(chain), ChannelDirectory(engine)
    opened = ChannelOpened(
        signer=PAYER.address,
        owner=Address(b"o" * 20),
        anchor=ANCHOR.address,
        period=0,
        amount=DEPOSIT,
    )
    block = chain.mine(opened, seconds=12)
    calendar.observe(block)
    await directory.receive(await chain.events(block.number, block.number, frozenset()))
    return Anchor(
        engine=engine,
        domain=DOMAIN,
        key=ANCHOR,
        directory=directory,
        calendar=calendar,
        lease_step=LEASE_STEP,
    )


async def acknowledge(engine: Engine, anchor: Anchor, lane: int, cumulative: int) -> None:
    message = Voucher(
        signer=PAYER.address,
        period=0,
        node=node_of(lane),
        token_class=CLASS,
        cumulative=cumulative,
    )
    answer = (await anchor.acknowledge(Signed.by(PAYER, DOMAIN, message))).message
    await engine.apply(TALLY, "all", ActionCount())
    say("acknowledged", lane, cumulative, answer.acknowledged, answer.lease_cap)


async def tell(effect: Effect) -> None:
    request = effect.request
    assert isinstance(request, PerformTell)
    say("told", effect.id.hex(), request.count)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("worker")
    asked = parser.parse_args()
    target = Target(url=asked.url, password=os.environ["TEST_DATABASE_PASSWORD"])
    async with PostgresStore(target, worker=asked.worker) as store:
        engine = Engine(store, SystemClock())
        anchor = await anchor_over(engine)
        outbox = asyncio.create_task(Outbox(engine, {PerformTell: tell}).run())
        say("ready")
        async with asyncio.TaskGroup() as group:
            while line := await asyncio.to_thread(sys.stdin.readline):
                lane, cumulative = map(int, line.split())
                group.create_task(acknowledge(engine, anchor, lane, cumulative))
        while await store.pending(SystemClock().now_ms(), 1):
            assert not outbox.done()
            await asyncio.sleep(0.02)
        outbox.cancel()
        await asyncio.wait([outbox])
        say("finished")


if __name__ == "__main__":
    asyncio.run(main())
