"""The chain port: what one process reads from a chain and writes to it.

Values live beside it: ``chain_records`` (what stands on chain), ``chain_events`` (what happened),
``chain_errors`` (what can go wrong), ``memory_chain`` (the in-memory fake). Chain time is integer
seconds, taken from block headers, never from our clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import (
    ChainParameters,
    ChannelAccount,
    ExecutionRates,
    PeriodPot,
    PeriodRent,
    RegisteredClass,
    RegisteredNode,
    RentAccount,
)
from settlement.types import Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block's header, as far as we need it. ``timestamp`` is in seconds."""

    number: int
    hash: Hash
    parent: Hash
    timestamp: int
    prev_randao: Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A transaction to be: where to, the calldata, and in words what for.

    ``contract`` None creates one from ``data``. ``value`` is the chain's own coin, in wei;
    ``gas_limit`` None lets the sender estimate. Built by ``settlement/chain/calls.py``.

    ``claim`` is its idempotency key: calls with one name have at most one live transaction among
    them, and once one is mined the others get its receipt and nothing is sent. ``worth`` is the
    value at stake in wei: fees may take only the sender's share of it.
    """

    contract: Address | None
    data: bytes
    purpose: str
    gas_limit: int | None = None
    value: int = 0
    claim: str | None = None
    worth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReceipt:
    """A transaction that was mined and did not revert. ``fee`` is what it cost, in wei."""

    transaction: Hash
    block: int
    block_hash: Hash
    gas_used: int
    fee: int
    created: Address | None
    events: tuple[ChainEvent, ...]


class ChainReader(Protocol):
    """Reads one chain at one deployment. All methods may raise RpcUnreachable, QuotaExceeded,
    RpcRefused and WrongChain; over several endpoints QuorumMissing and EndpointsDisagree."""

    @property
    def chain_id(self) -> int:
        """The chain that this reader was set up for."""
        ...

    async def head(self) -> Block:
        """The newest block. What it holds may still be replaced by a reorganisation."""
        ...

    async def block(self, number: int) -> Block:
        """A block by its number. Raises BlockNotFound."""
        ...

    async def events(
        self, first: int, last: int, watched: frozenset[Address]
    ) -> Sequence[ChainEvent]:
        """Events of blocks ``first`` to ``last``, both included, by (block, log_index): those of
        the deployment's contracts, and the ERC-721 transfers of ``watched`` contracts.

        Raises RangeRefused where the endpoint wants a smaller range, LogUnreadable.
        """
        ...

    async def call(self, contract: Address, calldata: bytes, block: int | None = None) -> bytes:
        """The raw answer of a view call, at the head or at a block. Raises CallReverted."""
        ...

    async def parameters(self, period: int | None = None) -> ChainParameters:
        """The clock of periods, with the terms of ``period``, of the current one by default."""
        ...

    async def rates(self, period: int | None = None) -> ExecutionRates:
        """What running scripts costs in ``period``, in the current one by default."""
        ...

    async def elected_anchors(self, period: int | None = None) -> Sequence[Address]:
        """The keys of the anchors that serve in ``period``, in the current one by default, the most
        approved first (``IAnchorElection.activeAnchors``). Of a period to come it is what would
        hold if no ballot were counted any more."""
        ...

    async def channel(self, signer: Address) -> ChannelAccount:
        """The channel of a session key; ``exists`` is False where there is none."""
        ...

    async def is_settled(self, signer: Address, period: int) -> bool:
        """Whether the channel was settled in that period."""
        ...

    async def claim_page(self, node: Address, period: int, page: int) -> int:
        """The hub's word of a page of direct claims (:mod:`settlement.core.claim_pages`)."""
        ...

    async def held_in(self, signer: Address, period: int) -> int:
        """A bound of what the channel ever held in that period; 0 where it is not known."""
        ...

    async def pot(self, anchor: Address, period: int) -> PeriodPot:
        """What an anchor collected in one period."""
        ...

    async def is_paid(self, anchor: Address, period: int, index: int) -> bool:
        """Whether the payout at ``index`` of a committed period was credited."""
        ...

    async def credit(self, account: Address) -> int:
        """An account's credit in the hub."""
        ...

    async def node(self, key: Address) -> RegisteredNode | None:
        """The registered node with this key."""
        ...

    async def payout_at(self, key: Address, period: int) -> Address:
        """Where earnings of a node's key in ``period`` go; zero where it is no node's."""
        ...

    async def nodes(self) -> Sequence[RegisteredNode]:
        """Every node that ever registered, by number."""
        ...

    async def token_class(self, class_id: Hash) -> RegisteredClass | None:
        """The registered class with this id."""
        ...

    async def revenue(self, class_id: Hash, period: int) -> tuple[Address, int]:
        """The issuer's payout account and share in basis points; zeros where unregistered."""
        ...

    async def rent(self, class_id: Hash) -> RentAccount:
        """A class's rent; its state is NONE where it never began."""
        ...

    async def rent_in(self, class_id: Hash, period: int) -> PeriodRent:
        """What a class pays in one period; zeros where it pays nothing."""
        ...

    async def owner_of(self, contract: Address, number: int) -> Address | None:
        """The owner of an ERC-721 token, None where it does not exist."""
        ...

    async def balance(self, account: Address) -> int:
        """Service Tokens held by an account."""
        ...

    async def stake_balance(self, account: Address) -> int:
        """Stake Tokens held by an account."""
        ...

    async def gas_balance(self, account: Address) -> int:
        """The chain's own coin held by an account, in wei."""
        ...


class ChainWriter(Protocol):
    """Sends transactions from one account."""

    @property
    def account(self) -> Address:
        """The account that pays for gas and is ``msg.sender``."""
        ...

    async def submit(self, call: Call) -> TransactionReceipt:
        """Send a transaction and return once it is mined.

        Concurrent calls are sent in the order in which they were made. A call with a ``claim`` that
        was mined before is not sent again: its receipt is returned. Raises CallReverted,
        TransactionUnderpriced, GasMoneyShort, TransactionPending, TransactionReplaced,
        RpcUnreachable, RpcRefused, WrongChain.
        """
        ...
