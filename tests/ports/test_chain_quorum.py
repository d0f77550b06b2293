"""Several endpoints as one: a majority decides about money, whatever any one of them does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from fault_endpoint import SECRET, FaultEndpoint

from settlement.chain.calls import Calls
from settlement.chain.follower import Follower, FollowerOptions
from settlement.chain.local import LocalChain
from settlement.chain.quorum import RpcQuorum, endpoints_of, open_rpc
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import RpcSender
from settlement.chain.standing import Fault
from settlement.errors import InputError
from settlement.ports.chain_errors import (
    CallReverted,
    EndpointsDisagree,
    QuorumMissing,
    RangeRefused,
    RpcUnreachable,
    WrongChain,
)
from settlement.ports.chain_events import ChainEvent
from settlement.ports.clock import VirtualClock
from settlement.protocol.signing import SigningKey
from settlement.types import Address, keccak

FOUNDER = SigningKey(keccak(b"founder"))
STRANGER = Address(keccak(b"stranger")[12:])
HANG_S = 1.5

pytestmark = pytest.mark.anvil


@dataclass(frozen=True, slots=True)
class Town:
    """A network on one chain behind three endpoints; ``bad`` is the first that is asked."""

    chain: LocalChain
    endpoints: tuple[FaultEndpoint, ...]
    rpc: RpcQuorum
    reader: RpcChainReader
    calls: Calls

    @property
    def bad(self) -> FaultEndpoint:
        return self.endpoints[0]

    def faults(self, endpoint: int = 0) -> set[Fault]:
        return set(self.rpc.standings[endpoint].faults)


@pytest_asyncio.fixture
async def town(anvil_chain: LocalChain) -> AsyncIterator[Town]:
    deployment = await anvil_chain.found(FOUNDER)
    async with AsyncExitStack() as stack:
        faulty = [FaultEndpoint(anvil_chain.endpoint) for _ in range(3)]
        endpoints = tuple([await stack.enter_async_context(one) for one in faulty])
        rpc = await stack.enter_async_context(
            RpcQuorum(
                [one.address for one in endpoints],
                anvil_chain.chain_id,
                seconds=HANG_S,
                hedge_seconds=0.2,
            )
        )
        reader = RpcChainReader(rpc, deployment)
        yield Town(anvil_chain, endpoints, rpc, reader, Calls(deployment))


def lie(endpoint: FaultEndpoint) -> None:
    endpoint.lying = True


def lag(endpoint: FaultEndpoint) -> None:
    endpoint.lag = 6


def hang(endpoint: FaultEndpoint) -> None:
    endpoint.hanging = True


def limit(endpoint: FaultEndpoint) -> None:
    endpoint.quota = True


def stray(endpoint: FaultEndpoint) -> None:
    endpoint.chain_id = 1


def die(endpoint: FaultEndpoint) -> None:
    endpoint.down = True


FAULTS = [lie, lag, hang, limit, stray, die]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_one_endpoint_of_three_changes_nothing_that_is_read(
    town: Town, fault: Callable[[FaultEndpoint], None]
) -> None:
    sender = RpcSender(town.chain.rpc, FOUNDER)
    for amount in range(1, 4):
        await sender.submit(town.calls.pay(STRANGER, amount))
    honest = town.chain.reader(town.reader.deployment)
    head = await honest.head()
    first = town.reader.deployment.first_block
    fault(town.bad)
    for _ in range(2):  # the second time its standing is known
        assert await town.reader.head() == head
        assert await town.reader.balance(STRANGER) == 6
        assert await town.reader.gas_balance(FOUNDER.address) == await honest.gas_balance(
            FOUNDER.address
        )
        assert await town.reader.parameters() == await honest.parameters()
        assert await town.reader.channel(STRANGER) == await honest.channel(STRANGER)
        seen = await town.reader.events(first, head.number, frozenset())
        assert seen == await honest.events(first, head.number, frozenset())
    assert town.faults()


@pytest.mark.parametrize(
    ("fault", "noted"),
    [
        (lie, Fault.OUTVOTED),
        (hang, Fault.SLOW),
        (limit, Fault.QUOTA),
        (stray, Fault.WRONG_CHAIN),
        (die, Fault.OUTAGE),
    ],
    ids=["lie", "hang", "limit", "stray", "die"],
)
async def test_an_endpoint_that_failed_is_left_alone_for_a_while(
    town: Town, fault: Callable[[FaultEndpoint], None], noted: Fault
) -> None:
    fault(town.bad)
    head = (await town.chain.reader(town.reader.deployment).head()).number
    for _ in range(2):
        await town.reader.block(head)
    assert noted in town.faults()
    asked = town.bad.asked.total()
    for _ in range(5):
        await town.reader.block(head)
    assert town.bad.asked.total() == asked


async def test_a_healed_endpoint_is_asked_again_when_it_is_needed(town: Town) -> None:
    hang(town.bad)
    await town.reader.head()
    town.bad.heal()
    die(town.endpoints[1])
    head = await town.reader.head()
    assert head.number > 0
    assert town.rpc.standings[0].benched_for is None


async def test_two_endpoints_that_are_silent_leave_no_quorum(town: Town) -> None:
    die(town.endpoints[0])
    die(town.endpoints[1])
    with pytest.raises(QuorumMissing) as error:
        await town.reader.balance(STRANGER)
    assert error.value.retryable
    assert (error.value.agreed, error.value.needed) == (1, 2)
    assert SECRET not in str(error.value)
    assert await town.rpc.read("eth_blockNumber")  # what decides about no money is still read


async def test_endpoints_that_contradict_each_other_are_believed_by_nobody(town: Town) -> None:
    lie(town.endpoints[0])
    die(town.endpoints[1])
    head = (await town.chain.reader(town.reader.deployment).head()).number
    with pytest.raises((EndpointsDisagree, QuorumMissing)):
        await town.reader.block(head)
    town.endpoints[1].heal()
    town.endpoints[1].lag = head  # two answers besides the lie, and each another one
    with pytest.raises(EndpointsDisagree) as error:
        await town.reader.block(head)
    assert SECRET not in str(error.value)


async def test_a_majority_on_another_chain_stops_us(town: Town) -> None:
    stray(town.endpoints[0])
    stray(town.endpoints[2])
    with pytest.raises(WrongChain) as error:
        await town.reader.head()
    assert (error.value.expected, error.value.found) == (town.chain.chain_id, 1)


async def test_a_refusal_of_the_contract_is_an_answer_like_any_other(town: Town) -> None:
    lie(town.bad)
    with pytest.raises(CallReverted) as error:
        await town.reader.view("NodeRegistry", "nodeOf", STRANGER)
    assert error.value.error.startswith("NodeRegistry_")


async def test_the_head_is_the_newest_block_that_a_majority_has(town: Town) -> None:
    await town.chain.mine(20)
    head = (await town.chain.reader(town.reader.deployment).head()).number
    town.endpoints[1].lag, town.endpoints[2].lag = 2, 9
    assert (await town.reader.head()).number == head - 2
    town.endpoints[0].down = True
    assert (await town.reader.head()).number == head - 9


async def test_events_come_once_and_whole_from_endpoints_at_different_heights(town: Town) -> None:
    sender, seen = RpcSender(town.chain.rpc, FOUNDER), list[ChainEvent]()
    follower = Follower(
        reader=town.reader,
        clock=VirtualClock(),
        first_block=town.reader.deployment.first_block,
        options=FollowerOptions(widest_range=7),
    )
    for turn in range(12):
        town.endpoints[turn % 3].lag = turn % 5
        town.endpoints[(turn + 1) % 3].widest = None if turn % 2 else 3
        await sender.submit(town.calls.approve_deposit(turn))
        await sender.submit(town.calls.schedule_terms((await town.reader.parameters()).terms))
        await drain(follower, seen)
    for endpoint in town.endpoints:
        endpoint.heal()
    await drain(follower, seen)
    honest = town.chain.reader(town.reader.deployment)
    head, first = await honest.head(), town.reader.deployment.first_block
    assert seen == list(await honest.events(first, head.number, frozenset()))
    assert len(seen) > 12


async def test_a_range_that_a_majority_refuses_is_halved(town: Town) -> None:
    for endpoint in town.endpoints[:2]:
        endpoint.widest = 3
    deployment = town.reader.deployment
    with pytest.raises(RangeRefused):
        await town.reader.events(deployment.first_block, deployment.first_block + 9, frozenset())
    follower = Follower(
        reader=town.reader, clock=VirtualClock(), first_block=deployment.first_block
    )
    seen: list[ChainEvent] = []
    await drain(follower, seen)
    honest = town.chain.reader(deployment)
    head = await honest.head()
    assert seen == list(await honest.events(deployment.first_block, head.number, frozenset()))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_transaction_goes_through_whatever_one_endpoint_does(
    town: Town, fault: Callable[[FaultEndpoint], None]
) -> None:
    fault(town.bad)
    sender = RpcSender(town.rpc, FOUNDER, deployment=town.reader.deployment)
    for amount in (1, 2):
        await sender.submit(town.calls.pay(STRANGER, amount))
    honest = town.chain.reader(town.reader.deployment)
    assert await honest.balance(STRANGER) == 3


async def test_an_endpoint_that_keeps_transactions_to_itself_holds_up_nothing(town: Town) -> None:
    town.bad.swallows, town.bad.receipts_hidden = True, True
    sender = RpcSender(town.rpc, FOUNDER)
    await sender.submit(town.calls.pay(STRANGER, 5))
    assert await town.reader.balance(STRANGER) == 5


async def test_several_reads_of_one_moment_travel_in_one_body(town: Town) -> None:
    async with JsonRpc(town.bad.address, town.chain.chain_id) as rpc:
        posts: list[int] = []
        post = rpc._post

        async def counted(bodies: list[dict[str, object]]) -> tuple[int, object]:
            posts.append(len(bodies))
            return await post(bodies)

        rpc._post = counted  # type: ignore[method-assign]  # counts what goes over the wire
        reader = RpcChainReader(rpc, town.reader.deployment)
        head = await reader.head()
        posts.clear()
        blocks = await asyncio.gather(*(reader.block(n) for n in range(head.number)))
    assert [block.number for block in blocks] == list(range(head.number))
    assert posts == [head.number]


async def test_an_endpoint_that_is_down_is_named_without_its_key(town: Town) -> None:
    die(town.bad)
    async with open_rpc(endpoints_of(town.bad.address), town.chain.chain_id) as rpc:
        with pytest.raises(RpcUnreachable) as error:
            await rpc.read("eth_blockNumber")
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value.__cause__)
    assert [standing.shown for standing in rpc.standings] == [
        town.bad.address.removeprefix("http://").partition("/")[0]
    ]


async def test_a_quorum_of_one_endpoint_named_twice_is_refused_and_two_keys_are_told_apart() -> (
    None
):
    with pytest.raises(InputError):
        RpcQuorum(["http://a/1", "http://a/1"], 1)
    shown = [one.shown for one in RpcQuorum(["http://a/1", "http://a/2", "http://b"], 1).standings]
    assert shown == ["a#1", "a#2", "b"]


@pytest.mark.parametrize("text", ["", " , ", "ftp://a", "key-without-a-host", "http://[::1"])
async def test_an_address_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as error:
        async with open_rpc(endpoints_of(text), 1):
            pass
    assert "key-without" not in str(error.value)


async def drain(follower: Follower, seen: list[ChainEvent]) -> None:
    while True:
        try:
            batch = await follower.step()
        except (RangeRefused, EndpointsDisagree, QuorumMissing):
            continue
        if batch is None:
            return
        if (block := batch.replaced_from) is not None:
            seen[:] = [event for event in seen if event.block < block]
        seen.extend(batch.events)
        await follower.done(batch)
