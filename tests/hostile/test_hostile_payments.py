"""A paying client among servers that lose, garble, repeat, delay and lie.

Behind every server is an honest till. Whatever the server makes of the till's answers, the client
pays once for a call, never takes a call for failed that was charged, and once the server behaves
gets the very answer that it paid for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from node.protocol.messages import Answer
from settlement.client.calls import CallRefused, NodeNotReached, Offer, Paid, PaidCalls
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets
from settlement.core.refusals import CallPending
from settlement.errors import InputError, SignatureInvalid, SmartLayerError
from settlement.ports.chain_events import ChannelOpened
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.protocol.wire import (
    error_to_json,
    signed_from_header,
    signed_from_json,
    signed_to_json,
)
from settlement.services.calendar import Calendar
from settlement.services.clock import SystemClock
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import ZERO_HASH, Address, Hash, keccak, parse_hash

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
PAYER, NODE, LIAR = (SigningKey(keccak(name)) for name in (b"payer", b"node", b"liar"))
CLASS = keccak(b"tickets")
PRICE = 1_000
OFFER = Offer(node=NODE.address, token_class=CLASS, price=PRICE, period=0)
TIMEOUT_S = 0.25
REQUEST = keccak(b"the request")


class Till:
    """An honest node's part: charges and signs."""

    def __init__(self) -> None:
        self.engine = Engine(MemoryStore(), VirtualClock())
        self.directory = ChannelDirectory(self.engine)
        self.collector = Collector(
            engine=self.engine,
            domain=DOMAIN,
            node=NODE.address,
            directory=self.directory,
            calendar=Calendar(MemoryChain()),
            anchors=DirectAcknowledgements(),
            terms=CollectorTerms(exposure_limit=10**6),
        )

    async def open(self) -> None:
        chain = MemoryChain()
        chain.mine(
            ChannelOpened(
                signer=PAYER.address,
                owner=PAYER.address,
                anchor=NODE.address,
                period=0,
                amount=10**9,
            )
        )
        await self.directory.receive(await chain.events(0, 1, frozenset()))

    async def charged(self) -> int:
        keys = await self.engine.store.keys("lane")
        lanes = [await self.collector.lane(_message_of(key)) for key in keys]
        return sum(lane.charged for lane in lanes)

    async def answer(self, headers: dict[str, str]) -> tuple[int, bytes]:
        """What a node's API answers: its status and its body."""
        request_id = parse_hash(headers["sl-request-id"])
        voucher = signed_from_header(Voucher, headers["sl-voucher"], "voucher")
        try:
            admission = await self.collector.admit(
                voucher, token_class=CLASS, price=PRICE, request_id=request_id
            )
            charge = await self.collector.charge(admission, receipt(request_id, PRICE))
        except SmartLayerError as error:
            return 402, problem_of(error)
        return 200, charge.answer


def _message_of(key: str) -> Voucher:
    signer, period, node, token_class = key.split("/")
    return Voucher(
        signer=Address(bytes.fromhex(signer)),
        period=int(period),
        node=Address(bytes.fromhex(node)),
        token_class=Hash(bytes.fromhex(token_class)),
        cumulative=0,
    )


def problem_of(error: SmartLayerError, charged: str = "no") -> bytes:
    return json.dumps({**error_to_json(error), "charged": charged}).encode()


def receipt(request_id: Hash, charged: int, key: SigningKey = NODE) -> bytes:
    message = Answer(
        node=NODE.address,
        request_id=request_id,
        token=ZERO_HASH,
        interface="gate",
        version=1,
        state_root=ZERO_HASH,
        result_hash=ZERO_HASH,
        charged=charged,
        time=1,
    )
    return json.dumps(signed_to_json(Signed.by(key, DOMAIN, message))).encode()


def check(request_id: Hash) -> Callable[[bytes], tuple[bytes, int]]:
    """What an integration does with an answer: the node's word, about this very request."""

    def checked(body: bytes) -> tuple[bytes, int]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError(where="answer", problem="no JSON") from error
        signed = signed_from_json(Answer, value, "answer")
        signed.require(DOMAIN, NODE.address)
        if signed.message.request_id != request_id:
            raise SignatureInvalid(message="answer", problem="it answers another request")
        return body, signed.message.charged

    return checked


@dataclass
class Exchange:
    """One request at the server, and what a fault may do with it."""

    till: Till
    headers: dict[str, str]
    writer: asyncio.StreamWriter

    async def serve(self) -> tuple[int, bytes]:
        return await self.till.answer(self.headers)

    async def send(self, status: int, body: bytes, *extra: str) -> None:
        kind = "application/json" if status == 200 else "application/problem+json"
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        await self.raw("\r\n".join([*lines, *extra, "", ""]).encode() + body)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


Fault = Callable[[Exchange], Awaitable[None]]


async def honest(x: Exchange) -> None:
    await x.send(*await x.serve())


async def closes_before_serving(x: Exchange) -> None:
    x.reset()


async def closes_after_charging(x: Exchange) -> None:
    await x.serve()
    x.reset()


async def never_answers(x: Exchange) -> None:
    await x.serve()
    await asyncio.sleep(4 * TIMEOUT_S)


async def answers_too_late(x: Exchange) -> None:
    answer = await x.serve()
    await asyncio.sleep(2 * TIMEOUT_S)
    await x.send(*answer)


async def stops_in_the_headers(x: Exchange) -> None:
    await x.serve()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
    x.writer.close()


async def stops_in_the_body(x: Exchange) -> None:
    _, body = await x.serve()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50])
    x.writer.close()


async def dribbles(x: Exchange) -> None:
    _, body = await x.serve()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    for byte in body:
        await x.raw(bytes([byte]))
        await asyncio.sleep(TIMEOUT_S / 4)


async def says_502_after_charging(x: Exchange) -> None:
    await x.serve()
    await x.send(502, b"<html>Bad Gateway</html>")


async def says_503_with_a_problem_that_knows_nothing(x: Exchange) -> None:
    await x.serve()
    await x.send(503, problem_of(InputError(where="x", problem="y"), charged="pending"))


async def says_500_with_a_problem_without_a_word_on_money(x: Exchange) -> None:
    await x.serve()
    await x.send(500, b'{"code":"SL-9001","detail":"oops"}')


async def says_504_in_plain_text(x: Exchange) -> None:
    await x.serve()
    await x.send(504, b"upstream timed out")


async def says_429(x: Exchange) -> None:
    await x.serve()
    await x.send(429, b"slow down", "Retry-After: 1")


async def says_404_in_html(x: Exchange) -> None:
    await x.serve()
    await x.send(404, b"<h1>Not found</h1>")


async def redirects_elsewhere(x: Exchange) -> None:
    await x.serve()
    await x.send(302, b"", "Location: http://127.0.0.1:1/elsewhere")


async def says_204(x: Exchange) -> None:
    await x.serve()
    await x.raw(b"HTTP/1.1 204 No Content\r\n\r\n")


async def sends_an_empty_answer(x: Exchange) -> None:
    await x.serve()
    await x.send(200, b"")


async def sends_garbage(x: Exchange) -> None:
    await x.serve()
    await x.send(200, b"\x00\xff\xfe not json")


async def sends_deep_json(x: Exchange) -> None:
    await x.serve()
    await x.send(200, b"[" * 100_000)


async def sends_too_much(x: Exchange) -> None:
    await x.serve()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n" + b" " * 4_194_304)


async def speaks_another_protocol(x: Exchange) -> None:
    await x.serve()
    await x.raw(b"SSH-2.0-OpenSSH_9.2\r\n")
    x.writer.close()


async def claims_a_compression_that_it_did_not_do(x: Exchange) -> None:
    _, body = await x.serve()
    await x.send(200, body, "Content-Encoding: gzip")


async def claims_a_wrong_length(x: Exchange) -> None:
    _, body = await x.serve()
    await x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + body)
    x.writer.close()


async def signs_with_another_key(x: Exchange) -> None:
    await x.serve()
    await x.send(200, receipt(REQUEST, PRICE, LIAR))


async def gives_the_receipt_of_another_request(x: Exchange) -> None:
    await x.serve()
    await x.send(200, receipt(keccak(b"another"), PRICE))


async def gives_a_receipt_for_more_than_was_promised(x: Exchange) -> None:
    await x.serve()
    await x.send(200, receipt(REQUEST, PRICE + 1))


async def alters_the_receipt(x: Exchange) -> None:
    _, body = await x.serve()
    await x.send(200, body.replace(b'"gate"', b'"exit"'))


async def serves_the_request_twice(x: Exchange) -> None:
    await asyncio.gather(x.serve(), x.serve())
    x.reset()


async def answers_twice(x: Exchange) -> None:
    status, body = await x.serve()
    await x.send(status, body)
    await x.send(status, body)


async def serves_and_resends_much_later(x: Exchange) -> None:
    first = await x.serve()
    await x.till.answer(x.headers)
    await x.send(*first)


HARMLESS = [honest, answers_twice, serves_and_resends_much_later]
FAULTS = [
    closes_before_serving,
    closes_after_charging,
    never_answers,
    answers_too_late,
    stops_in_the_headers,
    stops_in_the_body,
    dribbles,
    says_502_after_charging,
    says_503_with_a_problem_that_knows_nothing,
    says_500_with_a_problem_without_a_word_on_money,
    says_504_in_plain_text,
    says_429,
    says_404_in_html,
    redirects_elsewhere,
    says_204,
    sends_an_empty_answer,
    sends_garbage,
    sends_deep_json,
    sends_too_much,
    speaks_another_protocol,
    claims_a_compression_that_it_did_not_do,
    claims_a_wrong_length,
    signs_with_another_key,
    gives_the_receipt_of_another_request,
    gives_a_receipt_for_more_than_was_promised,
    alters_the_receipt,
    serves_the_request_twice,
]


@dataclass
class Server:
    """Does the queued faults, one a request, and is honest afterwards."""

    till: Till
    queue: list[Fault] = field(default_factory=list)
    always: Fault = honest
    port: int = 0
    listener: asyncio.Server | None = None
    connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                fault = self.queue.pop(0) if self.queue else self.always
                await fault(Exchange(till=self.till, headers=headers, writer=writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client closed first
        finally:
            self.connections.discard(writer)
            writer.close()


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
