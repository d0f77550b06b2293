"""A whole period through the settler, beside a hub that checks everything it is sent.

The hub is a model of the contract's rules in plain Python: it recovers signatures, skips rows,
checks sums and proofs, and pays. Processes crash at random between any two steps.
"""

from dataclasses import replace

import pytest
from settling_world import (
    ANCHOR,
    COIN,
    DAY,
    NODES,
    PAYERS,
    PERIOD,
    World,
    expected_credits,
    make_a_month,
    payout_of,
    registered,
)

from settlement.core.month_events import Stage
from settlement.ports.chain_errors import RpcUnreachable
from settlement.ports.chain_records import SkipReason
from settlement.ports.dispute_events import PayoutDemanded, PeriodVoided
from settlement.types import Address


async def test_a_month_is_settled_committed_paid_and_balances_to_the_unit() -> None:
    world = World()
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert world.hub.transactions == ["settle", "commit", "pay", "release"]
    assert world.chain.credits == await expected_credits(world, lanes)
    assert sum(world.chain.credits.values()) == world.hub.pot.sum == sum(a for _, _, a in lanes)


@pytest.mark.parametrize("seed", range(12))
async def test_a_process_that_crashes_around_every_transaction_pays_everything_once(
    seed: int,
) -> None:
    world = World(seed=seed, crash_rate=0.7)
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE, seconds=600, rounds=2_000)
    assert world.chain.credits == await expected_credits(world, lanes)
    assert world.crashes > 0


async def test_a_skipped_row_is_left_out_and_everybody_else_is_paid() -> None:
    world = World()
    lanes = await make_a_month(world)
    world.hub.balances[PAYERS[2].address] = COIN
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    kept = [lane for index, lane in enumerate(lanes) if index not in (4, 5)]
    assert world.chain.credits == await expected_credits(world, kept)
    (row,) = [r for r in (await world.settler.month(0)).rows if r.skipped_for]
    assert (row.signer, row.skipped_for) == (
        PAYERS[2].address,
        SkipReason.INSUFFICIENT_BALANCE,
    )


async def test_the_settler_waits_half_of_the_window_for_late_statements() -> None:
    world = World()
    await make_a_month(world)
    await world.promise(PAYERS[0], 0, 0, 9 * COIN)  # owed, and not signed for
    world.chain.advance(PERIOD + DAY)
    await world.follow()
    assert (await world.settler.month(0)).stage is Stage.COLLECTING
    await world.sign(PAYERS[0])
    await world.follow()
    assert (await world.settler.month(0)).stage is Stage.SETTLING


async def test_after_half_of_the_window_a_last_checkpoint_that_covers_all_is_settled() -> None:
    world = World()
    lanes = await make_a_month(world)
    await world.promise(PAYERS[0], 0, 0, 9 * COIN)
    await world.sign(PAYERS[0])
    lanes[0] = (0, 0, 9 * COIN)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert world.chain.credits == await expected_credits(world, lanes)


async def test_an_early_checkpoint_does_not_free_the_payer_of_the_rest() -> None:
    world = World()
    lanes = await make_a_month(world)
    await world.promise(PAYERS[0], 0, 0, 50 * COIN)  # served, acknowledged, never signed for
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert PAYERS[0].address not in world.hub.accepted
    assert (PAYERS[0].address, 0) not in world.chain.settled  # the nodes' claims stay possible
    assert world.chain.credits == await expected_credits(world, lanes[2:])


async def test_an_unreachable_chain_delays_the_month_and_loses_nothing() -> None:
    world = World()
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.follow()
    world.chain.unreachable = RpcUnreachable(endpoint="memory", problem="cut off")
    for _ in range(5):
        await world.outbox.perform_due()
        await world.clock.advance_ms(60_000)
    assert world.hub.transactions == []
    world.chain.unreachable = None
    await world.live_until(Stage.DONE)
    assert world.chain.credits == await expected_credits(world, lanes)


async def test_a_node_that_moved_its_payouts_is_paid_where_the_period_says() -> None:
    world = World()
    lanes = await make_a_month(world)
    moved = replace(registered(NODES[0], 1), payout=Address(b"later" * 4))
    world.chain.registered[NODES[0]] = moved
    world.chain.payouts_by_period[NODES[0], 0] = payout_of(NODES[0])
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert world.chain.credits == await expected_credits(world, lanes)


@pytest.mark.parametrize("seed", range(6))
async def test_every_demand_is_answered_once_whenever_the_process_dies(seed: int) -> None:
    world = World(seed=seed)
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.CHALLENGE)
    asked = (payout_of(NODES[0]), Address(b"n" * 20), Address(b"\xff" * 20))
    for account in asked:
        demand = PayoutDemanded(
            anchor=ANCHOR.address, period=0, account=account, answer_until=world.chain._time + DAY
        )
        world.chain.mine(demand)
    world.writer.crash_rate = 0.5
    await world.live_until(Stage.DONE, seconds=3_600, rounds=1_000)
    assert set(world.hub.shown) == set(asked)
    owed = await expected_credits(world, lanes)
    assert world.hub.shown[asked[0]] == owed[asked[0]]
    assert world.hub.shown[asked[1]] == world.hub.shown[asked[2]] == 0


async def test_a_root_that_was_voided_is_not_paid_out() -> None:
    world = World()
    await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.CHALLENGE)
    voided = PeriodVoided(
        anchor=ANCHOR.address, period=0, challenger=NODES[0], node=NODES[0], owed=2, paid=1
    )
    world.chain.mine(voided)
    await world.live_until(Stage.BLOCKED)
    world.chain.advance(30 * DAY)
    await world.follow()
    assert not await world.outbox.perform_due()
    assert world.chain.credits == {}


async def test_a_month_without_statements_sends_nothing() -> None:
    world = World()
    await world.open_channels()
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert world.hub.transactions == []
