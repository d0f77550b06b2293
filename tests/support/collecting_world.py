"""One chain, one anchor and one service node, each with its own store, and a payer's vouchers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from settlement.core.lane import Charge
from settlement.ports.chain_events import ChainEvent, ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed, SignedVoucher
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address, keccak

HUB = Address(b"hub of the test chain"[:20])
DOMAIN = Domain.of(31_337, HUB)
CLASS = keccak(b"tickets")
PAYER = SigningKey(keccak(b"integration"))
NODE = SigningKey(keccak(b"service node"))
ANCHOR = SigningKey(keccak(b"anchor"))
OWNER = Address(b"o" * 20)
COIN = 10**18
DAY = 86_400


class World:
    """One chain, one anchor, one service node, each with its own store."""

    def __init__(self, exposure_limit: int = 10 * COIN) -> None:
        self.clock = VirtualClock()
        self.chain = MemoryChain()
        self.node_store = MemoryStore()
        self.anchor_store = MemoryStore()
        self.exposure_limit = exposure_limit
        self.acknowledgements = DirectAcknowledgements()
        self.log_index = 0
        self.boot()

    def boot(self) -> None:
        """(Re)start every process; only the stores survive."""
        self.calendar = Calendar(self.chain)
        self.node_engine = Engine(self.node_store, self.clock)
        self.anchor_engine = Engine(self.anchor_store, self.clock)
        self.directories = [
            ChannelDirectory(self.node_engine),
            ChannelDirectory(self.anchor_engine),
        ]
        self.anchor = Anchor(
            engine=self.anchor_engine,
            domain=DOMAIN,
            key=ANCHOR,
            directory=self.directories[1],
            calendar=self.calendar,
            lease_step=5 * COIN,
        )
        self.acknowledgements.anchors[ANCHOR.address] = self.anchor.acknowledge
        self.collector = Collector(
            engine=self.node_engine,
            domain=DOMAIN,
            node=NODE.address,
            directory=self.directories[0],
            calendar=self.calendar,
            anchors=self.acknowledgements,
            terms=CollectorTerms(exposure_limit=self.exposure_limit),
        )

    async def happens(self, *events: ChainEvent, seconds: int = 12) -> None:
        block = self.chain.mine(*events, seconds=seconds)
        self.calendar.observe(block)
        found = await self.chain.events(block.number, block.number, frozenset())
        for directory in self.directories:
            await directory.receive(found)

    async def open_channel(self, amount: int = 1_000 * COIN) -> None:
        await self.happens(
            ChannelOpened(
                signer=PAYER.address,
                owner=OWNER,
                anchor=ANCHOR.address,
                period=0,
                amount=amount,
            )
        )

    async def pay(self, cumulative: int, price: int, name: str, answer: bytes = b"ok") -> Charge:
        admission = await self.collector.admit(
            voucher(cumulative), token_class=CLASS, price=price, request_id=keccak(name.encode())
        )
        return await self.collector.charge(admission, answer)


def voucher(cumulative: int, period: int = 0) -> SignedVoucher:
    message = Voucher(
        signer=PAYER.address,
        period=period,
        node=NODE.address,
        token_class=CLASS,
        cumulative=cumulative,
    )
    return Signed.by(PAYER, DOMAIN, message)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    async with world.collector:
        yield world
