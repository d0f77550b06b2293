"""The sender against anvil: order, exactly once, faults healed, reverts in words."""

import asyncio
from dataclasses import replace

import pytest
from fault_endpoint import FaultEndpoint

from settlement.chain.calls import Calls, send_coin
from settlement.chain.local import COIN, LocalChain
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import GWEI, RpcSender, SenderLimits
from settlement.ports.chain_errors import (
    CallReverted,
    GasMoneyShort,
    RpcUnreachable,
    TransactionPending,
    TransactionUnderpriced,
    WrongChain,
)
from settlement.ports.chain_events import ChannelOpened
from settlement.protocol.signing import SigningKey
from settlement.types import Address, hex_text, keccak

FOUNDER = SigningKey(keccak(b"founder"))
NODE = SigningKey(keccak(b"node"))
STRANGER = Address(keccak(b"stranger")[12:])
TOKEN = 10**18
QUICK = SenderLimits(resend_after=0.3, give_up_after=5.0, first_poll=0.02, longest_poll=0.1)


async def nonces_in_order(chain: LocalChain, account: Address) -> list[int]:
    head = int(await chain.rpc.read("eth_blockNumber"), 16)
    found: list[int] = []
    for number in range(head + 1):
        block = await chain.rpc.read("eth_getBlockByNumber", hex(number), True)
        mine = [t for t in block["transactions"] if t["from"] == hex_text(account)]
        found += [int(transaction["nonce"], 16) for transaction in mine]
    return found


async def test_fifty_concurrent_submits_are_mined_in_the_order_they_were_made(
    local_chain: LocalChain,
) -> None:
    deployment = await local_chain.found(FOUNDER)
    sender, calls = local_chain.sender(FOUNDER, deployment), Calls(deployment)
    receipts = await asyncio.gather(*(sender.submit(calls.pay(STRANGER, n)) for n in range(1, 51)))
    blocks = [receipt.block for receipt in receipts]
    assert blocks == sorted(blocks)
    assert len({receipt.transaction for receipt in receipts}) == 50
    assert await local_chain.reader(deployment).balance(STRANGER) == sum(range(1, 51))
    nonces = await nonces_in_order(local_chain, FOUNDER.address)
    assert nonces == list(range(len(nonces)))


async def test_a_call_may_build_on_one_that_is_still_out(local_chain: LocalChain) -> None:
    deployment = await local_chain.found(FOUNDER)
    sender, calls = local_chain.sender(FOUNDER, deployment), Calls(deployment)
    stake = 20_000 * TOKEN
    session = Address(keccak(b"session")[12:])
    register = calls.register_node(
        key=NODE.address,
        key_proof=calls.key_proof(NODE, FOUNDER.address),
        payout=FOUNDER.address,
        roles=3,
        api_url="http://127.0.0.1:1",
        link_url="ws://127.0.0.1:2",
        stake=stake,
    )
    open_channel = calls.open_channel(
        signer=session, owner=FOUNDER.address, anchor=NODE.address, amount=TOKEN
    )
    plan = [calls.approve_stake(stake), register, calls.approve_deposit(TOKEN), open_channel]
    receipts = await asyncio.gather(*(sender.submit(call) for call in plan))
    (opened,) = receipts[-1].events
    assert isinstance(opened, ChannelOpened)
    assert (opened.signer, opened.amount, opened.block) == (session, TOKEN, receipts[-1].block)


async def test_a_refused_call_is_explained_in_words_and_costs_nothing(
    local_chain: LocalChain,
) -> None:
    deployment = await local_chain.found(FOUNDER)
    sender, calls = local_chain.sender(FOUNDER, deployment), Calls(deployment)
    before = await nonces_in_order(local_chain, FOUNDER.address)
    with pytest.raises(CallReverted) as refusal:
        await sender.submit(
            calls.open_channel(
                signer=STRANGER, owner=FOUNDER.address, anchor=NODE.address, amount=TOKEN
            )
        )
    assert refusal.value.error == "ChannelHub_NotAnchor"
    assert "not the key of an active anchor" in refusal.value.advice()
    assert refusal.value.purpose.startswith("open a channel")
    assert refusal.value.transaction is None
    assert await nonces_in_order(local_chain, FOUNDER.address) == before


async def test_a_call_that_reverts_when_mined_is_explained_too(local_chain: LocalChain) -> None:
    deployment = await local_chain.found(FOUNDER)
    sender, calls = local_chain.sender(FOUNDER, deployment), Calls(deployment)
    unseen = replace(calls.top_up_channel(STRANGER, TOKEN), gas_limit=300_000)
    with pytest.raises(CallReverted) as refusal:
        await sender.submit(unseen)
    assert refusal.value.error == "ChannelHub_UnknownChannel"
    assert refusal.value.transaction is not None
    await sender.submit(calls.pay(STRANGER, 1))


@pytest.mark.anvil
async def test_a_dropped_transaction_is_sent_again_unchanged(anvil_chain: LocalChain) -> None:
    await anvil_chain.fund(FOUNDER.address)
    sender = RpcSender(anvil_chain.rpc, FOUNDER, limits=QUICK)
    await anvil_chain.rpc.once("evm_setAutomine", False)
    sent = asyncio.create_task(sender.submit(send_coin(STRANGER, 1)))
    digest = await only_pending(anvil_chain)
    await anvil_chain.rpc.once("anvil_dropTransaction", digest)
    await anvil_chain.rpc.once("evm_setAutomine", True)
    receipt = await sent
    assert hex_text(receipt.transaction) == digest


@pytest.mark.anvil
async def test_a_stuck_transaction_is_replaced_by_a_dearer_one_with_its_nonce(
    anvil_chain: LocalChain,
) -> None:
    await anvil_chain.fund(FOUNDER.address)
    sender = RpcSender(anvil_chain.rpc, FOUNDER, limits=QUICK)
    await anvil_chain.rpc.once("evm_setAutomine", False)
    sent = asyncio.create_task(sender.submit(send_coin(STRANGER, 1)))
    first = await only_pending(anvil_chain)
    second = first
    while second == first:
        await asyncio.sleep(0.05)
        second = await only_pending(anvil_chain)
    await anvil_chain.rpc.once("evm_mine")
    receipt = await sent
    assert hex_text(receipt.transaction) != first
    assert await nonces_in_order(anvil_chain, FOUNDER.address) == [0]
    assert await balance(anvil_chain, STRANGER) == 1


@pytest.mark.anvil
async def test_a_submit_that_gave_up_is_waited_for_and_never_sent_twice(
    anvil_chain: LocalChain,
) -> None:
    await anvil_chain.fund(FOUNDER.address)
    limits = SenderLimits(give_up_after=0.3, resend_after=60.0)
    sender = RpcSender(anvil_chain.rpc, FOUNDER, limits=limits)
    await anvil_chain.rpc.once("evm_setAutomine", False)
    with pytest.raises(TransactionPending) as pending:
        await sender.submit(send_coin(STRANGER, 1))
    assert pending.value.retryable
    await anvil_chain.rpc.once("evm_setAutomine", True)
    await anvil_chain.rpc.once("evm_mine")
    receipt = await sender.submit(send_coin(STRANGER, 1))
    assert receipt.transaction == pending.value.transaction
    assert await balance(anvil_chain, STRANGER) == 1


@pytest.mark.anvil
async def test_a_cancelled_submit_is_waited_for_and_never_sent_twice(
    anvil_chain: LocalChain,
) -> None:
    await anvil_chain.fund(FOUNDER.address)
    sender = RpcSender(anvil_chain.rpc, FOUNDER, limits=QUICK)
    await anvil_chain.rpc.once("evm_setAutomine", False)
    sent = asyncio.create_task(sender.submit(send_coin(STRANGER, 1)))
    first = await only_pending(anvil_chain)
    sent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sent
    await anvil_chain.rpc.once("evm_mine")
    receipt = await sender.submit(send_coin(STRANGER, 1))
    assert hex_text(receipt.transaction) == first
    assert await nonces_in_order(anvil_chain, FOUNDER.address) == [0]


@pytest.mark.anvil
async def test_gas_above_the_cap_stops_a_submit_before_it_is_sent(anvil_chain: LocalChain) -> None:
    await anvil_chain.fund(FOUNDER.address)
    await anvil_chain.rpc.once("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
    await anvil_chain.mine()
    limits = SenderLimits(fee_cap=20 * GWEI)
    sender = RpcSender(anvil_chain.rpc, FOUNDER, limits=limits)
    with pytest.raises(TransactionUnderpriced) as refusal:
        await sender.submit(send_coin(STRANGER, 1))
    assert refusal.value.cap == 20 * GWEI
    assert refusal.value.price > refusal.value.cap
    assert refusal.value.retryable
    assert await nonces_in_order(anvil_chain, FOUNDER.address) == []


async def test_an_account_without_gas_money_is_told_so(local_chain: LocalChain) -> None:
    poor = SigningKey(keccak(b"poor"))
    sender = RpcSender(local_chain.rpc, poor)
    with pytest.raises(GasMoneyShort) as refusal:
        await sender.submit(replace(send_coin(STRANGER, 0), gas_limit=21_000))
    assert (refusal.value.sender, refusal.value.held) == (poor.address, 0)
    assert refusal.value.needed > 0


@pytest.mark.anvil
async def test_an_outage_while_waiting_is_survived(anvil_chain: LocalChain) -> None:
    await anvil_chain.fund(FOUNDER.address, coins=1)
    async with (
        FaultEndpoint(anvil_chain.endpoint) as endpoint,
        JsonRpc(endpoint.address, anvil_chain.chain_id) as rpc,
    ):
        sender = RpcSender(rpc, FOUNDER, limits=QUICK)
        endpoint.lose_answer_to = "eth_sendRawTransaction"
        receipt = await sender.submit(send_coin(STRANGER, COIN // 2))
    assert receipt.gas_used == 21_000
    assert await balance(anvil_chain, STRANGER) == COIN // 2
    assert await nonces_in_order(anvil_chain, FOUNDER.address) == [0]


@pytest.mark.anvil
async def test_another_chains_endpoint_is_refused_before_anything_is_sent(
    anvil_chain: LocalChain,
) -> None:
    async with JsonRpc(anvil_chain.endpoint, 1) as rpc:
        with pytest.raises(WrongChain) as refusal:
            await RpcSender(rpc, FOUNDER).submit(send_coin(STRANGER, 1))
    assert (refusal.value.expected, refusal.value.found) == (1, anvil_chain.chain_id)


async def test_an_endpoint_that_is_down_is_named_without_its_key() -> None:
    async with JsonRpc("http://127.0.0.1:9/v3/secret-key", 1, seconds=1) as rpc:
        with pytest.raises(RpcUnreachable) as refusal:
            await RpcSender(rpc, FOUNDER).submit(send_coin(STRANGER, 1))
    assert "127.0.0.1:9" in str(refusal.value)
    assert "secret-key" not in str(refusal.value)


async def balance(chain: LocalChain, account: Address) -> int:
    return int(await chain.rpc.read("eth_getBalance", hex_text(account), "latest"), 16)


async def only_pending(chain: LocalChain) -> str:
    for _ in range(200):
        pool = await chain.rpc.once("txpool_content")
        found = [entry["hash"] for by in pool["pending"].values() for entry in by.values()]
        if found:
            assert len(found) == 1
            return str(found[0])
        await asyncio.sleep(0.01)
    pytest.fail("no transaction came to the pool")
