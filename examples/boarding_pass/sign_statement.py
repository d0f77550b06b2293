"""Sign what the anchor asks for in this period: python sign_statement.py."""

import asyncio
from pathlib import Path

from node.client.site import open_site
from settlement.chain.keystore import load_key

NETWORK, PURSE, RPC_URL = Path("network.json"), Path("purse.sqlite"), "http://127.0.0.1:8545"


async def main() -> None:
    key = load_key(Path("session.json"), Path("session.pw"))
    async with open_site(NETWORK, RPC_URL, key, PURSE) as site:
        signed = await site.sign_statement()
        print(
            f"period {signed.period}: signed for {signed.amount} base units "
            f"in {len(signed.lanes)} lanes"
        )


asyncio.run(main())
