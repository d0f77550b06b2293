"""One of four anchors lies: it votes for the wrong winner, serves a forged placement, says that
calls failed or succeeded that it never made. Nothing comes of it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace as replaced

from node.core.canonical import to_bytes
from node.core.inputs import Failure, decode_input
from node.core.placement import coordinator
from node.devnet.hotel import confirm
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import Asked, person_key
from node.devnet.rehearsal_steps import (
    BOOKING,
    active_ticket,
    attest_delay,
    hotel_says,
    require_one_history,
)
from node.errors import PeerRefused
from node.protocol.frames import (
    AnyBody,
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


@dataclass(slots=True)
class Liar:
    """An anchor that answers some requests with its own words, well signed."""

    stage: Rehearsal
    player: Player
    lies: int = 0

    def begin(self, lie: "Lie") -> None:
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


Lie = Callable[[Liar, bytes, AnyBody], AnyBody | None]


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


def success(liar: Liar, body: RouteCall, answer: bytes) -> RouteReply:
    """A signed success of some call that the anchor was not asked to make."""
    vote = body.lease.vote
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


def invents_a_success(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
    """It says that the hotel has moved the booking; it has not even asked."""
    if not isinstance(body, RouteCall):
        return None
    return success(liar, body, b'{"booking":"H-1001","checkIn":"2023-11-16"}')


def shows_another_calls_success(liar: Liar, _peer: bytes, body: AnyBody) -> AnyBody | None:
    """It shows what the hotel has truly attested, about another booking."""
    if not isinstance(body, RouteCall):
        return None
    now_s = liar.stage.clock.now_ms() // 1_000
    chain_id = liar.stage.chain.chain_id
    answer = confirm(person_key("hotel"), chain_id, "H-7777", "2023-11-16", now_s)
    return success(liar, body, to_bytes(answer))


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


@pytest.mark.parametrize("lie", [invents_a_success, shows_another_calls_success])
async def test_one_anchors_invented_success_is_not_believed(stage: Rehearsal, lie: Lie) -> None:
    stage.hotel.silent = {BOOKING}
    token = await active_ticket(stage)
    liar = Liar(stage, await first_asked(stage, token))
    liar.begin(lie)
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
