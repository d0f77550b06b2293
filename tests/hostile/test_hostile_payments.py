"""A paying client among servers that lose, garble, repeat, delay and lie.

Behind every server is an honest till. Whatever the server makes of the till's answers, the client
pays once for a call, never takes a call for failed that was charged, and once the server behaves
gets the very answer that it paid for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from hostile_node import (
    DOMAIN,
    FAULTS,
    HARMLESS,
    OFFER,
    PAYER,
    PRICE,
    REQUEST,
    TIMEOUT_S,
    Exchange,
    Fault,
    Server,
    Till,
    check,
    closes_after_charging,
    dribbles,
    honest,
    problem_of,
    receipt,
    sends_too_much,
)

from settlement.client.calls import CallRefused, NodeNotReached, Paid, PaidCalls
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets
from settlement.core.refusals import CallPending
from settlement.errors import InputError
from settlement.ports.store import MemoryStore
from settlement.services.clock import SystemClock
from settlement.types import Hash, keccak


@dataclass
class World:
    server: Server
    channel: ChannelClient
    store: MemoryStore
    session: aiohttp.ClientSession

    async def call(self, request_id: Hash = REQUEST, attempts: int = 3) -> Paid[bytes]:
        calls = PaidCalls(
            channel=self.channel,
            session=self.session,
            clock=SystemClock(),
            attempts=attempts,
            pause_ms=1,
            timeout_s=TIMEOUT_S,
        )
        url = f"http://127.0.0.1:{self.server.port}/tokens"
        return await calls.get(url, OFFER, request_id, check(request_id))

    def restart(self) -> None:
        """The client's process dies and comes back with its store."""
        self.channel = client(self.store)

    async def spent(self) -> int:
        return (await self.channel.state()).spent(0)


def client(store: MemoryStore) -> ChannelClient:
    return ChannelClient(
        key=PAYER, domain=DOMAIN, store=store, clock=SystemClock(), budgets=Budgets()
    )


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    till, store = Till(), MemoryStore()
    await till.open()
    server = Server(till)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.port, server.listener = listener.sockets[0].getsockname()[1], listener
    async with aiohttp.ClientSession() as session:
        yield World(server=server, channel=client(store), store=store, session=session)
    listener.close()
    await listener.wait_closed()
    for connection in list(server.connections):
        connection.transport.abort()
    await asyncio.sleep(0)


@pytest.mark.parametrize("fault", [*FAULTS, *HARMLESS], ids=lambda fault: fault.__name__)
async def test_a_call_that_goes_wrong_once_is_answered_and_paid_once(fault: Fault) -> None:
    async with world() as it:
        it.server.queue = [fault]
        paid = await it.call()
        assert (paid.value, paid.charged) == (receipt(REQUEST, PRICE), PRICE)
        assert await it.server.till.charged() == PRICE
        assert await it.spent() == PRICE
        assert await it.channel.pending() == ()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_call_that_goes_wrong_every_time_is_pending_and_paid_once_by_the_next_process(
    fault: Fault,
) -> None:
    async with world() as it:
        it.server.always = fault
        with pytest.raises(CallPending) as pending:
            await it.call(attempts=2)
        assert pending.value.request_id == REQUEST
        assert pending.value.retryable
        assert await it.server.till.charged() in (0, PRICE)
        assert await it.spent() == PRICE, "what is unknown counts as spent"

        it.server.always = honest
        it.restart()
        (left,) = await it.channel.pending()
        paid = await it.call(left.request_id)
        assert paid.charged == PRICE
        assert await it.server.till.charged() == PRICE
        assert await it.spent() == PRICE
        assert (await it.channel.state()).promised(0) == PRICE


async def test_many_calls_at_once_through_all_faults_are_each_paid_once() -> None:
    ids = [keccak(b"call %d" % number) for number in range(64)]
    async with world() as it:
        it.server.queue = [fault for fault in FAULTS if fault not in (dribbles, sends_too_much)] * 2
        found = await asyncio.gather(*(it.call(each) for each in ids), return_exceptions=True)
        assert all(isinstance(each, Paid | CallPending) for each in found)
        for each in await it.channel.pending():
            await it.call(each.request_id)
        assert await it.server.till.charged() == 64 * PRICE
        assert await it.spent() == 64 * PRICE
        assert (await it.channel.state()).promised(0) == 64 * PRICE


async def test_nobody_listening_costs_nothing() -> None:
    async with world() as it:
        it.server.port = 1
        with pytest.raises(NodeNotReached):
            await it.call()
        assert (await it.spent(), await it.channel.pending()) == (0, ())


async def test_a_refusal_gives_the_promise_back_and_the_next_call_uses_it() -> None:
    refusal = problem_of(InputError(where="query", problem="no such argument"))

    async def refuses(x: Exchange) -> None:
        await x.send(400, refusal)

    async with world() as it:
        it.server.queue = [refuses]
        with pytest.raises(CallRefused) as refused:
            await it.call()
        assert refused.value.problem_code == "SL-1000"
        assert await it.spent() == 0
        await it.call(keccak(b"next"))
        assert await it.server.till.charged() == PRICE == (await it.channel.state()).promised(0)


async def test_a_refusal_after_a_lost_answer_is_not_taken_for_the_last_word() -> None:
    refusal = problem_of(InputError(where="period", problem="another one has begun"))

    async def refuses(x: Exchange) -> None:
        await x.send(402, refusal)

    async with world() as it:
        it.server.queue, it.server.always = [closes_after_charging], refuses
        with pytest.raises(CallPending):
            await it.call()
        assert await it.spent() == PRICE == await it.server.till.charged()


async def test_a_server_that_charges_and_denies_it_gets_one_price_and_no_more() -> None:
    denial = problem_of(InputError(where="query", problem="no"))

    async def denies(x: Exchange) -> None:
        await x.serve()
        await x.send(400, denial)

    async with world() as it:
        it.server.always = denies
        for number in range(5):
            with pytest.raises(CallRefused):
                await it.call(keccak(b"try %d" % number))
        assert await it.server.till.charged() == PRICE
        assert (await it.channel.state()).promised(0) == PRICE


async def test_a_call_whose_node_dies_after_charging_is_told_to_be_pending_and_gone() -> None:
    async with world() as it:

        async def dies(x: Exchange) -> None:
            await x.serve()
            assert it.server.listener is not None
            it.server.listener.close()
            x.reset()

        it.server.queue = [honest, dies]
        await it.call(keccak(b"before"))
        with pytest.raises(CallPending) as pending:
            await it.call()
        assert pending.value.gone
        assert await it.spent() == 2 * PRICE == await it.server.till.charged()
