"""The in-memory chain: both halves of the port, for tests that need no contracts.

A test writes what stands on chain into the public dictionaries, mines blocks with events, moves
time, replaces blocks, and looks at what was submitted. Nothing is executed: what a submitted call
causes is what ``on_submit`` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from settlement.errors import ChainError
from settlement.ports.chain import Block, Call, TransactionReceipt
from settlement.ports.chain_errors import BlockNotFound, CallReverted, RangeRefused
from settlement.ports.chain_events import ChainEvent, TokenMoved
from settlement.ports.chain_records import (
    ChainParameters,
    ChannelAccount,
    ExecutionRates,
    PeriodPot,
    PeriodRent,
    PotStatus,
    RegisteredClass,
    RegisteredNode,
    RentAccount,
    RentState,
    Terms,
)
from settlement.ports.chain_terms import DEFAULT_RATES, MONTH, monthly_terms
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, keccak

GENESIS = 1_700_000_000
SYSTEM = Address(b"smart-layer-contract")
"""Where events come from that name no contract of their own."""

OPERATOR = Address(b"smart-layer-operator")
"""Who submits where a test names no account."""

ANCHOR_ROLE, SEATS = 2, 21

MONTHLY_TERMS = monthly_terms(Address(b"smart-layer-treasury"))

_NO_POT = PeriodPot(
    status=PotStatus.OPEN,
    sum=0,
    distributed=0,
    chunks=0,
    leaf_count=0,
    final_at=0,
    root=ZERO_HASH,
    bond=0,
)
_NO_RENT = RentAccount(
    instances=0, started_in=0, paid_until=0, state=RentState.NONE, expiry=0, suspended_at=0
)
_NO_PERIOD_RENT = PeriodRent(instances=0, rent=0, spent=0)

OnSubmit = Callable[[Address, Call], Sequence[ChainEvent]]
"""What a call by an account causes: the events of its block. May raise a ChainError."""


@dataclass(kw_only=True)
class MemoryChain:
    """A chain with one block (number 0) at ``GENESIS``. Every submitted call is mined at once.

    ``refuse_next`` makes the next submit raise, as a revert or an outage would;
    ``unreachable`` makes every method raise until it is None again.
    """

    chain_id: int = 31_337
    account: Address = OPERATOR
    block_time: int = 12
    longest_range: int | None = None
    period_length: int = MONTH
    terms: Terms = MONTHLY_TERMS
    terms_by_period: dict[int, Terms] = field(default_factory=dict)
    execution_rates: ExecutionRates = DEFAULT_RATES
    rates_by_period: dict[int, ExecutionRates] = field(default_factory=dict)
    elected_by_period: dict[int, tuple[Address, ...]] = field(default_factory=dict)
    channels: dict[Address, ChannelAccount] = field(default_factory=dict)
    settled: set[tuple[Address, int]] = field(default_factory=set)
    claim_pages: dict[tuple[Address, int, int], int] = field(default_factory=dict)
    pots: dict[tuple[Address, int], PeriodPot] = field(default_factory=dict)
    paid: set[tuple[Address, int, int]] = field(default_factory=set)
    credits: dict[Address, int] = field(default_factory=dict)
    registered: dict[Address, RegisteredNode] = field(default_factory=dict)
    payouts_by_period: dict[tuple[Address, int], Address] = field(default_factory=dict)
    classes: dict[Hash, RegisteredClass] = field(default_factory=dict)
    revenues: dict[Hash, tuple[Address, int]] = field(default_factory=dict)
    rents: dict[Hash, RentAccount] = field(default_factory=dict)
    rents_by_period: dict[tuple[Hash, int], PeriodRent] = field(default_factory=dict)
    owners: dict[tuple[Address, int], Address] = field(default_factory=dict)
    balances: dict[Address, int] = field(default_factory=dict)
    stake_balances: dict[Address, int] = field(default_factory=dict)
    gas_balances: dict[Address, int] = field(default_factory=dict)
    answers: dict[tuple[Address, bytes], bytes] = field(default_factory=dict)
    submitted: list[Call] = field(default_factory=list)
    submitted_by: list[Address] = field(default_factory=list)
    on_submit: OnSubmit | None = None
    refuse_next: ChainError | None = None
    unreachable: ChainError | None = None

    def __post_init__(self) -> None:
        self._forks = 0
        self._claimed: dict[tuple[Address, str | None], TransactionReceipt] = {}
        self._time = GENESIS
        self._blocks: list[Block] = []
        self._events: list[ChainEvent] = []
        self.mine(seconds=0)

    # What a test does to the chain

    def mine(self, *events: ChainEvent, seconds: int | None = None) -> Block:
        """Mine a block with these events, ``seconds`` after the last one; returns the block."""
        number = len(self._blocks)
        self._time += self.block_time if seconds is None else seconds
        parent = self._blocks[-1].hash if self._blocks else ZERO_HASH
        seed = b"%d %d %d " % (self._forks, number, self._time) + parent
        block = Block(
            number=number,
            hash=keccak(b"block " + seed),
            parent=parent,
            timestamp=self._time,
            prev_randao=keccak(b"randao " + seed),
        )
        self._blocks.append(block)
        for index, event in enumerate(events):
            self._events.append(self._placed(event, block, index))
        return block

    def advance(self, seconds: int) -> Block:
        """Let time pass and mine an empty block then."""
        return self.mine(seconds=seconds)

    def drop(self, depth: int) -> None:
        """Take the newest ``depth`` blocks off, as the first half of a reorganisation does."""
        self._forks += 1
        del self._blocks[len(self._blocks) - depth :]
        self._events = [event for event in self._events if event.block < len(self._blocks)]
        self._time = self._blocks[-1].timestamp

    def writer(self, account: Address) -> "MemoryWriter":
        """The same chain seen by another account's sender."""
        return MemoryWriter(self, account)

    def period(self) -> int:
        """The period of the newest block."""
        return (self._time - GENESIS) // self.period_length

    # ChainReader

    async def head(self) -> Block:
        self._reach()
        return self._blocks[-1]

    async def block(self, number: int) -> Block:
        self._reach()
        if not 0 <= number < len(self._blocks):
            raise BlockNotFound(number=number)
        return self._blocks[number]

    async def events(
        self, first: int, last: int, watched: frozenset[Address]
    ) -> Sequence[ChainEvent]:
        self._reach()
        if self.longest_range is not None and last - first + 1 > self.longest_range:
            raise RangeRefused(
                endpoint="memory",
                method="eth_getLogs",
                number=-32_602,
                problem=f"at most {self.longest_range} blocks",
            )
        return [
            event
            for event in self._events
            if first <= event.block <= last
            and (not isinstance(event, TokenMoved) or event.contract in watched)
        ]

    async def call(self, contract: Address, calldata: bytes, block: int | None = None) -> bytes:
        self._reach()
        if (contract, calldata) not in self.answers:
            raise CallReverted(
                purpose="a view call",
                contract=contract,
                error="",
                arguments="",
                explanation="This test gave the in-memory chain no answer for the call.",
            )
        return self.answers[contract, calldata]

    async def parameters(self, period: int | None = None) -> ChainParameters:
        self._reach()
        wanted = self.period() if period is None else period
        return ChainParameters(
            genesis=GENESIS,
            period_length=self.period_length,
            period=wanted,
            terms=self.terms_by_period.get(wanted, self.terms),
        )

    async def rates(self, period: int | None = None) -> ExecutionRates:
        self._reach()
        wanted = self.period() if period is None else period
        return self.rates_by_period.get(wanted, self.execution_rates)

    async def elected_anchors(self, period: int | None = None) -> Sequence[Address]:
        """What the test says; else, as before a first election, those that registered first."""
        self._reach()
        wanted = self.period() if period is None else period
        if wanted in self.elected_by_period:
            return self.elected_by_period[wanted]
        first = sorted(self.registered.values(), key=lambda node: node.number)
        return tuple(n.key for n in first if n.roles & ANCHOR_ROLE and n.stake)[:SEATS]

    async def channel(self, signer: Address) -> ChannelAccount:
        self._reach()
        return self.channels.get(signer, ChannelAccount())

    async def is_settled(self, signer: Address, period: int) -> bool:
        self._reach()
        return (signer, period) in self.settled

    async def claim_page(self, node: Address, period: int, page: int) -> int:
        self._reach()
        return self.claim_pages.get((node, period, page), 0)

    async def held_in(self, signer: Address, period: int) -> int:
        self._reach()
        return self.channels.get(signer, ChannelAccount()).balance

    async def pot(self, anchor: Address, period: int) -> PeriodPot:
        self._reach()
        return self.pots.get((anchor, period), _NO_POT)

    async def is_paid(self, anchor: Address, period: int, index: int) -> bool:
        self._reach()
        return (anchor, period, index) in self.paid

    async def credit(self, account: Address) -> int:
        self._reach()
        return self.credits.get(account, 0)

    async def node(self, key: Address) -> RegisteredNode | None:
        self._reach()
        return self.registered.get(key)

    async def payout_at(self, key: Address, period: int) -> Address:
        self._reach()
        found = self.registered.get(key)
        default = found.payout if found else ZERO_ADDRESS
        return self.payouts_by_period.get((key, period), default)

    async def nodes(self) -> Sequence[RegisteredNode]:
        self._reach()
        return sorted(self.registered.values(), key=lambda node: node.number)

    async def token_class(self, class_id: Hash) -> RegisteredClass | None:
        self._reach()
        return self.classes.get(class_id)

    async def revenue(self, class_id: Hash, period: int) -> tuple[Address, int]:
        self._reach()
        return self.revenues.get(class_id, (ZERO_ADDRESS, 0))

    async def rent(self, class_id: Hash) -> RentAccount:
        self._reach()
        return self.rents.get(class_id, _NO_RENT)

    async def rent_in(self, class_id: Hash, period: int) -> PeriodRent:
        self._reach()
        return self.rents_by_period.get((class_id, period), _NO_PERIOD_RENT)

    async def owner_of(self, contract: Address, number: int) -> Address | None:
        self._reach()
        return self.owners.get((contract, number))

    async def balance(self, account: Address) -> int:
        self._reach()
        return self.balances.get(account, 0)

    async def stake_balance(self, account: Address) -> int:
        self._reach()
        return self.stake_balances.get(account, 0)

    async def gas_balance(self, account: Address) -> int:
        self._reach()
        return self.gas_balances.get(account, 0)

    # ChainWriter

    async def submit(self, call: Call) -> TransactionReceipt:
        return await self.submit_as(self.account, call)

    async def submit_as(self, account: Address, call: Call) -> TransactionReceipt:
        """What :meth:`submit` does, for any account."""
        self._reach()
        if self.refuse_next is not None:
            refusal, self.refuse_next = self.refuse_next, None
            raise refusal
        if (known := self._claimed.get((account, call.claim))) is not None:
            return known
        receipt = self._mined(account, call)
        if call.claim is not None:
            self._claimed[account, call.claim] = receipt
        return receipt

    def _mined(self, account: Address, call: Call) -> TransactionReceipt:
        events = self.on_submit(account, call) if self.on_submit else ()
        self.submitted.append(call)
        self.submitted_by.append(account)
        block = self.mine(*events)
        transaction = self._transaction(block)
        created = Address(keccak(transaction)[12:]) if call.contract is None else None
        return TransactionReceipt(
            transaction=transaction,
            block=block.number,
            block_hash=block.hash,
            gas_used=21_000,
            fee=21_000,
            created=created,
            events=tuple(event for event in self._events if event.block == block.number),
        )

    def _placed(self, event: ChainEvent, block: Block, index: int) -> ChainEvent:
        return replace(
            event,
            block=block.number,
            block_hash=block.hash,
            timestamp=block.timestamp,
            transaction=self._transaction(block),
            log_index=index,
            contract=SYSTEM if event.contract == ZERO_ADDRESS else event.contract,
        )

    def _transaction(self, block: Block) -> Hash:
        return keccak(b"transaction " + block.hash)

    def _reach(self) -> None:
        if self.unreachable is not None:
            raise self.unreachable


@dataclass(frozen=True, slots=True)
class MemoryWriter:
    """One account's sender on a :class:`MemoryChain`."""

    chain: MemoryChain
    account: Address

    async def submit(self, call: Call) -> TransactionReceipt:
        return await self.chain.submit_as(self.account, call)
