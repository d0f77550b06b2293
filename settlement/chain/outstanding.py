"""Looks after the transactions that one key has out, until each is deep enough in the chain.

Dropped ones are sent again unchanged, stuck and underpriced ones for more, a nonce that nothing
will spend is filled, and what a reorganisation took out is put back. Every new version is durable
before it is sent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from settlement.chain.claims import ClaimBook, filler, is_filler, renewed
from settlement.chain.receipts import Json, mined
from settlement.chain.rpc import Rpc
from settlement.chain.transactions import Transaction
from settlement.core.sending import (
    Claim,
    Stage,
    Version,
    opening_fees,
    replacement_fees,
)
from settlement.errors import ChainError
from settlement.ports.chain_errors import (
    GasMoneyShort,
    RpcRefused,
    TransactionReplaced,
    TransactionUnderpriced,
)
from settlement.protocol.signing import SigningKey
from settlement.types import Hash, hex_text

GWEI = 10**9
_NO_BODIES = False

Failpoint = Callable[[str], None]
"""Called with the name of every point at which a crash test may end the process."""


def no_failpoint(_point: str) -> None:
    """Does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """What a sender may spend and how long it waits. Fees are wei per gas, times seconds.

    A transaction is sent again or for more after ``resend_after`` or ``resend_blocks``, whichever
    comes first, and at once where the base fee has passed what it offers. ``depth`` is how many
    blocks must stand on its block before it is left to itself. ``worth_percent`` is the most of a
    call's worth that its fees may take.
    """

    fee_cap: int = 500 * GWEI
    priority_fee: int = 2 * GWEI
    gas_margin_percent: int = 25
    worth_percent: int = 50
    first_poll: float = 0.02
    longest_poll: float = 1.0
    resend_after: float = 30.0
    resend_blocks: int = 3
    give_up_after: float = 180.0
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, as far as senders care; the hash is as the endpoint writes it."""

    number: int
    hash: str
    base_fee: int


@dataclass(slots=True)
class Watch:
    """When a claim was last sent: the loop's time, and the head then."""

    waiters: int = 0
    sent_at: float = float("-inf")
    sent_in: int = -1


class Outstanding:
    """The live claims of one key. ``trouble`` is what keeps one of them from being mined at the
    moment, None where nothing does."""

    def __init__(
        self,
        rpc: Rpc,
        key: SigningKey,
        book: ClaimBook,
        limits: SenderLimits,
        failpoint: Failpoint,
    ) -> None:
        self.trouble: ChainError | None = None
        self._rpc = rpc
        self._key = key
        self._book = book
        self._limits = limits
        self._failpoint = failpoint
        self._watches: dict[str, Watch] = {}
        self._pushing = asyncio.Lock()
        self._gaps: dict[int, int] = {}
        self._tended_at: tuple[str, tuple[tuple[str, Hash | None], ...]] = ("", ())

    def watch(self, name: str) -> Watch:
        """The clockwork of a claim."""
        return self._watches.setdefault(name, Watch())

    def unmined(self) -> list[Claim]:
        """The claims that are out and in no block, by nonce."""
        return [claim for claim in self._book.live if claim.stage is Stage.SENT]

    async def head(self) -> Head:
        """The newest block's number and base fee."""
        head = await self._rpc.agreed("eth_getBlockByNumber", "latest", _NO_BODIES)
        base_fee = int(head.get("baseFeePerGas", "0x0"), 16)
        return Head(int(head["number"], 16), head["hash"], base_fee)

    async def count(self, tag: str) -> int:
        """How many transactions of ours the chain has; with "pending" those in the pool too."""
        text = hex_text(self._key.address)
        return int(await self._rpc.agreed("eth_getTransactionCount", text, tag), 16)

    async def was_rewritten(self, nonce: int) -> bool:
        """Whether the chain certainly has no transaction of ours with the nonce before this one.

        A majority may be behind; here every endpoint must say so.
        """
        text = hex_text(self._key.address)
        try:
            counts = await self._rpc.everyone("eth_getTransactionCount", text, "pending")
        except ChainError:
            return False
        return all(int(count, 16) < nonce for count in counts)

    async def held(self) -> int:
        """What the account holds for gas, in wei."""
        text = hex_text(self._key.address)
        return int(await self._rpc.agreed("eth_getBalance", text, "latest"), 16)

    async def find_receipt(self, claim: Claim) -> Json | None:
        """The receipt of whichever version was mined."""
        asked = (
            self._rpc.agreed("eth_getTransactionReceipt", hex_text(version.hash))
            for version in reversed(claim.versions)
        )
        for found in await asyncio.gather(*asked):
            if found is not None and found.get("blockNumber") is not None:
                return dict(found)
        return None

    def version(self, claim: Claim, priority: int, maximum: int) -> Version:
        """A signed transaction for a claim, on its nonce."""
        digest, raw = Transaction(
            chain_id=self._rpc.chain_id,
            nonce=claim.nonce,
            priority_fee=priority,
            maximum_fee=maximum,
            gas=claim.gas,
            to=claim.contract,
            value=claim.value,
            data=claim.data,
        ).signed(self._key)
        return Version(hash=digest, raw=raw, priority_fee=priority, maximum_fee=maximum)

    async def broadcast(self, claim: Claim, head: int) -> None:
        """Send a claim's newest version. Raises RpcUnreachable and RpcRefused."""
        watch = self.watch(claim.name)
        watch.sent_at, watch.sent_in = asyncio.get_running_loop().time(), head
        try:
            await self._rpc.broadcast(claim.newest.raw)
        except RpcRefused as error:
            if "already" not in error.problem.lower():  # "already known", "already imported"
                raise

    # Looking after

    async def look(self, claim: Claim) -> Json | None:
        """The claim's receipt if it is mined; else do for it what its age and the fees ask for.

        Raises TransactionReplaced where its nonce went to something else for good.
        """
        found, head = await asyncio.gather(self.find_receipt(claim), self.head())
        if found is None and self._is_due(claim, head):
            if await self.count("latest") > claim.nonce:
                found = await self._mined_meanwhile(claim.name, head)
            else:
                await self._push_up_to(claim.nonce, head)
        if found is not None:
            await self._note(claim, found)
        return found

    async def _mined_meanwhile(self, name: str, head: Head) -> Json | None:
        """The nonce is spent: by a version that another caller has sent since, or not by us."""
        claim = self._live(name)
        if claim is None or claim.stage is not Stage.SENT:
            return None  # another caller found it
        found = await self.find_receipt(claim)
        if found is None and self._live(name) == claim:
            await self._free(claim, head)
        return found

    def _live(self, name: str) -> Claim | None:
        return next((claim for claim in self._book.live if claim.name == name), None)

    async def tend(self) -> None:
        """Look once at every live claim that no caller waits for; at mined ones only if the head
        or they themselves have changed since the last time."""
        live = self._book.live
        if not live:
            return
        seen = ((await self.head()).hash, tuple((one.name, one.block_hash) for one in live))
        moved, self._tended_at = seen != self._tended_at, seen
        for claim in live:
            is_out = claim.stage is Stage.SENT
            if (is_out and self.watch(claim.name).waiters) or not (is_out or moved):
                continue
            try:
                await self._tend_one(claim)
            except TransactionReplaced as error:
                self.trouble = error

    async def _tend_one(self, claim: Claim) -> None:
        if claim.stage is Stage.SENT:
            await self.look(claim)
            return
        found, head = await asyncio.gather(self.find_receipt(claim), self.head())
        if found is None:
            await self.put_back(claim)
        elif head.number - int(found["blockNumber"], 16) >= self._limits.depth:
            await self._end(mined(claim, found))
        elif mined(claim, found) != claim:
            await self._book.update(mined(claim, found))

    async def put_back(self, claim: Claim) -> None:
        """A reorganisation took a mined transaction out: it is to be sent again, and at once."""
        if await self.find_receipt(claim) is None:
            await self._book.update(renewed(claim, Stage.SENT))
            self._watches.pop(claim.name, None)

    def _is_due(self, claim: Claim, head: Head) -> bool:
        watch = self.watch(claim.name)
        waited = asyncio.get_running_loop().time() - watch.sent_at
        return (
            waited >= self._limits.resend_after
            or head.number - watch.sent_in >= self._limits.resend_blocks
            or (head.base_fee > claim.newest.maximum_fee and head.number > watch.sent_in)
        )

    async def _note(self, claim: Claim, found: Json) -> None:
        current = self._live(claim.name)
        if current is None or current.stage is not Stage.SENT:
            return  # another caller that waits for it was faster
        if self.trouble is not None and not isinstance(self.trouble, TransactionReplaced):
            self.trouble = None
        told = mined(current, found)
        self._failpoint("claim-mined")
        if self._limits.depth == 0:
            await self._end(told)
        else:
            await self._book.update(told)

    async def _end(self, claim: Claim) -> None:
        await self._book.end(claim)
        self._watches.pop(claim.name, None)

    async def _free(self, claim: Claim, head: Head) -> None:
        """The nonce is spent, and not by us: wait until that is final, then let go."""
        deep = max(0, head.number - max(self._limits.depth, 1))
        if await self.count(hex(deep)) <= claim.nonce:
            return
        await self._end(replace(claim, stage=Stage.FREED))
        raise TransactionReplaced(
            purpose=claim.purpose, transaction=claim.newest.hash, nonce=claim.nonce
        )

    # Pushing

    async def _push_up_to(self, nonce: int, head: Head) -> None:
        """Send again whatever keeps this nonce from being mined, its own transaction included."""
        async with self._pushing:
            first, pooled = await asyncio.gather(self.count("latest"), self.count("pending"))
            for claim in self._book.live:
                if claim.stage is not Stage.SENT and first <= claim.nonce <= nonce:
                    await self.put_back(claim)
            out = [claim for claim in self.unmined() if claim.nonce <= nonce]
            if await self._has_gaps(range(max(first, pooled), nonce), out, head):
                return  # what stands behind a gap cannot be mined
            for claim in out:
                if is_filler(claim) and claim.nonce < first:
                    await self._settle_filler(claim)  # nobody waits for it
                elif self._is_due(claim, head):
                    await self._push(claim, head)

    async def _settle_filler(self, claim: Claim) -> None:
        found = await self.find_receipt(claim)
        if found is not None:
            await self._note(claim, found)
        else:
            await self._end(replace(claim, stage=Stage.FREED))

    async def _push(self, claim: Claim, head: Head) -> None:
        sent = claim.newest
        digest = hex_text(sent.hash)
        known = await self._rpc.read("eth_getTransactionByHash", digest)
        # Nothing is known yet of how long an earlier process has waited.
        stuck = known is not None and self.watch(claim.name).sent_in >= 0
        if stuck or head.base_fee > sent.maximum_fee:
            fees = replacement_fees(sent, head.base_fee, claim.cap)
            if fees is not None:
                claim = replace(claim, versions=(*claim.versions, self.version(claim, *fees)))
                await self._book.update(claim)
                self._failpoint("replacement-persisted")
            elif head.base_fee > sent.maximum_fee:
                self.trouble = TransactionUnderpriced(
                    purpose=claim.purpose, price=head.base_fee, cap=claim.cap
                )
        try:
            await self.broadcast(claim, head.number)
        except RpcRefused as error:
            # Mined meanwhile, or not dear enough yet: the next look tells.
            if "insufficient" in error.problem.lower():
                self.trouble = await self.short_of_money(claim.purpose, claim.most)

    async def _has_gaps(self, nonces: range, out: list[Claim], head: Head) -> bool:
        """Whether no transaction has one of these nonces, which the chain waits for. A gap that is
        still open one block later is filled: endpoints may have been behind the first time."""
        ours = {claim.nonce for claim in out}
        gaps = {nonce: self._gaps.get(nonce, head.number) for nonce in nonces if nonce not in ours}
        self._gaps = gaps
        for nonce, seen_in in gaps.items():
            if head.number > seen_in:
                await self._fill(nonce, head)
        return any(head.number <= seen_in for seen_in in gaps.values())

    async def _fill(self, nonce: int, head: Head) -> None:
        claim = filler(nonce, self._key.address, self._limits.fee_cap)
        fees = opening_fees(head.base_fee, self._limits.priority_fee, claim.cap)
        if fees is None:
            return
        claim = replace(claim, versions=(self.version(claim, *fees),))
        await self._book.begin(claim)
        self._failpoint("gap-persisted")
        try:
            await self.broadcast(claim, head.number)
        except RpcRefused as error:
            self.trouble = error  # the next look tells whether it was needed

    async def short_of_money(self, purpose: str, needed: int) -> GasMoneyShort:
        """The error of an account that cannot pay."""
        return GasMoneyShort(
            purpose=purpose, sender=self._key.address, needed=needed, held=await self.held()
        )
