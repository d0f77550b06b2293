"""What strangers can make a watchtower keep and pay for is bounded by what can be gained."""

from typing import Any, cast

import pytest

from settlement.ports.chain import Call
from settlement.ports.chain_events import ChainEvent, ChannelOpened, StatementsAccepted
from settlement.ports.chain_records import AcceptedRow, DirectClaimRow
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.payouts import ShownPayouts
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Outbox
from settlement.services.evidence import EvidenceBook, WatchFull, WatchShareTaken
from settlement.services.watch_acts import WatchActs
from settlement.services.watchtower import Watchtower
from settlement.types import Address, Hash, keccak

HUB = Address(b"h" * 20)
DOMAIN = Domain.of(31_337, HUB)
ANCHOR = SigningKey(keccak(b"anchor"))
PAYERS = [SigningKey(keccak(b"payer %d" % n)) for n in range(8)]
NODES = [SigningKey(keccak(b"node %d" % n)).address for n in range(8)]
CLASSES = [keccak(b"class %d" % n) for n in range(8)]
DEPOSIT = 100
LEAST = 10
MOST_LANES = 8


class Builders:
    """Stands for the builders of calls, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.posted: list[DirectClaimRow] = []
        self.restored: list[int] = []
        self.order: list[str] = []

    def post_voucher(self, _node: Address, _period: int, row: DirectClaimRow) -> Call:
        self.posted.append(row)
        return self._call("post")

    def restore_chunk(self, _anchor: Address, _period: int, chunk: int, _rows: object) -> Call:
        self.restored.append(chunk)
        return self._call("restore")

    def claim_direct(self, *_args: object, **_more: object) -> Call:
        return self._call("claim")

    def punish_over_leasing(self, *_args: object) -> Call:
        return self._call("punish")

    def _call(self, purpose: str) -> Call:
        self.order.append(purpose)
        return Call(contract=HUB, data=b"", purpose=purpose)


class World:
    """A watchtower that offers ``MOST_LANES`` lanes, and channels of ``DEPOSIT`` each."""

    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.chain.payouts_by_period |= {(node, 0): node for node in NODES}
        self.engine = Engine(MemoryStore(), VirtualClock())
        self.directory = ChannelDirectory(self.engine)
        self.calendar = Calendar(self.chain)
        self.builders = Builders()
        self.evidence = EvidenceBook(
            engine=self.engine,
            domain=DOMAIN,
            chain=self.chain,
            directory=self.directory,
            calendar=self.calendar,
            most_lanes=MOST_LANES,
        )
        acts = WatchActs(
            engine=self.engine,
            evidence=self.evidence,
            directory=self.directory,
            calendar=self.calendar,
            chain=self.chain,
            writer=self.chain,
            calls=cast("Any", self.builders),
            disputes=cast("Any", self.builders),
            payouts=ShownPayouts(),
            least=LEAST,
        )
        self.tower = Watchtower(
            engine=self.engine,
            evidence=self.evidence,
            directory=self.directory,
            calendar=self.calendar,
            acts=acts,
        )
        self.outbox = Outbox(self.engine, self.tower.performers)

    async def open(self) -> None:
        await self.tell(
            *(
                ChannelOpened(
                    signer=key.address,
                    owner=NODES[0],
                    anchor=ANCHOR.address,
                    period=0,
                    amount=DEPOSIT,
                )
                for key in PAYERS
            )
        )

    async def tell(self, *events: ChainEvent) -> None:
        block = self.chain.mine(*events)
        self.calendar.observe(block)
        found = await self.chain.events(block.number, block.number, frozenset())
        await self.directory.receive(found)
        await self.tower.receive(found)

    async def until(self, seconds: int) -> None:
        """Let time pass, and do once what is asked for then."""
        head = await self.chain.head()
        self.calendar.observe(self.chain.advance(seconds - head.timestamp))
        await self.tower.wake()
        await self.outbox.perform_due()

    async def hand_over(
        self,
        payer: int,
        node: int,
        token_class: int,
        promised: int,
        known: int = 0,
        *,
        asked: bool = True,
    ) -> None:
        signer, lane_class = PAYERS[payer], CLASSES[token_class]
        voucher = Voucher(
            signer=signer.address,
            period=0,
            node=NODES[node],
            token_class=lane_class,
            cumulative=promised,
        )
        acknowledgement = Acknowledgement(
            signer=signer.address,
            period=0,
            node=NODES[node],
            token_class=lane_class,
            acknowledged=known,
            lease_cap=promised,
        )
        await self.tower.hand_over(
            Signed.by(signer, DOMAIN, voucher),
            Signed.by(ANCHOR, DOMAIN, acknowledgement),
            asked=asked,
        )

    async def posted(self) -> list[tuple[Address, Hash]]:
        windows = await self.calendar.windows(0)
        await self.until((windows.closes_at + windows.settle_from) // 2)
        return [(row.signer, row.token_class) for row in self.builders.posted]


async def test_one_pair_cannot_fill_a_watchtower() -> None:
    world = World()
    await world.open()
    for token_class in range(2):
        await world.hand_over(0, 0, token_class, 50)
    with pytest.raises(WatchShareTaken) as refused:
        await world.hand_over(1, 0, 2, 50)
    assert (refused.value.of, refused.value.lanes) == ("node", MOST_LANES // 4)
    with pytest.raises(WatchShareTaken) as refused:
        await world.hand_over(0, 1, 2, 50)
    assert refused.value.of == "channel"
    await world.hand_over(0, 0, 1, 60)  # what is kept may grow
    await world.hand_over(0, 0, 2, 50, asked=False)  # the operator's own wish
    for other in range(1, 6):
        await world.hand_over(other, other, 0, 50)
    with pytest.raises(WatchFull):
        await world.hand_over(7, 7, 0, 50)


async def test_only_what_a_strangers_channel_can_pay_is_posted_for_it() -> None:
    world = World()
    await world.open()
    await world.hand_over(0, 0, 0, 10**9)  # covered as far as the deposit goes
    await world.hand_over(0, 1, 1, 10**9)  # nothing is left for it
    await world.hand_over(1, 2, 0, 10**9, known=DEPOSIT)  # owes all that there is already
    await world.hand_over(2, 3, 0, LEAST - 1)  # not worth its gas
    await world.hand_over(3, 4, 0, 60)
    posted = await world.posted()
    assert [signer for signer, _ in posted].count(PAYERS[0].address) == 1
    assert {signer for signer, _ in posted} == {PAYERS[0].address, PAYERS[3].address}


async def test_only_chunks_that_something_is_claimed_from_are_restored_after_claims() -> None:
    world = World()
    await world.open()
    await world.hand_over(0, 0, 0, 50)
    await world.hand_over(1, 1, 0, 50)
    await world.hand_over(2, 2, 0, LEAST - 1)
    for chunk, payer in enumerate((7, 1, 2, 6)):
        row = AcceptedRow(
            signer=PAYERS[payer].address, amount=50, vouchers_root=keccak(b"vouchers")
        )
        await world.tell(
            StatementsAccepted(
                anchor=ANCHOR.address,
                period=0,
                chunk=chunk,
                commitment=keccak(b"chunk %d" % chunk),
                rows=(row,),
            )
        )
        world.chain.settled.add((PAYERS[payer].address, 0))
    await world.until((await world.calendar.windows(0)).settle_until)
    assert world.builders.restored == [1]
    assert world.builders.order == ["claim", "restore"]
