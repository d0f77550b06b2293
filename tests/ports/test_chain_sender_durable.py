"""The sender's memory: one transaction for each claim, through crashes, spikes, gaps and reorgs."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from fault_endpoint import FaultEndpoint
from paying_shop import FOUNDER, QUICK, STRANGER, Killed, Shop, looked, mine_until, named

from settlement.chain.calls import Calls, send_coin
from settlement.chain.local import LocalChain
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import GWEI, RpcSender
from settlement.core.sending import Stage
from settlement.ports.chain import TransactionReceipt
from settlement.ports.chain_errors import (
    CallReverted,
    GasMoneyShort,
    TransactionPending,
    TransactionReplaced,
    TransactionUnderpriced,
)
from settlement.ports.store import RevisionConflict

NO_WAIT = replace(QUICK, give_up_after=0.0, resend_after=60.0, resend_blocks=1_000)
BLOCKS_TO_HEAL = 5

pytestmark = pytest.mark.anvil


@pytest.fixture
async def shop(anvil_chain: LocalChain) -> Shop:
    await anvil_chain.fund(FOUNDER.address)
    return Shop(anvil_chain)


# One transaction for each claim


async def test_a_claim_that_was_mined_is_never_sent_again(shop: Shop) -> None:
    first = await shop.sender().submit(named("rent/7"))
    sender = shop.sender()
    assert await sender.submit(named("rent/7")) == first
    assert await sender.submit(named("rent/7", amount=2)) == first
    assert await shop.paid() == 1
    await sender.submit(named("rent/8"))
    assert await shop.paid() == 2


async def test_a_claim_submitted_many_times_at_once_is_sent_once(shop: Shop) -> None:
    sender = shop.sender()
    receipts = await asyncio.gather(*(sender.submit(named("rent/7")) for _ in range(8)))
    assert len({receipt.transaction for receipt in receipts}) == 1
    assert await shop.paid() == 1


async def test_two_claims_are_never_taken_for_each_other_though_their_calls_are_equal(
    shop: Shop,
) -> None:
    """Endpoints that are behind make a nonce look free that is not."""
    async with (
        FaultEndpoint(shop.chain.endpoint) as endpoint,
        JsonRpc(endpoint.address, shop.chain.chain_id) as rpc,
    ):
        sender = Shop(shop.chain, rpc).sender()
        first = await sender.submit(named("rent/7"))
        endpoint.lag = 1
        for _ in range(3):
            with contextlib.suppress(TransactionReplaced):
                assert await sender.submit(named("rent/8")) != first
        endpoint.heal()
        second = await sender.submit(named("rent/8"))
    assert second.transaction != first.transaction
    assert await shop.paid() == 2


async def test_calls_without_a_name_are_sent_as_often_as_they_are_submitted(shop: Shop) -> None:
    sender = shop.sender()
    await asyncio.gather(*(sender.submit(send_coin(STRANGER, 1)) for _ in range(3)))
    await sender.submit(send_coin(STRANGER, 1))
    assert await shop.paid() == 4


@pytest.mark.parametrize("point", ["claim-persisted", "claim-broadcast", "claim-mined"])
@pytest.mark.parametrize("name", ["rent/7", None], ids=["named", "unnamed"])
@pytest.mark.parametrize("mining", [True, False], ids=["mined meanwhile", "in the pool"])
async def test_after_a_crash_at_any_point_one_transaction_is_there(
    shop: Shop, point: str, name: str | None, mining: bool
) -> None:
    call = replace(send_coin(STRANGER, 1), claim=name)
    await shop.automine(mining or point == "claim-mined")
    with pytest.raises(Killed):
        await shop.sender(kill_at=point).submit(call)
    await shop.automine(True)
    await shop.chain.mine()
    receipt = await shop.sender().submit(call)
    assert receipt.gas_used == 21_000
    assert await shop.paid() == 1
    assert (await shop.sender().submit(named("another"))).block > receipt.block


async def test_after_a_crash_before_a_replacement_was_sent_one_version_is_mined(
    shop: Shop,
) -> None:
    await shop.automine(False)
    with pytest.raises(Killed):
        await shop.sender(kill_at="replacement-persisted").submit(named("rent/7"))
    sent = asyncio.create_task(shop.sender().submit(named("rent/7")))
    await asyncio.sleep(0.2)
    await shop.automine(True)
    await shop.chain.mine()
    await sent
    assert await shop.paid() == 1
    assert await shop.pooled() == []


async def test_what_a_killed_process_left_is_sent_without_being_asked_for(shop: Shop) -> None:
    with pytest.raises(Killed):
        await shop.sender(kill_at="claim-persisted").submit(named("rent/7"))
    sender = shop.sender()
    assert await shop.paid() == 0
    for _ in range(2):
        await sender.tend()
    assert await shop.paid() == 1
    assert sender.unmined == ()


async def test_two_processes_with_one_key_and_one_store_send_a_claim_once(shop: Shop) -> None:
    one, other = shop.sender(), shop.sender()
    await one.submit(named("rent/6"))
    outcomes = await asyncio.gather(
        one.submit(named("rent/7")), other.submit(named("rent/7")), return_exceptions=True
    )
    failed = [outcome for outcome in outcomes if not isinstance(outcome, TransactionReceipt)]
    assert all(isinstance(error, RevisionConflict) and error.retryable for error in failed)
    first = await one.submit(named("rent/7"))
    assert await other.submit(named("rent/7")) == first
    assert await shop.paid() == 2


async def test_a_claim_that_the_contract_refused_may_be_sent_anew(shop: Shop) -> None:
    deployment = await shop.chain.found(FOUNDER)
    calls, sender = Calls(deployment), shop.sender()
    pay = replace(calls.pay(STRANGER, 10**30), gas_limit=100_000, claim="pay/1")
    with pytest.raises(CallReverted) as refusal:
        await sender.submit(pay)
    assert refusal.value.transaction is not None
    receipt = await sender.submit(replace(calls.pay(STRANGER, 5), claim="pay/1"))
    assert await shop.chain.reader(deployment).balance(STRANGER) == 5
    assert await sender.submit(pay) == receipt


# Fees


async def test_fees_never_take_more_than_their_share_of_what_a_call_is_worth(shop: Shop) -> None:
    sender = shop.sender(replace(QUICK, worth_percent=50))
    with pytest.raises(TransactionUnderpriced) as refusal:
        await sender.submit(replace(named("dust"), worth=1_000))
    assert refusal.value.cap == 1_000 * 50 // 100 // 26_250
    assert await shop.mined() == []
    worth = 10**16
    receipt = await sender.submit(replace(named("worth it"), worth=worth))
    assert receipt.fee <= worth // 2


async def test_a_gas_spike_of_fifty_is_outbid_within_five_blocks(shop: Shop) -> None:
    await shop.base_fee(GWEI)
    await shop.chain.mine()
    await shop.automine(False)
    sender = shop.sender(replace(QUICK, resend_after=60.0))
    sent = asyncio.create_task(sender.submit(named("rent/7")))
    await shop.until_pooled()
    blocks = await mine_until(shop, sent, base_fee=50 * GWEI)
    receipt = await sent
    assert blocks <= BLOCKS_TO_HEAL
    assert await shop.paid() == 1
    assert receipt.fee <= receipt.gas_used * QUICK.fee_cap


async def test_a_spike_above_the_cap_is_waited_out_and_said_aloud(shop: Shop) -> None:
    await shop.base_fee(GWEI)
    await shop.chain.mine()
    await shop.automine(False)
    cap = 20 * GWEI
    sender = shop.sender(replace(QUICK, fee_cap=cap, resend_after=60.0))
    sent = asyncio.create_task(sender.submit(named("rent/7")))
    await shop.until_pooled()
    for _ in range(4):
        await shop.base_fee(50 * GWEI)
        await shop.chain.mine()
        await looked(shop, sent)
    assert isinstance(sender.trouble, TransactionUnderpriced)
    assert sender.trouble.cap == cap
    assert not sent.done()
    assert await mine_until(shop, sent, base_fee=GWEI) <= BLOCKS_TO_HEAL
    (mined,) = await shop.mined()
    assert int(mined["maxFeePerGas"], 16) <= cap
    await sent
    assert sender.trouble is None


async def test_an_account_out_of_gas_money_says_so_and_goes_on_once_it_is_funded(
    anvil_chain: LocalChain,
) -> None:
    shop = Shop(anvil_chain)
    sender = shop.sender()
    with pytest.raises(GasMoneyShort) as refusal:
        await sender.submit(replace(named("rent/7"), gas_limit=21_000))
    assert (refusal.value.held, refusal.value.retryable) == (0, True)
    assert refusal.value.needed > 21_000 * GWEI
    assert await shop.pooled() == []
    await anvil_chain.fund(FOUNDER.address)
    await sender.submit(replace(named("rent/7"), gas_limit=21_000))
    assert await shop.paid() == 1


# Stuck, dropped, replaced, gaps


async def test_every_dropped_transaction_of_a_row_comes_back_in_order(shop: Shop) -> None:
    await shop.automine(False)
    sender = shop.sender()
    sent = [asyncio.create_task(sender.submit(named(f"rent/{n}", n))) for n in range(1, 5)]
    await shop.until_pooled(4)
    await shop.chain.rpc.once("anvil_dropAllTransactions")
    assert await mine_until(shop, asyncio.gather(*sent)) <= BLOCKS_TO_HEAL
    assert [int(one["value"], 16) for one in await shop.mined()] == [1, 2, 3, 4]


async def test_a_nonce_that_nothing_will_spend_is_filled(shop: Shop) -> None:
    await shop.automine(False)
    foreign = RpcSender(shop.chain.rpc, FOUNDER, limits=NO_WAIT)
    lost: list[str] = []
    for n in range(2):
        with pytest.raises(TransactionPending):
            await foreign.submit(send_coin(FOUNDER.address, n))
        lost = await shop.until_pooled(n + 1)
    sender = shop.sender()
    sent = asyncio.create_task(sender.submit(named("rent/7")))
    await shop.until_pooled(3)
    for digest in lost:
        await shop.chain.rpc.once("anvil_dropTransaction", digest)
    assert await mine_until(shop, sent) <= BLOCKS_TO_HEAL
    assert (await sent).gas_used == 21_000
    assert [int(one["nonce"], 16) for one in await shop.mined()] == [0, 1, 2]
    assert await shop.paid() == 1


async def test_a_claim_whose_nonce_was_taken_is_told_so_and_then_sent_once(shop: Shop) -> None:
    await shop.automine(False)
    with pytest.raises(TransactionPending):
        await shop.sender(NO_WAIT).submit(named("rent/7"))
    await shop.chain.rpc.once("anvil_dropAllTransactions")
    await shop.automine(True)
    await RpcSender(shop.chain.rpc, FOUNDER).submit(send_coin(FOUNDER.address, 0))
    await shop.chain.mine()
    with pytest.raises(TransactionReplaced) as error:
        await shop.sender().submit(named("rent/7"))
    assert error.value.nonce == 0
    await shop.sender().submit(named("rent/7"))
    assert await shop.paid() == 1


async def test_what_a_reorganisation_took_out_is_put_back_once(shop: Shop) -> None:
    sender = shop.sender(replace(QUICK, depth=8))
    first = await sender.submit(named("rent/7"))
    second = await sender.submit(named("rent/8"))
    await shop.chain.rpc.once("anvil_reorg", second.block - first.block + 1, [])
    await shop.chain.rpc.once("anvil_dropAllTransactions")
    assert await shop.paid() == 0
    for _ in range(8):
        await sender.tend()
        await shop.chain.mine(2)
    assert await shop.paid() == 2
    assert await sender.submit(named("rent/7"))
    assert await shop.paid() == 2
    for _ in range(4):
        await sender.tend()
        await shop.chain.mine(4)
    row = await shop.store.load("chain_account", f"{shop.chain.chain_id}/{FOUNDER.address.hex()}")
    assert row is not None
    assert b'"live":[]' in row.state


async def test_a_submit_puts_back_what_a_reorganisation_took_out_below_it(shop: Shop) -> None:
    sender = shop.sender(replace(QUICK, depth=8))
    await sender.submit(named("rent/7"))
    await shop.chain.rpc.once("anvil_reorg", 1, [])
    await shop.chain.rpc.once("anvil_dropAllTransactions")
    await sender.submit(named("rent/8"))
    assert await shop.paid() == 2
    assert [int(one["nonce"], 16) for one in await shop.mined()] == [0, 1]


async def test_a_claim_below_what_is_remembered_is_sent_anew_if_the_chain_lost_it(
    shop: Shop,
) -> None:
    sender = shop.sender()
    receipt = await sender.submit(named("rent/7"))
    await shop.chain.rpc.once("anvil_reorg", 1, [])
    await shop.chain.rpc.once("anvil_dropAllTransactions")
    again = await sender.submit(named("rent/7"))
    assert again.block >= receipt.block
    assert await shop.paid() == 1


async def test_what_is_out_can_be_seen(shop: Shop) -> None:
    sender = shop.sender(NO_WAIT)
    await shop.automine(False)
    with pytest.raises(TransactionPending):
        await sender.submit(named("rent/7"))
    (claim,) = sender.unmined
    assert (claim.name, claim.stage, claim.nonce) == ("rent/7", Stage.SENT, 0)
