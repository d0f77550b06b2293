"""The airline of the story: an issuer that does what any issuer does.

It deploys a ticket contract, builds its TokenScript from the template, signs and serves it,
registers the class, pays rent, mints, and attests delays on its feed.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from node.client.attester import FeedPublisher
from node.devnet.network import Devnet, new_key
from node.devnet.schemas import (
    BOOKING_SCHEMA,
    EAS_VERSION,
    FLIGHT_STATUS_SCHEMA,
    FLIGHT_STATUS_TOPIC,
)
from node.protocol.frames import FeedPush
from node.tokenscript.build import build
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.eas import sign_offchain
from node.tokenscript.eas_data import encode_fields
from node.tokenscript.eas_types import EasDomain, schema_uid
from node.tokenscript.signature import sign
from settlement.chain.calls import create_ticket_contract, mint_ticket
from settlement.chain.quotes import quote_rent
from settlement.protocol.signing import SigningKey
from settlement.services.clock import SystemClock
from settlement.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Hash,
    TokenClass,
    TokenId,
    checksum,
    hex_text,
    keccak,
)

ISSUER_SHARE = 2_000
"""Basis points of every call of its tokens."""
RENTED_INSTANCES = 10
RENTED_PERIODS = 3
PURSE = 1_000 * 10**18
TEMPLATE = "ticket.tsml.xml"


@dataclass(slots=True, kw_only=True)
class Airline:
    """The issuer: its key, its contract and its script."""

    net: Devnet
    key: SigningKey
    payout: Address
    contract: Address
    script: bytes
    script_url: str

    @property
    def token_class(self) -> TokenClass:
        return TokenClass(chain_id=self.net.deployment.chain_id, contract=self.contract)

    def token(self, number: int) -> TokenId:
        """One of its tickets."""
        return TokenId(chain_id=self.net.deployment.chain_id, contract=self.contract, number=number)

    async def register(self) -> int:
        """Register the class with its script and pay rent for it; returns the rent paid."""
        calls, class_id = self.net.calls, self.token_class.id
        await self.net.send(
            self.key,
            calls.register_class(
                token_contract=self.contract,
                payout=self.payout,
                issuer_share=ISSUER_SHARE,
                script_uri=self.script_url,
                script_hash=keccak(self.script),
            ),
        )
        quote = await quote_rent(
            self.net.reader,
            self.key.address,
            class_id,
            instances=RENTED_INSTANCES,
            periods=RENTED_PERIODS,
        )
        await self.net.send(
            self.key,
            calls.approve_rent(quote.amount),
            calls.start_rent(class_id, RENTED_INSTANCES, RENTED_PERIODS),
        )
        return quote.amount

    async def mint(self, holder: Address, flight: str, hotel_booking: str) -> None:
        """Give a traveller a ticket."""
        await self.net.send(self.key, mint_ticket(self.contract, holder, flight, hotel_booking))

    def attestation(self, fields: Mapping[str, object], now_s: int) -> DescribedAttestation:
        """A flight-status attestation in EAS's off-chain form, signed by the airline."""
        return flight_status(self.key, self.net.deployment.chain_id, fields, now_s)

    async def attest_delay(
        self, nodes: list[str], flight: str, minutes: int, new_arrival: int
    ) -> FeedPush:
        """Say on the airline's feed, through any node, that a flight is late."""
        clock = SystemClock()
        fields = {
            "flightNumber": flight,
            "status": "delayed",
            "delayMinutes": minutes,
            "newArrival": new_arrival,
        }
        publisher = FeedPublisher(
            session=self.net.session,
            nodes=nodes,
            key=self.key,
            domain=self.net.deployment.domain,
            clock=clock,
            topic=FLIGHT_STATUS_TOPIC,
        )
        said = self.attestation(fields, clock.now_ms() // 1_000)
        return await publisher.publish(said.to_bytes(), {"flightNumber": flight})


def flight_status(
    key: SigningKey, chain_id: int, fields: Mapping[str, object], now_s: int
) -> DescribedAttestation:
    """A flight-status attestation in EAS's off-chain form, signed by ``key``."""
    attestation = sign_offchain(
        EasDomain(version=EAS_VERSION, chain_id=chain_id, contract=key.address),
        schema=schema_uid(FLIGHT_STATUS_SCHEMA, ZERO_ADDRESS, revocable=True),
        recipient=ZERO_ADDRESS,
        time=now_s,
        expiration=0,
        revocable=True,
        ref_uid=ZERO_HASH,
        data=encode_fields(FLIGHT_STATUS_SCHEMA, dict(fields)),  # type: ignore[arg-type]  # JSON values by construction
        salt=Hash(os.urandom(32)),
        key=key,
    )
    return DescribedAttestation(attestation=attestation, schema=FLIGHT_STATUS_SCHEMA)


@asynccontextmanager
async def open_airline(net: Devnet, hotel_url: str, hotel: Address) -> AsyncIterator[Airline]:
    """Fund an airline, deploy its contract, build and sign its script, and serve the file."""
    key, payout = new_key(), new_key().address
    await net.chain.fund(key.address)
    await net.send(net.founder, net.calls.pay(key.address, PURSE))
    receipt = await net.chain.sender(key, net.deployment).submit(
        create_ticket_contract(key.address)
    )
    assert receipt.created is not None, "a creation has an address"
    chain_id = net.deployment.chain_id
    script = ticket_script(key, chain_id, receipt.created, hotel_url, hotel)
    async with served(script) as url:
        yield Airline(
            net=net,
            key=key,
            payout=payout,
            contract=receipt.created,
            script=script,
            script_url=url,
        )


def ticket_script(
    key: SigningKey, chain_id: int, contract: Address, hotel_url: str, hotel: Address
) -> bytes:
    """The template filled in for a contract, and signed by the airline."""
    template = files("node.devnet.flight_ticket").joinpath(TEMPLATE).read_bytes()
    return sign(build(template, placeholder_values(key, chain_id, contract, hotel_url, hotel)), key)


def placeholder_values(
    key: SigningKey, chain_id: int, contract: Address, hotel_url: str, hotel: Address
) -> dict[str, str]:
    """What the template's placeholders stand for."""
    return {
        "chain_id": str(chain_id),
        "ticket_address": checksum(contract),
        "flight_attester": checksum(key.address),
        "flight_schema": hex_text(schema_uid(FLIGHT_STATUS_SCHEMA, ZERO_ADDRESS, revocable=True)),
        "hotel_url": hotel_url,
        "hotel_timeout": "1s",
        "hotel_attester": checksum(hotel),
        "booking_schema": hex_text(schema_uid(BOOKING_SCHEMA, ZERO_ADDRESS, revocable=True)),
    }


@asynccontextmanager
async def served(script: bytes) -> AsyncIterator[str]:
    """The script at a loopback URL, as an issuer's web server would have it."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=script, content_type="application/xml")

    application = web.Application()
    application.router.add_get("/" + TEMPLATE, answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/{TEMPLATE}"
    finally:
        await runner.cleanup()
