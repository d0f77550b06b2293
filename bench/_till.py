"""A service node's till, and integrations that pay into it, for the payment benchmarks.

The chain is in memory; collector, engine, directory and signatures are the product's. Headers are
signed before anything is timed: a client's work is not the node's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from settlement.core.lane import Charge
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import Store
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import signed_from_header, signed_to_header
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address, Hash, keccak

DOMAIN = Domain.of(31_337, Address(b"hub of the benchmark"))
CLASS = keccak(b"bench class")
NODE, ANCHOR = (SigningKey(keccak(b"bench " + name)) for name in (b"node", b"anchor"))
PRICE = 1_000
DEPOSIT = 10**18
FILLER = b'{"gate":"B42","flight":"SL7","delayMinutes":35}' * 4


def payers(number: int) -> list[SigningKey]:
    """Session keys that are the same in every run."""
    return [SigningKey(keccak(b"bench payer %d" % each)) for each in range(number)]


def header(payer: SigningKey, cumulative: int, period: int = 0) -> str:
    """A voucher as it travels."""
    message = Voucher(
        signer=payer.address,
        period=period,
        node=NODE.address,
        token_class=CLASS,
        cumulative=cumulative,
    )
    return signed_to_header(Signed.by(payer, DOMAIN, message))


def request_of(payer: SigningKey, number: int) -> tuple[Hash, bytes]:
    """A payer's request: its id, and the answer that it gets."""
    return keccak(b"request %d of " % number + payer.address), answer_to(payer, number)


def answer_to(payer: SigningKey, number: int) -> bytes:
    """About the bytes of a small read's answer, another one for each request."""
    return b'{"call":%d,"payer":"%b"}' % (number, payer.address.hex().encode()) + FILLER


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """What takes payments: the collector of one node, and the engine below it."""

    collector: Collector
    engine: Engine

    async def pay(self, voucher: str, request: tuple[Hash, bytes]) -> Charge:
        """One paid call as the API makes it, but for HTTP and the work: parse, check, charge."""
        request_id, answer = request
        admission = await self.collector.admit(
            signed_from_header(Voucher, voucher, "voucher"),
            token_class=CLASS,
            price=PRICE,
            request_id=request_id,
        )
        return await self.collector.charge(admission, answer)


@asynccontextmanager
async def open_till(store: Store, signers: Sequence[SigningKey]) -> AsyncIterator[Till]:
    """A till with a channel for each signer; its anchor is in the same process, in memory."""
    engine, chain = Engine(store, SystemClock()), MemoryChain()
    directory, calendar = ChannelDirectory(engine), Calendar(chain)
    opened = (
        ChannelOpened(
            signer=key.address, owner=NODE.address, anchor=ANCHOR.address, period=0, amount=DEPOSIT
        )
        for key in signers
    )
    calendar.observe(chain.mine(*opened))
    await directory.receive(await chain.events(0, 1, frozenset()))
    anchor = Anchor(
        engine=engine,
        domain=DOMAIN,
        key=ANCHOR,
        directory=directory,
        calendar=calendar,
        lease_step=DEPOSIT // 1_000,
    )
    collector = Collector(
        engine=engine,
        domain=DOMAIN,
        node=NODE.address,
        directory=directory,
        calendar=calendar,
        anchors=DirectAcknowledgements({ANCHOR.address: anchor.acknowledge}),
        terms=CollectorTerms(exposure_limit=DEPOSIT // 1_000),
    )
    async with collector:
        yield Till(collector=collector, engine=engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """How fast calls were paid. Times in seconds."""

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


Work = Sequence[Sequence[tuple[str, tuple[Hash, bytes]]]]
"""For each payer, its vouchers with their requests."""


def work_of(signers: Sequence[SigningKey], first: int, calls: int) -> Work:
    """The calls from number ``first`` on, signed."""
    return [
        [(header(key, PRICE * (n + 1)), request_of(key, n)) for n in range(first, first + calls)]
        for key in signers
    ]


async def pay_all(till: Till, work: Work) -> Paid:
    """Make all calls: every payer one after the other, all payers at once."""
    taken: list[float] = []

    async def call(mine: Sequence[tuple[str, tuple[Hash, bytes]]]) -> None:
        for voucher, request in mine:
            began = time.perf_counter()
            await till.pay(voucher, request)
            taken.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for mine in work:
            group.create_task(call(mine))
    passed, used = time.perf_counter() - began, time.process_time() - cpu
    taken.sort()
    return Paid(
        per_s=len(taken) / passed,
        cpu_us=used / len(taken) * 1e6,
        p50_ms=taken[len(taken) // 2] * 1e3,
        p99_ms=taken[len(taken) * 99 // 100] * 1e3,
    )
