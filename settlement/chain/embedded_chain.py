"""A whole chain in one process, on py-evm: what the embedded JSON-RPC server shows.

Every transaction that can run is mined at once in a block of its own; one that comes before its
turn waits for its nonce. Time is the machine's plus what was skipped. Two blocks may carry the
same second, as on anvil, so that many transactions do not drag the chain's clock along.
"""

import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH, POST_MERGE_DIFFICULTY, POST_MERGE_NONCE
from eth.db.atomic import AtomicDB
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_utils.exceptions import ValidationError as EvmValidationError

from settlement.errors import ChainError
from settlement.types import Address, Hash

# py-evm's curve library sets the interpreter's recursion limit to 100,000 when it is imported; at
# that depth nested JSON overflows the C stack and the process dies. 1,024 calls need a tenth of it.
sys.setrecursionlimit(10_240)

BLOCK_GAS = 60_000_000
LARGEST_GAS = 1 << 24
"""What one transaction may use (EIP-7825)."""
_GAS_STEP = 2_000
_SEARCH_STEPS = 16


class _SameSecondVm(PragueVM):  # type: ignore[misc]  # py-evm is untyped
    """Prague's rules, but a block may carry its parent's second."""

    @classmethod
    def validate_header(cls, header: Any, parent_header: Any) -> None:
        if parent_header is not None and header.timestamp == parent_header.timestamp:
            header = header.copy(timestamp=header.timestamp + 1)
        super().validate_header(header, parent_header)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedTransaction:
    """A transaction in a block, with what it did. py-evm's own objects inside."""

    transaction: Any
    receipt: Any
    computation: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedBlock:
    """A block with at most one transaction."""

    header: Any
    content: MinedTransaction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a view call or an estimate asks. ``target`` None creates a contract."""

    sender: Address
    target: Address | None
    data: bytes
    value: int = 0
    gas: int = LARGEST_GAS


@dataclass(kw_only=True, eq=False, repr=False)
class TransactionRefused(ChainError):
    """A raw transaction cannot be taken; ``problem`` is what a client is told."""

    code: ClassVar[str] = "SL-7020"
    title: ClassVar[str] = "The embedded chain refused a transaction"
    fix: ClassVar[str] = "Correct the transaction: {problem}."

    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class ExecutionReverted(ChainError):
    """A call or an estimate ended in a revert; ``output`` is its data, as the client gets it."""

    code: ClassVar[str] = "SL-7021"
    title: ClassVar[str] = "The embedded chain's execution reverted"
    fix: ClassVar[str] = "Read the revert data {output}: {reason}."

    output: bytes
    reason: str


@dataclass(kw_only=True)
class EmbeddedChain:
    """The chain. ``allocation`` is what accounts hold at genesis, in wei."""

    chain_id: int
    allocation: dict[Address, int]
    skipped_seconds: int = 0
    blocks: list[MinedBlock] = field(default_factory=list)
    found: dict[Hash, int] = field(default_factory=dict)
    """Transaction hash to block number."""

    def __post_init__(self) -> None:
        rules = {"chain_id": self.chain_id, "vm_configuration": ((0, _SameSecondVm),)}
        kind: Any = type("EmbeddedMiningChain", (MiningChain,), rules)
        parameters = {
            "coinbase": bytes(20),
            "difficulty": POST_MERGE_DIFFICULTY,
            "extra_data": b"",
            "gas_limit": BLOCK_GAS,
            "mix_hash": secrets.token_bytes(32),
            "nonce": POST_MERGE_NONCE,
            "receipt_root": BLANK_ROOT_HASH,
            "timestamp": int(time.time()),
            "transaction_root": BLANK_ROOT_HASH,
        }
        state = {
            account: {"balance": wei, "nonce": 0, "code": b"", "storage": {}}
            for account, wei in self.allocation.items()
        }
        self._chain = kind.from_genesis(AtomicDB(), parameters, state)
        self._waiting: dict[Address, dict[int, Any]] = {}
        self._snapshots: list[tuple[int, int]] = []
        self._next_time: int | None = None
        self.blocks.append(MinedBlock(header=self._chain.get_canonical_head()))

    # Blocks and time

    @property
    def head(self) -> MinedBlock:
        return self.blocks[-1]

    def now(self) -> int:
        """The next block's time, unix seconds."""
        if self._next_time is not None:
            return int(self._next_time)
        return max(int(self.head.header.timestamp), int(time.time()) + self.skipped_seconds)

    def set_next_time(self, timestamp: int) -> None:
        """Give the next block this time; the clock goes on from there."""
        self._next_time = max(timestamp, self.head.header.timestamp)
        self.skipped_seconds = self._next_time - int(time.time())

    def mine(self) -> MinedBlock:
        """Mine an empty block."""
        self._begin_block()
        return self._seal(None)

    def snapshot(self) -> int:
        """Remember this state; returns its number."""
        self._snapshots.append((len(self.blocks), self.skipped_seconds))
        return len(self._snapshots)

    def revert(self, number: int) -> bool:
        """Go back to a snapshot and forget it and all later ones; False where there is none."""
        if not 1 <= number <= len(self._snapshots):
            return False
        length, self.skipped_seconds = self._snapshots[number - 1]
        del self._snapshots[number - 1 :]
        self.drop(len(self.blocks) - length)
        return True

    def drop(self, depth: int) -> None:
        """Take the newest ``depth`` blocks off the chain; their transactions are gone."""
        keep = len(self.blocks) - depth
        del self.blocks[keep:]
        self.found = {digest: number for digest, number in self.found.items() if number < keep}
        self._waiting.clear()

    # Transactions

    def send(self, raw: bytes) -> Hash:
        """Take a signed transaction, mine it if its nonce is next. Raises TransactionRefused."""
        try:
            transaction = self._vm().get_transaction_builder().decode(raw)
            sender = Address(transaction.sender)
        except Exception as error:  # py-evm and rlp raise many kinds here
            raise TransactionRefused(problem=f"it cannot be read: {error}") from error
        if transaction.chain_id != self.chain_id:
            raise TransactionRefused(problem=f"it is for chain {transaction.chain_id}")
        next_nonce = self.nonce(sender)
        if transaction.nonce < next_nonce:
            raise TransactionRefused(problem=f"nonce too low: next nonce {next_nonce}")
        if transaction.nonce > next_nonce:
            self._waiting.setdefault(sender, {})[transaction.nonce] = transaction
            return Hash(transaction.hash)
        self._run(transaction)
        self._run_waiting(sender)
        return Hash(transaction.hash)

    def waiting(self) -> Iterator[Any]:
        """Transactions whose nonce is not next yet."""
        for by_nonce in self._waiting.values():
            yield from by_nonce.values()

    def pending_nonce(self, account: Address) -> int:
        """The first nonce that no transaction of the account has, waiting ones included."""
        nonce = self.nonce(account)
        while nonce in self._waiting.get(account, {}):
            nonce += 1
        return nonce

    # State

    def nonce(self, account: Address) -> int:
        return int(self.state().get_nonce(account))

    def state(self, block: int | None = None) -> Any:
        """py-evm's state after a block, the newest by default."""
        header = self.head.header if block is None else self.blocks[block].header
        return self._chain.get_vm(header).state

    def call(self, request: Request, block: int | None = None) -> bytes:
        """The answer of a view call. Raises ExecutionReverted."""
        return bytes(self._execute(request, block)[0].output)

    def estimate(self, request: Request) -> int:
        """Gas that is enough for a transaction in the next block. Raises ExecutionReverted."""
        largest = min(request.gas, LARGEST_GAS)
        computation, intrinsic = self._execute(replace(request, gas=largest), None, pending=True)
        low, high = intrinsic + int(computation.get_gas_used()), largest
        guess = low + low // 32 + _GAS_STEP
        for _ in range(_SEARCH_STEPS):
            if self._succeeds(replace(request, gas=min(guess, largest))):
                return min(guess, largest)
            low = guess
            guess = (low + high) // 2
        return largest

    def _succeeds(self, request: Request) -> bool:
        try:
            self._execute(request, None, pending=True)
        except (ExecutionReverted, TransactionRefused):
            return False
        return True

    def _execute(
        self, request: Request, block: int | None, *, pending: bool = False
    ) -> tuple[Any, int]:
        mined = self.head if block is None else self.blocks[block]
        header = self._next_header() if pending else mined.header
        # Without a base fee an execution at gas price zero costs nothing, and so needs no coins.
        vm = self._chain.get_vm(header.copy(base_fee_per_gas=0))
        unsigned = vm.get_transaction_builder().create_unsigned_transaction(
            nonce=vm.state.get_nonce(request.sender),
            gas_price=0,
            gas=request.gas,
            to=request.target or b"",
            value=request.value,
            data=request.data,
        )
        spoofed = SpoofTransaction(unsigned, from_=request.sender)
        try:
            computation = vm.state.apply_transaction(spoofed)
        except EvmValidationError as error:
            raise TransactionRefused(problem=str(error)) from error
        if computation.is_error:
            reason = type(computation.error).__name__
            raise ExecutionReverted(output=bytes(computation.output), reason=reason)
        return computation, int(unsigned.intrinsic_gas)

    def _vm(self) -> Any:
        return self._chain.get_vm(self.head.header)

    def _run(self, transaction: Any) -> None:
        self._begin_block()
        try:
            _, receipt, computation = self._chain.apply_transaction(transaction)
        except EvmValidationError as error:
            problem = str(error)
            if "afford" in problem or "balance" in problem:  # as all clients say it
                problem = f"insufficient funds for gas * price + value: {problem}"
            raise TransactionRefused(problem=problem) from error
        block = self._seal(
            MinedTransaction(transaction=transaction, receipt=receipt, computation=computation)
        )
        self.found[Hash(transaction.hash)] = block.header.block_number

    def _run_waiting(self, sender: Address) -> None:
        by_nonce = self._waiting.get(sender, {})
        while (transaction := by_nonce.pop(self.nonce(sender), None)) is not None:
            try:
                self._run(transaction)
            except TransactionRefused:
                continue  # it can never run: the pool forgets it, as a client's does

    def _next_header(self) -> Any:
        parent = self.head.header
        header = self._chain.get_vm(parent).create_header_from_parent(
            parent,
            timestamp=max(parent.timestamp + 1, self.now()),
            gas_limit=parent.gas_limit,
            mix_hash=secrets.token_bytes(32),
        )
        return header.copy(timestamp=self.now())

    def _begin_block(self) -> None:
        self._chain.header = self._next_header()

    def _seal(self, content: MinedTransaction | None) -> MinedBlock:
        mined = self._chain.mine_block(mix_hash=self._chain.header.mix_hash, blob_gas_used=0)
        block = MinedBlock(header=mined.header, content=content)
        self.blocks.append(block)
        self._next_time = None
        return block
