"""What every network promises its services; run against the in-memory fake and the real mesh."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from node.errors import FrameInvalid, PeerRefused, PeerUnreachable
from node.net.link import LinkLimits
from node.net.members import Member
from node.net.mesh import Mesh
from node.ports.network import MemoryNetwork, Network
from node.protocol.frames import AnyBody, Done, FeedRange, PlacementQuery
from settlement.errors import InputError
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash

DOMAIN = Domain.of(31337, Address(bytes(20)))
LIMITS = LinkLimits(heartbeat_ms=50, first_redial_ms=10, longest_redial_ms=50)
ASKED = PlacementQuery(token=Hash(bytes(32)))
KEYS = sorted((SigningKey(bytes([n]) * 32) for n in range(1, 4)), key=lambda key: key.address)


class Harness(Protocol):
    """Two linked nodes, and how to cut and heal what lies between them."""

    one: Network
    other: Network
    one_key: Address
    other_key: Address
    arrived: "asyncio.Queue[tuple[Address, AnyBody]]"
    answer: Callable[[AnyBody], Awaitable[AnyBody | None]]

    async def cut(self) -> None: ...
    async def heal(self) -> None: ...


async def done(_: AnyBody) -> AnyBody | None:
    return Done()


class Ends:
    """The handlers of both ends: everything that arrives is kept, ``answer`` may be replaced."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[Address, AnyBody]] = asyncio.Queue()
        self.answer = done

    async def handle(self, peer: Address, body: AnyBody) -> AnyBody | None:
        await self.arrived.put((peer, body))
        return await self.answer(body)


class MemoryHarness(Ends):
    def __init__(self) -> None:
        super().__init__()
        self.one_key, self.other_key = KEYS[0].address, KEYS[1].address
        self.hub = MemoryNetwork()
        self.one, self.other = self.hub.join(self.one_key), self.hub.join(self.other_key)
        self.one.serve(self.handle)
        self.other.serve(self.handle)

    async def cut(self) -> None:
        self.hub.cut.add(frozenset({self.one_key, self.other_key}))

    async def heal(self) -> None:
        self.hub.cut.clear()


class MeshHarness(Ends):
    def __init__(self, one: Mesh, other: Mesh) -> None:
        super().__init__()
        self.one, self.other = one, other
        self.one_key, self.other_key = one.key, other.key
        one.serve(self.handle)
        other.serve(self.handle)

    async def cut(self) -> None:
        self.one.set_members([])
        await self.one.until_unlinked([self.other_key])
        await self.other.until_unlinked([self.one_key])

    async def heal(self) -> None:
        self.one.set_members([member_of(self.other)])
        self.other.set_members([member_of(self.one)])
        await self.one.until_linked([self.other.key])
        await self.other.until_linked([self.one.key])


def mesh(key: SigningKey, folder: Path, limits: LinkLimits = LIMITS) -> Mesh:
    return Mesh(
        key=key,
        domain=DOMAIN,
        folder=folder / key.address.hex(),
        host="127.0.0.1",
        port=0,
        random_bytes=os.urandom,
        limits=limits,
    )


def member_of(node: Mesh) -> Member:
    return Member(key=node.key, link_url=f"wss://127.0.0.1:{node.port}")


@pytest.fixture(params=["memory", "mesh"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "memory":
        yield MemoryHarness()
        return
    one, other = mesh(KEYS[0], tmp_path), mesh(KEYS[1], tmp_path)
    harness = MeshHarness(one, other)
    async with one, other:
        await harness.heal()
        yield harness


# --- what both promise -------------------------------------------------------------------------


async def test_a_request_is_answered_by_the_peers_handler(pair: Harness) -> None:
    assert await pair.one.request(pair.other_key, ASKED, 2_000) == Done()
    assert await pair.arrived.get() == (pair.one_key, ASKED)


async def test_requests_go_both_ways(pair: Harness) -> None:
    await pair.one.request(pair.other_key, ASKED, 2_000)
    await pair.other.request(pair.one_key, ASKED, 2_000)

    assert [(await pair.arrived.get())[0] for _ in range(2)] == [pair.one_key, pair.other_key]


async def test_each_reply_finds_its_own_request(pair: Harness) -> None:
    async def echo_slowest_first(body: AnyBody) -> AnyBody | None:
        assert isinstance(body, FeedRange)
        await asyncio.sleep(0.02 - body.first / 1_000)
        return body

    pair.answer = echo_slowest_first
    asked = [
        FeedRange(attester=pair.one_key, topic="", epoch=0, first=n, limit=1) for n in range(20)
    ]

    replies = await asyncio.gather(*(pair.one.request(pair.other_key, b, 2_000) for b in asked))

    assert replies == asked


async def test_a_one_way_message_arrives(pair: Harness) -> None:
    await pair.one.send(pair.other_key, ASKED)
    assert await asyncio.wait_for(pair.arrived.get(), 2) == (pair.one_key, ASKED)


async def test_a_reply_that_does_not_come_in_time_is_a_retryable_error(pair: Harness) -> None:
    async def never(_: AnyBody) -> AnyBody | None:
        await asyncio.Event().wait()
        return None

    pair.answer = never
    with pytest.raises(PeerUnreachable, match="no reply in 30 ms") as caught:
        await pair.one.request(pair.other_key, ASKED, 30)
    assert caught.value.retryable


async def test_a_typed_error_in_the_handler_reaches_the_asker(pair: Harness) -> None:
    async def refuse(_: AnyBody) -> AnyBody | None:
        raise InputError(where="token", problem="no such token")

    pair.answer = refuse
    with pytest.raises(PeerRefused, match="no such token") as caught:
        await pair.one.request(pair.other_key, ASKED, 2_000)
    assert caught.value.refusal == InputError.code
    assert caught.value.peer == pair.other_key


async def test_a_request_without_a_reply_is_a_retryable_error(pair: Harness) -> None:
    async def nothing(_: AnyBody) -> AnyBody | None:
        return None

    pair.answer = nothing
    with pytest.raises(PeerUnreachable):
        await pair.one.request(pair.other_key, ASKED, 2_000)


async def test_a_stranger_cannot_be_reached(pair: Harness) -> None:
    with pytest.raises(PeerUnreachable):
        await pair.one.request(KEYS[2].address, ASKED, 50)


async def test_a_one_way_message_over_a_cut_link_is_dropped_in_silence(pair: Harness) -> None:
    await pair.cut()
    await pair.one.send(pair.other_key, ASKED)
    await asyncio.sleep(0.01)
    await pair.heal()
    await pair.one.request(pair.other_key, Done(), 2_000)

    assert await pair.arrived.get() == (pair.one_key, Done())


async def test_a_cut_link_fails_requests_and_a_healed_one_carries_them(pair: Harness) -> None:
    assert pair.one.peers() == [pair.other_key]
    await pair.cut()
    assert not pair.one.peers()
    with pytest.raises(PeerUnreachable):
        await pair.one.request(pair.other_key, ASKED, 50)

    await pair.heal()
    assert await pair.one.request(pair.other_key, ASKED, 2_000) == Done()


async def test_a_node_can_ask_itself(pair: Harness) -> None:
    assert await pair.one.request(pair.one_key, ASKED, 2_000) == Done()
    assert await pair.arrived.get() == (pair.one_key, ASKED)


# --- what only links have ----------------------------------------------------------------------


@dataclass
class Meshes:
    nodes: list[Mesh]
    ends: list[Ends]

    def introduce(self, *known: int) -> None:
        members = [member_of(self.nodes[index]) for index in known]
        for index in known:
            self.nodes[index].set_members(members)


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Meshes]:
    nodes, ends = [mesh(key, tmp_path) for key in KEYS], [Ends() for _ in KEYS]
    async with AsyncExitStack() as stack:
        for node, end in zip(nodes, ends, strict=True):
            node.serve(end.handle)
            await stack.enter_async_context(node)
        yield Meshes(nodes, ends)


async def test_an_unregistered_key_gets_no_link(three: Meshes) -> None:
    stranger, low, high = three.nodes
    three.introduce(1, 2)
    stranger.set_members([member_of(low), member_of(high)])
    await low.until_linked([high.key])

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stranger.until_linked([low.key]), 0.2)
    assert stranger.peers() == []
    assert low.peers() == [high.key]


async def test_a_removed_member_loses_its_link(three: Meshes) -> None:
    one, other, third = three.nodes
    three.introduce(0, 1, 2)
    await one.until_linked([other.key, third.key])
    await third.until_linked([one.key, other.key])
    three.introduce(0, 1)
    await one.until_unlinked([third.key])
    await other.until_unlinked([third.key])

    assert await one.request(other.key, ASKED, 2_000) == Done()
    with pytest.raises(PeerUnreachable, match="no link"):
        await one.request(third.key, ASKED, 50)


async def test_a_killed_link_is_dialled_again(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await one.until_linked([other.key])
    await other.until_linked([one.key])
    one._links[other.key].end("killed by the test")
    await one.until_unlinked([other.key])

    await asyncio.wait_for(one.until_linked([other.key]), 2)
    assert await one.request(other.key, ASKED, 2_000) == Done()


async def test_a_request_under_way_fails_at_once_when_its_link_dies(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await one.until_linked([other.key])

    async def kill(_: AnyBody) -> AnyBody | None:
        one._links[other.key].end("killed by the test")
        await asyncio.Event().wait()
        return None

    three.ends[1].answer = kill
    with pytest.raises(PeerUnreachable, match="went down"):
        await one.request(other.key, ASKED, 30_000)


async def test_a_silent_peer_is_cut_off_and_dialled_again(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await one.until_linked([other.key])
    await other.until_linked([one.key])
    mute = other._links[one.key]
    mute._put = lambda data, share: True  # type: ignore[method-assign]
    await one.until_unlinked([other.key])

    await asyncio.wait_for(one.until_linked([other.key]), 2)
    assert await one.request(other.key, ASKED, 2_000) == Done()


async def test_of_two_nodes_the_lower_address_dials(three: Meshes) -> None:
    low, high, _ = three.nodes
    three.introduce(0, 1)
    await low.until_linked([high.key])

    assert list(low._dials) == [high.key]
    assert list(high._dials) == []


@pytest.mark.parametrize(
    "url",
    ["", "wss://user:secret@127.0.0.1:1/#x", "wss://a..b:1", "wss://.:1", "wss://xn--a:1",
     "wss://" + "a" * 70 + ":1", "wss://\ud800:1", "wss://[::1", "wss://127.0.0.1:99999"],
)  # fmt: skip
async def test_a_member_with_an_unreadable_link_url_harms_nobody(three: Meshes, url: str) -> None:
    one, other, third = three.nodes
    one.set_members([replace(member_of(third), link_url=url), member_of(other)])
    other.set_members([member_of(one)])
    await one.until_linked([other.key])
    await asyncio.sleep(0.1)  # several tries at the unreadable one

    assert await one.request(other.key, ASKED, 2_000) == Done()


async def test_a_frame_over_the_limit_never_leaves(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await one.until_linked([other.key])
    long = FeedRange(attester=one.key, topic="x" * 70_000, epoch=0, first=0, limit=1)

    with pytest.raises(FrameInvalid):
        await one.request(other.key, long, 1_000)


async def test_invalid_frames_drop_and_bar_a_peer(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await other.until_linked([one.key])
    await one.until_linked([other.key])
    for _ in range(5):
        one._links[other.key]._put(b"not a frame", share=1)
    await other.until_unlinked([one.key])

    # The dialler comes back at once; long enough for several of its tries:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(other.until_linked([one.key]), 0.3)


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"AcknowledgeRequest","signature":"'
        + "A" * 87
        + '=","voucher":{"signer":"AAAA","period":1,'
        + '"node":"AAAA","token_class":"AAAA","cumulative":-1}}',
        '{"type":"Done","more":' + "[" * 60_000,
        '{"type":"JournalQuery","token":"' + "A" * 43 + '=","first":-1,"limit":1}',
    ],
    ids=["message", "nested", "negative"],
)
async def test_a_frame_that_breaks_its_reading_costs_only_its_sender(
    three: Meshes, body: str
) -> None:
    one, other, third = three.nodes
    three.introduce(0, 1, 2)
    await other.until_linked([one.key, third.key])
    await one.until_linked([other.key])
    for _ in range(5):
        one._links[other.key]._put(b"\x01[0,0," + body.encode() + b"]", share=1)
    await other.until_unlinked([one.key])

    assert await third.request(other.key, ASKED, 2_000) == Done()
    assert one.key not in other.peers()


async def test_requests_beyond_the_bound_are_refused_and_can_be_retried(tmp_path: Path) -> None:
    small = replace(LIMITS, handlers=1, waiting_frames=3)
    one, other = mesh(KEYS[0], tmp_path, small), mesh(KEYS[1], tmp_path, small)
    ends, release = Ends(), asyncio.Event()

    async def when_released(_: AnyBody) -> AnyBody | None:
        await release.wait()
        return Done()

    ends.answer = when_released
    one.serve(ends.handle)
    other.serve(ends.handle)
    async with one, other:
        one.set_members([member_of(other)])
        other.set_members([member_of(one)])
        await one.until_linked([other.key])
        accepted = [asyncio.create_task(one.request(other.key, ASKED, 2_000)) for _ in range(3)]
        await ends.arrived.get()
        with pytest.raises(PeerUnreachable, match="Send fewer requests"):
            await one.request(other.key, ASKED, 2_000)
        release.set()
        assert await asyncio.gather(*accepted) == [Done()] * 3


async def test_a_full_queue_refuses_requests_and_drops_messages(three: Meshes) -> None:
    one, other, _ = three.nodes
    three.introduce(0, 1)
    await one.until_linked([other.key])
    link = one._links[other.key]
    sent = 0
    while link.send(ASKED):
        sent += 1

    assert sent == LIMITS.queue_frames
    with pytest.raises(PeerUnreachable, match="queue full"):
        await one.request(other.key, ASKED, 1_000)


async def test_a_bug_in_a_handler_ends_the_mesh(tmp_path: Path) -> None:
    one, other = mesh(KEYS[0], tmp_path), mesh(KEYS[1], tmp_path)

    async def bug(_peer: Address, _body: AnyBody) -> AnyBody | None:
        raise ZeroDivisionError

    one.serve(Ends().handle)
    other.serve(bug)

    async def live() -> None:
        async with one, other:
            one.set_members([member_of(other)])
            other.set_members([member_of(one)])
            await one.until_linked([other.key])
            await one.send(other.key, ASKED)
            await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as caught:
        await live()
    assert caught.value.subgroup(ZeroDivisionError) is not None


async def test_the_certificates_key_is_readable_by_its_owner_only(three: Meshes) -> None:
    files = [file for node in three.nodes for file in node._folder.iterdir()]
    assert [oct(file.stat().st_mode & 0o777) for file in files] == ["0o600"] * 3
