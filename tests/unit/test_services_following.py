"""What a node makes of the registry's events while it follows the chain."""

from collections.abc import Sequence
from typing import cast

from node.services.chain_view import ChainView
from node.services.following import Following
from node.services.metrics import Metrics
from settlement.chain.follower import Follower, FollowerOptions
from settlement.ports.chain_events import ChainEvent, NodeRegistered
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.stake_events import KeyRotated, NodeSlashed, StakeDelegated
from settlement.ports.store import MemoryStore
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address

OLD, NEW, OTHER = Address(b"o" * 20), Address(b"n" * 20), Address(b"x" * 20)
JOINED = NodeRegistered(
    key=OLD, operator=OTHER, number=1, payout=OTHER, roles=1, api_url="", link_url="", stake=100
)


class World:
    def __init__(self) -> None:
        self.chain = MemoryChain()
        self.heard: list[ChainEvent] = []
        clock = VirtualClock()
        self.view = ChainView(31_337)
        self.view.subscribe(self._hear)
        self.follower = Follower(
            reader=self.chain,
            clock=clock,
            first_block=0,
            options=FollowerOptions(confirmations=0),
        )
        self.following = Following(
            self.follower,
            self.view,
            Calendar(self.chain),
            ChannelDirectory(Engine(MemoryStore(), clock)),
            Metrics("0x"),
        )

    async def _hear(self, event: ChainEvent) -> None:
        self.heard.append(event)

    async def follow(self) -> None:
        while (batch := await self.follower.step()) is not None:
            await self.following._apply(batch)
            await self.follower.done(batch)

    def keys(self) -> Sequence[Address]:
        return [member.key for member in self.view.members.active(1)]


async def test_delegation_and_slashing_change_what_a_node_weighs() -> None:
    world = World()
    delegated = StakeDelegated(key=OLD, delegator=OTHER, amount=50, shares=50, delegated=50)
    world.chain.mine(JOINED, delegated)
    await world.follow()
    assert [m.weight for m in world.view.members.active(1)] == [150]
    slashed = NodeSlashed(
        key=OLD,
        to=OTHER,
        amount=60,
        stake=60,
        thawing=0,
        delegated=30,
        delegated_thawing=0,
    )
    world.chain.mine(slashed)
    await world.follow()
    assert [m.weight for m in world.view.members.active(1)] == [90]


async def test_a_rotated_key_is_a_member_from_the_first_block_of_its_period_on() -> None:
    world = World()
    world.chain.mine(JOINED)
    world.chain.mine(KeyRotated(key=OLD, new_key=NEW, from_period=1))
    for _ in range(5):
        world.chain.mine()
    await world.follow()
    assert world.keys() == [OLD]
    first = world.chain.advance(world.chain.period_length).number
    for _ in range(3):
        world.chain.mine()
    await world.follow()
    assert world.keys() == [NEW]
    assert [m.key for m in world.view.members.active_at(first - 1, 1)] == [OLD]
    assert [m.key for m in world.view.members.active_at(first, 1)] == [NEW]
    assert [type(event) for event in world.heard] == [NodeRegistered, KeyRotated, KeyRotated]


async def test_a_node_that_comes_later_finds_the_same_block() -> None:
    early, late = World(), World()
    late.chain = early.chain
    late.follower.reader = cast("MemoryChain", early.chain)
    early.chain.mine(JOINED)
    early.chain.mine(KeyRotated(key=OLD, new_key=NEW, from_period=1))
    await early.follow()
    first = early.chain.advance(early.chain.period_length).number
    await early.follow()
    early.chain.mine(StakeDelegated(key=OLD, delegator=OTHER, amount=5, shares=5, delegated=5))
    await early.follow()
    await late.follow()
    assert early.view.members == late.view.members
    assert [m.key for m in late.view.members.active_at(first, 1)] == [NEW]
    assert [m.weight for m in late.view.members.active(1)] == [105]


async def test_a_change_of_key_that_the_chain_takes_back_is_undone() -> None:
    world = World()
    world.chain.mine(JOINED)
    world.chain.mine(KeyRotated(key=OLD, new_key=NEW, from_period=1))
    block = world.chain.advance(world.chain.period_length).number
    await world.follow()
    assert world.keys() == [NEW]
    world.view.rewind(block)
    assert world.keys() == [OLD]
    assert [event.new_key for event in world.view.rotations()] == [NEW]
