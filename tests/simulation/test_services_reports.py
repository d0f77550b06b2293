"""What nodes make of anchors and executors that contradict themselves: one report for each case."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from node.core.reporting import REPORT, ReportState
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_node import Player
from node.devnet.rehearsal_steps import active_ticket, attest_delay, hotel_says
from node.protocol.frames import AnyBody, VoteReply, VoteRequest
from node.protocol.messages import ElectionVote
from node.sandbox.pool import PoolConfig, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxPool]:
    """One real sandbox worker for all nodes."""
    cache = tmp_path_factory.mktemp("engine")
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        yield pool


def vote_anew(stage: Rehearsal, anchor: Player, lies: int) -> None:
    """Let an anchor answer its next requests with votes that are never the same."""
    end = stage.links.linked(b"", anchor.address)  # type: ignore[arg-type]  # nobody's link is cut
    assert end is not None
    honest = end.handler
    assert honest is not None
    left = lies

    async def handler(peer: Any, body: AnyBody) -> AnyBody | None:
        nonlocal left
        if not isinstance(body, VoteRequest) or not left:
            return await honest(peer, body)
        left -= 1
        vote = ElectionVote(
            token=body.token,
            version=body.version,
            attempt=body.attempt,
            executor=peer,
            trigger=body.trigger,
            window_end=stage.clock.now_ms() + 100_000 + left,
        )
        signature = anchor.key.sign(stage.deployment.domain, vote)
        return VoteReply(vote=vote, anchor=anchor.address, signature=signature)

    end.handler = handler


async def cases(player: Player) -> list[ReportState]:
    """The cases that a node has opened."""
    engine = player.base.engine
    return [await engine.state(REPORT, key) for key in await engine.store.keys(REPORT.kind)]


async def test_anchors_that_vote_twice_on_one_fence_are_reported_once_by_whoever_sees_it(
    sandbox: SandboxPool, tmp_path: Path
) -> None:
    async with Rehearsal(tmp_path, sandbox) as stage:
        liars = stage.anchors[:2]
        for liar in liars:
            vote_anew(stage, liar, lies=2)
        token = await active_ticket(stage)
        await attest_delay(stage)
        await stage.until(lambda: hotel_says(stage, token, "rebooked"))
        found = [case for player in stage.services for case in await cases(player)]
        assert {case.culprit for case in found} == {liar.address for liar in liars}
        assert all(case.sent for case in found)
        reports = [c for c in stage.chain.submitted if c.purpose.startswith("report two votes")]
        assert len(reports) == len(found) == len({call.data for call in reports})


async def test_honest_anchors_and_executors_are_never_reported(
    sandbox: SandboxPool, tmp_path: Path
) -> None:
    async with Rehearsal(tmp_path, sandbox) as stage:
        token = await active_ticket(stage)
        holders = await stage.holders(token)
        await holders[0].crash()
        await attest_delay(stage)
        await stage.until(lambda: hotel_says(stage, token, "rebooked"))
        await holders[0].start()
        await stage.until(lambda: hotel_says(stage, token, "rebooked"))
        assert [case for player in stage.services for case in await cases(player)] == []
