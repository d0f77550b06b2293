"""Anchors that cheat, on a real chain: what a node's watchtower makes of it.

Every row of the table "who can cheat" that an anchor could try against a node's money, from the
first paid call to the last unit of credit.
"""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from watched_network import (
    ANCHOR_KEY,
    DEPOSIT,
    NODE_KEYS,
    PAYER_KEYS,
    PRICE,
    STAKE,
    WatchedNetwork,
    out_of_order,
    payout_of,
    take_from,
    watched_network,
)

from settlement.core.month_events import Stage
from settlement.core.watch_events import WatchStage
from settlement.ports.chain import Call, ChainWriter, TransactionReceipt
from settlement.ports.chain_records import PotStatus
from settlement.protocol.signed import Signed
from settlement.types import Address

VICTIM, OTHER = NODE_KEYS
THIEF = payout_of(ANCHOR_KEY)
CALLS = 3
GROSS = len(PAYER_KEYS) * CALLS * PRICE
"""What each node earns, before shares; the class here has no issuer."""


class Crash(BaseException):
    """The process dies here."""


@dataclass
class DyingWriter:
    """A sender whose process may die before its transaction leaves, or before it learns of it."""

    writer: ChainWriter
    dice: random.Random
    rate: float = 0.6
    crashes: int = 0

    @property
    def account(self) -> Address:
        return self.writer.account

    async def submit(self, call: Call) -> TransactionReceipt:
        self._perhaps()
        receipt = await self.writer.submit(call)
        self._perhaps()
        return receipt

    def _perhaps(self) -> None:
        if self.dice.random() < self.rate / 2:
            self.crashes += 1
            raise Crash


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


async def commit_a_month(network: WatchedNetwork) -> None:
    """Pay, let the period pass, settle and commit what the anchor counts."""
    await network.pay(CALLS)
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.CHALLENGE
    network.shown.shown[ANCHOR_KEY.address, 0] = await network.settler.leaves(0)


async def pot_status(network: WatchedNetwork) -> PotStatus:
    return (await network.home.reader.pot(ANCHOR_KEY.address, 0)).status


async def claim_directly(network: WatchedNetwork) -> None:
    windows = await network.home.calendar.windows(0)
    await network.until(windows.settle_until)
    for node in network.nodes:
        await node.watch()


async def require_made_whole(network: WatchedNetwork) -> None:
    """Nodes hold their share, which includes the anchor's, and channels paid no unit more."""
    terms = await network.home.calendar.terms(0)
    per_lane = CALLS * PRICE
    protocol = -(-per_lane * terms.protocol_share // 10_000)
    for key in NODE_KEYS:
        assert await network.credit(key) == len(PAYER_KEYS) * (per_lane - protocol)
    for key in PAYER_KEYS:
        channel = await network.home.reader.channel(key.address)
        assert channel.balance == DEPOSIT - len(NODE_KEYS) * per_lane


async def test_an_anchor_that_underpays_loses_its_bond_and_the_nodes_are_made_whole(
    network: WatchedNetwork,
) -> None:
    network.settler.cheat = take_from(payout_of(VICTIM), THIEF, PRICE // 10)
    await commit_a_month(network)
    bond = (await network.home.reader.pot(ANCHOR_KEY.address, 0)).bond
    assert bond > 0

    await network.nodes[0].watch()

    assert await pot_status(network) is PotStatus.VOID
    slashed = await network.home.reader.node(ANCHOR_KEY.address)
    assert slashed is not None
    assert (slashed.stake, slashed.locked) == (STAKE - bond, 0)
    assert await network.home.reader.stake_balance(VICTIM.address) > 0, "the finder's reward"
    assert await network.home.reader.stake_balance(payout_of(VICTIM)) > 0, "the restitution"
    for key in PAYER_KEYS:
        assert (await network.home.reader.channel(key.address)).balance == DEPOSIT

    await claim_directly(network)
    await require_made_whole(network)
    assert (await network.home.reader.credit(THIEF)) == 0
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.BLOCKED


async def test_an_anchor_that_leaves_a_node_out_is_disproved_by_its_absence(
    network: WatchedNetwork,
) -> None:
    network.settler.cheat = take_from(payout_of(VICTIM), THIEF)
    await commit_a_month(network)
    await network.nodes[1].watch()
    assert await pot_status(network) is PotStatus.COMMITTED, "it has nothing to complain of"
    await network.nodes[0].watch()
    assert await pot_status(network) is PotStatus.VOID


async def test_a_tree_out_of_order_is_disproved_by_whoever_looks(network: WatchedNetwork) -> None:
    network.settler.cheat = out_of_order
    await commit_a_month(network)
    await network.nodes[1].watch()
    assert await pot_status(network) is PotStatus.VOID


async def test_payouts_that_are_shown_only_when_demanded_are_judged_all_the_same(
    network: WatchedNetwork,
) -> None:
    network.settler.cheat = take_from(payout_of(VICTIM), THIEF, PRICE // 10)
    await commit_a_month(network)
    del network.shown.shown[ANCHOR_KEY.address, 0]
    victim = network.nodes[0]
    await victim.watch()
    assert await pot_status(network) is PotStatus.COMMITTED
    terms = await network.home.calendar.terms(0)
    await network.until(await network.chain.now() + terms.challenge_window // 4)
    await victim.watch()
    (demand,) = (await victim.tower.watched(ANCHOR_KEY.address, 0)).demands
    assert demand.account == payout_of(VICTIM)
    await network.settle()  # the anchor answers, or its root would be void
    await victim.watch()
    assert await pot_status(network) is PotStatus.VOID
    slashed = await network.home.reader.node(ANCHOR_KEY.address)
    assert slashed is not None
    assert slashed.stake < STAKE


async def test_a_tree_that_is_never_shown_is_voided_and_costs_no_bond(
    network: WatchedNetwork,
) -> None:
    await commit_a_month(network)
    network.shown.shown[ANCHOR_KEY.address, 0] = ()
    victim = network.nodes[0]
    await victim.watch()
    (demand,) = (await victim.tower.watched(ANCHOR_KEY.address, 0)).demands
    await network.chain.advance(demand.answer_until - await network.chain.now())
    await victim.watch()
    assert await pot_status(network) is PotStatus.VOID
    anchor = await network.home.reader.node(ANCHOR_KEY.address)
    assert anchor is not None
    assert (anchor.stake, anchor.locked) == (STAKE, 0)
    await claim_directly(network)
    await require_made_whole(network)


async def test_an_honest_root_is_cleared_and_nobody_sends_anything(
    network: WatchedNetwork,
) -> None:
    await commit_a_month(network)
    for node in network.nodes:
        await node.watch()
        watched = await node.tower.watched(ANCHOR_KEY.address, 0)
        assert watched.cleared
        assert not watched.demands
    terms = await network.home.calendar.terms(0)
    await network.until(await network.chain.now() + terms.challenge_window)
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.DONE
    before = await network.credit(VICTIM)
    await claim_directly(network)
    assert await network.credit(VICTIM) == before
    head = await network.home.reader.head()
    events = await network.home.reader.events(0, head.number, frozenset())
    names = {type(event).__name__ for event in events}
    assert not names & {"PayoutDemanded", "PeriodVoided", "DirectClaimed", "DirectRowSkipped"}


async def test_an_anchor_that_dies_before_it_pays_out_keeps_nobody_from_its_payout(
    network: WatchedNetwork,
) -> None:
    await commit_a_month(network)
    for node in network.nodes:
        await node.watch()
    network.shown.shown.clear()  # the anchor is gone, and its tree with it
    for node in network.nodes:
        node.boot()
    terms = await network.home.calendar.terms(0)
    committed_at = await network.chain.now()
    await network.until(committed_at + terms.challenge_window + 60)
    for node in network.nodes:
        await node.watch()
    assert await network.credit(VICTIM) == 0, "an anchor has its time to pay"
    await network.until(committed_at + 2 * terms.challenge_window)
    for node in network.nodes:
        await node.watch()
    leaves = {leaf.account: leaf.amount for leaf in await network.settler.leaves(0)}
    for key in NODE_KEYS:
        assert await network.credit(key) == leaves[payout_of(key)] > 0
    pot = await network.home.reader.pot(ANCHOR_KEY.address, 0)
    assert pot.distributed == sum(leaves[payout_of(key)] for key in NODE_KEYS)
    await network.settle()
    pot = await network.home.reader.pot(ANCHOR_KEY.address, 0)
    assert pot.distributed == pot.sum, "when it comes back, it pays the rest, and nobody twice"
    assert await network.credit(VICTIM) == leaves[payout_of(VICTIM)]


async def test_an_anchor_that_settles_and_never_commits_is_undone(
    network: WatchedNetwork,
) -> None:
    await network.pay(CALLS)
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.outbox.perform_due()  # settles the chunk, and dies
    assert await network.home.reader.is_settled(PAYER_KEYS[0].address, 0)
    await claim_directly(network)
    for node in network.nodes:
        assert (await node.tower.watched(ANCHOR_KEY.address, 0)).stage is WatchStage.LATE
    await require_made_whole(network)


async def test_an_anchor_that_disappears_keeps_nobody_from_earning(
    network: WatchedNetwork,
) -> None:
    await network.pay(CALLS)
    await claim_directly(network)
    await require_made_whole(network)


async def test_an_anchor_that_will_not_acknowledge_owes_what_was_posted(
    network: WatchedNetwork,
) -> None:
    await network.pay(1)
    network.anchors.unreachable.add(ANCHOR_KEY.address)
    await network.pay(1, acknowledged=False, start=1)
    windows = await network.home.calendar.windows(0)
    await network.until((windows.closes_at + windows.settle_from) // 2)
    for node in network.nodes:
        await node.watch()
    lane = (PAYER_KEYS[0].address, 0, VICTIM.address, network.token_class)
    posted = await network.home.reader.view("ChannelHub", "postedAmount", *lane)
    assert posted == 2 * PRICE
    await claim_directly(network)
    for key in PAYER_KEYS:
        channel = await network.home.reader.channel(key.address)
        assert channel.balance == DEPOSIT - len(NODE_KEYS) * 2 * PRICE


async def test_an_anchor_that_leases_one_deposit_to_two_nodes_is_slashed_for_it(
    network: WatchedNetwork,
) -> None:
    await network.pay(1)
    tower = network.nodes[1]
    for node in network.nodes:
        lane = next(
            lane for lane in await node.collector.lanes(0) if lane.signer == PAYER_KEYS[0].address
        )
        assert lane.best_voucher is not None
        assert lane.best_acknowledgement is not None
        twice = replace(lane.best_acknowledgement.message, lease_cap=DEPOSIT * 2 // 3)
        signed = Signed.by(ANCHOR_KEY, network.deployment.domain, twice)
        await tower.tower.hand_over(lane.best_voucher, signed)
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await tower.watch()
    anchor = await network.home.reader.node(ANCHOR_KEY.address)
    assert anchor is not None
    assert anchor.stake == STAKE - STAKE // 5
    assert await network.home.reader.stake_balance(tower.key.address) > 0
    assert not tower.store.outbox


async def test_a_watchtower_acts_for_a_node_that_is_away(network: WatchedNetwork) -> None:
    network.settler.cheat = take_from(payout_of(VICTIM), THIEF, PRICE // 10)
    await network.pay(CALLS)
    away, tower = network.nodes
    for lane in await away.collector.lanes(0):
        assert lane.best_voucher is not None
        assert lane.best_acknowledgement is not None
        await tower.tower.hand_over(lane.best_voucher, lane.best_acknowledgement)
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.settle()
    network.shown.shown[ANCHOR_KEY.address, 0] = await network.settler.leaves(0)

    await tower.watch()

    assert await pot_status(network) is PotStatus.VOID
    await network.until(windows.settle_until)
    await tower.watch()
    await require_made_whole(network)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_watchtower_that_dies_around_every_transaction_acts_once(
    network: WatchedNetwork, seed: int
) -> None:
    network.settler.cheat = take_from(payout_of(VICTIM), THIEF, PRICE // 10)
    await commit_a_month(network)
    victim = network.nodes[0]
    victim.writer = dying = DyingWriter(victim.writer, random.Random(seed))
    windows = await network.home.calendar.windows(0)
    for moment in (await network.chain.now() + 1, windows.settle_until):
        await network.chain.advance(max(1, moment - await network.chain.now()))
        for _ in range(16):
            victim.boot()
            try:
                await victim.watch()
            except Crash:
                await network.chain.advance(4 * 3_600)
    dying.rate = 0
    victim.boot()
    await victim.watch()
    await network.nodes[1].watch()
    assert dying.crashes > 1
    await require_made_whole(network)
    head = await network.home.reader.head()
    events = await network.home.reader.events(0, head.number, frozenset())
    names = [type(event).__name__ for event in events]
    for once in ("PeriodVoided", "BondForfeited", "StatementsRestored", "Punished"):
        assert names.count(once) == 1, once
    assert names.count("DirectClaimed") == len(PAYER_KEYS) * len(NODE_KEYS)
