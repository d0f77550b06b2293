"""What every chain must do for its readers: the in-memory one, anvil and the embedded one.

The same story is told to each: a node registers, a ticket class is registered, a ticket is minted,
a channel is opened. On the real chains the contracts tell it; the in-memory chain is told it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from settlement.chain.calls import (
    ANCHOR,
    SERVICE,
    Calls,
    create_ticket_contract,
    mint_ticket,
    send_coin,
)
from settlement.chain.local import LocalChain, find_anvil
from settlement.ports.chain import ChainReader, ChainWriter
from settlement.ports.chain_errors import BlockNotFound
from settlement.ports.chain_events import (
    ChainEvent,
    ChannelOpened,
    ClassRegistered,
    NodeRegistered,
    ScriptPublished,
    TokenMoved,
)
from settlement.ports.chain_records import (
    ChannelAccount,
    RegisteredClass,
    RegisteredNode,
    RentState,
)
from settlement.ports.chain_terms import DEFAULT_RATES
from settlement.ports.memory_chain import MemoryChain
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, Address, Hash, TokenClass, keccak

ROOT = Path(__file__).resolve().parents[2]
TOKEN = 10**18
STAKE = 20_000 * TOKEN
DEPOSIT = 50 * TOKEN
SCRIPT_HASH = keccak(b"a script")
FOUNDER = SigningKey(keccak(b"founder"))
NODE = SigningKey(keccak(b"node"))
SESSION = SigningKey(keccak(b"session"))
STRANGER = Address(keccak(b"stranger")[12:])

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, kw_only=True)
class World:
    """A chain on which the story has happened."""

    reader: ChainReader
    tickets: Address
    first_block: int
    chain: LocalChain | MemoryChain
    writer: ChainWriter

    @property
    def class_id(self) -> Hash:
        return TokenClass(chain_id=self.reader.chain_id, contract=self.tickets).id

    async def advance(self, seconds: int) -> None:
        moved = self.chain.advance(seconds)
        if not isinstance(self.chain, MemoryChain):
            await moved

    async def story(self, watched: frozenset[Address]) -> Sequence[ChainEvent]:
        head = await self.reader.head()
        found = await self.reader.events(self.first_block, head.number, watched)
        kinds = (NodeRegistered, ClassRegistered, ScriptPublished, TokenMoved, ChannelOpened)
        return [event for event in found if isinstance(event, kinds)]


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param("memory"),
        pytest.param("anvil", marks=pytest.mark.anvil),
        pytest.param("embedded"),
    ],
)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        yield told_world()
        return
    if request.param == "anvil" and find_anvil(ROOT) is None:
        pytest.skip("anvil is not installed (npm ci)")
    async with LocalChain(root=ROOT, kind=request.param) as chain:
        yield await lived_world(chain)


async def lived_world(chain: LocalChain) -> World:
    deployment = await chain.found(FOUNDER, period_length=3_600)
    calls, sender = Calls(deployment), chain.sender(FOUNDER, deployment)
    await sender.submit(calls.approve_stake(STAKE))
    await sender.submit(
        calls.register_node(
            key=NODE.address,
            key_proof=calls.key_proof(NODE, FOUNDER.address),
            payout=FOUNDER.address,
            roles=SERVICE | ANCHOR,
            api_url="http://127.0.0.1:1",
            link_url="ws://127.0.0.1:2",
            stake=STAKE,
        )
    )
    tickets = (await sender.submit(create_ticket_contract(FOUNDER.address))).created
    assert tickets is not None
    await sender.submit(
        calls.register_class(
            token_contract=tickets,
            payout=FOUNDER.address,
            issuer_share=1_000,
            script_uri="https://airline.example/ticket.tsml",
            script_hash=SCRIPT_HASH,
        )
    )
    await sender.submit(mint_ticket(tickets, STRANGER, "SL 1", "B-1"))
    await sender.submit(calls.approve_deposit(DEPOSIT))
    await sender.submit(
        calls.open_channel(
            signer=SESSION.address, owner=FOUNDER.address, anchor=NODE.address, amount=DEPOSIT
        )
    )
    return World(
        reader=chain.reader(deployment),
        tickets=tickets,
        first_block=deployment.first_block,
        chain=chain,
        writer=sender,
    )


def told_world() -> World:
    chain, tickets = MemoryChain(period_length=3_600), Address(b"the-ticket-contract.")
    class_id = TokenClass(chain_id=chain.chain_id, contract=tickets).id
    node = RegisteredNode(
        key=NODE.address,
        number=1,
        roles=3,
        operator=FOUNDER.address,
        payout=FOUNDER.address,
        stake=STAKE,
        locked=0,
        thawing=0,
        thawed_at=0,
        api_url="http://127.0.0.1:1",
        link_url="ws://127.0.0.1:2",
    )
    chain.registered[NODE.address] = node
    chain.mine(
        NodeRegistered(
            key=node.key,
            operator=node.operator,
            number=1,
            payout=node.payout,
            roles=3,
            api_url=node.api_url,
            link_url=node.link_url,
            stake=STAKE,
        )
    )
    chain.classes[class_id] = RegisteredClass(
        token_contract=tickets,
        payout=FOUNDER.address,
        script_uri="https://airline.example/ticket.tsml",
        script_hash=SCRIPT_HASH,
        registered_in=0,
    )
    chain.revenues[class_id] = (FOUNDER.address, 1_000)
    chain.mine(
        ClassRegistered(
            token_class=class_id,
            token_contract=tickets,
            issuer=FOUNDER.address,
            payout=FOUNDER.address,
            issuer_share=1_000,
            from_period=0,
        ),
        ScriptPublished(
            token_class=class_id,
            script_uri="https://airline.example/ticket.tsml",
            script_hash=SCRIPT_HASH,
        ),
    )
    chain.owners[tickets, 1] = STRANGER
    chain.mine(TokenMoved(contract=tickets, sender=ZERO_ADDRESS, receiver=STRANGER, number=1))
    chain.channels[SESSION.address] = ChannelAccount(
        owner=FOUNDER.address, anchor=NODE.address, balance=DEPOSIT
    )
    chain.mine(
        ChannelOpened(
            signer=SESSION.address,
            owner=FOUNDER.address,
            anchor=NODE.address,
            period=0,
            amount=DEPOSIT,
        )
    )
    return World(reader=chain, tickets=tickets, first_block=1, chain=chain, writer=chain)


async def test_the_story_is_read_back_in_its_order(world: World) -> None:
    story = await world.story(frozenset({world.tickets}))
    assert [type(event) for event in story] == [
        NodeRegistered,
        ClassRegistered,
        ScriptPublished,
        TokenMoved,
        ChannelOpened,
    ]
    positions = [event.position for event in story]
    assert positions == sorted(set(positions))


async def test_an_event_says_what_happened(world: World) -> None:
    story = await world.story(frozenset({world.tickets}))
    joined, registered, published, moved, opened = story
    assert isinstance(joined, NodeRegistered)
    assert (joined.key, joined.number, joined.stake) == (NODE.address, 1, STAKE)
    assert (joined.api_url, joined.link_url) == ("http://127.0.0.1:1", "ws://127.0.0.1:2")
    assert isinstance(registered, ClassRegistered)
    assert (registered.token_class, registered.issuer_share) == (world.class_id, 1_000)
    assert isinstance(published, ScriptPublished)
    assert published.script_hash == SCRIPT_HASH
    assert isinstance(moved, TokenMoved)
    assert (moved.contract, moved.sender, moved.receiver, moved.number) == (
        world.tickets,
        ZERO_ADDRESS,
        STRANGER,
        1,
    )
    assert isinstance(opened, ChannelOpened)
    assert (opened.signer, opened.anchor, opened.amount) == (
        SESSION.address,
        NODE.address,
        DEPOSIT,
    )


async def test_an_event_names_its_block(world: World) -> None:
    for event in await world.story(frozenset({world.tickets})):
        block = await world.reader.block(event.block)
        assert (event.block_hash, event.timestamp) == (block.hash, block.timestamp)


async def test_transfers_of_a_contract_that_nobody_watches_are_not_shown(world: World) -> None:
    story = await world.story(frozenset())
    assert not any(isinstance(event, TokenMoved) for event in story)
    assert len(story) == 4


async def test_a_range_shows_its_own_blocks_only(world: World) -> None:
    watched = frozenset({world.tickets})
    story = await world.story(watched)
    pieces: list[ChainEvent] = []
    for number in range(world.first_block, (await world.reader.head()).number + 1):
        found = await world.reader.events(number, number, watched)
        assert all(event.block == number for event in found)
        pieces += [event for event in found if event in story]
    assert pieces == list(story)


async def test_each_block_stands_on_its_parent(world: World) -> None:
    head = await world.reader.head()
    parent = await world.reader.block(head.number - 1)
    assert head.parent == parent.hash
    assert head.timestamp >= parent.timestamp
    assert head.prev_randao != parent.prev_randao


async def test_a_block_that_is_not_mined_yet_is_not_found(world: World) -> None:
    head = await world.reader.head()
    with pytest.raises(BlockNotFound) as refusal:
        await world.reader.block(head.number + 1_000)
    assert refusal.value.retryable


async def test_a_channel_is_read_back_and_a_missing_one_does_not_exist(world: World) -> None:
    channel = await world.reader.channel(SESSION.address)
    assert channel.exists
    assert (channel.owner, channel.balance) == (FOUNDER.address, DEPOSIT)
    assert channel.anchor_at(0) == NODE.address
    assert not (await world.reader.channel(STRANGER)).exists
    assert not await world.reader.is_settled(SESSION.address, 0)


async def test_a_node_is_read_back_and_a_missing_one_is_none(world: World) -> None:
    node = await world.reader.node(NODE.address)
    assert node is not None
    assert (node.operator, node.stake, node.roles) == (FOUNDER.address, STAKE, 3)
    assert await world.reader.nodes() == [node]
    assert await world.reader.node(STRANGER) is None


async def test_the_elected_anchors_are_read(world: World) -> None:
    period = (await world.reader.parameters()).period
    for asked in (None, period, period + 1):
        assert tuple(await world.reader.elected_anchors(asked)) == (NODE.address,)


async def test_the_rates_of_running_scripts_are_read(world: World) -> None:
    for asked in (None, 0, 7):
        assert await world.reader.rates(asked) == DEFAULT_RATES


async def test_a_class_is_read_back_and_a_missing_one_is_none(world: World) -> None:
    found = await world.reader.token_class(world.class_id)
    assert found is not None
    assert (found.token_contract, found.script_hash) == (world.tickets, SCRIPT_HASH)
    assert await world.reader.revenue(world.class_id, 0) == (FOUNDER.address, 1_000)
    assert await world.reader.token_class(keccak(b"no class")) is None
    assert await world.reader.revenue(keccak(b"no class"), 0) == (ZERO_ADDRESS, 0)


async def test_a_token_has_its_owner_and_a_missing_one_has_none(world: World) -> None:
    assert await world.reader.owner_of(world.tickets, 1) == STRANGER
    assert await world.reader.owner_of(world.tickets, 99) is None


async def test_what_never_happened_reads_as_zero(world: World) -> None:
    pot = await world.reader.pot(NODE.address, 0)
    assert (pot.sum, pot.leaf_count) == (0, 0)
    assert (await world.reader.rent(world.class_id)).state is RentState.NONE
    assert (await world.reader.rent_in(world.class_id, 0)).left == 0
    assert await world.reader.credit(STRANGER) == 0
    assert await world.reader.balance(STRANGER) == 0
    assert await world.reader.stake_balance(STRANGER) == 0
    assert await world.reader.gas_balance(STRANGER) == 0


async def test_a_period_passes_with_the_chains_time(world: World) -> None:
    before = await world.reader.parameters()
    head = await world.reader.head()
    assert before.period_at(head.timestamp) == before.period
    await world.advance(before.period_length)
    after = await world.reader.parameters()
    head = await world.reader.head()
    assert after.period == before.period + 1
    assert after.windows_of(after.period).opens_at <= head.timestamp
    assert after.windows_of(before.period).closes_at == after.windows_of(after.period).opens_at
    assert (await world.reader.parameters(before.period)).terms == before.terms


async def test_a_claim_that_was_mined_is_not_sent_again(world: World) -> None:
    call = replace(send_coin(NODE.address, 1), claim="once")
    first = await world.writer.submit(call)
    head = await world.reader.head()
    assert await world.writer.submit(replace(call, data=b"other bytes")) == first
    assert await world.reader.head() == head
    await world.writer.submit(replace(call, claim="another"))
    assert await world.reader.head() != head
