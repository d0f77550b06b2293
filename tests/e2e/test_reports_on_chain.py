"""Reports on a real chain: an anchor that votes twice is slashed once, by whoever was first."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from watched_network import ANCHOR_KEY, NODE_KEYS, STAKE, WatchedNetwork, watched_network

from node.core.reporting import REPORT, ReportState
from node.protocol.frames import Lease
from node.protocol.messages import ElectionVote
from node.services.reporting import Reporting
from settlement.chain.dispute_calls import DisputeCalls
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.services.engine import Engine, Outbox
from settlement.types import keccak

VOTE = ElectionVote(
    token=keccak(b"token"),
    version=3,
    attempt=0,
    executor=NODE_KEYS[0].address,
    trigger=keccak(b"trigger"),
    window_end=9_000,
)


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


class Reporter:
    """A node that sees leases; it may die and start again over the same store."""

    def __init__(self, network: WatchedNetwork, number: int) -> None:
        self.network = network
        self.writer = network.nodes[number].writer
        self.store = MemoryStore()
        self.boot()

    def boot(self) -> None:
        self.engine = Engine(self.store, VirtualClock())
        deployment = self.network.deployment
        self.reporting = Reporting(
            engine=self.engine,
            domain=deployment.domain,
            writer=self.writer,
            verdicts=DisputeCalls(deployment),
        )
        self.outbox = Outbox(self.engine, self.reporting.performers)

    async def see(self, vote: ElectionVote) -> None:
        signature = ANCHOR_KEY.sign(self.network.deployment.domain, vote)
        lease = Lease(vote=vote, signatures=((ANCHOR_KEY.address, signature),))
        await self.reporting.saw_lease(lease)

    async def cases(self) -> list[ReportState]:
        keys = await self.store.keys(REPORT.kind)
        return [await self.engine.state(REPORT, key) for key in keys]


async def test_an_anchor_that_votes_twice_is_slashed_once_and_the_first_reporter_paid(
    network: WatchedNetwork,
) -> None:
    first, second = Reporter(network, 0), Reporter(network, 1)
    for reporter in (first, second):
        await reporter.see(VOTE)
        await reporter.see(VOTE)
        assert await reporter.cases() == []
        await reporter.see(replace(VOTE, executor=NODE_KEYS[1].address))
        await reporter.see(replace(VOTE, window_end=9_001))
    first.boot()  # it died after the case was kept and before the report left
    assert await first.outbox.perform_due() == 1
    assert await second.outbox.perform_due() == 1

    slashed = await network.home.reader.node(ANCHOR_KEY.address)
    assert slashed is not None
    taken = STAKE - slashed.stake
    assert taken == STAKE // 10
    (case,) = await first.cases()
    assert (case.judged, case.slashed) == (True, taken)
    assert case.reward == await network.home.reader.stake_balance(NODE_KEYS[0].address) > 0
    (late,) = await second.cases()
    assert (late.sent, late.judged, late.reward) == (True, False, 0)
    assert await network.home.reader.stake_balance(NODE_KEYS[1].address) == 0
    assert not first.store.outbox
    assert not second.store.outbox


async def test_a_vote_that_the_anchor_did_not_sign_accuses_nobody(
    network: WatchedNetwork,
) -> None:
    reporter = Reporter(network, 0)
    domain = network.deployment.domain
    rival = replace(VOTE, window_end=9_001)
    forged = NODE_KEYS[0].sign(domain, rival)
    await reporter.reporting.saw_vote(rival, ANCHOR_KEY.address, forged)
    await reporter.see(VOTE)
    await reporter.reporting.saw_vote(rival, ANCHOR_KEY.address, forged)
    assert await reporter.cases() == []
    await reporter.see(rival)
    assert [case.culprit for case in await reporter.cases()] == [ANCHOR_KEY.address]
