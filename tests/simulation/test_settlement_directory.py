"""What nodes and anchors make of events about channels and keys."""

import pytest

from settlement.core.refusals import (
    ChannelShut,
    ChannelUnknown,
    ChannelWrongAnchor,
    ExposureReached,
)
from settlement.ports.chain_events import (
    ChainEvent,
    ChannelOpened,
    ChannelToppedUp,
    StatementsAccepted,
)
from settlement.ports.chain_records import AcceptedRow
from settlement.ports.clock import VirtualClock
from settlement.ports.dispute_events import ChannelClosed, SignerLimited, SignerRotated
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.stake_events import KeyRotated
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
from settlement.types import ZERO_HASH, Address, keccak

COIN = 10**18
DOMAIN = Domain.of(31_337, Address(b"h" * 20))
OLD, NEW = SigningKey(keccak(b"old session")), SigningKey(keccak(b"new session"))
ANCHOR, NEXT_ANCHOR = SigningKey(keccak(b"anchor")), SigningKey(keccak(b"next anchor"))
NODE = Address(b"n" * 20)
CLASS = keccak(b"class")
OPENED = ChannelOpened(
    signer=OLD.address, owner=NODE, anchor=ANCHOR.address, period=0, amount=100 * COIN
)
ROTATED = SignerRotated(channel=OLD.address, signer=NEW.address, from_period=1)


class World:
    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.engine = Engine(MemoryStore(), VirtualClock())
        self.directory = ChannelDirectory(self.engine)
        self.calendar = Calendar(self.chain)
        self.anchors = {key.address: self._anchor(key) for key in (ANCHOR, NEXT_ANCHOR)}
        self.collector = Collector(
            engine=self.engine,
            domain=DOMAIN,
            node=NODE,
            directory=self.directory,
            calendar=self.calendar,
            anchors=DirectAcknowledgements(
                {key: anchor.acknowledge for key, anchor in self.anchors.items()}
            ),
            terms=CollectorTerms(exposure_limit=10 * COIN),
        )

    def _anchor(self, key: SigningKey) -> Anchor:
        return Anchor(
            engine=self.engine,
            domain=DOMAIN,
            key=key,
            directory=self.directory,
            calendar=self.calendar,
            lease_step=COIN,
        )

    async def tell(self, *events: ChainEvent) -> None:
        block = self.chain.mine(*events)
        self.calendar.observe(block)
        found = await self.chain.events(block.number, block.number, frozenset())
        await self.directory.receive(found)

    async def next_period(self) -> None:
        self.calendar.observe(self.chain.advance(self.chain.period_length))

    async def pay(self, key: SigningKey, period: int, amount: int = COIN) -> None:
        await self.collector.admit(
            voucher(key, period, amount),
            token_class=CLASS,
            price=amount,
            request_id=keccak(b"request"),
        )


def voucher(key: SigningKey, period: int, amount: int = COIN) -> SignedVoucher:
    message = Voucher(
        signer=key.address, period=period, node=NODE, token_class=CLASS, cumulative=amount
    )
    return Signed.by(key, DOMAIN, message)


async def test_a_session_key_pays_from_the_period_of_its_rotation_on() -> None:
    world = World()
    await world.tell(OPENED, ROTATED)
    await world.pay(OLD, 0)
    with pytest.raises(ChannelUnknown):
        await world.directory.channel(NEW.address, 0)
    await world.next_period()
    await world.pay(NEW, 1)
    with pytest.raises(ChannelUnknown):
        await world.pay(OLD, 1)
    answer = await world.anchors[ANCHOR.address].acknowledge(voucher(NEW, 1))
    assert answer.message.acknowledged == COIN


async def test_what_the_old_key_may_still_be_debited_is_not_leased_to_the_new_one() -> None:
    world = World()
    await world.tell(OPENED, ROTATED)
    anchor = world.anchors[ANCHOR.address]
    await anchor.acknowledge(voucher(OLD, 0, 60 * COIN))
    await world.next_period()
    answer = await anchor.acknowledge(voucher(NEW, 1, 60 * COIN))
    claimed = (await anchor.ledger(OLD.address, 0)).limit
    assert claimed is not None
    assert answer.message.lease_cap <= 100 * COIN - claimed


async def test_a_debit_under_the_new_key_is_the_channels() -> None:
    world = World()
    await world.tell(OPENED, ROTATED)
    row = AcceptedRow(signer=NEW.address, amount=30 * COIN, vouchers_root=ZERO_HASH)
    settled = StatementsAccepted(
        anchor=ANCHOR.address, period=1, chunk=0, commitment=ZERO_HASH, rows=(row,)
    )
    await world.tell(settled)
    channel = await world.directory.channel(NEW.address, 1)
    assert (channel.signer, channel.balance) == (OLD.address, 70 * COIN)
    assert channel.settled_by(ANCHOR.address, 1)


async def test_a_closed_channel_buys_nothing_until_more_is_deposited() -> None:
    world = World()
    await world.tell(OPENED)
    await world.pay(OLD, 0)
    await world.tell(ChannelClosed(signer=OLD.address, period=0, amount=5 * COIN, refund=95 * COIN))
    with pytest.raises(ChannelShut):
        await world.pay(OLD, 0)
    await world.tell(ChannelToppedUp(signer=OLD.address, payer=NODE, amount=COIN, balance=6 * COIN))
    await world.pay(OLD, 0)


async def test_an_anchors_new_key_keeps_its_channels_from_that_period_on() -> None:
    world = World()
    rotated = KeyRotated(key=ANCHOR.address, new_key=NEXT_ANCHOR.address, from_period=1)
    await world.tell(OPENED, rotated)
    old, new = world.anchors[ANCHOR.address], world.anchors[NEXT_ANCHOR.address]
    await old.acknowledge(voucher(OLD, 0))
    with pytest.raises(ChannelWrongAnchor):
        await new.acknowledge(voucher(OLD, 0))
    await world.next_period()
    await new.acknowledge(voucher(OLD, 1))
    with pytest.raises(ChannelWrongAnchor):
        await old.acknowledge(voucher(OLD, 1))


async def test_keys_that_the_chain_takes_back_are_forgotten() -> None:
    world = World()
    await world.tell(OPENED)
    kept = (await world.chain.head()).number
    rotated = KeyRotated(key=ANCHOR.address, new_key=NEXT_ANCHOR.address, from_period=1)
    await world.tell(ROTATED, rotated)
    world.chain.drop(1)
    await world.directory.undo(world.chain, replaced_from=kept + 1, first_block=0)
    channel = await world.directory.channel(OLD.address, 1)
    assert channel.keys == ()
    assert await world.directory.anchor_at(channel, 1) == ANCHOR.address
    with pytest.raises(ChannelUnknown):
        await world.directory.channel(NEW.address)
    await world.tell(ROTATED)
    assert (await world.directory.channel(NEW.address, 1)).signer == OLD.address


def limited(cap: int, from_period: int = 0, until: int = 0) -> SignerLimited:
    return SignerLimited(signer=OLD.address, cap=cap, from_period=from_period, until=until)


async def test_a_key_with_a_cap_is_leased_and_served_no_more_than_that() -> None:
    world = World()
    await world.tell(OPENED, limited(5 * COIN))
    await world.pay(OLD, 0, 5 * COIN)
    with pytest.raises(ExposureReached):
        await world.pay(OLD, 0, 6 * COIN)
    anchor = world.anchors[ANCHOR.address]
    answer = await anchor.acknowledge(voucher(OLD, 0, 60 * COIN))
    assert answer.message.lease_cap == 5 * COIN
    await world.tell(limited(0))
    again = await anchor.acknowledge(voucher(OLD, 0, 60 * COIN))
    assert again.message.lease_cap >= 60 * COIN


async def test_a_lower_cap_holds_from_its_period_on_and_a_higher_one_replaces_it() -> None:
    world = World()
    await world.tell(OPENED, limited(50 * COIN), limited(5 * COIN, from_period=1))
    channel = await world.directory.channel(OLD.address)
    assert [channel.spendable_in(period) // COIN for period in (0, 1, 2)] == [50, 5, 5]
    await world.tell(limited(60 * COIN))
    channel = await world.directory.channel(OLD.address)
    assert [channel.spendable_in(period) // COIN for period in (0, 1, 2)] == [60, 60, 60]


async def test_an_expired_key_buys_nothing() -> None:
    world = World()
    await world.tell(OPENED, limited(0, until=1))
    await world.pay(OLD, 0)
    await world.next_period()
    with pytest.raises(ChannelUnknown):
        await world.pay(OLD, 1)
