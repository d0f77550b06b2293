"""A network under reorganisations: two senders act, one consumer keeps a database of what happened.

:meth:`ReorgWorld.differences` compares that database with the chain. Chance comes from one seed.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from node.protocol.messages import ElectionVote
from node.services.chain_view import ChainView
from settlement.chain.calls import Calls, compact
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.follower import ChainBatch, Follower, FollowerOptions
from settlement.chain.local import LocalChain
from settlement.chain.sender import RpcSender, SenderLimits
from settlement.chain.stake_calls import StakeCalls
from settlement.core.channels import CHANNEL, channel_key
from settlement.ports.chain import Call
from settlement.ports.chain_errors import CallReverted, TransactionReplaced
from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import StatementRow
from settlement.ports.clock import VirtualClock
from settlement.ports.store import MemoryStore
from settlement.protocol.messages import Statement
from settlement.protocol.signing import SigningKey
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address, Hash, TokenId, keccak

TOKEN = 10**18
FOUNDER = SigningKey(keccak(b"founder"))
ANCHOR_KEY = SigningKey(keccak(b"anchor under reorganisations"))
NODES = 4
STAKE = 50_000 * TOKEN
CONFIRMATIONS = 3
DEEPEST = 64
PERIOD = 100_000
BOTH_ROLES = 3
ANVIL_OPTIONS = ("--prune-history", "1000")
"""Without it anvil keeps ever fewer states in memory, and rolls back to empty ones in the end."""
LIMITS = SenderLimits(
    depth=DEEPEST + CONFIRMATIONS + 8,
    resend_after=0.2,
    resend_blocks=1,
    give_up_after=60.0,
    first_poll=0.005,
    longest_poll=0.05,
)


class Database:
    """What a process keeps: channels in a store, members and tokens in a view, and every event."""

    def __init__(self, world: "ReorgWorld") -> None:
        self.world = world
        self.store = MemoryStore()
        self.view = ChainView(world.chain.chain_id)
        self.seen: list[ChainEvent] = []
        self.replaced = 0
        self.boot()

    def boot(self) -> None:
        """Start over on the same store, as after a crash."""
        clock = VirtualClock()
        self.directory = ChannelDirectory(Engine(self.store, clock))
        self.follower = Follower(
            reader=self.world.reader,
            clock=clock,
            first_block=self.world.deployment.first_block,
            store=self.store,
            options=FollowerOptions(confirmations=CONFIRMATIONS, widest_range=40),
        )

    async def drain(self, chance: Random | None = None) -> None:
        """Take all that is confirmed; by chance die between taking a batch and saying so."""
        while (batch := await self.follower.step()) is not None:
            await self._take(batch)
            if chance is not None and chance.random() < 0.05:
                self.boot()
                continue
            await self.follower.done(batch)

    async def _take(self, batch: ChainBatch) -> None:
        newest = max((event.block for event in batch.events), default=0)
        assert newest <= batch.head.number - CONFIRMATIONS, "credited before it was confirmed"
        if (block := batch.replaced_from) is not None:
            self.replaced += 1
            await self.directory.undo(self.world.reader, block, self.world.deployment.first_block)
        # A batch may come again: what it tells of is forgotten first.
        self.view.rewind(batch.first)
        self.seen = [event for event in self.seen if event.block < batch.first]
        await self.directory.receive(batch.events)
        await self.view.follow(batch.events, batch.head)
        self.seen += batch.events

    async def channels(self) -> dict[str, Any]:
        """The state of every channel by key; those that never came to be are left out."""
        found: dict[str, Any] = {}
        for signer in await self.directory.signers():
            engine = Engine(self.store, VirtualClock())
            state = await engine.state(CHANNEL, channel_key(signer))
            if state.exists or state.channel != bytes(20):
                found[signer.hex()] = state
        return found


class ReorgWorld:
    """One anvil, a founded network, random deeds and random reorganisations."""

    def __init__(self, chain: LocalChain, seed: int) -> None:
        self.chain = chain
        self.chance = Random(seed)
        self.done: Counter[str] = Counter()
        self.sent: Counter[Address] = Counter()
        self.sessions: list[SigningKey] = []
        self.node_keys: list[SigningKey] = []
        self.claims = 0
        self.fence = 0

    async def found(self) -> None:
        self.deployment = await self.chain.found(FOUNDER, period_length=PERIOD)
        await self.chain.fund(ANCHOR_KEY.address)
        self.reader = self.chain.reader(self.deployment)
        self.calls, self.stakes = Calls(self.deployment), StakeCalls(self.deployment)
        self.disputes = DisputeCalls(self.deployment)
        self.founder, self.anchor = (
            RpcSender(
                self.chain.rpc, key, deployment=self.deployment, limits=LIMITS, store=MemoryStore()
            )
            for key in (FOUNDER, ANCHOR_KEY)
        )
        await self.founder.submit(self.calls.approve_deposit(10**9 * TOKEN))
        await self.founder.submit(self.calls.approve_stake(10**7 * TOKEN))
        for key in (ANCHOR_KEY, *(self._new_node_key() for _ in range(NODES))):
            await self.founder.submit(
                self.calls.register_node(
                    key=key.address,
                    key_proof=self.calls.key_proof(key, FOUNDER.address),
                    payout=FOUNDER.address,
                    roles=BOTH_ROLES,
                    api_url="http://127.0.0.1:1",
                    link_url="ws://127.0.0.1:2",
                    stake=STAKE,
                )
            )
        await self.chain.rpc.once("anvil_mine", hex(LIMITS.depth + 2))
        self.floor = (await self.reader.head()).number
        for sender in (self.founder, self.anchor):
            await sender.tend()
        self.started_at = {
            key.address: await self._count(key.address) for key in (FOUNDER, ANCHOR_KEY)
        }
        self.database = Database(self)

    # Deeds

    async def act(self) -> None:
        """One random deed; one that the contracts refuse is counted as such."""
        deeds = (
            (4, self.open_channel),
            (4, self.deposit),
            (3, self.settle),
            (2, self.slash),
            (2, self.rotate_node),
            (2, self.rotate_signer),
            (2, self.ask_back),
            (1, self.withdraw),
            (1, self.wait),
        )
        deed = self.chance.choices([d for _, d in deeds], [weight for weight, _ in deeds])[0]
        try:
            await deed()
        except CallReverted as error:
            self.done[f"{deed.__name__} refused: {error.error}"] += 1
        except TransactionReplaced:
            self.done["nonce taken"] += 1
        else:
            self.done[deed.__name__] += 1

    async def open_channel(self) -> None:
        self.sessions.append(self._key("session"))
        await self._submit(
            self.calls.open_channel(
                signer=self.sessions[-1].address,
                owner=FOUNDER.address,
                anchor=ANCHOR_KEY.address,
                amount=self.chance.randrange(1, 50) * TOKEN,
            )
        )

    async def deposit(self) -> None:
        amount = self.chance.randrange(1, 50) * TOKEN
        await self._submit(self.calls.top_up_channel(self._session().address, amount))

    async def settle(self) -> None:
        """The anchor claims what its channels owe for the last period, and then its window."""
        parameters = await self.reader.parameters()
        period = parameters.period
        closes = parameters.genesis + (period + 1) * PERIOD
        opens = closes + parameters.terms.acknowledgement_grace + 1
        await self.chain.advance(opens - await self.chain.now())
        rows = []
        for session in self.chance.sample(self.sessions, min(3, len(self.sessions))):
            statement = Statement(
                anchor=ANCHOR_KEY.address,
                period=period,
                amount=self.chance.randrange(1, TOKEN),
                vouchers_root=Hash(self.chance.randbytes(32)),
            )
            r, vs = compact(session.sign(self.deployment.domain, statement))
            rows.append(
                StatementRow(
                    amount=statement.amount, vouchers_root=statement.vouchers_root, r=r, vs=vs
                )
            )
        await self._submit(self.calls.settle_chunk(period, rows), self.anchor)

    async def slash(self) -> None:
        """A node voted twice on one fence; anybody reports it."""
        self.fence += 1
        culprit = self.chance.choice(self.node_keys)
        token = TokenId(chain_id=self.chain.chain_id, contract=FOUNDER.address, number=1)
        vote = ElectionVote(
            token=token.id,
            version=self.fence,
            attempt=0,
            executor=FOUNDER.address,
            trigger=Hash(bytes(32)),
            window_end=1,
        )
        other = replace(vote, executor=ANCHOR_KEY.address)
        domain = self.deployment.domain
        await self._submit(
            self.disputes.punish_election(
                vote, culprit.sign(domain, vote), other, culprit.sign(domain, other)
            )
        )

    async def rotate_node(self) -> None:
        index = self.chance.randrange(NODES)
        fresh = self._key("node")
        proof = self.calls.key_proof(fresh, FOUNDER.address)
        await self._submit(
            self.stakes.rotate_key(self.node_keys[index].address, fresh.address, proof)
        )
        self.node_keys[index] = fresh

    async def rotate_signer(self) -> None:
        index = self.chance.randrange(len(self.sessions) or 1)
        fresh = self._key("session")
        await self._submit(self.disputes.rotate_signer(self._session(index).address, fresh.address))
        self.sessions.append(fresh)

    async def ask_back(self) -> None:
        amount = self.chance.randrange(0, 10) * TOKEN
        await self._submit(self.calls.request_withdrawal(self._session().address, amount))

    async def withdraw(self) -> None:
        await self._submit(self.calls.withdraw(self._session().address))

    async def wait(self) -> None:
        await self.chain.advance(self.chance.randrange(1, PERIOD))

    # Reorganisations

    async def reorganise(self) -> int:
        """Replace the newest blocks; some of what they held may come back in the new ones."""
        depth = self.chance.randint(1, DEEPEST)
        missing = self.floor + depth - (await self.reader.head()).number
        if missing > 0:
            await self.chain.rpc.once("anvil_mine", hex(missing))
        kind = self.chance.choice(["empty", "partly kept", "shorter"])
        if kind == "shorter":
            await self.chain.rpc.once("anvil_rollback", depth)
        else:
            kept = await self._raw_of_newest(depth) if kind == "partly kept" else []
            await self.chain.rpc.once("anvil_reorg", depth, kept)
        await self.chain.rpc.once("anvil_dropAllTransactions")
        self.done[f"reorganisation, {kind}"] += 1
        return depth

    async def heal(self) -> None:
        """Let the senders put back what is gone, and time confirm it."""
        for sender in (self.founder, self.anchor):
            for _ in range(200):
                await sender.tend()
                if not sender.unmined:
                    break
                await self.chain.mine()
            assert not sender.unmined, f"never mined: {sender.unmined[0].purpose}"
        await self.chain.rpc.once("anvil_mine", hex(CONFIRMATIONS))
        await self.database.drain(self.chance)
        # Several reorganisations before the next healing are as deep as one of them may be.
        self.floor = max(self.floor, (await self.reader.head()).number - DEEPEST)

    async def differences(self) -> list[str]:
        """What the database and the chain do not agree on."""
        found: list[str] = []
        head, first = await self.reader.head(), self.deployment.first_block
        confirmed = head.number - CONFIRMATIONS
        events = list(await self.reader.events(first, confirmed, frozenset()))
        if self.database.seen != events:
            found.append(f"events: {len(self.database.seen)} kept, {len(events)} on chain")
        fresh = Database(self)
        await fresh.drain()
        kept, real = await self.database.channels(), await fresh.channels()
        found += [
            f"channel {key}: {kept.get(key)} kept, {real.get(key)} on chain"
            for key in kept.keys() | real.keys()
            if kept.get(key) != real.get(key)
        ]
        period = (await self.reader.parameters()).period
        for key, state in kept.items():
            account = await self.reader.channel(state.signer_at(period))
            if state.exists and not state.closed and account.balance != state.balance:
                found.append(f"balance of {key}: {state.balance} kept, {account.balance} on chain")
        if self.database.view.members != fresh.view.members:
            found.append("members differ")
        return found + await self._doubled()

    async def _doubled(self) -> list[str]:
        """Each claim of a sender has spent exactly one nonce."""
        found: list[str] = []
        for key, sender in ((FOUNDER, self.founder), (ANCHOR_KEY, self.anchor)):
            spent = await self._count(key.address) - self.started_at[key.address]
            if spent != self.sent[key.address]:
                found.append(f"{self.sent[key.address]} claims and {spent} transactions")
                found += [f"lost: {claim}" for claim in await self._lost(sender)]
            if sender.unmined:
                found.append("a claim is still out")
        return found

    async def _lost(self, sender: RpcSender) -> list[str]:
        lost: list[str] = []
        head = (await self.reader.head()).number
        for number in range(1, self.claims + 1):
            claim = await sender._book.find(f"deed/{number}")
            if claim is not None and await sender._out.find_receipt(claim) is None:
                place = f"{claim.stage} in block {claim.block} of {head}"
                lost.append(f"{claim.name} at nonce {claim.nonce}, {place}")
        return lost

    # Parts

    async def _submit(self, call: Call, sender: RpcSender | None = None) -> None:
        sender = sender or self.founder
        self.claims += 1
        try:
            await sender.submit(replace(call, claim=f"deed/{self.claims}"))
        except CallReverted as error:
            if error.transaction is not None:  # it was mined, and cost a nonce
                self.sent[sender.account] += 1
            raise
        self.sent[sender.account] += 1

    def _session(self, index: int | None = None) -> SigningKey:
        if not self.sessions:
            return FOUNDER  # no channel: the hub refuses it
        return self.sessions[index] if index is not None else self.chance.choice(self.sessions)

    def _new_node_key(self) -> SigningKey:
        self.node_keys.append(self._key("node"))
        return self.node_keys[-1]

    def _key(self, kind: str) -> SigningKey:
        return SigningKey(keccak(kind.encode() + self.chance.randbytes(16)))

    async def _count(self, account: Address) -> int:
        found = await self.chain.rpc.read("eth_getTransactionCount", "0x" + account.hex(), "latest")
        return int(found, 16)

    async def _raw_of_newest(self, depth: int) -> list[list[object]]:
        """The first of the transactions of the newest blocks, spread over the blocks to come."""
        head = (await self.reader.head()).number
        mined: list[str] = []
        for number in range(head - depth + 1, head + 1):
            block = await self.chain.rpc.read("eth_getBlockByNumber", hex(number), False)
            mined += block["transactions"]
        kept = mined[: self.chance.randint(0, len(mined))]
        places = sorted(self.chance.randrange(depth) for _ in kept)
        raws = [await self.chain.rpc.read("debug_getRawTransaction", digest) for digest in kept]
        return [[raw, place] for raw, place in zip(raws, places, strict=True)]
