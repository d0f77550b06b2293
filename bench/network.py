"""The network: delivery over a real mesh on loopback, and one hop to a token's placement.

All nodes share this process and its processor, so the CPU figure holds sender and receivers.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from types import SimpleNamespace
from typing import cast

import structlog

from bench.report import Figure
from node.core.members import Member as RegisteredNode
from node.core.members import MemberJoined
from node.core.placement import ANCHOR, SERVICE, Rules, homes, place
from node.net.members import Member
from node.net.mesh import Mesh
from node.ports.beacon import FixedBeacon
from node.ports.network import MemoryNetwork
from node.protocol.frames import AnyBody, Done, FeedPush
from node.protocol.messages import FeedEntry
from node.services.chain_view import ChainView, TokenView
from node.services.dispatch import Dispatch
from node.services.placement_judge import PlacementJudge
from node.services.script_library import ScriptLibrary
from node.services.table import Table
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey, require_signer
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import ZERO_HASH, Address, Hash, TokenId, keccak

NODES = 8
RATE = 60
SECONDS = 4
BODY_BYTES = 512
ASKS = 400
ANCHORS = 50
TOKENS = 100
DOMAIN = Domain.of(31337, Address(bytes(20)))
RULES = Rules()
MINTED_IN = 10


async def measure() -> AsyncIterator[Figure]:
    """Delivery first, then the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        async for figure in over_the_mesh(Path(folder)):
            yield figure
    async for figure in at_the_table():
        yield figure


def keys(count: int) -> list[SigningKey]:
    """Keys that are the same in every run."""
    return [SigningKey(keccak(b"bench" + number.to_bytes(2, "big"))) for number in range(count)]


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return quantiles(values, n=100)[-1]


# --- the mesh ----------------------------------------------------------------------------------


class Receiver:
    """A node's handler: checks the signature of whatever arrives and notes how long it took."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []

    async def handle(self, _peer: Address, body: AnyBody) -> AnyBody | None:
        if isinstance(body, FeedPush):
            require_signer(DOMAIN, body.entry, body.signature, body.entry.attester)
            sent_ns = int.from_bytes(body.body[:8], "big")
            self.latencies_ms.append((time.perf_counter_ns() - sent_ns) / 1e6)
        return Done()


async def over_the_mesh(folder: Path) -> AsyncIterator[Figure]:
    """Set-up, delivery and round trip among eight nodes, every link with TLS 1.3."""
    signers = keys(NODES)
    meshes = [
        Mesh(
            key=key, domain=DOMAIN, folder=folder / key.address.hex(), host="127.0.0.1", port=0,
            random_bytes=os.urandom,
        )
        for key in signers
    ]  # fmt: skip
    receivers = [Receiver() for _ in meshes]
    async with AsyncExitStack() as stack:
        for mesh, receiver in zip(meshes, receivers, strict=True):
            mesh.serve(receiver.handle)
            await stack.enter_async_context(mesh)
        began = time.perf_counter()
        members = [Member(key=m.key, link_url=f"wss://127.0.0.1:{m.port}") for m in meshes]
        for mesh in meshes:
            mesh.set_members(members)
        for mesh in meshes:
            await mesh.until_linked([m.key for m in meshes if m is not mesh])
        yield Figure(
            name="network.link_up_ms",
            value=(time.perf_counter() - began) * 1e3,
            unit="ms",
            reference=f"{NODES} nodes, {NODES * (NODES - 1) // 2} links, both ends proven",
        )
        for figure in await delivery(meshes, signers, receivers):
            yield figure
        for figure in await round_trips(meshes[0], meshes[-1].key):
            yield figure


async def delivery(
    meshes: list[Mesh], signers: list[SigningKey], receivers: list[Receiver]
) -> list[Figure]:
    """Each node in turn pushes a signed entry of 512 bytes to all others, 60 a second in all."""
    cpu_before, began = time.process_time(), time.perf_counter()
    sent = RATE * SECONDS
    for number in range(sent):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        turn = number % NODES
        push = entry(signers[turn], number)
        for peer in meshes[turn].peers():
            await meshes[turn].send(peer, push)
    await asyncio.sleep(0.2)
    cpu_ms = (time.process_time() - cpu_before) * 1e3
    taken = [value for receiver in receivers for value in receiver.latencies_ms]
    return [
        Figure(
            name="network.delivery_median_ms", value=median(taken), unit="ms", target=4,
            at_most=True, reference="20 nodes of a prototype 3.8 ms; py-libp2p 9,600 ms",
        ),
        Figure(
            name="network.delivery_p99_ms", value=p99(taken), unit="ms", target=12, at_most=True,
            reference="prototype 10 ms",
        ),
        Figure(
            name="network.delivered_percent", value=100 * len(taken) / (sent * (NODES - 1)),
            unit="%", target=100,
        ),
        Figure(
            name="network.cpu_per_delivery_ms", value=cpu_ms / len(taken), unit="ms", target=0.35,
            at_most=True, reference="every signature checked; prototype 0.34 to 0.46 ms",
        ),
    ]  # fmt: skip


def entry(key: SigningKey, number: int) -> FeedPush:
    """A feed entry whose body begins with the time of its making."""
    body = time.perf_counter_ns().to_bytes(8, "big") + bytes(BODY_BYTES - 8)
    line = FeedEntry(
        attester=key.address, topic="bench", epoch=0, sequence=number, previous=ZERO_HASH,
        body_hash=keccak(body), tags=(), time=0,
    )  # fmt: skip
    return FeedPush(entry=line, signature=key.sign(DOMAIN, line), body=body)


async def round_trips(mesh: Mesh, peer: Address) -> list[Figure]:
    """One request after another over one link."""
    taken = []
    for _ in range(ASKS):
        began = time.perf_counter()
        await mesh.request(peer, Done(), 1_000)
        taken.append((time.perf_counter() - began) * 1e3)
    return [
        Figure(name="network.round_trip_median_ms", value=median(taken), unit="ms"),
        Figure(name="network.round_trip_p99_ms", value=p99(taken), unit="ms"),
    ]


# --- the table ---------------------------------------------------------------------------------


class NoScripts:
    """Every class's script asks for nothing in particular."""

    async def of_class(self, _: Hash) -> SimpleNamespace:
        return SimpleNamespace(service=SimpleNamespace(level=None))


async def at_the_table() -> AsyncIterator[Figure]:
    """Lookups at anchors that are not the token's home, the record judged in full each time."""
    anchors, tables = keys(ANCHORS), []
    hub, clock, beacon = MemoryNetwork(), VirtualClock(), FixedBeacon()
    view = seen(anchors)
    judge = PlacementJudge(
        domain=DOMAIN, view=view, scripts=cast("ScriptLibrary", NoScripts()), beacon=beacon,
        rules=RULES,
    )  # fmt: skip
    for key in anchors:
        end, dispatch = hub.join(key.address), Dispatch()
        table = Table(
            key=key, domain=DOMAIN, engine=Engine(MemoryStore(), clock), network=end, view=view,
            judge=judge.require,
        )  # fmt: skip
        table.register(dispatch)
        end.serve(dispatch)
        tables.append(table)
    for token in view.tokens.values():
        seed = await beacon.value(MINTED_IN)
        placement = place(token.token, MINTED_IN, seed, view.members, RULES)
        await tables[0].publish(placement, anchors[0].sign(DOMAIN, placement))
    found = await lookups(anchors, tables, list(view.tokens))
    absent = await lookups(anchors, tables, [keccak(token) for token in view.tokens])
    reference = f"{ANCHORS} anchors; Kademlia of py-libp2p 600 ms"
    yield Figure(
        name="network.lookup_median_ms", value=median(found), unit="ms", target=5, at_most=True,
        reference=reference,
    )  # fmt: skip
    yield Figure(name="network.lookup_p99_ms", value=p99(found), unit="ms")
    yield Figure(
        name="network.lookup_absent_median_ms", value=median(absent), unit="ms", target=5,
        at_most=True, reference="an absent key takes Kademlia 20 s",
    )  # fmt: skip


def seen(anchors: list[SigningKey]) -> ChainView:
    """A chain with these anchors, as many service nodes, and the tokens."""
    view, holder = ChainView(31337), Address(bytes(20))
    for index, key in enumerate([*anchors, *keys(2 * ANCHORS)[ANCHORS:]]):
        member = RegisteredNode(
            key=key.address, operator=key.address, api_url="", link_url="", stake=10**21,
            roles=ANCHOR if index < ANCHORS else SERVICE, since_block=1, payout=key.address,
        )  # fmt: skip
        view.members = view.members.after(MemberJoined(block=1, member=member))
    for number in range(TOKENS):
        token = TokenId(chain_id=31337, contract=Address(b"t" * 20), number=number)
        view.tokens[token.id] = TokenView(
            token=token, holder=holder, minted_to=holder, minted_in=MINTED_IN
        )
    return view


async def lookups(
    anchors: list[SigningKey], tables: list[Table], tokens: list[Hash]
) -> list[float]:
    """How long each lookup took, in milliseconds."""
    names, taken = [key.address for key in anchors], []
    for number, token in enumerate(tokens):
        at_home = homes(token, names)
        # The first table published and keeps everything; it would answer from its own copy.
        away = next(
            table
            for key, table in list(zip(anchors, tables, strict=True))[1 + number % 20 :]
            if key.address not in at_home
        )
        began = time.perf_counter()
        await away.lookup(token)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken
