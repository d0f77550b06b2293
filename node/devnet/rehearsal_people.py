"""Who takes part in a rehearsal beside the nodes: the airline, the traveller, and the hotel."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from node.client.tokens import TokenReader
from node.devnet.airline import flight_status, ticket_script
from node.devnet.hotel import confirm
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind
from node.protocol.messages import Grant
from node.tokenscript.abi import selector
from node.tokenscript.abi_values import encode
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.strict_json import canonical_json, parse_json
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets
from settlement.ports.clock import Clock
from settlement.ports.store import MemoryStore
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, TokenClass, TokenId, keccak

HOTEL_URL = "https://hotel.example"
SCRIPT_URL = "https://airline.example/ticket.tsml.xml"


def person_key(name: str) -> SigningKey:
    """A key that is the same in every rehearsal. Public: never use it elsewhere."""
    return SigningKey(keccak(b"rehearsal " + name.encode()))


class People:
    """The airline with its contract and its signed script, and the traveller."""

    def __init__(self, domain: Domain, chain_id: int) -> None:
        self.domain = domain
        self.chain_id = chain_id
        self.airline = person_key("airline")
        self.traveller = person_key("traveller")
        self.contract = Address(keccak(b"ticket contract")[12:])
        self.token_class = TokenClass(chain_id=chain_id, contract=self.contract)
        self.script = self.script_by(self.airline)

    def script_by(self, signer: SigningKey) -> bytes:
        """The ticket's script as ``signer`` would sign it."""
        hotel = person_key("hotel").address
        return ticket_script(signer, self.chain_id, self.contract, HOTEL_URL, hotel)

    def token(self, number: int) -> TokenId:
        """One of the airline's tickets."""
        return TokenId(chain_id=self.chain_id, contract=self.contract, number=number)

    def grant(
        self,
        integration: Address,
        token: TokenId,
        expires_ms: int,
        interfaces: tuple[str, ...] = ("status",),
        holder: SigningKey | None = None,
    ) -> Signed[Grant]:
        """A permission to read a ticket, by the traveller or by somebody else."""
        holder = holder or self.traveller
        grant = Grant(
            holder=holder.address,
            integration=integration,
            token=token.id,
            interfaces=interfaces,
            purpose="hand over the car",
            expires=expires_ms,
            nonce=keccak(b"nonce of " + token.id),
        )
        return Signed.by(holder, self.domain, grant)

    def delay(
        self, flight: str, minutes: int, now_ms: int, chain_id: int | None = None
    ) -> DescribedAttestation:
        """The airline's word that a flight is late, made for this chain or for another."""
        fields = {
            "flightNumber": flight,
            "status": "delayed",
            "delayMinutes": minutes,
            "newArrival": now_ms // 1_000 + 86_400,
        }
        return flight_status(self.airline, chain_id or self.chain_id, fields, now_ms // 1_000)


class Site:
    """An integration: a session key with a purse in memory, and a reader of tickets."""

    def __init__(
        self,
        *,
        name: str,
        domain: Domain,
        clock: Clock,
        session: aiohttp.ClientSession,
        anchors: Sequence[str],
        trusted: Sequence[Address],
    ) -> None:
        self.key = person_key(name)
        self.channel = ChannelClient(
            key=self.key, domain=domain, store=MemoryStore(), clock=clock, budgets=Budgets()
        )
        self.reader = TokenReader(
            session=session,
            anchors=anchors,
            channel=self.channel,
            domain=domain,
            trusted=trusted,
        )


def flight_answers(
    token: TokenId, flight: str, booking: str
) -> Mapping[tuple[Address, bytes], bytes]:
    """What the ticket contract answers about a ticket."""
    number = token.number.to_bytes(32, "big")
    return {
        (token.contract, selector(name, ["uint256"]) + number): encode(["string"], [value])
        for name, value in (("flightOf", flight), ("hotelBookingOf", booking))
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that reached the hotel: whose, and what."""

    caller: str
    call: HttpCall


async def _at_once(_asked: Asked) -> None:
    return


Hook = Callable[[Asked], Awaitable[None]]


class Hotel:
    """The outside: a booking system behind every node's outgoing port.

    Bookings in ``silent`` never get an answer. ``on_way_out`` and ``on_way_back`` are awaited
    before a call reaches the books and before its answer reaches the caller.
    """

    def __init__(self, key: SigningKey, chain_id: int, clock: Clock) -> None:
        self.key = key
        self._chain_id = chain_id
        self._clock = clock
        self._answers: dict[Hash, bytes] = {}
        self.silent: set[str] = set()
        self.moved: list[str] = []
        self.asked: list[Asked] = []
        self.on_way_out: Hook = _at_once
        self.on_way_back: Hook = _at_once

    def line(self, caller: str) -> "Line":
        """The outgoing port of one node."""
        return Line(hotel=self, caller=caller)

    async def take(self, asked: Asked) -> HttpOutcome:
        """One call, from the node's port to the books and back."""
        started_ms = self._clock.now_ms()
        await self.on_way_out(asked)
        self.asked.append(asked)
        booking = asked.call.url.rpartition("/")[2]
        if booking in self.silent:
            return HttpOutcome(
                kind=HttpOutcomeKind.UNKNOWN,
                detail="no answer in time",
                started_ms=started_ms,
                ended_ms=self._clock.now_ms(),
            )
        body = self._booked(asked.call, booking)
        await self.on_way_back(asked)
        return HttpOutcome(
            kind=HttpOutcomeKind.ANSWERED,
            status=200,
            body=body,
            started_ms=started_ms,
            ended_ms=self._clock.now_ms(),
        )

    def _booked(self, call: HttpCall, booking: str) -> bytes:
        """Move a booking once for each idempotency key."""
        if call.idempotency_key not in self._answers:
            wish = parse_json(call.body, "wish")
            assert isinstance(wish, dict), "the script's action sends an object"
            self.moved.append(booking)
            answer = confirm(
                self.key,
                self._chain_id,
                booking,
                str(wish["checkIn"]),
                self._clock.now_ms() // 1_000,
            )
            self._answers[call.idempotency_key] = canonical_json(answer, "answer")
        return self._answers[call.idempotency_key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Implements :class:`node.ports.http.OutgoingHttp` for one node."""

    hotel: Hotel
    caller: str

    async def call(self, call: HttpCall) -> HttpOutcome:
        return await self.hotel.take(Asked(caller=self.caller, call=call))
