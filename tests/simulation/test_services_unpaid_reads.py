"""Reads that fail are not charged; they raise nobody's price, and not many are run for nothing."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from collecting_world import COIN, DAY, DOMAIN, NODE, PAYER, World, running

from node.core.canonical import to_bytes
from node.core.journal import JournalState, Phase
from node.devnet.rehearsal_people import People
from node.errors import FailuresUsedUp, ReadFailed
from node.ports.sandbox import RunRequest, RunResult, Status, TableSandbox
from node.protocol.frames import Commit
from node.protocol.messages import JournalEntry
from node.services.chain_view import ClassView, PublishedScript, TokenView
from node.services.instances import Instance, Instances
from node.services.metrics import Metrics
from node.services.prices import PriceBook, Prices
from node.services.reads import ReadRequest, Reads
from node.services.running import Runner
from node.services.script_library import ClassScript, trusted_script
from node.services.unpaid import FREE_FAILURES
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.types import ZERO_HASH, Hash, keccak

PEOPLE = People(DOMAIN, 31_337)
FLOOR = 10**15
HEAVY = 20_000_000
"""The gas at which the engine ends a read."""
PERIOD = 30 * DAY


class Swayed(TableSandbox):
    """A script whose caller chooses whether it runs out of gas."""

    async def run(self, request: RunRequest) -> RunResult:
        if "endless" in msgspec.json.decode(request.event):
            return RunResult(status=Status.OUT_OF_GAS, gas=HEAVY, error="out of gas")
        return RunResult(status=Status.OK, gas=1_000, result=b'{"delay":0}')


class OneInstance(Instances):
    """A node that holds one active token."""

    def __init__(self, instance: Instance) -> None:
        self.only = instance

    async def served(self, token: Hash) -> Instance:
        assert token == self.only.view.token.id
        return self.only


def ticket_script() -> ClassScript:
    airline = PEOPLE.airline.address
    view = ClassView(token_class=PEOPLE.token_class, issuer=airline, payout=airline)
    published = PublishedScript(
        block=1, uri="https://airline.example/t", hash=keccak(PEOPLE.script)
    )
    return trusted_script(PEOPLE.script, view, published)


def ticket() -> Instance:
    token = PEOPLE.token(7)
    entry = JournalEntry(
        token=token.id,
        version=1,
        lease_version=0,
        attempt=0,
        executor=NODE.address,
        previous=ZERO_HASH,
        input_hash=ZERO_HASH,
        state_root=ZERO_HASH,
        output_hash=ZERO_HASH,
        time=0,
    )
    state = JournalState(
        token=token.id,
        phase=Phase.ACTIVE,
        node=NODE.address,
        version=1,
        tip=Commit(entry=entry, signatures=(), input=b""),
    )
    traveller = PEOPLE.traveller.address
    view = TokenView(token=token, holder=traveller, minted_to=traveller, minted_in=1)
    return Instance(view=view, script=ticket_script(), state=state, attributes=to_bytes({}))


class Node:
    """A service node's reads over a real till, and the caller whose voucher pays for many."""

    def __init__(self, world: World) -> None:
        self.world, self.instance, self.calls = world, ticket(), 0
        floor = Prices(read=FLOOR, update=FLOOR)
        self.prices = PriceBook(floor, world.calendar, world.node_engine)
        self.reads = Reads(
            key=NODE,
            domain=DOMAIN,
            clock=world.clock,
            instances=OneInstance(self.instance),
            runner=Runner(Swayed(handlers={}), self.prices),
            collector=world.collector,
            calendar=world.calendar,
            prices=self.prices,
            metrics=Metrics("n"),
        )

    async def read(self, *, fails: bool) -> bytes:
        """One honest read, or one whose arguments make the script run to its end of gas."""
        self.calls += 1
        token, period = self.instance.view.token, await self.world.calendar.period()
        voucher = Voucher(
            signer=PAYER.address,
            period=period,
            node=NODE.address,
            token_class=token.token_class.id,
            cumulative=COIN,
        )
        request = ReadRequest(
            token=token,
            interface="status",
            arguments={"endless": "yes"} if fails else {},
            request_id=keccak(b"call %d" % self.calls),
            grant=PEOPLE.grant(PAYER.address, token, self.world.clock.now_ms() + 90 * DAY * 1_000),
            voucher=Signed.by(PAYER, DOMAIN, voucher),
        )
        return await self.reads.answer(request)

    async def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(ReadFailed):
                await self.read(fails=True)

    async def charged(self) -> int:
        period = await self.world.calendar.period()
        return sum([lane.charged for lane in await self.world.collector.lanes(period)])

    async def next_period(self) -> None:
        self.world.chain.advance(PERIOD)
        self.world.calendar.observe(await self.world.chain.head())

    async def price(self) -> int:
        read = self.instance.script.service.read("status")
        assert read is not None
        return await self.prices.of(self.instance.script.source_hash, read)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    world = World()
    await world.open_channel()
    async with running(world):
        yield Node(world)


async def test_failed_reads_raise_no_price(node: Node) -> None:
    await node.read(fails=False)
    await node.fail(3)
    for _ in range(2):
        await node.next_period()
        assert await node.price() == FLOOR


async def test_a_read_that_was_charged_for_is_measured(node: Node) -> None:
    await node.read(fails=False)
    await node.prices.close()
    await node.next_period()
    book = PriceBook(Prices(read=0, update=0), node.world.calendar, node.world.node_engine)
    read = node.instance.script.service.read("status")
    assert read is not None
    assert await book.of(node.instance.script.source_hash, read) > 0


async def test_a_caller_whose_reads_all_fail_is_soon_refused_unrun_and_uncharged(
    node: Node,
) -> None:
    await node.fail(FREE_FAILURES)
    for fails in (True, False):
        with pytest.raises(FailuresUsedUp) as refused:
            await node.read(fails=fails)
        assert refused.value.failed == FREE_FAILURES
    assert await node.charged() == 0


async def test_a_new_period_begins_with_its_own_failures(node: Node) -> None:
    await node.fail(FREE_FAILURES)
    await node.next_period()
    await node.read(fails=False)
    await node.fail(FREE_FAILURES)


async def test_each_paid_read_makes_good_for_one_failure(node: Node) -> None:
    await node.fail(FREE_FAILURES - 1)
    for _ in range(3):
        await node.read(fails=False)
        await node.fail(1)
    assert await node.charged() == 3 * FLOOR
    await node.fail(1)
    with pytest.raises(FailuresUsedUp):
        await node.read(fails=True)
