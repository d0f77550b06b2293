"""Read one token, paid and verified: python read_pass.py CHAIN/CONTRACT/NUMBER GRANT ANCHOR_URL."""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import ClientSession

from node.client.tokens import TokenReader
from node.protocol.messages import Grant
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import load_key
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_from_json
from settlement.services.clock import SystemClock
from settlement.store.sqlite import SqliteStore
from settlement.types import TokenId, parse_address

RPC_URL = "http://127.0.0.1:8545"


async def main(path: str, grant: Signed[Grant], anchor_url: str) -> None:
    net = Deployment.load(Path("network.json"))
    key = load_key(Path("session.json"), Path("session.pw"))
    chain_id, contract, number = path.split("/")
    ticket = TokenId(chain_id=int(chain_id), contract=parse_address(contract), number=int(number))
    async with JsonRpc(RPC_URL, net.chain_id) as rpc:
        nodes = await RpcChainReader(rpc, net).nodes()
    keys = [node.key for node in nodes if node.roles & 2]
    anchors = [anchor_url]
    async with SqliteStore(Path("purse.sqlite")) as store, ClientSession() as session:
        channel = ChannelClient(
            key=key,
            domain=net.domain,
            store=store,
            clock=SystemClock(),
            budgets=Budgets(per_day=10**18),
        )
        reader = TokenReader(
            session=session, anchors=anchors, channel=channel, domain=net.domain, trusted=keys
        )
        answer = await reader.read(ticket, "gate", grant)
        print(answer.result, "proven:", answer.proven, "charged:", answer.charged)


def grant_in(file: str) -> Signed[Grant]:
    return signed_from_json(Grant, json.loads(Path(file).read_text()))


asyncio.run(main(sys.argv[1], grant_in(sys.argv[2]), sys.argv[3]))
