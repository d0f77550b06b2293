"""A whole period against the real contracts: client, service nodes, anchor, settler, hub.

Three integrations pay two service nodes for calls of a registered class; the month passes; every
account's credit on chain equals a recomputation in rationals, and no unit is left over.
"""

import random
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import pytest

from settlement.chain.calls import ANCHOR, SERVICE, Calls, create_ticket_contract
from settlement.chain.deployment import Deployment
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.follower import Follower
from settlement.chain.local import LocalChain
from settlement.client.channel import ChannelClient
from settlement.core.month_events import Stage
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_records import Payout, ProofNode
from settlement.ports.chain_terms import MONTH
from settlement.ports.clock import VirtualClock
from settlement.ports.peers import DirectAcknowledgements
from settlement.ports.store import MemoryStore
from settlement.protocol.merkle_sum import Tree
from settlement.protocol.signing import SigningKey
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.collector import Collector, CollectorTerms
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Outbox
from settlement.services.settler import Settler
from settlement.types import ZERO_ADDRESS, Address, Hash, TokenClass, keccak

ROOT = Path(__file__).resolve().parents[2]
TOKEN = 10**18
FOUNDER = SigningKey(keccak(b"founder"))
ANCHOR_KEY = SigningKey(keccak(b"anchor of the month"))
NODE_KEYS = [SigningKey(keccak(b"node %d of the month" % n)) for n in range(2)]
PAYER_KEYS = [SigningKey(keccak(b"payer %d of the month" % n)) for n in range(3)]
TREASURY = Address(keccak(b"treasury")[12:])
ISSUER = Address(keccak(b"issuer")[12:])
ISSUER_SHARE = 1_234
CALLS_PER_PAIR = 7
PRICE = TOKEN // 3 + 1


def payout_of(key: SigningKey) -> Address:
    return Address(keccak(b"payout" + key.address)[12:])


class Process:
    """One node's process: its own store, directory and follower."""

    def __init__(self, chain: LocalChain, deployment: Deployment, first_block: int) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.engine = Engine(self.store, self.clock)
        self.reader = chain.reader(deployment)
        self.calendar = Calendar(self.reader)
        self.directory = ChannelDirectory(self.engine)
        self.follower = Follower(
            reader=self.reader, clock=self.clock, first_block=first_block, store=self.store
        )
        self.settler: Settler | None = None

    async def follow(self) -> None:
        while (batch := await self.follower.step()) is not None:
            self.calendar.observe(batch.head)
            await self.directory.receive(batch.events)
            if self.settler is not None:
                await self.settler.receive(batch.events)
            await self.follower.done(batch)


class Network:
    """Anchor, nodes and integrations on one chain."""

    def __init__(
        self, chain: LocalChain, deployment: Deployment, token_class: Hash, first_block: int
    ) -> None:
        self.chain = chain
        self.deployment = deployment
        self.token_class = token_class
        self.anchor_process = Process(chain, deployment, first_block)
        home = self.anchor_process
        self.anchor = Anchor(
            engine=home.engine,
            domain=deployment.domain,
            key=ANCHOR_KEY,
            directory=home.directory,
            calendar=home.calendar,
            lease_step=TOKEN,
        )
        home.settler = Settler(
            engine=home.engine,
            anchor=self.anchor,
            chain=home.reader,
            writer=chain.sender(ANCHOR_KEY, deployment),
            calls=Calls(deployment),
            disputes=DisputeCalls(deployment),
            calendar=home.calendar,
        )
        self.settler = home.settler
        self.outbox = Outbox(home.engine, self.settler.performers)
        acknowledgements = DirectAcknowledgements({ANCHOR_KEY.address: self.anchor.acknowledge})
        self.node_processes = [Process(chain, deployment, first_block) for _ in NODE_KEYS]
        self.collectors = [
            Collector(
                engine=process.engine,
                domain=deployment.domain,
                node=key.address,
                directory=process.directory,
                calendar=process.calendar,
                anchors=acknowledgements,
                terms=CollectorTerms(exposure_limit=2 * TOKEN),
            )
            for key, process in zip(NODE_KEYS, self.node_processes, strict=True)
        ]

    async def follow(self) -> None:
        for process in (self.anchor_process, *self.node_processes):
            await process.follow()

    async def settle(self) -> None:
        await self.follow()
        while await self.outbox.perform_due():
            await self.follow()


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    async with LocalChain(root=ROOT) as chain:
        deployment = await chain.found(FOUNDER, treasury=TREASURY)
        first_block = 0
        await chain.fund(ANCHOR_KEY.address)
        calls, founder = Calls(deployment), chain.sender(FOUNDER, deployment)
        await founder.submit(calls.approve_stake(60_000 * TOKEN))
        for key, roles in ((ANCHOR_KEY, ANCHOR), *((key, SERVICE) for key in NODE_KEYS)):
            await founder.submit(
                calls.register_node(
                    key=key.address,
                    key_proof=calls.key_proof(key, FOUNDER.address),
                    payout=payout_of(key),
                    roles=roles,
                    api_url="http://127.0.0.1:1",
                    link_url="127.0.0.1:2",
                    stake=20_000 * TOKEN,
                )
            )
        receipt = await founder.submit(create_ticket_contract(FOUNDER.address))
        assert receipt.created is not None
        await founder.submit(
            calls.register_class(
                token_contract=receipt.created,
                payout=ISSUER,
                issuer_share=ISSUER_SHARE,
                script_uri="ipfs://script",
                script_hash=keccak(b"script"),
            )
        )
        await founder.submit(calls.approve_deposit(300 * TOKEN))
        for key in PAYER_KEYS:
            await founder.submit(
                calls.open_channel(
                    signer=key.address,
                    owner=FOUNDER.address,
                    anchor=ANCHOR_KEY.address,
                    amount=100 * TOKEN,
                )
            )
        token_class = TokenClass(chain_id=chain.chain_id, contract=receipt.created).id
        yield Network(chain, deployment, token_class, first_block)


async def pay_for_calls(network: Network, price_of: Callable[[], int]) -> list[ChannelClient]:
    clients = []
    for key in PAYER_KEYS:
        client = ChannelClient(
            key=key,
            domain=network.deployment.domain,
            store=MemoryStore(),
            clock=VirtualClock(),
        )
        clients.append(client)
        for node, collector in zip(NODE_KEYS, network.collectors, strict=True):
            for number in range(CALLS_PER_PAIR):
                price = price_of()
                voucher = await client.voucher(node.address, network.token_class, price, 0)
                admission = await collector.admit(
                    voucher,
                    token_class=network.token_class,
                    price=price,
                    request_id=keccak(key.address + node.address + bytes([number])),
                )
                await collector.charge(admission, b"answer")
                await collector.request_acknowledgements()
    return clients


def recomputed(terms_of: dict[str, int]) -> dict[Address, int]:
    """Every account's credit, from the lanes alone."""
    owed: dict[Address, Fraction] = {}

    def owe(account: Address, amount: Fraction) -> None:
        owed[account] = owed.get(account, Fraction(0)) + amount

    def share(gross: Fraction, name: str) -> Fraction:
        return gross * Fraction(terms_of[name], 10_000)

    for node in NODE_KEYS:
        for _ in PAYER_KEYS:
            gross = Fraction(CALLS_PER_PAIR * PRICE)
            protocol = Fraction(ceil(share(gross, "protocol")))
            burnt = Fraction(floor(share(protocol, "burn")))
            anchor = Fraction(floor(share(gross, "anchor")))
            issuer = Fraction(floor(share(gross, "issuer")))
            owe(ZERO_ADDRESS, burnt)
            owe(TREASURY, protocol - burnt)
            owe(payout_of(ANCHOR_KEY), anchor)
            owe(ISSUER, issuer)
            owe(payout_of(node), gross - protocol - anchor - issuer)
    return {account: int(amount) for account, amount in owed.items()}


async def settle_the_month(network: Network, clients: list[ChannelClient]) -> None:
    """Let the period pass, sign every Statement, settle and commit."""
    await network.chain.advance(MONTH)
    await network.follow()
    for client in clients:
        draft = await network.anchor.draft(client.signer, 0)
        statement = await client.statement(draft, ANCHOR_KEY.address)
        await network.anchor.receive_statement(statement)
    windows = await network.anchor_process.calendar.windows(0)
    await network.chain.advance(windows.settle_from - windows.closes_at)
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.CHALLENGE


async def test_a_month_on_the_real_contracts_leaves_no_difference(network: Network) -> None:
    await network.follow()
    clients = await pay_for_calls(network, lambda: PRICE)
    await settle_the_month(network, clients)
    for client in clients:
        assert (await client.state()).promised(0) == 2 * CALLS_PER_PAIR * PRICE

    terms = await network.anchor_process.calendar.terms(0)
    await network.chain.advance(terms.challenge_window)
    await network.settle()
    assert (await network.settler.month(0)).stage is Stage.DONE

    expected = recomputed(
        {
            "protocol": terms.protocol_share,
            "burn": terms.burn_share,
            "anchor": terms.anchor_share,
            "issuer": ISSUER_SHARE,
        }
    )
    reader = network.anchor_process.reader
    assert {account: await reader.credit(account) for account in expected} == expected
    pot = await reader.pot(ANCHOR_KEY.address, 0)
    paid = sum(expected.values())
    assert pot.distributed == pot.sum == paid
    assert pot.bond == 0
    for key in PAYER_KEYS:
        channel = await reader.channel(key.address)
        assert channel.balance == 100 * TOKEN - 2 * CALLS_PER_PAIR * PRICE
        assert (await network.anchor_process.directory.channel(key.address)).balance == (
            channel.balance
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_hub_accepts_every_range_that_we_prove_and_no_altered_one(
    network: Network, seed: int
) -> None:
    await network.follow()
    dice = random.Random(seed)
    clients = await pay_for_calls(network, lambda: dice.randrange(1, TOKEN))
    await settle_the_month(network, clients)
    terms = await network.anchor_process.calendar.terms(0)
    await network.chain.advance(terms.challenge_window)

    leaves = await network.settler.leaves(0)
    tree = Tree.of([leaf.node() for leaf in leaves])
    calls, reader = Calls(network.deployment), network.anchor_process.reader

    async def ask(first: int, amounts: list[int]) -> None:
        payouts = [
            Payout(account=leaf.account, amount=amount)
            for leaf, amount in zip(leaves[first:], amounts, strict=False)
        ]
        proof = tree.range_proof(first, len(payouts))
        siblings = [ProofNode(hash=node.hash, sum=node.sum) for node in proof]
        call = calls.distribute(ANCHOR_KEY.address, 0, first, payouts, siblings)
        await reader.call(network.deployment.hub, call.data)

    for first in range(len(leaves)):
        for last in range(first, len(leaves)):
            amounts = [leaf.amount for leaf in leaves[first : last + 1]]
            await ask(first, amounts)
            altered = [*amounts[:-1], amounts[-1] + 1]
            with pytest.raises(CallReverted):
                await ask(first, altered)
