"""Accounts and keys that change in mid-month, on a real chain: the month says who is paid where."""

from collections.abc import AsyncIterator

import pytest
from watched_network import (
    ANCHOR_KEY,
    FOUNDER,
    NODE_KEYS,
    PAYER_KEYS,
    PRICE,
    WatchedNetwork,
    payout_of,
    watched_network,
)

from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.stake_calls import StakeCalls
from settlement.client.channel import ChannelClient
from settlement.core.month_events import Stage
from settlement.core.refusals import ChannelUnknown
from settlement.ports.chain_records import PotStatus
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.types import Address, keccak

MOVED = Address(keccak(b"another account")[12:])
NEXT_PAYER = SigningKey(keccak(b"the next session key"))


@pytest.fixture
async def network() -> AsyncIterator[WatchedNetwork]:
    async with watched_network() as found:
        yield found


async def commit_period_0(network: WatchedNetwork) -> None:
    windows = await network.home.calendar.windows(0)
    await network.until(windows.closes_at)
    await network.sign()
    await network.until(windows.settle_from)
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.CHALLENGE
    network.shown.shown[ANCHOR_KEY.address, 0] = await network.settler.leaves(0)


async def test_a_node_that_moves_its_payouts_is_paid_for_the_month_at_the_old_account(
    network: WatchedNetwork,
) -> None:
    node = network.nodes[0]
    await network.pay()
    founder = network.chain.sender(FOUNDER, network.deployment)
    await founder.submit(StakeCalls(network.deployment).set_payout(node.key.address, MOVED))
    await commit_period_0(network)
    paid = {leaf.account for leaf in await network.settler.leaves(0)}
    assert payout_of(NODE_KEYS[0]) in paid
    assert MOVED not in paid
    await node.watch()
    assert (await node.tower.watched(ANCHOR_KEY.address, 0)).cleared
    pot = await network.home.reader.pot(ANCHOR_KEY.address, 0)
    assert pot.status is PotStatus.COMMITTED


async def test_a_session_key_that_is_rotated_settles_its_own_month_and_the_next_one_pays_on(
    network: WatchedNetwork,
) -> None:
    await network.pay()
    founder = network.chain.sender(FOUNDER, network.deployment)
    calls = DisputeCalls(network.deployment)
    await founder.submit(calls.rotate_signer(PAYER_KEYS[0].address, NEXT_PAYER.address))
    await commit_period_0(network)
    channel = await network.home.directory.channel(NEXT_PAYER.address, 1)
    assert channel.signer == PAYER_KEYS[0].address
    assert channel.settled_by(ANCHOR_KEY.address, 0)
    shown = await network.home.reader.channel(NEXT_PAYER.address)
    assert channel.balance == shown.balance > 0

    node = network.nodes[0]
    client = ChannelClient(
        key=NEXT_PAYER,
        domain=network.deployment.domain,
        store=MemoryStore(),
        clock=VirtualClock(),
    )
    voucher = await client.voucher(node.key.address, network.token_class, PRICE, period=1)
    admission = await node.collector.admit(
        voucher, token_class=network.token_class, price=PRICE, request_id=bytes(32)
    )
    await node.collector.charge(admission, b"answer")
    assert await node.collector.request_acknowledgements() == 0
    old = await network.clients[0].voucher(node.key.address, network.token_class, PRICE, period=1)
    with pytest.raises(ChannelUnknown):
        await node.collector.admit(
            old, token_class=network.token_class, price=PRICE, request_id=bytes(32)
        )
