"""The ticket's story among real services in one process: four anchors, four service nodes, real
scripts in the real sandbox, and faults at the worst moments. Time moves only when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace as replaced

from node.client.attester import FeedPublisher
from node.core.canonical import object_from_bytes, to_bytes
from node.core.failure import needed_words
from node.core.inputs import Failure, Outcome, decode_input
from node.core.journal import journal_stream
from node.core.placement import coordinator
from node.devnet.rehearsal import Player, Rehearsal
from node.devnet.rehearsal_people import Asked, person_key
from node.devnet.schemas import FLIGHT_STATUS_TOPIC
from node.errors import PeerRefused
from node.protocol.frames import (
    AnyBody,
    Commit,
    FeedPush,
    PlacementQuery,
    PlacementReply,
    RouteCall,
    RouteReply,
    VoteReply,
    VoteRequest,
)
from node.protocol.messages import ElectionVote, FailureAttestation, ObservedResponse
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.types import TokenId, keccak

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLIGHT = "SL123"
BOOKING = "H-1001"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxPool]:
    """One real sandbox worker for all nodes of all tests here."""
    cache = tmp_path_factory.mktemp("engine")
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="module")
async def stage(sandbox: SandboxPool, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    """The network, registered and linked."""
    async with Rehearsal(tmp_path, sandbox) as rehearsal:
        yield rehearsal


async def attest_delay(stage: Rehearsal, minutes: int = 180) -> FeedPush:
    """The airline says on its feed, through any living node, that the flight is late."""
    publisher = FeedPublisher(
        session=stage.session,
        nodes=[player.api_url for player in stage.players if player.alive],
        key=stage.people.airline,
        domain=stage.deployment.domain,
        clock=stage.clock,
        topic=FLIGHT_STATUS_TOPIC,
    )
    said = stage.people.delay(FLIGHT, minutes, stage.clock.now_ms())
    return await publisher.publish(said.to_bytes(), {"flightNumber": FLIGHT})


async def active_ticket(stage: Rehearsal, number: int = 1, booking: str = BOOKING) -> TokenId:
    """A ticket that is placed and has been activated on all its replicas."""
    token = stage.mint(number, FLIGHT, booking)
    await stage.until(lambda: stage.agreed(token, 1))
    return token


async def states(stage: Rehearsal, token: TokenId) -> list[dict[str, Any]]:
    """The token's soft state on each living holder."""
    living = [holder for holder in await stage.holders(token) if holder.alive]
    return [object_from_bytes((await holder.journal(token)).state) for holder in living]


async def hotel_says(stage: Rehearsal, token: TokenId, wanted: str) -> bool:
    """Whether all living holders show this status of the hotel."""
    shown = await states(stage, token)
    return bool(shown) and all(state["hotel"]["status"] == wanted for state in shown)


async def commits(player: Player, token: TokenId) -> list[Commit]:
    """The token's journal on one node."""
    rows = await player.base.engine.store.read_log(journal_stream(token.id), 1, 100)
    return [msgspec.json.decode(row.body, type=Commit) for row in rows]


async def executor(stage: Rehearsal, token: TokenId) -> Player:
    """Who wrote the newest entry of a token's journal."""
    holders = await stage.holders(token)
    newest = (await commits(next(h for h in holders if h.alive), token))[-1].entry
    return next(holder for holder in holders if holder.address == newest.executor)


async def require_one_history(stage: Rehearsal, token: TokenId) -> list[Commit]:
    """All living holders have the same entries, each with a majority's signatures."""
    told = [await commits(h, token) for h in await stage.holders(token) if h.alive]
    for other in told[1:]:
        assert [each.entry for each in other] == [each.entry for each in told[0]]
    for commit in told[0]:
        assert len({node for node, _ in commit.signatures}) >= 2
    return told[0]


# --- the story -----------------------------------------------------------------------------------


async def test_a_minted_ticket_is_placed_activated_and_moved_to_one_root_on_three_replicas(
    stage: Rehearsal,
) -> None:
    token = await active_ticket(stage)

    holders = await stage.holders(token)
    assert len(holders) == 3
    assert {holder.role for holder in holders} == {stage.services[0].role}
    assert [state["hotel"]["status"] for state in await states(stage, token)] == ["booked"] * 3

    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    shown = await states(stage, token)
    assert all(state == shown[0] for state in shown)
    assert shown[0]["delayMinutes"] == 180
    assert shown[0]["lounge"] == f"LOUNGE-{FLIGHT}-{token.number}"
    assert shown[0]["hotel"]["confirmation"].startswith("C-")
    await stage.until(lambda: stage.agreed(token, 3))
    history = await require_one_history(stage, token)
    assert [decode_input(commit.input).__class__.__name__ for commit in history] == [
        "Activation",
        "Attested",
        "Outcome",
    ]
    assert stage.hotel.moved == [BOOKING]
    assert {asked.caller for asked in stage.hotel.asked} <= {holder.name for holder in holders}


async def test_the_one_node_without_the_ticket_knows_nothing_of_its_state(stage: Rehearsal) -> None:
    token = await active_ticket(stage)

    holders = await stage.holders(token)
    (other,) = [node for node in stage.services if node not in holders]
    assert (await other.journal(token)).version == 0
    async with stage.session.get(f"{other.api_url}/tokens/{token.path}") as response:
        assert response.status == 404


async def test_a_silent_hotel_is_attested_by_anchors_and_the_ticket_moves_to_its_failure_state(
    stage: Rehearsal,
) -> None:
    stage.hotel.silent = {BOOKING}
    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "failed"))

    last = decode_input((await require_one_history(stage, token))[-1].input)
    assert isinstance(last, Failure)
    words = {word.anchor for word in last.words}
    assert len(words) == needed_words(len(stage.anchors)) == 2
    assert words <= {anchor.address for anchor in stage.anchors}
    callers = [asked.caller for asked in stage.hotel.asked]
    name = (await executor(stage, token)).name
    assert callers.count(name) == 3  # the attempts that the script allows
    assert sorted(set(callers) - {name}) == sorted(
        anchor.name for anchor in stage.anchors if anchor.address in words
    )
    assert stage.hotel.moved == []


async def test_an_executor_that_cannot_reach_the_hotel_has_it_rebooked_by_an_anchor(
    stage: Rehearsal,
) -> None:
    reached = stage.hotel.take

    async def only_anchors(asked: Asked) -> Any:
        silent = set() if asked.caller.startswith("anchor") else {BOOKING}
        stage.hotel.silent = silent
        return await reached(asked)

    stage.hotel.take = only_anchors  # type: ignore[method-assign]  # the outside, differently for each caller
    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    last = decode_input((await require_one_history(stage, token))[-1].input)
    assert isinstance(last, Outcome)
    assert last.witness in {anchor.address for anchor in stage.anchors}
    assert stage.hotel.moved == [BOOKING]


async def test_a_hotel_that_proves_nothing_counts_as_one_that_failed(stage: Rehearsal) -> None:
    """It answers 200, with an attestation by a key that the script does not name."""
    stage.hotel.key = person_key("somebody else")
    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "failed"))

    last = decode_input((await require_one_history(stage, token))[-1].input)
    assert isinstance(last, Failure)
    assert stage.hotel.moved == [BOOKING]  # whatever it did, under one key, it did once


# --- an anchor that lies -------------------------------------------------------------------------

Answer = Callable[[bytes, AnyBody], Awaitable[AnyBody | None]]


@dataclass(slots=True)
class Liar:
    """An anchor that answers some requests with its own words, well signed."""

    stage: Rehearsal
    player: Player
    lies: int = 0

    def begin(self, lie: Callable[["Liar", bytes, AnyBody], AnyBody | None]) -> None:
        """From now on ``lie`` answers wherever it has something to say."""
        end = self.stage.links.linked(b"", self.player.address)  # type: ignore[arg-type]  # nobody's link is cut
        assert end is not None
        honest = end.handler
        assert honest is not None

        async def handler(peer: Any, body: AnyBody) -> AnyBody | None:
            told = lie(self, peer, body)
            if told is None:
                return await honest(peer, body)
            self.lies += 1
            return told

        end.handler = handler

    def sign(self, message: Any) -> Any:
        return self.player.key.sign(self.stage.deployment.domain, message)


def votes_for_another(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
    """Its vote names a node that has not won the window."""
    if not isinstance(body, VoteRequest):
        return None
    vote = ElectionVote(
        token=body.token,
        version=body.version,
        attempt=body.attempt,
        executor=liar.stage.services[0].address,
        trigger=body.trigger,
        window_end=liar.stage.clock.now_ms() + 9_000,
    )
    return VoteReply(vote=vote, anchor=liar.player.address, signature=liar.sign(vote))


async def test_votes_of_one_anchor_for_the_wrong_winner_change_nothing(stage: Rehearsal) -> None:
    liar = Liar(stage, stage.anchors[0])
    liar.begin(votes_for_another)

    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    assert liar.lies > 0
    await require_one_history(stage, token)
    assert stage.hotel.moved == [BOOKING]


def attests_every_failure(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
    """It attests a failure without having called anybody."""
    if not isinstance(body, RouteCall):
        return None
    outcomes = to_bytes([{"kind": "unknown", "status": 0, "detail": "no answer"}])
    vote = body.lease.vote
    word = FailureAttestation(
        token=body.token,
        action="rebookHotel",
        version=vote.version,
        attempt=vote.attempt,
        method="PUT",
        request_hash=keccak(b"some call"),
        outcomes_hash=keccak(outcomes),
        started=liar.stage.clock.now_ms(),
        ended=liar.stage.clock.now_ms(),
    )
    return RouteReply(
        anchor=liar.player.address,
        signature=liar.sign(word),
        failure=word,
        outcomes=outcomes,
        response=None,
        body=b"",
    )


def invents_a_success(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
    """It says that the hotel has moved the booking; it has not even asked."""
    if not isinstance(body, RouteCall):
        return None
    vote, answer = body.lease.vote, b'{"booking":"H-1001","checkIn":"2023-11-16"}'
    observed = ObservedResponse(
        token=body.token,
        action="rebookHotel",
        version=vote.version,
        attempt=vote.attempt,
        request_hash=keccak(b"some call"),
        status=200,
        body_hash=keccak(answer),
        time=liar.stage.clock.now_ms(),
    )
    return RouteReply(
        anchor=liar.player.address,
        signature=liar.sign(observed),
        failure=None,
        outcomes=b"",
        response=observed,
        body=answer,
    )


async def first_asked(stage: Rehearsal, token: TokenId) -> Player:
    """The anchor that an executor asks first about a token's failing call."""
    first = coordinator(token.id, [anchor.address for anchor in stage.anchors])[0]
    return next(anchor for anchor in stage.anchors if anchor.address == first)


async def test_one_anchors_false_failure_does_not_fail_a_call_that_others_can_make(
    stage: Rehearsal,
) -> None:
    async def broken_line(asked: Asked) -> None:
        stage.hotel.silent = set() if asked.caller.startswith("anchor") else {BOOKING}

    stage.hotel.on_way_out = broken_line
    token = await active_ticket(stage)
    liar = Liar(stage, await first_asked(stage, token))
    liar.begin(attests_every_failure)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    assert liar.lies > 0
    assert stage.hotel.moved == [BOOKING]


async def test_one_anchors_false_failure_is_not_counted_where_nobody_can_make_the_call(
    stage: Rehearsal,
) -> None:
    stage.hotel.silent = {BOOKING}
    token = await active_ticket(stage)
    liar = Liar(stage, await first_asked(stage, token))
    liar.begin(attests_every_failure)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "failed"))

    assert liar.lies > 0
    last = decode_input((await require_one_history(stage, token))[-1].input)
    assert isinstance(last, Failure)
    assert liar.player.address not in {word.anchor for word in last.words}


async def test_one_anchors_invented_success_is_not_believed(stage: Rehearsal) -> None:
    stage.hotel.silent = {BOOKING}
    token = await active_ticket(stage)
    liar = Liar(stage, await first_asked(stage, token))
    liar.begin(invents_a_success)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "failed"))

    assert liar.lies > 0
    last = decode_input((await require_one_history(stage, token))[-1].input)
    assert isinstance(last, Failure)
    assert liar.player.address not in {word.anchor for word in last.words}


async def test_a_forged_placement_is_taken_by_nobody(stage: Rehearsal) -> None:
    token = await active_ticket(stage)
    liar = Liar(stage, stage.anchors[0])
    honest = await stage.anchors[1].base.table.lookup(token.id)
    assert honest is not None
    wrong = replace(
        honest.placement,
        holders=tuple(sorted(node.address for node in stage.services))[:3],
        version=2,
    )
    forged = replaced(
        honest, placement=wrong, anchor=liar.player.address, signature=liar.sign(wrong)
    )

    def serves_it(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
        if not isinstance(body, PlacementQuery):
            return None
        return PlacementReply(
            placement=forged.placement, anchor=forged.anchor, signature=forged.signature
        )

    liar.begin(serves_it)
    others = [player for player in stage.players if player is not liar.player]
    for player in others:
        with pytest.raises(PeerRefused):
            await liar.player.base.network.request(player.address, forged, 1_000)
    for player in others:
        found = await player.base.table.lookup(token.id)
        assert found is not None
        assert found.placement == honest.placement


# --- an executor that dies around its call -------------------------------------------------------


class Held:
    """Holds the first call that comes by until it is let go."""

    def __init__(self) -> None:
        self.caller = ""
        self.came = asyncio.Event()
        self.go = asyncio.Event()

    async def hold(self, asked: Asked) -> None:
        if not self.came.is_set():
            self.caller = asked.caller
            self.came.set()
            await self.go.wait()

    async def here(self) -> bool:
        return self.came.is_set()


def named(stage: Rehearsal, name: str) -> Player:
    return next(player for player in stage.players if player.name == name)


@pytest.mark.parametrize("moment", ["before the call", "after the call"])
@pytest.mark.parametrize("comes_back", [True, False], ids=["restarted", "gone for good"])
async def test_a_call_whose_executor_dies_is_made_under_one_key_and_booked_once(
    stage: Rehearsal, moment: str, comes_back: bool
) -> None:
    held = Held()
    if moment == "before the call":
        stage.hotel.on_way_out = held.hold
    else:
        stage.hotel.on_way_back = held.hold
    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(held.here)

    dead = named(stage, held.caller)
    assert (await dead.journal(token)).version == 2  # the run that asks is committed
    await dead.crash()
    assert stage.hotel.moved == ([] if moment == "before the call" else [BOOKING])
    held.go.set()
    if comes_back:
        await dead.start()
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    assert stage.hotel.moved == [BOOKING]
    assert len({asked.call.idempotency_key for asked in stage.hotel.asked}) == 1
    await stage.until(lambda: stage.agreed(token, 3))
    await require_one_history(stage, token)


# --- replicas that were away ---------------------------------------------------------------------


async def test_a_replica_that_was_cut_off_catches_up(stage: Rehearsal) -> None:
    token = await active_ticket(stage)
    away = (await stage.holders(token))[0]
    cut = {
        frozenset({away.address, player.address}) for player in stage.players if player is not away
    }
    stage.links.cut |= cut
    await attest_delay(stage)

    async def others_moved() -> bool:
        others = [h for h in await stage.holders(token) if h is not away]
        return min([(await holder.journal(token)).version for holder in others]) >= 3

    await stage.until(others_moved)
    assert (await away.journal(token)).version == 1

    stage.links.cut -= cut
    await stage.until(lambda: stage.agreed(token, 3))
    await require_one_history(stage, token)


async def test_a_replica_that_was_down_catches_up_after_its_start(stage: Rehearsal) -> None:
    token = await active_ticket(stage)
    away = (await stage.holders(token))[0]
    await away.crash()
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    await away.start()
    await stage.until(lambda: stage.agreed(token, 3))

    assert away in [holder for holder in await stage.holders(token) if holder.alive]
    assert (await away.journal(token)).version >= 3
    await require_one_history(stage, token)


async def test_service_nodes_that_all_restart_continue_from_their_stores(stage: Rehearsal) -> None:
    token = await active_ticket(stage)
    root = (await (await stage.holders(token))[0].journal(token)).state_root
    for node in stage.services:
        await node.crash()
    for node in stage.services:
        await node.start()

    roots = {(await holder.journal(token)).state_root for holder in await stage.holders(token)}
    assert roots == {root}
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))
    assert stage.hotel.moved == [BOOKING]


async def test_an_anchor_that_is_down_is_not_missed(stage: Rehearsal) -> None:
    await stage.anchors[3].crash()

    token = await active_ticket(stage)
    await attest_delay(stage)
    await stage.until(lambda: hotel_says(stage, token, "rebooked"))

    assert stage.hotel.moved == [BOOKING]
