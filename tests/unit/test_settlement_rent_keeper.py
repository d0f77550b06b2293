"""Anchors keep rent: each duty by one of them at a time, and none that another has done."""

from dataclasses import replace
from typing import Any

import pytest

from settlement.ports.chain_events import ChainEvent, RentStarted
from settlement.ports.chain_records import PeriodRent, RentAccount, RentState
from settlement.ports.chain_terms import MONTH
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import GENESIS, MemoryChain, MemoryWriter
from settlement.ports.stake_events import GarnishBegan, GarnishEnded
from settlement.services.calendar import Calendar
from settlement.services.rent_keeper import SLOTS_PER_PERIOD, RentKeeper, on_duty
from settlement.types import Address, Hash, keccak

ANCHORS = tuple(Address(bytes([n]) * 20) for n in range(1, 5))
CLASSES = [keccak(b"class %d" % n) for n in range(12)]
PURSE = Address(b"p" * 20)
SLOT = MONTH // SLOTS_PER_PERIOD
GRACE = RentAccount(
    instances=10,
    started_in=0,
    paid_until=1,
    state=RentState.GRACE,
    expiry=GENESIS + MONTH,
    suspended_at=GENESIS + 2 * MONTH,
)


class Calls:
    """Builders whose calls say what they do."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: (name, *arguments)


class World:
    """Four anchors that see one chain."""

    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.chain.submit_as = self._submit  # type: ignore[method-assign]  # what was done
        self.done: list[tuple[Address, tuple[object, ...]]] = []
        self.calendar = Calendar(self.chain)
        self.keepers = [
            RentKeeper(
                anchor=anchor,
                chain=self.chain,
                writer=MemoryWriter(self.chain, anchor),
                calls=Calls(),
                calendar=self.calendar,
                clock=VirtualClock(),
            )
            for anchor in ANCHORS
        ]

    async def tell(self, *events: ChainEvent) -> None:
        for keeper in self.keepers:
            await keeper.receive(events)

    async def pass_time(self, seconds: int) -> None:
        self.calendar.observe(self.chain.advance(seconds))
        period = self.chain.period()
        self.chain.elected_by_period[period] = ANCHORS

    async def wake(self) -> list[tuple[object, ...]]:
        self.done.clear()
        for keeper in self.keepers:
            await keeper.wake()
        return [call for _, call in self.done]

    async def _submit(self, account: Address, call: Any) -> Any:
        self.done.append((account, call))


def started(token_class: Hash) -> RentStarted:
    return RentStarted(
        token_class=token_class,
        payer=PURSE,
        instances=10,
        from_period=0,
        paid_until=1,
        expiry=GENESIS + MONTH,
        amount=1,
    )


@pytest.fixture
async def world() -> World:
    world = World()
    await world.tell(started(CLASSES[0]))
    await world.pass_time(MONTH + 5)
    world.chain.rents[CLASSES[0]] = GRACE
    return world


async def test_in_grace_one_anchor_begins_the_garnish(world: World) -> None:
    assert await world.wake() == [("update_garnish", CLASSES[0])]
    assert await world.wake() == []  # once in a slot


async def test_a_missed_duty_passes_on(world: World) -> None:
    await world.wake()
    first = world.done[0][0]
    await world.pass_time(SLOT)
    assert await world.wake() == [("update_garnish", CLASSES[0])]
    assert world.done[0][0] != first


async def test_revenue_that_reached_the_purse_pays_rent(world: World) -> None:
    began = GarnishBegan(token_class=CLASSES[0], purse=PURSE, from_period=1)
    await world.tell(began)
    assert await world.wake() == []
    world.chain.credits[PURSE] = 7
    await world.pass_time(SLOT)
    assert await world.wake() == [("garnish", CLASSES[0])]


async def test_a_garnish_ends_once_rent_is_paid(world: World) -> None:
    await world.tell(GarnishBegan(token_class=CLASSES[0], purse=PURSE, from_period=1))
    world.chain.rents[CLASSES[0]] = replace(GRACE, state=RentState.ACTIVE, paid_until=9)
    assert await world.wake() == [("update_garnish", CLASSES[0])]
    await world.tell(GarnishEnded(token_class=CLASSES[0], from_period=2))
    await world.pass_time(SLOT)
    assert await world.wake() == []


async def test_a_balance_that_covers_what_is_missing_extends_the_rent(world: World) -> None:
    price = world.chain.terms.rent_price * 10
    world.chain.rents[CLASSES[0]] = replace(GRACE, balance=price - 1)
    assert await world.wake() == [("update_garnish", CLASSES[0])]
    world.chain.rents[CLASSES[0]] = replace(GRACE, balance=price)
    await world.pass_time(SLOT)
    assert await world.wake() == [("extend_rent", CLASSES[0], 1)]


async def test_rent_that_nobody_earned_is_returned_once_the_claims_are_over(world: World) -> None:
    world.chain.rents[CLASSES[0]] = replace(GRACE, state=RentState.ACTIVE, paid_until=9)
    world.chain.rents_by_period[CLASSES[0], 0] = PeriodRent(instances=10, rent=90, spent=60)
    assert await world.wake() == []
    windows = await world.calendar.windows(0)
    await world.pass_time(windows.direct_until - windows.closes_at)
    assert await world.wake() == [("return_unearned_rent", CLASSES[0], 0)]
    world.chain.rents_by_period[CLASSES[0], 0] = PeriodRent(instances=10, rent=90, spent=90)
    await world.pass_time(SLOT)
    assert await world.wake() == []


async def test_every_class_has_one_keeper_in_each_slot_and_all_anchors_share_them(
    world: World,
) -> None:
    await world.tell(*map(started, CLASSES))
    world.chain.rents |= dict.fromkeys(CLASSES, GRACE)
    for _ in range(2):
        assert sorted(call[1] for call in await world.wake()) == sorted(CLASSES)
        assert len({account for account, _ in world.done}) > 1
        await world.pass_time(SLOT)


async def test_without_elected_anchors_nobody_keeps_anything(world: World) -> None:
    world.chain.elected_by_period[1] = ()
    assert await world.wake() == []


def test_the_duty_goes_round() -> None:
    turns = [on_duty(CLASSES[0], slot, ANCHORS) for slot in range(len(ANCHORS))]
    assert sorted(turns) == sorted(ANCHORS)
