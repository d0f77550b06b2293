"""A local network: a chain, its contracts, and node processes that register like anybody's.

Everything goes the way an operator goes: keystores and configuration files on disk, the node's own
command, registration and stake by transactions, readiness by the API.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from node.client.http import expect_json
from node.devnet.processes import Child, Children
from node.errors import PeerUnreachable
from settlement.chain.calls import Calls
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import create_keystore, load_key, write_password
from settlement.chain.local import LocalChain
from settlement.chain.reader import RpcChainReader
from settlement.ports.chain import Call
from settlement.protocol.signing import SigningKey
from settlement.types import Address, checksum

TOKEN = 10**18
KEYSTORE_COST = 1 << 12
"""scrypt's cost for keys that live for a minute."""
STAKE = {"anchor": 20_000 * TOKEN, "service": 5_000 * TOKEN}
ROLE_BITS = {"service": 1, "anchor": 2}
READY_S = 120.0
_POLL_S = 0.1


def new_key() -> SigningKey:
    """A fresh random key that lives in this process only."""
    return SigningKey(os.urandom(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class DevNode:
    """A node process of the devnet and the accounts behind it."""

    name: str
    role: str
    key: Address
    operator: SigningKey
    payout: Address
    child: Child

    @property
    def api_url(self) -> str:
        return self.child.facts["apiUrl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devnet:
    """What the story's people stand on: public addresses, and the founder's purse."""

    folder: Path
    chain: LocalChain
    deployment: Deployment
    calls: Calls
    reader: RpcChainReader
    founder: SigningKey
    treasury: Address
    children: Children
    session: aiohttp.ClientSession

    async def send(self, key: SigningKey, *calls: Call) -> None:
        """Send transactions of one account, in order."""
        sender = self.chain.sender(key, self.deployment)
        for call in calls:
            await sender.submit(call)


@asynccontextmanager
async def devnet(folder: Path, *, embedded: bool) -> AsyncIterator[Devnet]:
    """A chain with the contracts on it; every process started from here is stopped on leaving."""
    await asyncio.to_thread(_fresh, folder)
    founder, treasury = new_key(), new_key().address
    chain = LocalChain(kind="embedded" if embedded else None, log=folder / "chain.log")
    async with chain, Children(folder) as children, aiohttp.ClientSession() as session:
        deployment = await chain.found(founder, treasury=treasury)
        await asyncio.to_thread(deployment.save, folder / "deployment.json")
        yield Devnet(
            folder=folder,
            chain=chain,
            deployment=deployment,
            calls=Calls(deployment),
            reader=chain.reader(deployment),
            founder=founder,
            treasury=treasury,
            children=children,
            session=session,
        )


def _fresh(folder: Path) -> None:
    """An empty folder; only one that an earlier devnet made is emptied."""
    if (folder / "deployment.json").exists() or (folder / "chain.log").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


async def start_nodes(
    net: Devnet, names: Sequence[tuple[str, str]], private_hosts: Sequence[str]
) -> list[DevNode]:
    """Start a process for each (name, role), fund and register it, and wait until all of them
    have links to all others."""
    nodes = await asyncio.gather(
        *(_start_node(net, name, role, private_hosts) for name, role in names)
    )
    await asyncio.gather(*(node.child.ready() for node in nodes))
    await _fund(net, nodes)
    await asyncio.gather(*(_register(net, node) for node in nodes))
    await asyncio.gather(*(_linked(net, node, nodes) for node in nodes))
    return list(nodes)


async def _start_node(net: Devnet, name: str, role: str, private_hosts: Sequence[str]) -> DevNode:
    folder = net.folder / name
    key = await asyncio.to_thread(_write_node_files, net, folder, role, private_hosts)
    child = await net.children.start(
        name, "-m", "node.cli", "node", "run", "--config", str(folder / "node.toml")
    )
    return DevNode(
        name=name, role=role, key=key, operator=new_key(), payout=new_key().address, child=child
    )


def _write_node_files(
    net: Devnet, folder: Path, role: str, private_hosts: Sequence[str]
) -> Address:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = write_password(folder / "password")
    key = create_keystore(folder / "key.json", password, cost=KEYSTORE_COST)
    hosts = ", ".join(f'"{host}"' for host in private_hosts)
    (folder / "node.toml").write_text(
        f'data_dir = "{folder / "data"}"\n'
        f'deployment = "{net.folder / "deployment.json"}"\n'
        f'rpc_url = "{net.chain.endpoint}"\n'
        f'keystore = "{folder / "key.json"}"\n'
        f'password_file = "{folder / "password"}"\n'
        f'roles = ["{role}"]\n'
        f"private_hosts = [{hosts}]\n"
        "confirmations = 0\n"
        "follow_interval_ms = 100\n"
        "look_interval_ms = 1000\n"
    )
    return key


async def _fund(net: Devnet, nodes: Sequence[DevNode]) -> None:
    accounts = [account for node in nodes for account in (node.operator.address, node.key)]
    await net.chain.fund(*accounts, coins=10)
    sender = net.chain.sender(net.founder, net.deployment)
    await asyncio.gather(
        *(
            sender.submit(net.calls.pay_stake(node.operator.address, STAKE[node.role]))
            for node in nodes
        )
    )


async def _register(net: Devnet, node: DevNode) -> None:
    """As an operator does: approve the stake, then register with the node key's consent."""
    folder = node.child.folder
    node_key = await asyncio.to_thread(load_key, folder / "key.json", folder / "password")
    stake = STAKE[node.role]
    await net.send(
        node.operator,
        net.calls.approve_stake(stake),
        net.calls.register_node(
            key=node.key,
            key_proof=net.calls.key_proof(node_key, node.operator.address),
            payout=node.payout,
            roles=ROLE_BITS[node.role],
            api_url=node.child.facts["apiUrl"],
            link_url=node.child.facts["linkUrl"],
            stake=stake,
        ),
    )


async def _linked(net: Devnet, node: DevNode, nodes: Sequence[DevNode]) -> None:
    """Wait until a node shows every other one in its member list, with a live link."""
    wanted = {checksum(each.key) for each in nodes}
    waited = 0.0
    while waited < READY_S:
        net.children.check()
        try:
            body = await expect_json(net.session, "GET", f"{node.api_url}/members")
        except PeerUnreachable:
            body = {"members": []}
        if {member["key"] for member in body["members"] if member["linked"]} == wanted:
            return
        await asyncio.sleep(_POLL_S)
        waited += _POLL_S
    raise node.child.failure()
