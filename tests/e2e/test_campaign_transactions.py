"""Random faults of transactions and of endpoints: every claim is on chain once, within five blocks.

Six rounds by default; ``./dev campaign transactions 200`` asks for two hundred. In each one an
endpoint of three misbehaves, transactions are dropped, priced out, left by a killed process or
sent without an answer, and then blocks come again.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from fault_endpoint import FaultEndpoint
from paying_shop import FOUNDER, Killed, Shop, mine_until, named

from settlement.chain.local import LocalChain
from settlement.chain.quorum import RpcQuorum
from settlement.chain.sender import GWEI
from settlement.errors import ChainError
from settlement.ports.chain import TransactionReceipt

ROUNDS = int(os.environ.get("SMARTLAYER_CAMPAIGN", "6"))
BLOCKS_TO_HEAL = 5
MOST_CLAIMS = 4
SPIKE = 50
CRASHES = ("claim-persisted", "claim-broadcast", "replacement-persisted")

ENDPOINT_FAULTS: dict[str, dict[str, object]] = {
    "all well": {},
    "lying": {"lying": True},
    "lagging": {"lag": 4},
    "limited": {"quota": True},
    "hanging": {"hanging": True},
    "down": {"down": True},
    "another chain": {"chain_id": 1},
    "receipts hidden": {"receipts_hidden": True},
    "swallowing": {"swallows": True},
    "losing answers": {"lose_answer_to": "eth_sendRawTransaction", "lost": 3},
}


class Campaign:
    """One shop whose senders come and go."""

    def __init__(self, shop: Shop, endpoints: list[FaultEndpoint], chance: random.Random) -> None:
        self.shop = shop
        self.endpoints = endpoints
        self.chance = chance
        self.sender = shop.sender()
        self.claims = 0
        self.seen: Counter[str] = Counter()
        self.slowest = 0

    async def round(self) -> None:
        faulty = self.chance.choice(self.endpoints)
        fault = self.chance.choice(list(ENDPOINT_FAULTS))
        for name, value in ENDPOINT_FAULTS[fault].items():
            setattr(faulty, name, value)
        trouble = self.chance.choice(
            [self.none, self.drop_one, self.drop_all, self.spike, self.crash]
        )
        self.seen.update([fault, trouble.__name__])
        await self.shop.automine(False)
        names = [f"deed/{self.claims + n}" for n in range(self.chance.randint(1, MOST_CLAIMS))]
        self.claims += len(names)
        await trouble(names)
        for endpoint in self.endpoints:
            endpoint.heal()

    async def none(self, names: list[str]) -> None:
        await self._mined(names, self._nothing)

    async def drop_one(self, names: list[str]) -> None:
        async def drop() -> None:
            victim = self.chance.choice(await self.shop.until_pooled(len(names)))
            await self.shop.chain.rpc.once("anvil_dropTransaction", victim)

        await self._mined(names, drop)

    async def drop_all(self, names: list[str]) -> None:
        async def drop() -> None:
            await self.shop.until_pooled(len(names))
            await self.shop.chain.rpc.once("anvil_dropAllTransactions")

        await self._mined(names, drop)

    async def spike(self, names: list[str]) -> None:
        await self.shop.base_fee(GWEI)
        await self.shop.chain.mine()

        async def rise() -> None:
            await self.shop.until_pooled(len(names))

        await self._mined(names, rise, base_fee=SPIKE * GWEI)
        await self.shop.base_fee(GWEI)
        await self.shop.chain.mine()

    async def crash(self, names: list[str]) -> None:
        """The process dies at some point of the first claim; the next one takes over."""
        dying = self.shop.sender(kill_at=self.chance.choice(CRASHES))
        with pytest.raises(Killed):
            await dying.submit(named(names[0]))
        self.sender = self.shop.sender()
        await self._mined(names, self._nothing)

    async def _until_sent(self, name: str) -> TransactionReceipt:
        """What an outbox does: submit again after whatever a retry may help."""
        while True:
            try:
                return await self.sender.submit(named(name))
            except ChainError as error:
                if not error.retryable:
                    raise
                self.seen[type(error).__name__] += 1
            await asyncio.sleep(0.05)

    async def _nothing(self) -> None:
        pass

    async def _mined(
        self, names: list[str], fault: Callable[[], Awaitable[None]], base_fee: int = GWEI
    ) -> None:
        sent = asyncio.gather(*(self._until_sent(name) for name in names))
        await self.shop.until_pooled(sent=sent)
        await fault()
        self.slowest = max(self.slowest, await mine_until(self.shop, sent, base_fee=base_fee))
        receipts = await sent
        assert len({receipt.transaction for receipt in receipts}) == len(names)


@pytest.mark.anvil
@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_every_claim_is_on_chain_once_and_soon_whatever_goes_wrong(
    anvil_chain: LocalChain,
) -> None:
    seed = int(os.environ.get("SMARTLAYER_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    await anvil_chain.fund(FOUNDER.address)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        endpoints = [
            await stack.enter_async_context(FaultEndpoint(anvil_chain.endpoint)) for _ in range(3)
        ]
        addresses = [endpoint.address for endpoint in endpoints]
        rpc = await stack.enter_async_context(
            RpcQuorum(addresses, anvil_chain.chain_id, seconds=2.0, hedge_seconds=0.2)
        )
        campaign = Campaign(Shop(anvil_chain, rpc), endpoints, random.Random(seed))
        for number in range(ROUNDS):
            await campaign.round()
            paid = await campaign.shop.paid()
            assert paid == campaign.claims, f"round {number}, seed {seed}"
            assert campaign.slowest <= BLOCKS_TO_HEAL, f"round {number}, seed {seed}"
    print(
        f"{ROUNDS} rounds, {campaign.claims} claims, each on chain once, within "
        f"{campaign.slowest} blocks, in {time.monotonic() - began:.0f} s; "
        f"{dict(sorted(campaign.seen.items()))}"
    )
