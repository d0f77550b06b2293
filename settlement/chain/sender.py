"""Sends one account's transactions: in order, each claim once, never above its fee cap.

One sender per key. What is signed is in the store before it is sent, so that a process killed at
any point goes on with the same transaction when it starts again: the nonce, every version's hash
and the fee cap are remembered, and at most one version of a nonce is ever mined.

*Claims.* Give a call a name (``Call.claim``) that stays the same however often the call is made,
such as the hex of an effect's id or ``f"settle/{period}/{chunk}"``::

    await sender.submit(replace(calls.commit_period(…), claim=effect.id.hex(), worth=wei))

Then the claim has at most one live transaction, and one that was mined is not sent again: another
submit waits for it, or returns its receipt, in this process or a later one, even if the call's
bytes have changed meanwhile. A claim that the contract refused, or whose nonce was spent by
something else (TransactionReplaced), may be submitted anew. A call without a name is sent as often
as it is submitted, save that an equal one whose caller is gone (it gave up, was cancelled or died)
is waited for instead of being sent twice.

*Looking after.* A submit returns as soon as its transaction is mined. With ``depth`` in the limits
it stays remembered until that many blocks stand on it; :meth:`RpcSender.run` puts it back if a
reorganisation takes it out, and pushes what nobody waits for. A process with a store runs it in its
task group.
"""

import asyncio
import contextlib
from dataclasses import replace

from settlement.chain.claims import ClaimBook, renewed
from settlement.chain.deployment import Deployment
from settlement.chain.events import EventDecoder
from settlement.chain.outstanding import (
    GWEI,
    Failpoint,
    Head,
    Outstanding,
    SenderLimits,
    no_failpoint,
)
from settlement.chain.receipts import Json, ReceiptReader, remembered
from settlement.chain.rpc import Rpc
from settlement.core.sending import Claim, Stage, cap_for, opening_fees, tint
from settlement.errors import ChainError, SmartLayerError
from settlement.ports.chain import Call, TransactionReceipt
from settlement.ports.chain_errors import (
    CallReverted,
    RpcRefused,
    RpcUnreachable,
    TransactionPending,
    TransactionReplaced,
    TransactionUnderpriced,
)
from settlement.ports.store import MemoryStore, Store
from settlement.protocol.signing import SigningKey
from settlement.types import Address, hex_text, keccak

__all__ = ["GWEI", "LARGEST_GAS", "RpcSender", "SenderLimits"]

LARGEST_GAS = 1 << 24
"""What one transaction may use (EIP-7825)."""
_UNNAMED = "call/"


class RpcSender:
    """A :class:`settlement.ports.chain.ChainWriter` for one key.

    ``deployment`` decodes the events of receipts; without it receipts carry none. Without a
    ``store`` its memory ends with the process. ``failpoint`` is for crash tests only.
    """

    def __init__(
        self,
        rpc: Rpc,
        key: SigningKey,
        *,
        deployment: Deployment | None = None,
        limits: SenderLimits | None = None,
        store: Store | None = None,
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        self._rpc = rpc
        self._key = key
        self._limits = limits or SenderLimits()
        self._failpoint = failpoint
        self._order = asyncio.Lock()
        self._book = ClaimBook(store or MemoryStore(), rpc.chain_id, key.address)
        self._out = Outstanding(rpc, key, self._book, self._limits, failpoint)
        decoder = EventDecoder.of(deployment) if deployment else None
        self._receipts = ReceiptReader(rpc, key.address, decoder)

    @property
    def account(self) -> Address:
        return self._key.address

    @property
    def trouble(self) -> ChainError | None:
        """What keeps a transaction that is out from being mined: gas above its cap, an account
        without gas money, an endpoint that is away. None where all goes well."""
        return self._out.trouble

    @property
    def unmined(self) -> tuple[Claim, ...]:
        """The claims that are out and in no block yet, by nonce."""
        return tuple(self._out.unmined())

    async def submit(self, call: Call) -> TransactionReceipt:
        async with self._order:
            await self._book.open()
            claim = await self._known(call)
            if claim is None or claim.stage in (Stage.REVERTED, Stage.FREED):
                claim = await self._send(call, claim)
            # Counted before another submit looks for calls whose caller is gone.
            watch = self._out.watch(claim.name)
            watch.waiters += 1
        try:
            return await self._outcome(call, claim.name)
        finally:
            watch.waiters -= 1

    async def simulate(self, call: Call) -> int:
        """The gas that a call would use now; nothing is sent. Raises CallReverted."""
        return await self._estimate(call)

    async def tend(self) -> None:
        """Look once at everything that is out and that no caller waits for."""
        await self._book.open()
        await self._out.tend()

    async def run(self) -> None:
        """Tend for ever; owned by the process's task group."""
        while True:
            try:
                await self.tend()
            except SmartLayerError as error:
                if not error.retryable:
                    raise
                if isinstance(error, ChainError):
                    self._out.trouble = error
            await asyncio.sleep(self._limits.longest_poll)

    # Which claim it is

    async def _known(self, call: Call) -> Claim | None:
        """The claim that this call belongs to, if it was submitted before."""
        if call.claim is None:
            return next(
                (claim for claim in self._out.unmined() if self._is_orphan(claim, call)), None
            )
        claim = await self._book.find(call.claim)
        if claim is None or claim.stage is not Stage.MINED:
            return claim
        if claim in self._book.live or await self._out.find_receipt(claim) is not None:
            return claim
        if await self._out.count("latest") > claim.nonce:
            return claim  # its block is too old for the endpoints
        return renewed(claim, Stage.FREED)  # the chain was rewritten below what we remember

    def _is_orphan(self, claim: Claim, call: Call) -> bool:
        same = (claim.contract, claim.data, claim.value) == (call.contract, call.data, call.value)
        unnamed = claim.name.startswith(_UNNAMED)
        return same and unnamed and not self._out.watch(claim.name).waiters

    # Sending

    async def _send(self, call: Call, earlier: Claim | None) -> Claim:
        gas = call.gas_limit or await self._estimate_in_order(call)
        head, held, nonce = await asyncio.gather(
            self._out.head(), self._out.held(), self._next_nonce()
        )
        if earlier is not None and earlier.stage is Stage.FREED:
            if (revived := await self._revived(earlier)) is not None:
                return revived
            if await self._out.count("latest") <= earlier.nonce:
                nonce = earlier.nonce
        claim = self._signed(call, gas, nonce, head, earlier)
        needed = claim.most + sum(other.most for other in self._out.unmined())
        if needed > held:
            raise await self._out.short_of_money(call.purpose, needed)
        await self._book.begin(claim)
        self._failpoint("claim-persisted")
        try:
            await self._out.broadcast(claim, head.number)
        except RpcUnreachable:
            pass  # it may have arrived; the wait finds out and sends it again if not
        except RpcRefused as error:
            if not error.retryable:
                await self._book.end(replace(claim, stage=Stage.FREED))
                raise await self._refusal(error, claim) from error
        self._failpoint("claim-broadcast")
        return claim

    def _signed(self, call: Call, gas: int, nonce: int, head: Head, earlier: Claim | None) -> Claim:
        limits = self._limits
        cap = cap_for(limits.fee_cap, gas, call.worth, limits.worth_percent)
        fingerprint = keccak(call.data + (call.contract or b"")).hex()[:16]
        name = call.claim or f"{_UNNAMED}{nonce}/{fingerprint}"
        priority = limits.priority_fee + tint(name)
        fees = opening_fees(head.base_fee, priority, cap)
        if fees is None:
            price = head.base_fee + priority
            raise TransactionUnderpriced(purpose=call.purpose, price=price, cap=cap)
        claim = Claim(
            name=name,
            purpose=call.purpose,
            contract=call.contract,
            data=call.data,
            value=call.value,
            gas=gas,
            nonce=nonce,
            cap=cap,
            versions=(),
        )
        # An endpoint that refused an earlier version may have kept it all the same.
        older = earlier.versions if earlier is not None and earlier.nonce == nonce else ()
        return replace(claim, versions=(*older, self._out.version(claim, *fees)))

    async def _revived(self, claim: Claim) -> Claim | None:
        """A freed claim that was mined after all. Raises TransactionPending while another claim
        waits on its old nonce, since whoever kept an old version could still have it mined."""
        if await self._out.find_receipt(claim) is not None:
            claim = renewed(claim, Stage.SENT)
            await self._book.begin(claim)
            return claim
        if any(other.nonce == claim.nonce for other in self._out.unmined()):
            raise _pending(claim)
        return None

    async def _next_nonce(self) -> int:
        live, ours = self._book.live, self._book.next_nonce
        count = await self._out.count("latest" if live else "pending")
        # A majority may be behind, and a nonce that is used twice would merge two claims. Only
        # where nothing is out and every endpoint says so was our last one taken back.
        if count < ours and (live or not await self._out.was_rewritten(ours)):
            return ours
        return count

    async def _estimate_in_order(self, call: Call) -> int:
        try:
            return await self._estimate(call)
        except CallReverted:
            if not self._out.unmined():
                raise
        # It may build on transactions of ours that are still out (approve, then deposit).
        await self._wait_for_earlier()
        return await self._estimate(call)

    async def _wait_for_earlier(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.resend_after
        pause = self._limits.first_poll
        while loop.time() < deadline and (out := self._out.unmined()):
            # Whoever waits for that one is told if its nonce was taken.
            with contextlib.suppress(TransactionReplaced):
                await self._looked(out[0])
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._limits.longest_poll)

    async def _estimate(self, call: Call) -> int:
        request = {"from": hex_text(self.account), "data": hex_text(call.data)}
        if call.contract is not None:
            request["to"] = hex_text(call.contract)
        if call.value:
            request["value"] = hex(call.value)
        try:
            found = int(await self._rpc.agreed("eth_estimateGas", request, "pending"), 16)
        except CallReverted as error:
            raise replace(error, purpose=call.purpose, contract=call.contract) from error
        except RpcRefused as error:
            if "insufficient" in error.problem.lower():
                raise await self._out.short_of_money(call.purpose, call.value) from error
            raise
        return min(found * (100 + self._limits.gas_margin_percent) // 100, LARGEST_GAS)

    async def _refusal(self, error: RpcRefused, claim: Claim) -> ChainError:
        words = error.problem.lower()
        if "insufficient" in words:
            return await self._out.short_of_money(claim.purpose, claim.most)
        if "underpriced" in words or "fee" in words:
            price = claim.newest.maximum_fee
            return TransactionUnderpriced(purpose=claim.purpose, price=price, cap=claim.cap)
        return _replaced(claim) if "nonce" in words else error

    # Waiting

    async def _outcome(self, call: Call, name: str) -> TransactionReceipt:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.give_up_after
        pause = self._limits.first_poll
        while True:
            claim = await self._book.find(name)
            assert claim is not None
            if claim.stage is Stage.FREED:
                raise _replaced(claim)
            over = claim.stage is not Stage.SENT
            found = await (self._out.find_receipt(claim) if over else self._looked(claim))
            if found is not None:
                return await self._receipts.receipt(replace(claim, data=call.data), found)
            if over and claim.stage is Stage.MINED:
                if claim not in self._book.live:
                    return remembered(claim)
                await self._out.put_back(claim)
            if loop.time() >= deadline:
                raise _pending(claim)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._limits.longest_poll)

    async def _looked(self, claim: Claim) -> Json | None:
        try:
            return await self._out.look(claim)
        except ChainError as error:
            if not error.retryable or isinstance(error, TransactionReplaced):
                raise
            # An endpoint that is away for a while says nothing about the transaction.
            self._out.trouble = error
            return None


def _pending(claim: Claim) -> TransactionPending:
    return TransactionPending(
        purpose=claim.purpose, transaction=claim.newest.hash, nonce=claim.nonce
    )


def _replaced(claim: Claim) -> TransactionReplaced:
    return TransactionReplaced(
        purpose=claim.purpose, transaction=claim.newest.hash, nonce=claim.nonce
    )
