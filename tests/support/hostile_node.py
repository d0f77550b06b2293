"""An honest till behind servers that lose, garble, repeat, delay and lie, each in its own way."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from node.protocol.messages import Answer
from settlement.client.calls import Offer
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
