"""The ticket's story among real services in one process: four anchors, four service nodes, real
scripts in the real sandbox, and faults at the worst moments. Time moves only when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from node.core.failure import needed_words
from node.core.inputs import Failure, Outcome, decode_input
from node.devnet.rehearsal import RENTED_UNTIL, Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_people import Asked, person_key
from node.devnet.rehearsal_steps import (
    BOOKING,
    FLIGHT,
    active_ticket,
    attest_delay,
    executor,
    hotel_says,
    require_one_history,
    states,
)
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.ports.chain_events import TermsScheduled

GRACE_S = 86_400

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


# --- rent ----------------------------------------------------------------------------------------


async def test_nodes_stop_serving_a_suspended_class_and_go_on_when_rent_starts_again(
    stage: Rehearsal,
) -> None:
    token = await active_ticket(stage)
    url = f"{(await stage.holders(token))[0].api_url}/quotes/{token.path}/status"

    async def answers(status: int) -> bool:
        async with stage.session.get(url) as response:
            if response.status == 403:
                assert (await response.json())["code"] == "SL-3023"
            return response.status == status

    grace = replace(stage.chain.terms, rent_grace=GRACE_S)
    stage.chain.mine(TermsScheduled(from_period=0, terms=grace))
    stage.chain.advance(RENTED_UNTIL + GRACE_S // 2 - (await stage.chain.head()).timestamp)
    await stage.passing(2_000)
    assert await answers(200)  # in grace

    stage.chain.advance(GRACE_S)
    await stage.until(lambda: answers(403))
    before = await states(stage, token)

    stage.pay_rent(RENTED_UNTIL + 10 * GRACE_S)
    await stage.until(lambda: answers(200))
    assert await states(stage, token) == before
