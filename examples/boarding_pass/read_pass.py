"""Read one token, paid and verified: python read_pass.py CHAIN/CONTRACT/NUMBER GRANT."""

import asyncio
import sys
from pathlib import Path

from node.client.grants import load_grant
from node.client.site import open_site
from settlement.chain.keystore import load_key

NETWORK, PURSE, RPC_URL = Path("network.json"), Path("purse.sqlite"), "http://127.0.0.1:8545"


async def main(path: str, grant_file: str) -> None:
    key, grant = load_key(Path("session.json"), Path("session.pw")), load_grant(Path(grant_file))
    async with open_site(NETWORK, RPC_URL, key, PURSE) as site:
        answer = await site.read(path, "gate", grant)
        print(answer.result, "proven:", answer.proven, "charged:", answer.charged)


asyncio.run(main(*sys.argv[1:]))
