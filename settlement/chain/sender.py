"""Sends one account's transactions: in order, each exactly once, and never above the fee cap.

One sender per key. A transaction keeps its nonce whatever happens to it: dropped ones are sent
again unchanged, stuck ones with higher fees, so that at most one of a nonce's versions is ever
mined. A call whose outcome is not known when the sender gives up (TransactionPending) is not sent
anew when it is submitted again: the sender goes on waiting for the one that is out.

Source of the replacement rule: clients accept a replacement that pays at least 10 % more; we pay
an eighth more.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from settlement.chain.deployment import Deployment
from settlement.chain.events import EventDecoder
from settlement.chain.reverts import explain
from settlement.chain.rpc import Rpc
from settlement.chain.transactions import Transaction
from settlement.ports.chain import Call, TransactionReceipt
from settlement.ports.chain_errors import (
    CallReverted,
    GasMoneyShort,
    QuotaExceeded,
    RpcRefused,
    RpcUnreachable,
    TransactionPending,
    TransactionReplaced,
    TransactionUnderpriced,
)
from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, hex_text

GWEI = 10**9
LARGEST_GAS = 1 << 24
"""What one transaction may use (EIP-7825)."""
_NO_BODIES = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """What a sender may spend and how long it waits. Fees are wei per gas, times seconds."""

    fee_cap: int = 500 * GWEI
    priority_fee: int = 2 * GWEI
    gas_margin_percent: int = 25
    first_poll: float = 0.02
    longest_poll: float = 1.0
    resend_after: float = 30.0
    give_up_after: float = 180.0


@dataclass(kw_only=True, eq=False)
class _Sent:
    """A transaction that is out: every version of it shares the nonce."""

    call: Call
    transaction: Transaction
    raw: bytes
    hashes: list[Hash] = field(default_factory=list)
    sent_at: float = 0.0


class RpcSender:
    """A :class:`settlement.ports.chain.ChainWriter` for one key over one endpoint.

    ``deployment`` decodes the events of receipts; without it receipts carry none.
    """

    def __init__(
        self,
        rpc: Rpc,
        key: SigningKey,
        *,
        deployment: Deployment | None = None,
        limits: SenderLimits | None = None,
    ) -> None:
        self._rpc = rpc
        self._key = key
        self._decoder = EventDecoder.of(deployment) if deployment else None
        self._limits = limits or SenderLimits()
        self._order = asyncio.Lock()
        self._next_nonce = 0
        self._out: dict[int, _Sent] = {}
        self._unresolved: dict[Call, _Sent] = {}

    @property
    def account(self) -> Address:
        return self._key.address

    async def submit(self, call: Call) -> TransactionReceipt:
        sent = self._unresolved.pop(call, None)
        if sent is None:
            async with self._order:
                sent = await self._send(call)
        return await self._mined(sent)

    async def simulate(self, call: Call) -> int:
        """The gas that a call would use now; nothing is sent. Raises CallReverted."""
        return await self._estimate(call)

    # Sending

    async def _send(self, call: Call) -> _Sent:
        gas = call.gas_limit or await self._estimate_in_order(call)
        priority, maximum = await self._fees(call)
        transaction = Transaction(
            chain_id=self._rpc.chain_id,
            nonce=await self._nonce(),
            priority_fee=priority,
            maximum_fee=maximum,
            gas=gas,
            to=call.contract,
            value=call.value,
            data=call.data,
        )
        sent = _Sent(call=call, transaction=transaction, raw=b"")
        # From here on the nonce counts as used: a cancelled request may have arrived.
        self._out[transaction.nonce] = sent
        self._next_nonce = transaction.nonce + 1
        try:
            await self._broadcast(sent, transaction)
        except RpcUnreachable:
            pass  # it may have arrived; the wait below finds out and sends it again if not
        except RpcRefused as error:
            self._forget(sent)
            raise await self._refusal(error, call, transaction) from error
        return sent

    async def _nonce(self) -> int:
        if self._out:
            return self._next_nonce
        # Nothing of ours is out: the chain's own count heals any gap we might have kept.
        return await self._count("pending")

    async def _count(self, tag: str) -> int:
        found = await self._rpc.read("eth_getTransactionCount", hex_text(self.account), tag)
        return int(found, 16)

    async def _broadcast(self, sent: _Sent, transaction: Transaction) -> None:
        digest, raw = transaction.signed(self._key)
        sent.transaction, sent.raw = transaction, raw
        sent.sent_at = asyncio.get_running_loop().time()
        if digest not in sent.hashes:
            sent.hashes.append(digest)
        try:
            await self._rpc.broadcast(raw)
        except RpcRefused as error:
            if "already" not in error.problem.lower():  # "already known", "already imported"
                raise

    async def _estimate_in_order(self, call: Call) -> int:
        try:
            return await self._estimate(call)
        except CallReverted:
            if not self._out:
                raise
        # It may build on transactions of ours that are still out (approve, then deposit).
        await self._wait_for_earlier()
        return await self._estimate(call)

    async def _wait_for_earlier(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.resend_after
        pause = self._limits.first_poll
        while loop.time() < deadline and await self._count("latest") < self._next_nonce:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._limits.longest_poll)

    async def _estimate(self, call: Call) -> int:
        request = self._request(call)
        try:
            found = int(await self._rpc.read("eth_estimateGas", request, "pending"), 16)
        except CallReverted as error:
            raise replace(error, purpose=call.purpose, contract=call.contract) from error
        except RpcRefused as error:
            if "insufficient" in error.problem.lower():
                raise await self._short_of_money(call, 0) from error
            raise
        return min(found * (100 + self._limits.gas_margin_percent) // 100, LARGEST_GAS)

    def _request(self, call: Call) -> dict[str, str]:
        request = {"from": hex_text(self.account), "data": hex_text(call.data)}
        if call.contract is not None:
            request["to"] = hex_text(call.contract)
        if call.value:
            request["value"] = hex(call.value)
        return request

    async def _fees(self, call: Call) -> tuple[int, int]:
        head = await self._rpc.read("eth_getBlockByNumber", "latest", _NO_BODIES)
        base = int(head.get("baseFeePerGas", "0x0"), 16)
        cap, priority = self._limits.fee_cap, self._limits.priority_fee
        if base + priority > cap:
            raise TransactionUnderpriced(purpose=call.purpose, price=base + priority, cap=cap)
        return priority, min(2 * base + priority, cap)

    async def _refusal(
        self, error: RpcRefused, call: Call, transaction: Transaction
    ) -> CallReverted | RpcRefused | GasMoneyShort | TransactionUnderpriced | TransactionReplaced:
        words = error.problem.lower()
        if "insufficient" in words:
            return await self._short_of_money(call, transaction.gas * transaction.maximum_fee)
        if "underpriced" in words or "fee" in words:
            return TransactionUnderpriced(
                purpose=call.purpose, price=transaction.maximum_fee, cap=self._limits.fee_cap
            )
        if "nonce" in words:
            return TransactionReplaced(
                purpose=call.purpose,
                transaction=transaction.signed(self._key)[0],
                nonce=transaction.nonce,
            )
        return error

    async def _short_of_money(self, call: Call, fee: int) -> GasMoneyShort:
        held = int(await self._rpc.read("eth_getBalance", hex_text(self.account), "latest"), 16)
        return GasMoneyShort(
            purpose=call.purpose, sender=self.account, needed=fee + call.value, held=held
        )

    # Waiting

    async def _mined(self, sent: _Sent) -> TransactionReceipt:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.give_up_after
        pause = self._limits.first_poll
        try:
            while loop.time() < deadline:
                if (found := await self._look(sent)) is not None:
                    self._forget(sent)
                    return await self._receipt(sent, found)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, self._limits.longest_poll)
        except asyncio.CancelledError:
            self._unresolved[sent.call] = sent
            raise
        self._unresolved[sent.call] = sent
        raise TransactionPending(
            purpose=sent.call.purpose,
            transaction=sent.hashes[-1],
            nonce=sent.transaction.nonce,
        )

    async def _look(self, sent: _Sent) -> dict[str, Any] | None:
        try:
            if (found := await self._find_receipt(sent)) is not None:
                return found
            waited = asyncio.get_running_loop().time() - sent.sent_at
            if waited < self._limits.resend_after:
                return None
            if await self._count("latest") > sent.transaction.nonce:
                if (found := await self._find_receipt(sent)) is not None:
                    return found
                self._forget(sent)
                raise TransactionReplaced(
                    purpose=sent.call.purpose,
                    transaction=sent.hashes[-1],
                    nonce=sent.transaction.nonce,
                )
            await self._push(sent.transaction.nonce)
        except (RpcUnreachable, QuotaExceeded):
            pass  # an endpoint that is away for a while says nothing about the transaction
        return None

    async def _find_receipt(self, sent: _Sent) -> dict[str, Any] | None:
        for digest in reversed(sent.hashes):
            found = await self._rpc.read("eth_getTransactionReceipt", hex_text(digest))
            if found is not None and found.get("blockNumber") is not None:
                return dict(found)
        return None

    async def _push(self, nonce: int) -> None:
        """Send again whatever blocks this nonce: dropped ones as they are, stuck ones for more."""
        now = asyncio.get_running_loop().time()
        for earlier in sorted(n for n in self._out if n <= nonce):
            sent = self._out[earlier]
            if now - sent.sent_at < self._limits.resend_after:
                continue
            known = await self._rpc.read("eth_getTransactionByHash", hex_text(sent.hashes[-1]))
            transaction = sent.transaction if known is None else self._dearer(sent.transaction)
            try:
                await self._broadcast(sent, transaction)
            except RpcRefused:
                continue  # mined meanwhile, or not dear enough yet: the next look tells

    def _dearer(self, transaction: Transaction) -> Transaction:
        maximum = min(transaction.maximum_fee * 9 // 8 + 1, self._limits.fee_cap)
        priority = min(transaction.priority_fee * 9 // 8 + 1, maximum)
        return replace(transaction, maximum_fee=maximum, priority_fee=priority)

    def _forget(self, sent: _Sent) -> None:
        self._out.pop(sent.transaction.nonce, None)

    async def _receipt(self, sent: _Sent, found: dict[str, Any]) -> TransactionReceipt:
        digest = Hash(bytes.fromhex(found["transactionHash"][2:]))
        if int(found["status"], 16) != 1:
            raise await self._failure(sent, digest, found)
        block_hash = Hash(bytes.fromhex(found["blockHash"][2:]))
        created = found.get("contractAddress")
        used = int(found["gasUsed"], 16)
        times = {}
        if self._decoder and found["logs"]:
            header = await self._rpc.read("eth_getBlockByHash", found["blockHash"], _NO_BODIES)
            times = {block_hash: int(header["timestamp"], 16)}
        return TransactionReceipt(
            transaction=digest,
            block=int(found["blockNumber"], 16),
            block_hash=block_hash,
            gas_used=used,
            fee=used * int(found.get("effectiveGasPrice", "0x0"), 16),
            created=Address(bytes.fromhex(created[2:])) if created else None,
            events=self._decoder.decode(found["logs"], times) if self._decoder else (),
        )

    async def _failure(self, sent: _Sent, digest: Hash, found: dict[str, Any]) -> CallReverted:
        call = sent.call
        error = explain(b"", "it ran out of gas", call.contract)
        if int(found["gasUsed"], 16) < sent.transaction.gas:
            parent = hex(int(found["blockNumber"], 16) - 1)
            error = explain(b"", "the state has moved on since", call.contract)
            try:
                await self._rpc.read("eth_call", self._request(call), parent)
            except CallReverted as replayed:
                error = replayed
        return replace(error, purpose=call.purpose, contract=call.contract, transaction=digest)
