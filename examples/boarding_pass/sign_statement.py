"""Sign what the anchor asks for in this period: python sign_statement.py ANCHOR_URL."""

import asyncio
import sys
from pathlib import Path

from settlement.chain.deployment import Deployment
from settlement.chain.keystore import load_key
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.client.anchor_client import AnchorClient
from settlement.client.channel import ChannelClient
from settlement.services.clock import SystemClock
from settlement.store.sqlite import SqliteStore

RPC_URL = "http://127.0.0.1:8545"


async def main(anchor_url: str) -> None:
    net = Deployment.load(Path("network.json"))
    key = load_key(Path("session.json"), Path("session.pw"))
    async with JsonRpc(RPC_URL, net.chain_id) as rpc:
        chain = RpcChainReader(rpc, net)
        period = (await chain.parameters()).period
        anchor_key = (await chain.channel(key.address)).anchor
    async with SqliteStore(Path("purse.sqlite")) as store, AnchorClient(anchor_url) as anchor:
        channel = ChannelClient(key=key, domain=net.domain, store=store, clock=SystemClock())
        spent = (await channel.state()).spent(period)
        draft = await anchor.draft_covering(channel.signer, period, spent)
        await anchor.send_statement(await channel.statement(draft, anchor_key))
        print(f"period {period}: signed for {draft.amount} base units in {len(draft.lanes)} lanes")


asyncio.run(main(*sys.argv[1:]))
