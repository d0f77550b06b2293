"""Anybody may ask an anchor for a draft: asking writes nothing that nobody owes."""

import pytest

from settlement.core.ledger import LEDGER
from settlement.core.refusals import PeriodClosed
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import Batch, MemoryStore
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
ANCHOR = SigningKey(keccak(b"anchor"))
PAYER = SigningKey(keccak(b"payer"))
PERIOD_S = 30 * 86_400
OPENED_IN = 2


class CountingStore(MemoryStore):
    """Counts commits."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    async def commit(self, batch: Batch) -> None:
        self.commits += 1
        await super().commit(batch)


class Desk:
    """An anchor whose one channel was opened in period 2, which is the current one."""

    def __init__(self) -> None:
        self.chain, self.store = MemoryChain(), CountingStore()
        engine = Engine(self.store, VirtualClock())
        self.calendar = Calendar(self.chain)
        self.directory = ChannelDirectory(engine)
        self.anchor = Anchor(
            engine=engine,
            domain=DOMAIN,
            key=ANCHOR,
            directory=self.directory,
            calendar=self.calendar,
            lease_step=100,
        )

    async def open(self) -> None:
        self.chain.advance(OPENED_IN * PERIOD_S + 60)
        opened = ChannelOpened(
            signer=PAYER.address,
            owner=PAYER.address,
            anchor=ANCHOR.address,
            period=OPENED_IN,
            amount=10_000,
        )
        self.chain.mine(opened)
        head = await self.chain.head()
        self.calendar.observe(head)
        await self.directory.receive(await self.chain.events(0, head.number, frozenset()))

    async def promise(self, cumulative: int) -> None:
        message = Voucher(
            signer=PAYER.address,
            period=OPENED_IN,
            node=Address(b"n" * 20),
            token_class=keccak(b"class"),
            cumulative=cumulative,
        )
        await self.anchor.acknowledge(Signed.by(PAYER, DOMAIN, message))


@pytest.mark.parametrize("period", [0, OPENED_IN - 1, OPENED_IN + 1, 2**32 - 1])
async def test_a_draft_of_another_time_is_refused_and_written_nowhere(period: int) -> None:
    desk = Desk()
    await desk.open()
    with pytest.raises(PeriodClosed):
        await desk.anchor.draft(PAYER.address, period)
    assert await desk.store.keys(LEDGER.kind) == []


async def test_a_draft_over_nothing_is_not_written() -> None:
    desk = Desk()
    await desk.open()
    assert (await desk.anchor.draft(PAYER.address, OPENED_IN)).amount == 0
    assert await desk.store.keys(LEDGER.kind) == []


async def test_asking_again_for_the_same_draft_writes_nothing() -> None:
    desk = Desk()
    await desk.open()
    await desk.promise(40)
    before = desk.store.commits
    draft = await desk.anchor.draft(PAYER.address, OPENED_IN)
    assert (draft.amount, desk.store.commits) == (40, before + 1)
    for _ in range(5):
        assert await desk.anchor.draft(PAYER.address, OPENED_IN) == draft
    assert desk.store.commits == before + 1
    await desk.promise(90)
    newer = await desk.anchor.draft(PAYER.address, OPENED_IN)
    taken = await desk.anchor.receive_statement(Signed.by(PAYER, DOMAIN, newer.statement()))
    assert taken.amount == 90
