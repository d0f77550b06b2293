"""A key that pays one stranger on a real chain, through senders that come and go over one store."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from settlement.chain.calls import send_coin
from settlement.chain.local import LocalChain
from settlement.chain.rpc import Rpc
from settlement.chain.sender import RpcSender, SenderLimits
from settlement.ports.chain import Call
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.types import Address, hex_text, keccak

FOUNDER = SigningKey(keccak(b"founder"))
STRANGER = Address(keccak(b"stranger")[12:])
QUICK = SenderLimits(
    resend_after=0.3, resend_blocks=2, give_up_after=10.0, first_poll=0.02, longest_poll=0.05
)
ANSWERS_OF_A_FEW_LOOKS = 24


class Killed(BaseException):
    """The end of a process."""


class Shop:
    """The key, over a store that survives its senders. ``rpc`` None is the chain's own."""

    def __init__(self, chain: LocalChain, rpc: Rpc | None = None) -> None:
        self.chain = chain
        self.rpc: Rpc = rpc or chain.rpc
        self.store = MemoryStore()

    def sender(self, limits: SenderLimits = QUICK, kill_at: str = "") -> RpcSender:
        def failpoint(point: str) -> None:
            if point == kill_at:
                raise Killed

        return RpcSender(self.rpc, FOUNDER, limits=limits, store=self.store, failpoint=failpoint)

    async def automine(self, on: bool) -> None:
        await self.chain.rpc.once("evm_setAutomine", on)

    async def base_fee(self, wei: int) -> None:
        await self.chain.rpc.once("anvil_setNextBlockBaseFeePerGas", hex(wei))

    async def mined(self) -> list[dict[str, Any]]:
        """Every mined transaction of the key, in order."""
        head = int(await self.chain.rpc.read("eth_blockNumber"), 16)
        found: list[dict[str, Any]] = []
        for number in range(head + 1):
            block = await self.chain.rpc.read("eth_getBlockByNumber", hex(number), True)
            mine = (t for t in block["transactions"] if t["from"] == hex_text(FOUNDER.address))
            found += mine
        return found

    async def paid(self) -> int:
        """How many transactions to the stranger are on chain."""
        return sum(one["to"] == hex_text(STRANGER) for one in await self.mined())

    async def pooled(self) -> list[str]:
        pool = await self.chain.rpc.once("txpool_content")
        return [
            entry["hash"]
            for waiting in (pool["pending"], pool["queued"])
            for by_nonce in waiting.values()
            for entry in by_nonce.values()
        ]

    async def until_pooled(
        self, count: int = 1, sent: "asyncio.Future[Any] | None" = None
    ) -> list[str]:
        """What is in the pool once it holds ``count``; raises what ``sent`` failed with before."""
        for _ in range(5_000):
            if sent is not None and sent.done():
                pytest.fail(f"nothing was left to mine: {sent.result()}")
            if len(found := await self.pooled()) >= count:
                return found
            await asyncio.sleep(0.01)
        pytest.fail("no transaction came to the pool")


def named(name: str, amount: int = 1) -> Call:
    return replace(send_coin(STRANGER, amount), claim=name)


async def mine_until(shop: Shop, done: "asyncio.Future[Any]", base_fee: int | None = None) -> int:
    """Mine block after block until it is done; how many it took."""
    for blocks in range(1, 40):
        if base_fee is not None:
            await shop.base_fee(base_fee)
        await shop.chain.mine()
        await looked(shop, done)
        if done.done():
            return blocks
    pytest.fail("it was never mined")


async def looked(shop: Shop, done: "asyncio.Future[Any]") -> None:
    """Return once the sender has looked at the chain a few times, however slow the machine is."""
    standings = shop.rpc.standings
    enough = sum(one.answers for one in standings) + ANSWERS_OF_A_FEW_LOOKS * len(standings)
    for _ in range(3_000):
        if sum(one.answers for one in standings) >= enough or done.done():
            return
        await asyncio.sleep(0.01)
    pytest.fail("the sender does not look at the chain")
