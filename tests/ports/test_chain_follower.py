"""The follower on real chains: reorganisations, restarts and late watching, no gap, no double."""

from collections.abc import Sequence

import pytest
from founding import FOUNDING

from settlement.chain.calls import Calls, create_ticket_contract, mint_ticket
from settlement.chain.follower import Follower, FollowerOptions
from settlement.chain.local import LocalChain
from settlement.chain.sender import RpcSender
from settlement.ports.chain_events import ChainEvent, TokenMoved
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.types import Address, keccak

FOUNDER = SigningKey(keccak(b"founder"))
HOLDER = Address(keccak(b"holder")[12:])


async def drained(follower: Follower) -> list[ChainEvent]:
    """Apply what a consumer would: forget what was replaced, then add what is new."""
    seen: list[ChainEvent] = []
    await drain_into(follower, seen)
    return seen


async def drain_into(follower: Follower, seen: list[ChainEvent]) -> list[int]:
    replaced: list[int] = []
    while (batch := await follower.step()) is not None:
        if batch.replaced_from is not None:
            replaced.append(batch.replaced_from)
            seen[:] = [event for event in seen if event.block < batch.replaced_from]
        seen.extend(batch.events)
        await follower.done(batch)
    return replaced


def numbers(events: Sequence[ChainEvent]) -> list[int]:
    return [event.number for event in events if isinstance(event, TokenMoved)]


class Minting:
    """A network whose founder mints tickets, one block each."""

    def __init__(self, chain: LocalChain) -> None:
        self.chain = chain

    async def begin(self) -> None:
        self.deployment = await self.chain.found(FOUNDER)
        self.sender = self.chain.sender(FOUNDER, self.deployment)
        created = (await self.sender.submit(create_ticket_contract(FOUNDER.address))).created
        assert created is not None
        self.tickets = created

    async def mint(self, count: int) -> None:
        for index in range(count):
            await self.sender.submit(mint_ticket(self.tickets, HOLDER, f"SL {index}", "B"))

    def follower(self, **changes: object) -> Follower:
        values: dict[str, object] = {
            "reader": self.chain.reader(self.deployment),
            "clock": VirtualClock(),
            "first_block": self.deployment.first_block,
            "watched": frozenset({self.tickets}),
            **changes,
        }
        return Follower(**values)  # type: ignore[arg-type]  # the test names the fields it changes

    async def reorganise(self, depth: int) -> None:
        await self.chain.rpc.once("anvil_reorg", depth, [])
        # The sender's transactions are gone with their blocks; it must count anew.
        self.sender = RpcSender(self.chain.rpc, FOUNDER, deployment=self.deployment)


@pytest.fixture
async def minting(anvil_chain: LocalChain) -> Minting:
    network = Minting(anvil_chain)
    await network.begin()
    return network


@pytest.mark.anvil
async def test_a_reorganisation_of_three_blocks_leaves_no_gap_and_no_double(
    minting: Minting,
) -> None:
    await minting.mint(6)
    follower, seen = minting.follower(), []
    assert await drain_into(follower, seen) == []
    assert numbers(seen) == [1, 2, 3, 4, 5, 6]
    forked_at = (await follower.reader.head()).number - 2

    await minting.reorganise(3)
    assert await drain_into(follower, seen) == [forked_at]
    assert numbers(seen) == [1, 2, 3]

    await minting.mint(2)
    assert await drain_into(follower, seen) == []
    assert numbers(seen) == [1, 2, 3, 4, 5]
    fresh = await drained(minting.follower())
    assert [(e.block_hash, e.log_index) for e in seen] == [
        (e.block_hash, e.log_index) for e in fresh
    ]


@pytest.mark.anvil
async def test_confirmations_hide_a_reorganisation_altogether(minting: Minting) -> None:
    await minting.mint(6)
    follower, seen = minting.follower(options=FollowerOptions(confirmations=3)), []
    assert await drain_into(follower, seen) == []
    assert numbers(seen) == [1, 2, 3]
    await minting.reorganise(3)
    await minting.mint(3)
    await minting.chain.mine(3)
    assert await drain_into(follower, seen) == []
    assert numbers(seen) == [1, 2, 3, 4, 5, 6]


async def test_a_restart_goes_on_where_the_last_acknowledged_batch_ended(
    local_chain: LocalChain,
) -> None:
    network, store = Minting(local_chain), MemoryStore()
    await network.begin()
    await network.mint(2)
    seen = await drained(network.follower(store=store))
    await network.mint(2)
    lost = network.follower(store=store)
    unacknowledged = await lost.step()
    assert unacknowledged is not None
    assert numbers(unacknowledged.events) == [3, 4]
    seen += await drained(network.follower(store=store))
    assert numbers(seen) == [1, 2, 3, 4]


async def test_a_contract_that_is_watched_late_shows_its_earlier_transfers_first(
    local_chain: LocalChain,
) -> None:
    network = Minting(local_chain)
    await network.begin()
    await network.mint(3)
    follower = network.follower(watched=frozenset(), options=FollowerOptions(widest_range=2))
    seen = await drained(follower)
    assert numbers(seen) == []
    follower.watch(network.tickets)
    await network.mint(1)
    await drain_into(follower, seen)
    assert numbers(seen) == [1, 2, 3, 4]


async def test_the_founding_itself_is_told(local_chain: LocalChain) -> None:
    deployment = await local_chain.found(FOUNDER)
    follower = Follower(
        reader=local_chain.reader(deployment),
        clock=VirtualClock(),
        first_block=deployment.first_block,
    )
    kinds = [type(event).__name__ for event in await drained(follower)]
    assert kinds == FOUNDING
    assert Calls(deployment).deployment.domain.chain_id == local_chain.chain_id
