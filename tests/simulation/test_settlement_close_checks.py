"""What an anchor checks before it agrees to a close: what it refuses is neither kept nor sent."""

from dataclasses import replace

import pytest

from settlement.core.closing import CLOSING, ClosingStage, ContractReceiveRefusal, closing_key
from settlement.core.refusals import ChannelUnknown, CloseRefused, RefundTooSmall
from settlement.ports.chain import Call
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Close
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.closing import CloseOffer, Closing
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address, Signature, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
ANCHOR = SigningKey(keccak(b"anchor"))
PAYER = SigningKey(keccak(b"payer"))
STRANGER = SigningKey(keccak(b"no channel"))
DEPOSIT, LEAST_REFUND = 10_000, 500


class NoCalls:
    """A close that is only agreed on here, never sent."""

    def close_channel(self, agreement: Close, payer: Signature, anchor: Signature) -> Call:
        raise AssertionError("nothing is sent in these tests")


class Desk:
    """An anchor with one channel."""

    def __init__(self) -> None:
        self.chain, self.store = MemoryChain(), MemoryStore()
        self.engine = Engine(self.store, VirtualClock())
        self.calendar = Calendar(self.chain)
        self.directory = ChannelDirectory(self.engine)
        self.anchor = Anchor(
            engine=self.engine,
            domain=DOMAIN,
            key=ANCHOR,
            directory=self.directory,
            calendar=self.calendar,
            lease_step=100,
        )
        self.closing = Closing(
            engine=self.engine,
            domain=DOMAIN,
            key=ANCHOR,
            anchor=self.anchor,
            directory=self.directory,
            calendar=self.calendar,
            writer=self.chain,
            calls=NoCalls(),
            least_refund=LEAST_REFUND,
        )

    async def opened(self, amount: int = DEPOSIT) -> CloseOffer:
        """Open the channel; what the anchor could offer for it, unjudged."""
        event = ChannelOpened(
            signer=PAYER.address,
            owner=PAYER.address,
            anchor=ANCHOR.address,
            period=0,
            amount=amount,
        )
        self.chain.mine(event)
        head = await self.chain.head()
        self.calendar.observe(head)
        await self.directory.receive(await self.chain.events(0, head.number, frozenset()))
        deadline = (await self.calendar.windows(0)).closes_at
        return CloseOffer(
            signer=PAYER.address, period=0, final_amount=0, balance=amount, deadline=deadline
        )

    async def close(self, offer: CloseOffer, key: SigningKey = PAYER) -> ClosingStage:
        agreement = Signed.by(key, DOMAIN, replace(offer.agreement(), signer=key.address))
        return (await self.closing.close(agreement)).stage

    async def kept_nothing(self) -> bool:
        stage = (await self.closing.state(PAYER.address, 0)).stage
        pending = await self.store.pending(2**60, 10)
        kept = await self.store.keys(CLOSING.kind)
        sealed = (await self.anchor.ledger(PAYER.address, 0)).limit is not None
        return (stage, list(pending), list(kept), sealed) == (ClosingStage.NONE, [], [], False)


@pytest.mark.parametrize("period", [0, 77])
async def test_a_close_in_the_terms_of_an_unset_state_is_checked_like_any_other(
    period: int,
) -> None:
    desk = Desk()
    unset = replace(await desk.opened(), final_amount=0, deadline=0, period=period)
    with pytest.raises((CloseRefused, ChannelUnknown)):
        await desk.close(unset)
    assert await desk.kept_nothing()


async def test_a_close_of_no_channel_is_kept_nowhere_whatever_its_terms() -> None:
    desk = Desk()
    offer = await desk.opened()
    for terms in (offer, replace(offer, final_amount=0, deadline=0), replace(offer, period=77)):
        with pytest.raises(ChannelUnknown):
            await desk.close(terms, key=STRANGER)
    assert await desk.store.keys(CLOSING.kind) == []
    assert list(await desk.store.pending(2**60, 10)) == []


async def test_a_close_that_the_hub_refused_is_checked_again_before_it_is_sent_again() -> None:
    desk = Desk()
    offer = await desk.opened()
    assert await desk.close(offer) is ClosingStage.SENT
    refusal = ContractReceiveRefusal(problem="it said no")
    await desk.engine.apply(CLOSING, closing_key(PAYER.address, 0), refusal)
    assert await desk.close(offer) is ClosingStage.SENT
    await desk.engine.apply(CLOSING, closing_key(PAYER.address, 0), refusal)
    desk.chain.advance(offer.deadline)
    desk.calendar.observe(await desk.chain.head())
    with pytest.raises((CloseRefused, ChannelUnknown)):
        await desk.close(offer)
    assert (await desk.closing.state(PAYER.address, 0)).stage is ClosingStage.FAILED


async def test_an_agreed_close_is_answered_again_when_its_deadline_has_passed() -> None:
    desk = Desk()
    offer = await desk.opened()
    assert await desk.close(offer) is ClosingStage.SENT
    desk.chain.advance(offer.deadline)
    desk.calendar.observe(await desk.chain.head())
    assert await desk.close(offer) is ClosingStage.SENT
    assert len(await desk.store.pending(2**60, 10)) == 1


async def test_the_anchor_spends_no_gas_on_a_refund_of_next_to_nothing() -> None:
    desk = Desk()
    offer = await desk.opened()
    for refund in (1, LEAST_REFUND - 1):
        with pytest.raises(RefundTooSmall) as refused:
            await desk.close(replace(offer, final_amount=DEPOSIT - refund))
        assert (refused.value.refund, refused.value.least) == (refund, LEAST_REFUND)
        assert "withdrawal" in refused.value.advice()
    assert await desk.kept_nothing()
    least = replace(offer, final_amount=DEPOSIT - LEAST_REFUND)
    assert await desk.close(least) is ClosingStage.SENT


async def test_no_close_is_offered_that_would_be_declined_once_it_is_signed() -> None:
    desk = Desk()
    await desk.opened(LEAST_REFUND - 1)
    with pytest.raises(RefundTooSmall):
        await desk.closing.offer(PAYER.address)
