"""An anchor's process beside a hub that checks everything it is sent.

The hub is a model of the contract's rules in plain Python: it recovers signatures, skips rows,
checks sums and proofs, and pays. Processes crash at random between any two steps.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from settlement.core.month_events import Stage
from settlement.core.splits import split
from settlement.errors import ChainError
from settlement.ports.chain import Call
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_events import (
    BondReleased,
    ChainEvent,
    ChannelOpened,
    PayoutsDistributed,
    PeriodCommitted,
    RowSkipped,
    StatementsAccepted,
)
from settlement.ports.chain_records import (
    AcceptedRow,
    Payout,
    PayoutProof,
    PeriodPot,
    PotStatus,
    ProofNode,
    RegisteredNode,
    SkipReason,
    StatementRow,
)
from settlement.ports.clock import VirtualClock
from settlement.ports.dispute_events import PayoutShown
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.protocol.merkle_sum import SumNode, payout_leaf, verify_range
from settlement.protocol.messages import Statement, Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey, recover
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine, Outbox
from settlement.services.settler import Settler
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, Signature, keccak

HUB = Address(b"h" * 20)
DOMAIN = Domain.of(31_337, HUB)
ANCHOR = SigningKey(keccak(b"anchor"))
PAYERS = [SigningKey(keccak(b"payer %d" % n)) for n in range(5)]
NODES = [Address(bytes([n + 1]) * 20) for n in range(3)]
CLASSES = [keccak(b"class %d" % n) for n in range(2)]
ISSUER = Address(b"i" * 20)
COIN = 10**18
DAY = 86_400
PERIOD = 30 * DAY


class Crash(BaseException):
    """The process dies here."""


@dataclass
class HubModel:
    """The hub's rules of one period, and the builders of the calls that it understands."""

    chain: MemoryChain
    balances: dict[Address, int] = field(default_factory=dict)
    requests: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)
    accepted: dict[Address, AcceptedRow] = field(default_factory=dict)
    chunks: int = 0
    paid: dict[int, Payout] = field(default_factory=dict)
    shown: dict[Address, int] = field(default_factory=dict)
    transactions: list[str] = field(default_factory=list)

    def _call(self, name: str, *arguments: object) -> Call:
        self.requests.append((name, arguments))
        number = len(self.requests) - 1
        return Call(contract=HUB, data=number.to_bytes(4, "big"), purpose=name)

    def settle_chunk(self, period: int, rows: Sequence[StatementRow]) -> Call:
        return self._call("settle", period, tuple(rows))

    def commit_period(self, period: int, root: Hash, total: int, leaf_count: int) -> Call:
        return self._call("commit", period, root, total, leaf_count)

    def distribute(
        self,
        anchor: Address,
        period: int,
        first_index: int,
        payouts: Sequence[Payout],
        siblings: Sequence[ProofNode],
    ) -> Call:
        return self._call("pay", anchor, period, first_index, tuple(payouts), tuple(siblings))

    def release_bond(self, anchor: Address, period: int) -> Call:
        return self._call("release", anchor, period)

    def show_payout(
        self, anchor: Address, period: int, account: Address, proof: PayoutProof
    ) -> Call:
        return self._call("show", anchor, period, account, proof)

    def _show(
        self, anchor: Address, period: int, account: Address, proof: PayoutProof
    ) -> list[ChainEvent]:
        proved = verify_range(
            SumNode(self.pot.root, self.pot.sum),
            self.pot.leaf_count,
            proof.first_index,
            [payout_leaf(p.account, p.amount) for p in proof.payouts],
            [SumNode(s.hash, s.sum) for s in proof.siblings],
        )
        if not proved or account in self.shown:
            raise reverted("DemandInvalid")
        paid = sum(p.amount for p in proof.payouts if p.account == account)
        self.shown[account] = paid
        return [
            PayoutShown(anchor=anchor, period=period, account=account, amount=paid, proof=proof)
        ]

    def on_submit(self, account: Address, call: Call) -> Sequence[ChainEvent]:
        assert account == ANCHOR.address
        name, arguments = self.requests[int.from_bytes(call.data, "big")]
        self.transactions.append(name)
        return getattr(self, f"_{name}")(*arguments)  # type: ignore[no-any-return]  # by name

    @property
    def pot(self) -> PeriodPot:
        return self.chain.pots.get((ANCHOR.address, 0), replace(NO_POT))

    def _settle(self, period: int, rows: tuple[StatementRow, ...]) -> list[ChainEvent]:
        if self.pot.status is not PotStatus.OPEN:
            raise reverted("PotStatus")
        events: list[ChainEvent] = []
        taken: list[AcceptedRow] = []
        for index, row in enumerate(rows):
            signer, reason = self._judge(period, row)
            if reason is SkipReason.NONE:
                self.balances[signer] -= row.amount
                self.chain.settled.add((signer, period))
                taken.append(
                    AcceptedRow(signer=signer, amount=row.amount, vouchers_root=row.vouchers_root)
                )
            else:
                skip = RowSkipped(
                    anchor=ANCHOR.address, period=period, index=index, signer=signer, reason=reason
                )
                events.append(skip)
        if taken:
            self.accepted |= {row.signer: row for row in taken}
            pot = replace(self.pot, sum=self.pot.sum + sum(row.amount for row in taken))
            self.chain.pots[ANCHOR.address, 0] = pot
            events.append(
                StatementsAccepted(
                    anchor=ANCHOR.address,
                    period=period,
                    chunk=self.chunks,
                    commitment=ZERO_HASH,
                    rows=tuple(taken),
                )
            )
            self.chunks += 1
        return events

    def _judge(self, period: int, row: StatementRow) -> tuple[Address, SkipReason]:
        vs = int.from_bytes(row.vs, "big")
        s, v = vs & ((1 << 255) - 1), 27 + (vs >> 255)
        signature = Signature(row.r + s.to_bytes(32, "big") + bytes([v]))
        message = Statement(
            anchor=ANCHOR.address,
            period=period,
            amount=row.amount,
            vouchers_root=row.vouchers_root,
        )
        signer = recover(DOMAIN, message, signature)
        if signer not in self.balances:
            return signer, SkipReason.UNKNOWN_CHANNEL
        if (signer, period) in self.chain.settled:
            return signer, SkipReason.ALREADY_SETTLED
        if row.amount > self.balances[signer]:
            return signer, SkipReason.INSUFFICIENT_BALANCE
        return signer, SkipReason.NONE

    def _commit(self, period: int, root: Hash, total: int, leaves: int) -> list[ChainEvent]:
        if self.pot.status is not PotStatus.OPEN or total != self.pot.sum:
            raise reverted("SumMismatch")
        final_at = self.chain._time + 3 * DAY
        self.chain.pots[ANCHOR.address, 0] = replace(
            self.pot,
            status=PotStatus.COMMITTED,
            root=root,
            leaf_count=leaves,
            final_at=final_at,
            bond=1,
        )
        return [
            PeriodCommitted(
                anchor=ANCHOR.address,
                period=period,
                root=root,
                sum=total,
                leaf_count=leaves,
                final_at=final_at,
                bond=1,
            )
        ]

    def _pay(
        self,
        anchor: Address,
        period: int,
        first: int,
        payouts: tuple[Payout, ...],
        siblings: tuple[ProofNode, ...],
    ) -> list[ChainEvent]:
        pot = self.pot
        if self.chain._time < pot.final_at:
            raise reverted("NotFinal")
        proved = verify_range(
            SumNode(pot.root, pot.sum),
            pot.leaf_count,
            first,
            [payout_leaf(p.account, p.amount) for p in payouts],
            [SumNode(s.hash, s.sum) for s in siblings],
        )
        if not proved:
            raise reverted("ProofInvalid")
        for index, payout in enumerate(payouts, first):
            if index not in self.paid:
                self.paid[index] = payout
                before = self.chain.credits.get(payout.account, 0)
                self.chain.credits[payout.account] = before + payout.amount
        paid = sum(payout.amount for payout in self.paid.values())
        self.chain.pots[ANCHOR.address, 0] = replace(pot, distributed=paid)
        return [
            PayoutsDistributed(anchor=anchor, period=period, first_index=first, payouts=payouts)
        ]

    def _release(self, anchor: Address, period: int) -> list[ChainEvent]:
        self.chain.pots[ANCHOR.address, 0] = replace(self.pot, bond=0)
        return [BondReleased(anchor=anchor, period=period, bond=1)]


NO_POT = PeriodPot(
    status=PotStatus.OPEN,
    sum=0,
    distributed=0,
    chunks=0,
    leaf_count=0,
    final_at=0,
    root=ZERO_HASH,
    bond=0,
)


def reverted(error: str) -> ChainError:
    return CallReverted(purpose="test", contract=HUB, error=error, arguments="", explanation=error)


@dataclass
class FlakyWriter:
    """The anchor's sender, which may die before or after its transaction is mined."""

    chain: MemoryChain
    dice: random.Random
    crash_rate: float = 0.0
    account: Address = ANCHOR.address

    async def submit(self, call: Call) -> object:
        if self.dice.random() < self.crash_rate / 2:
            raise Crash
        receipt = await self.chain.submit_as(self.account, call)
        if self.dice.random() < self.crash_rate / 2:
            raise Crash
        return receipt


class World:
    """An anchor's process that may be killed and started again over the same store."""

    def __init__(self, seed: int = 0, crash_rate: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.chain = MemoryChain()
        self.store = MemoryStore()
        self.hub = HubModel(self.chain)
        self.chain.on_submit = self.hub.on_submit
        self.dice = random.Random(seed)
        self.writer = FlakyWriter(self.chain, self.dice, crash_rate)
        self.crashes = 0
        for number, key in enumerate(NODES[:2]):
            self.chain.registered[key] = registered(key, number + 1)
        self.chain.registered[ANCHOR.address] = registered(ANCHOR.address, 9)
        self.chain.revenues[CLASSES[0]] = (ISSUER, 1_500)
        self.boot()

    def boot(self) -> None:
        self.engine = Engine(self.store, self.clock)
        self.calendar = Calendar(self.chain)
        self.directory = ChannelDirectory(self.engine)
        self.anchor = Anchor(
            engine=self.engine,
            domain=DOMAIN,
            key=ANCHOR,
            directory=self.directory,
            calendar=self.calendar,
            lease_step=COIN,
        )
        self.settler = Settler(
            engine=self.engine,
            anchor=self.anchor,
            chain=self.chain,
            writer=self.writer,  # type: ignore[arg-type]  # returns what the chain returns
            calls=self.hub,
            disputes=self.hub,
            calendar=self.calendar,
        )
        self.outbox = Outbox(self.engine, self.settler.performers)
        self.cursor = 0  # a follower without a memory: everything is shown again

    async def open_channels(self, deposit: int = 1_000 * COIN) -> None:
        for key in PAYERS:
            self.hub.balances[key.address] = deposit
            opened = ChannelOpened(
                signer=key.address,
                owner=ISSUER,
                anchor=ANCHOR.address,
                period=0,
                amount=deposit,
            )
            self.chain.mine(opened)
        await self.follow()

    async def promise(self, key: SigningKey, node: int, token_class: int, amount: int) -> None:
        message = Voucher(
            signer=key.address,
            period=0,
            node=NODES[node],
            token_class=CLASSES[token_class],
            cumulative=amount,
        )
        await self.anchor.acknowledge(Signed.by(key, DOMAIN, message))

    async def sign(self, key: SigningKey) -> int:
        draft = await self.anchor.draft(key.address, 0)
        await self.anchor.receive_statement(Signed.by(key, DOMAIN, draft.statement()))
        return draft.amount

    async def follow(self) -> None:
        head = await self.chain.head()
        events = await self.chain.events(self.cursor, head.number, frozenset())
        self.calendar.observe(head)
        await self.directory.receive(events)
        await self.settler.receive(events)
        self.cursor = head.number + 1

    async def live_until(self, stage: Stage, seconds: int = DAY // 4, rounds: int = 200) -> None:
        for _ in range(rounds):
            self.chain.advance(seconds)
            try:
                await self.follow()
                await self.outbox.perform_due()
                await self.follow()
            except Crash:
                self.crashes += 1
                self.boot()
                continue
            await self.clock.advance_ms(60_000)
            if (await self.settler.month(0)).stage is stage and not self.store.outbox:
                return
        pytest.fail(f"the month stands at {(await self.settler.month(0)).stage}")


def registered(key: Address, number: int) -> RegisteredNode:
    return RegisteredNode(
        key=key,
        number=number,
        roles=3,
        operator=ISSUER,
        payout=payout_of(key),
        stake=0,
        locked=0,
        thawing=0,
        thawed_at=0,
        api_url="",
        link_url="",
    )


def payout_of(key: Address) -> Address:
    return Address(keccak(b"payout of " + key)[:20])


async def expected_credits(world: World, lanes: list[tuple[int, int, int]]) -> dict[Address, int]:
    """What each account must hold, role by role."""
    shares = await world.calendar.shares(0)
    treasury = (await world.calendar.terms(0)).treasury
    owed: dict[Address, int] = {}
    for node, token_class, gross in lanes:
        parts = split(gross, shares, 1_500 if token_class == 0 else 0)
        paid_to = payout_of(NODES[node]) if node < 2 else NODES[node]
        for account, amount in (
            (treasury, parts.treasury),
            (ZERO_ADDRESS, parts.burnt),
            (payout_of(ANCHOR.address), parts.anchor),
            (ISSUER, parts.issuer),
            (paid_to, parts.node),
        ):
            owed[account] = owed.get(account, 0) + amount
    return {account: amount for account, amount in owed.items() if amount}


async def make_a_month(world: World) -> list[tuple[int, int, int]]:
    await world.open_channels()
    lanes = []
    for number, key in enumerate(PAYERS):
        for node, token_class in ((number % 3, 0), ((number + 1) % 3, number % 2)):
            amount = (7 + number) * COIN + 13 * node + 1
            await world.promise(key, node, token_class, amount)
            lanes.append((node, token_class, amount))
        await world.sign(key)
    return lanes
