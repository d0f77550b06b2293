"""A server process for ``bench.payments``: ``python -m bench._pay_server KIND FOLDER CALLS``.

``bare`` answers from a plain aiohttp handler and does nothing else. ``node`` is a service node as a
process composes it (API, reads, collector, journal, SQLite in FOLDER), beside the other nodes and
the anchors that its network needs, all in this one process; the chain and the links are in memory,
and the script is a stand-in that costs nothing, so that what is measured is paying. ``script`` is
the same with the real sandbox and the flight ticket's own script.

Prints where it listens, one line of JSON, when it is ready. FOLDER/requests then holds prepared
requests: CALLS of each payer, those of one payer on one line, as base64.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from node.core.canonical import to_bytes
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import person_key
from node.devnet.rehearsal_steps import active_ticket
from node.ports.sandbox import (
    STAND_IN_ENGINE,
    Mode,
    RunRequest,
    RunResult,
    Sandbox,
    Status,
)
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.wire import signed_to_header
from settlement.store.sqlite import SqliteStore
from settlement.types import TokenId, hex_text, keccak

PAYERS = 64
STATE = {"flight": "SL123", "status": "scheduled", "delayMinutes": 35, "gate": "B42"}
DEPOSIT = 10**24
TICK_S = 0.25


async def serve_bare() -> str:
    """One route that answers about as many bytes as a read; its host and port."""
    body = json.dumps({"answer": STATE, "filler": "x" * 2_000}).encode()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_get("/tokens/{chain}/{contract}/{number}/{interface}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"{host}:{port}"


class ReadySandbox:
    """A sandbox that has the answer before it is asked."""

    engine = STAND_IN_ENGINE

    def __init__(self) -> None:
        said = to_bytes(STATE)
        self._answers = {
            Mode.UPDATE: RunResult(status=Status.OK, gas=1_000, state=said, pages=1),
            Mode.READ: RunResult(status=Status.OK, gas=1_000, result=said, pages=1),
            Mode.LOAD: RunResult(status=Status.OK, result=to_bytes(["onActivate", "status"])),
        }

    async def run(self, request: RunRequest) -> RunResult:
        return self._answers[request.mode]


@asynccontextmanager
async def sandbox_of(kind: str, folder: Path) -> AsyncIterator[Sandbox]:
    """The real sandbox, or a stand-in that answers at once."""
    if kind == "script":
        async with SandboxPool(PoolConfig(workers=1, cache=folder / "engine")) as pool:
            yield pool
    else:
        yield ReadySandbox()


def write_requests(stage: Rehearsal, node: Player, token: TokenId, price: int, calls: int) -> bytes:
    """One line for each payer."""
    lines = []
    for payer in payers():
        grant = stage.people.grant(payer.address, token, stage.clock.now_ms() + 86_400_000)
        head = (
            f"GET /tokens/{token.path}/status HTTP/1.1\r\nHost: {node.api_url[7:]}\r\n"
            f"SL-Grant: {signed_to_header(grant)}\r\n"
        )
        for number in range(calls):
            voucher = Voucher(
                signer=payer.address,
                period=stage.chain.period(),
                node=node.address,
                token_class=token.token_class.id,
                cumulative=price * (number + 1),
            )
            signed = signed_to_header(Signed.by(payer, stage.deployment.domain, voucher))
            request_id = hex_text(keccak(payer.address + number.to_bytes(4, "big")))
            text = f"{head}SL-Voucher: {signed}\r\nSL-Request-Id: {request_id}\r\n\r\n"
            lines.append(b64encode(text.encode()) + (b" " if number + 1 < calls else b"\n"))
    return b"".join(lines)


def payers() -> list[SigningKey]:
    """Session keys that are the same in every run."""
    return [person_key(f"payer {number}") for number in range(PAYERS)]


async def serve_node(kind: str, folder: Path, calls: int) -> None:
    async with sandbox_of(kind, folder) as sandbox, SqliteStore(folder / "node.db") as store:
        stage = Rehearsal(folder, sandbox, anchors=1, services=3)
        for node in stage.services:
            node.store = store if node is stage.services[0] else node.store
        async with stage:
            number = 1
            while True:
                token = await active_ticket(stage, number)
                if stage.services[0] in await stage.holders(token):
                    break
                number += 1
            for payer in payers():
                stage.open_channel(payer.address, stage.anchors[0], DEPOSIT)
            await stage.passing(2_000)
            node = stage.services[0]
            quote = f"{node.api_url}/quotes/{token.path}/status"
            async with stage.session.get(quote) as response:
                price = int((await response.json())["quote"]["message"]["price"])
            (folder / "requests").write_bytes(write_requests(stage, node, token, price, calls))
            print(json.dumps({"address": node.api_url[7:]}), flush=True)
            while True:
                await asyncio.sleep(TICK_S)
                await stage.clock.advance_ms(int(TICK_S * 1_000))


async def main(kind: str, folder: Path, calls: int) -> None:
    if kind == "bare":
        print(json.dumps({"address": await serve_bare()}), flush=True)
        await asyncio.Event().wait()
    await serve_node(kind, folder, calls)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
