"""The process that the sender's crash test kills: pays a stranger once, under one claim.

``--kill-at POINT`` ends it by SIGKILL at a named point. It prints the transaction that was mined.
"""

import argparse
import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from settlement.chain.calls import send_coin
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import RpcSender
from settlement.protocol.signing import SigningKey
from settlement.store.sqlite import SqliteStore
from settlement.types import Address, Hash, keccak


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("endpoint")
    parser.add_argument("chain_id", type=int)
    parser.add_argument("key", help="the seed of the paying key")
    parser.add_argument("--kill-at", default="never")
    asked = parser.parse_args()

    def failpoint(point: str) -> None:
        if point == asked.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    key = SigningKey(Hash(keccak(asked.key.encode())))
    call = replace(send_coin(Address(b"the-stranger-we-pay."), 1), claim="rent/7")
    async with (
        SqliteStore(asked.database) as store,
        JsonRpc(asked.endpoint, asked.chain_id) as rpc,
    ):
        receipt = await RpcSender(rpc, key, store=store, failpoint=failpoint).submit(call)
    print(receipt.transaction.hex())


if __name__ == "__main__":
    asyncio.run(main())
