"""Service node and anchor together: paid requests, acknowledgements, refusals, lost processes."""

import asyncio
from dataclasses import replace

import pytest
from collecting_world import (
    ANCHOR,
    CLASS,
    COIN,
    DAY,
    DOMAIN,
    HUB,
    NODE,
    OWNER,
    PAYER,
    World,
    running,
    voucher,
)

from settlement.core.refusals import (
    ChannelUnknown,
    ChannelWithdrawing,
    ChannelWrongAnchor,
    ExposureReached,
    PeriodClosed,
    PriceMismatch,
    StatementUnknown,
    VoucherBelowLast,
    VoucherTooLow,
    VoucherWrongClass,
    VoucherWrongDomain,
    VoucherWrongNode,
    VoucherWrongPeriod,
)
from settlement.errors import SignatureInvalid, StoreFailed
from settlement.ports.chain_errors import RpcUnreachable
from settlement.ports.chain_events import (
    ChannelOpened,
    ChannelToppedUp,
    StatementsAccepted,
    StatementsRestored,
    WithdrawalRequested,
    Withdrawn,
)
from settlement.ports.chain_records import AcceptedRow
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed, SignedVoucher
from settlement.protocol.signing import HALF_ORDER
from settlement.protocol.typed_data import Domain
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import ZERO_HASH, Address, Hash, Signature, keccak

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


async def test_sixty_four_requests_at_once_are_all_served_and_charged_once() -> None:
    world = World(exposure_limit=100 * COIN)
    await world.open_channel()
    charges = await asyncio.gather(
        *(world.pay((n + 1) * COIN, COIN, f"request {n}") for n in reversed(range(64)))
    )
    assert sorted(charge.charged for charge in charges) == [n * COIN for n in range(1, 65)]
    lane = await world.collector.lane(voucher(0).message)
    assert lane.charged == lane.highest == 64 * COIN
    assert [c.charged for c in await world.collector.charges(lane)] == [
        n * COIN for n in range(1, 65)
    ]


async def test_a_lost_answer_is_given_again_and_not_charged_again() -> None:
    world = World()
    await world.open_channel()
    first = await world.pay(COIN, COIN, "lost", answer=b"the first answer")
    world.boot()
    again = await world.collector.admit(
        voucher(COIN), token_class=CLASS, price=COIN, request_id=keccak(b"lost")
    )
    assert again.earlier == first
    assert (await world.collector.charge(again, b"another answer")).answer == b"the first answer"
    assert (await world.collector.lane(voucher(0).message)).charged == COIN


async def test_the_same_request_twice_at_once_is_charged_once() -> None:
    world = World()
    await world.open_channel()
    one, two = await asyncio.gather(
        world.pay(5 * COIN, COIN, "twin", answer=b"one"),
        world.pay(5 * COIN, COIN, "twin", answer=b"two"),
    )
    assert one == two
    assert (await world.collector.lane(voucher(0).message)).charged == COIN


async def test_a_request_id_older_than_the_lane_remembers_is_still_charged_once() -> None:
    world = World(exposure_limit=10**6 * COIN)
    await world.open_channel()
    first = await world.pay(1_000 * COIN, COIN, "old", answer=b"old")
    for number in range(300):
        await world.pay(1_000 * COIN, COIN, f"filler {number}")
    again = await world.pay(1_000 * COIN, COIN, "old", answer=b"new")
    assert again == first
    # Even beside a fresh voucher, which is not looked up first: the index decides.
    assert await world.pay(1_001 * COIN, COIN, "old", answer=b"new") == first
    assert (await world.collector.lane(voucher(0).message)).charged == 301 * COIN


async def test_nothing_is_charged_when_the_disk_refuses() -> None:
    world = World()
    await world.open_channel()
    world.node_store.fail_next_commit = StoreFailed(problem="disk full")
    with pytest.raises(StoreFailed):
        await world.pay(COIN, COIN, "refused")
    assert (await world.collector.lane(voucher(0).message)).charged == 0
    assert (await world.pay(COIN, COIN, "refused")).charged == COIN


async def test_the_anchor_acknowledges_in_the_background() -> None:
    world = World()
    await world.open_channel()
    async with running(world):
        await world.pay(2 * COIN, 2 * COIN, "one")
        await world.clock.advance_ms(10)
    lane = await world.collector.lane(voucher(0).message)
    assert lane.acknowledged == 2 * COIN
    assert lane.lease_cap > 2 * COIN
    assert lane.best_acknowledgement is not None
    lane.best_acknowledgement.require(DOMAIN, ANCHOR.address)


async def test_a_lane_near_its_limit_is_asked_for_at_once_and_the_others_in_their_turn() -> None:
    world = World(exposure_limit=10 * COIN)
    await world.open_channel()
    other = replace(voucher(COIN // 100).message, token_class=keccak(b"other tickets"))
    async with running(world):
        await world.clock.advance_ms(10)
        admission = await world.collector.admit(
            Signed.by(PAYER, DOMAIN, other),
            token_class=other.token_class,
            price=COIN // 100,
            request_id=keccak(b"small"),
        )
        await world.collector.charge(admission, b"ok")
        await world.pay(2 * COIN, 2 * COIN, "large")
        await world.clock.advance_ms(10)
        assert world.acknowledgements.requests == 1
        assert (await world.collector.lane(voucher(0).message)).unacknowledged == 0
        assert (await world.collector.lane(other)).unacknowledged == COIN // 100
        await world.clock.advance_ms(3_000)
        assert (await world.collector.lane(other)).unacknowledged == 0


async def test_service_goes_on_as_leases_grow_and_never_beyond_the_deposit() -> None:
    world = World(exposure_limit=10 * COIN)
    await world.open_channel(amount=100 * COIN)
    paid = 0
    async with running(world):
        for number in range(300):
            try:
                await world.pay((paid + 1) * COIN, COIN, f"request {number}")
                paid += 1
            except ExposureReached:
                pass
            await world.clock.advance_ms(3_000)
    ledger = await world.anchor.ledger(PAYER.address, 0)
    assert ledger.leased <= 100 * COIN
    assert 100 <= paid <= 110


async def test_while_the_anchor_is_away_service_stops_at_the_limit_and_then_resumes() -> None:
    world = World(exposure_limit=10 * COIN)
    await world.open_channel()
    world.acknowledgements.unreachable.add(ANCHOR.address)
    async with running(world):
        for number in range(10):
            await world.pay((number + 1) * COIN, COIN, f"request {number}")
        with pytest.raises(ExposureReached):
            await world.pay(11 * COIN, COIN, "one too many")
        world.acknowledgements.unreachable.clear()
        await world.clock.advance_ms(3_000)
        await world.pay(11 * COIN, COIN, "one too many")


async def test_an_anchor_that_refuses_is_asked_until_the_grace_is_over() -> None:
    world = World()
    await world.open_channel()
    behind = ChannelDirectory(Engine(MemoryStore(), world.clock))
    world.anchor._directory, informed = behind, world.anchor._directory
    async with running(world):
        await world.pay(COIN, COIN, "before the anchor knows the channel")
        await world.clock.advance_ms(10_000)
        asked = world.acknowledgements.requests
        assert asked > 2
        world.anchor._directory = informed
        await world.clock.advance_ms(3_000)
        assert (await world.collector.lane(voucher(0).message)).acknowledged == COIN

        await world.pay(2 * COIN, COIN, "and then it forgets it")
        world.anchor._directory = behind
        await world.happens(seconds=32 * DAY)
        await world.clock.advance_ms(10_000)
        asked = world.acknowledgements.requests
        await world.clock.advance_ms(10_000)
        assert world.acknowledgements.requests == asked


async def test_a_restarted_node_asks_for_what_is_still_unacknowledged() -> None:
    world = World()
    await world.open_channel()
    await world.pay(COIN, COIN, "before the crash")
    world.boot()
    async with running(world):
        await world.clock.advance_ms(10)
    assert (await world.collector.lane(voucher(0).message)).acknowledged == COIN


async def test_a_voucher_that_promises_too_little_is_refused_before_any_work() -> None:
    world = World()
    await world.open_channel()
    await world.pay(2 * COIN, 2 * COIN, "first")
    with pytest.raises(VoucherTooLow):
        await world.pay(2 * COIN, COIN, "second")
    with pytest.raises(VoucherBelowLast):
        await world.pay(COIN, COIN, "third")


async def refused(world: World, signed: SignedVoucher, **changed: object) -> None:
    wanted: dict[str, object] = {
        "token_class": CLASS,
        "price": COIN,
        "request_id": keccak(b"request"),
    }
    await world.collector.admit(signed, **(wanted | changed))  # type: ignore[arg-type]  # any field


async def test_a_voucher_for_another_node_class_period_or_price_is_refused() -> None:
    world = World()
    await world.open_channel()
    other = Voucher(
        signer=PAYER.address,
        period=0,
        node=ANCHOR.address,
        token_class=CLASS,
        cumulative=COIN,
    )
    with pytest.raises(VoucherWrongNode):
        await refused(world, Signed.by(PAYER, DOMAIN, other))
    with pytest.raises(VoucherWrongClass):
        await refused(world, voucher(COIN), token_class=keccak(b"others"))
    with pytest.raises(VoucherWrongPeriod):
        await refused(world, voucher(COIN, period=1))
    with pytest.raises(PriceMismatch):
        await refused(world, voucher(COIN), agreed_price=COIN - 1)


async def test_a_voucher_signed_for_another_chain_or_hub_or_by_another_key_is_refused() -> None:
    world = World()
    await world.open_channel()
    message = voucher(COIN).message
    for key, domain in (
        (PAYER, Domain.of(1, HUB)),
        (PAYER, Domain.of(31_337, Address(b"another hub........."))),
        (NODE, DOMAIN),
    ):
        with pytest.raises(VoucherWrongDomain):
            await refused(world, Signed.by(key, domain, message))


async def test_malleable_and_malformed_signatures_are_refused() -> None:
    world = World()
    await world.open_channel()
    good = voucher(COIN)
    s = int.from_bytes(good.signature[32:64], "big")
    assert s <= HALF_ORDER
    high = good.signature[:32] + (ORDER - s).to_bytes(32, "big")
    flipped = bytes([27 + 28 - good.signature[64]])
    for signature in (high + flipped, good.signature[:64], good.signature[:64] + b"\x00", b""):
        bad = Signed(message=good.message, signature=Signature(signature))
        with pytest.raises(SignatureInvalid):
            await refused(world, bad)


async def test_without_a_confirmed_channel_nobody_serves() -> None:
    world = World()
    with pytest.raises(ChannelUnknown):
        await world.pay(COIN, COIN, "no channel")
    with pytest.raises(ChannelUnknown):
        await world.anchor.acknowledge(voucher(COIN))


async def test_a_withdrawing_channel_is_not_served_until_the_withdrawal_is_over() -> None:
    world = World()
    await world.open_channel()
    asked = WithdrawalRequested(signer=PAYER.address, amount=COIN, withdrawable_at=99)
    await world.happens(asked)
    with pytest.raises(ChannelWithdrawing):
        await world.pay(COIN, COIN, "late")
    await world.happens(
        Withdrawn(signer=PAYER.address, owner=OWNER, amount=COIN, balance=999 * COIN)
    )
    await world.pay(COIN, COIN, "later")


async def test_only_the_channels_anchor_acknowledges_and_only_within_the_grace() -> None:
    world = World()
    stranger = Address(b"x" * 20)
    await world.happens(
        ChannelOpened(signer=PAYER.address, owner=OWNER, anchor=stranger, period=0, amount=COIN)
    )
    with pytest.raises(ChannelWrongAnchor) as wrong:
        await world.anchor.acknowledge(voucher(COIN))
    assert wrong.value.expected == stranger

    world = World()
    await world.open_channel()
    await world.happens(seconds=30 * DAY)
    await world.anchor.acknowledge(voucher(COIN, period=0))
    await world.happens(seconds=2 * DAY)
    with pytest.raises(PeriodClosed):
        await world.anchor.acknowledge(voucher(2 * COIN, period=0))


async def test_two_periods_never_lease_the_same_deposit_twice() -> None:
    world = World()
    await world.open_channel(amount=100 * COIN)
    await world.anchor.acknowledge(voucher(60 * COIN, period=0))
    await world.happens(seconds=30 * DAY)
    await world.anchor.acknowledge(voucher(80 * COIN, period=1))
    await world.anchor.acknowledge(voucher(90 * COIN, period=0))

    old = await world.anchor.ledger(PAYER.address, 0)
    new = await world.anchor.ledger(PAYER.address, 1)
    assert old.leased + new.leased <= 100 * COIN
    assert new.acknowledged < 40 * COIN

    # Once the first period is settled, what it did not use is free again.
    await world.happens(settled(50 * COIN))
    await world.anchor.acknowledge(voucher(45 * COIN, period=1))
    new = await world.anchor.ledger(PAYER.address, 1)
    assert new.acknowledged == new.leased == 50 * COIN  # of the 80 that are promised by now

    await world.happens(
        StatementsRestored(anchor=ANCHOR.address, period=0, chunk=0, amount=50 * COIN)
    )
    channel = await world.directories[1].channel(PAYER.address)
    assert channel.balance == 100 * COIN
    assert not channel.settled_in(0)


def settled(amount: int) -> StatementsAccepted:
    row = AcceptedRow(signer=PAYER.address, amount=amount, vouchers_root=ZERO_HASH)
    return StatementsAccepted(
        anchor=ANCHOR.address, period=0, chunk=0, commitment=ZERO_HASH, rows=(row,)
    )


async def test_events_seen_twice_change_nothing() -> None:
    world = World()
    await world.open_channel(amount=100 * COIN)
    topped_up = ChannelToppedUp(
        signer=PAYER.address, payer=OWNER, amount=5 * COIN, balance=105 * COIN
    )
    await world.happens(topped_up)
    await world.happens(settled(40 * COIN))
    everything = await world.chain.events(0, 100, frozenset())
    await world.directories[0].receive(everything)
    channel = await world.directories[0].channel(PAYER.address)
    assert channel.balance == 65 * COIN


async def test_deposits_in_blocks_that_the_chain_replaced_are_forgotten() -> None:
    world = World()
    await world.open_channel(amount=100 * COIN)
    await world.happens(seconds=12)
    kept = (await world.chain.head()).number
    await world.happens(
        ChannelToppedUp(signer=PAYER.address, payer=OWNER, amount=COIN, balance=101 * COIN)
    )
    await world.happens(settled(40 * COIN))
    world.chain.longest_range = 1
    world.chain.drop(2)
    directory = world.directories[0]
    world.chain.unreachable = RpcUnreachable(endpoint="memory", problem="cut off")
    with pytest.raises(RpcUnreachable):
        await directory.undo(world.chain, replaced_from=kept + 1, first_block=0)
    world.chain.unreachable = None
    await directory.undo(world.chain, replaced_from=kept + 1, first_block=0)
    channel = await directory.channel(PAYER.address)
    assert channel.balance == 100 * COIN
    assert not channel.settled_in(0)

    world.chain.longest_range = None
    await world.happens(
        ChannelToppedUp(signer=PAYER.address, payer=OWNER, amount=2 * COIN, balance=102 * COIN)
    )
    assert (await directory.channel(PAYER.address)).balance == 102 * COIN


async def test_an_integration_signs_the_draft_and_the_anchor_remembers_it() -> None:
    world = World()
    await world.open_channel()
    await world.anchor.acknowledge(voucher(7 * COIN))
    draft = await world.anchor.draft(PAYER.address, 0)
    signed = Signed.by(PAYER, DOMAIN, draft.statement())
    await world.anchor.receive_statement(signed)
    world.boot()
    (found,) = await world.anchor.accepted(0)
    assert (found.signer, found.statement.amount) == (PAYER.address, 7 * COIN)
    assert await world.anchor.accepted(1) == ()


async def test_a_statement_of_other_amounts_or_of_nobody_is_refused() -> None:
    world = World()
    await world.open_channel()
    await world.anchor.acknowledge(voucher(7 * COIN))
    draft = await world.anchor.draft(PAYER.address, 0)
    with pytest.raises(ChannelUnknown):
        await world.anchor.receive_statement(Signed.by(NODE, DOMAIN, draft.statement()))
    forged = draft.statement().__class__(
        anchor=ANCHOR.address, period=0, amount=COIN, vouchers_root=Hash(bytes(32))
    )
    with pytest.raises(StatementUnknown):
        await world.anchor.receive_statement(Signed.by(PAYER, DOMAIN, forged))
