"""An integration's account on a real chain: a channel opened, filled and emptied by the client."""

import pytest

from settlement.chain.calls import Calls
from settlement.chain.local import LocalChain
from settlement.client.account import ChannelAccount
from settlement.errors import InputError
from settlement.protocol.signing import SigningKey
from settlement.types import Address, keccak

FOUNDER, OWNER, SESSION = (SigningKey(keccak(n)) for n in (b"founder", b"owner", b"session"))
ANCHOR = SigningKey(keccak(b"anchor"))
COIN = 10**18
STAKE = 100_000 * COIN


async def test_a_channel_is_opened_once_filled_and_asked_back(anvil_chain: LocalChain) -> None:
    deployment = await anvil_chain.found(FOUNDER, treasury=Address(b"t" * 20))
    await anvil_chain.fund(OWNER.address)
    calls, founder = Calls(deployment), anvil_chain.sender(FOUNDER, deployment)
    await founder.submit(calls.approve_stake(STAKE))
    await founder.submit(
        calls.register_node(
            key=ANCHOR.address,
            key_proof=calls.key_proof(ANCHOR, FOUNDER.address),
            payout=FOUNDER.address,
            roles=2,
            api_url="http://127.0.0.1",
            link_url="wss://127.0.0.1",
            stake=STAKE,
        )
    )
    reader = anvil_chain.reader(deployment)
    account = ChannelAccount(reader=reader, writer=anvil_chain.sender(OWNER, deployment))
    with pytest.raises(InputError, match="lacks"):
        await account.open(SESSION.address, anchor=ANCHOR.address, amount=5 * COIN)

    await founder.submit(calls.pay(OWNER.address, 20 * COIN))
    await account.open(SESSION.address, anchor=ANCHOR.address, amount=5 * COIN)
    found = await reader.channel(SESSION.address)
    assert (found.owner, found.anchor, found.balance) == (OWNER.address, ANCHOR.address, 5 * COIN)
    await account.open(SESSION.address, anchor=ANCHOR.address, amount=COIN)
    await account.top_up(SESSION.address, COIN)
    assert (await reader.channel(SESSION.address)).balance == 7 * COIN

    await account.request_withdrawal(SESSION.address, 3 * COIN)
    asked = await reader.channel(SESSION.address)
    assert asked.withdrawal_amount == 3 * COIN
    await anvil_chain.advance(asked.withdrawable_at - await anvil_chain.now() + 1)
    await account.withdraw(SESSION.address)
    assert (await reader.channel(SESSION.address)).balance == 4 * COIN
    assert await reader.balance(OWNER.address) == 16 * COIN
