"""The hotel of the story: an ordinary web2 booking API, as a process of its own.

``PUT /bookings/{booking}`` moves a booking to another night and answers with the hotel's own
attestation. An ``Idempotency-Key`` makes a repeated call answer the same without moving anything
again. Bookings named on the command line never get an answer, as an overloaded system would.
``GET /ledger`` shows what was really moved, for whoever audits the story.
"""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from node.devnet.processes import tell_ready
from node.devnet.schemas import BOOKING_SCHEMA, EAS_VERSION
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.eas import sign_offchain
from node.tokenscript.eas_data import encode_fields
from node.tokenscript.eas_types import EasDomain, schema_uid
from settlement.chain.keystore import load_key
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, keccak

MAX_BOOKINGS = 10_000
SILENCE_S = 3_600.0


class Hotel:
    """The hotel's books."""

    def __init__(self, key: SigningKey, chain_id: int, silent: frozenset[str]) -> None:
        self._key = key
        self._chain_id = chain_id
        self._silent = silent
        self._answers: dict[str, dict[str, Any]] = {}
        self.moved: list[dict[str, str]] = []
        self.calls = 0

    async def rebook(self, request: web.Request) -> web.Response:
        """Move a booking; the same key gets the same answer."""
        self.calls += 1
        booking = request.match_info["booking"]
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return web.json_response({"error": "an Idempotency-Key is needed"}, status=400)
        if booking in self._silent:
            await asyncio.sleep(SILENCE_S)
        if key not in self._answers:
            if len(self._answers) >= MAX_BOOKINGS:
                return web.json_response({"error": "the books are full"}, status=503)
            wish = json.loads(await request.read())
            self._answers[key] = self._confirm(booking, str(wish["checkIn"]))
        return web.json_response(self._answers[key])

    async def ledger(self, _request: web.Request) -> web.Response:
        """What was moved, and how often anybody called."""
        return web.json_response({"moved": self.moved, "calls": self.calls})

    def _confirm(self, booking: str, check_in: str) -> dict[str, Any]:
        answer = confirm(self._key, self._chain_id, booking, check_in, int(time.time()))
        self.moved.append({name: answer[name] for name in ("booking", "checkIn", "confirmation")})
        return answer


def confirm(
    key: SigningKey, chain_id: int, booking: str, check_in: str, now_s: int
) -> dict[str, Any]:
    """The hotel's answer to a booking that it has moved, with its attestation."""
    confirmation = "C-" + keccak(f"{booking}/{check_in}".encode()).hex()[:8].upper()
    fields = {"booking": booking, "checkIn": check_in, "confirmation": confirmation}
    attestation = sign_offchain(
        EasDomain(version=EAS_VERSION, chain_id=chain_id, contract=key.address),
        schema=schema_uid(BOOKING_SCHEMA, ZERO_ADDRESS, revocable=True),
        recipient=Address(ZERO_ADDRESS),
        time=now_s,
        expiration=0,
        revocable=True,
        ref_uid=ZERO_HASH,
        data=encode_fields(BOOKING_SCHEMA, fields),
        salt=Hash(os.urandom(32)),
        key=key,
    )
    described = DescribedAttestation(attestation=attestation, schema=BOOKING_SCHEMA)
    return {**fields, "attestation": json.loads(described.to_bytes())}


async def serve_hotel(
    keystore: Path, password_file: Path, chain_id: int, silent: frozenset[str], ready_file: Path
) -> None:
    """Serve on a free loopback port until cancelled; tells its address in ``ready_file``."""
    hotel = Hotel(load_key(keystore, password_file), chain_id, silent)
    application = web.Application(client_max_size=64 * 1024)
    application.router.add_put("/bookings/{booking}", hotel.rebook)
    application.router.add_get("/ledger", hotel.ledger)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        tell_ready(ready_file, {"url": f"http://127.0.0.1:{port}"})
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
