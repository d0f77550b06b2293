"""The claims of one sending key, in the store: what was signed is durable before it is sent.

Two kinds of rows: ``chain_account`` (next nonce, live claims) and ``chain_claim`` (one for each
claim, by name). A claim and its account move in one commit. A second process that sends with the
same key over the same store loses the compare-and-set and gets RevisionConflict.
"""

import asyncio
from dataclasses import replace
from typing import TypeVar

import msgspec

from settlement.core.sending import Account, Claim, Stage, slimmed
from settlement.ports.store import Batch, MachineRow, RevisionConflict, Store
from settlement.types import Address

T = TypeVar("T")

ACCOUNT_KIND = "chain_account"
CLAIM_KIND = "chain_claim"
_GAP = "gap/"


class ClaimBook:
    """The claims of one account on one chain. All methods may raise StoreFailed."""

    def __init__(self, store: Store, chain_id: int, account: Address) -> None:
        self._store = store
        self._key = f"{chain_id}/{account.hex()}"
        self._turn = asyncio.Lock()
        self._opened = False
        self._account = Account()
        self._revisions: dict[tuple[str, str], int] = {}
        self._live: dict[str, Claim] = {}

    async def open(self) -> None:
        """Read what an earlier process left; does nothing the second time."""
        async with self._turn:
            if self._opened:
                return
            self._account = await self._load(ACCOUNT_KIND, self._key, Account) or Account()
            self._live = {}
            for name in self._account.live:
                claim = await self._load(CLAIM_KIND, self._claim_key(name), Claim)
                if claim is not None:
                    self._live[name] = claim
            self._opened = True

    @property
    def live(self) -> tuple[Claim, ...]:
        """The claims that still need looking after, by nonce."""
        return tuple(sorted(self._live.values(), key=lambda claim: claim.nonce))

    @property
    def next_nonce(self) -> int:
        """The first nonce that no claim of ours has; of use while claims are live."""
        return self._account.next_nonce

    async def find(self, name: str) -> Claim | None:
        """A claim by its name, live or over."""
        if name in self._live:
            return self._live[name]
        return await self._load(CLAIM_KIND, self._claim_key(name), Claim)

    async def begin(self, claim: Claim) -> None:
        """A claim takes its nonce. Raises RevisionConflict."""
        async with self._turn:
            live = (*(name for name in self._account.live if name != claim.name), claim.name)
            # Without live claims only the chain knows what comes next: it may have been rewritten.
            floor = self._account.next_nonce if self._live else 0
            account = Account(next_nonce=max(floor, claim.nonce + 1), live=live)
            await self._commit(claim, account)

    async def update(self, claim: Claim) -> None:
        """A live claim has a new version or a new stage; nothing happens if it has ended.

        Raises RevisionConflict.
        """
        async with self._turn:
            if claim.name in self._live:
                await self._commit(claim, None)

    async def end(self, claim: Claim) -> None:
        """A claim needs looking after no more; nothing happens if it has ended.

        Raises RevisionConflict.
        """
        async with self._turn:
            if claim.name not in self._live:
                return
            live = tuple(name for name in self._account.live if name != claim.name)
            next_nonce = self._account.next_nonce
            if claim.stage is Stage.FREED and claim.nonce + 1 == next_nonce:
                next_nonce = claim.nonce  # nobody took it: the next claim may have it
            await self._commit(slimmed(claim), Account(next_nonce=next_nonce, live=live))

    async def _commit(self, claim: Claim, account: Account | None) -> None:
        key = self._claim_key(claim.name)
        if (CLAIM_KIND, key) not in self._revisions:
            await self._load(CLAIM_KIND, key, Claim)
        rows = [self._row(CLAIM_KIND, key, claim)]
        if account is not None:
            rows.append(self._row(ACCOUNT_KIND, self._key, account))
        try:
            await self._store.commit(Batch(machines=tuple(rows)))
        except RevisionConflict:
            self._opened = False
            raise
        for row in rows:
            self._revisions[row.kind, row.key] = row.revision
        self._account = account or self._account
        if claim.name in self._account.live:
            self._live[claim.name] = claim
        else:
            self._live.pop(claim.name, None)

    def _row(self, kind: str, key: str, state: object) -> MachineRow:
        revision = self._revisions.get((kind, key), 0) + 1
        return MachineRow(kind=kind, key=key, revision=revision, state=msgspec.json.encode(state))

    async def _load(self, kind: str, key: str, state: type[T]) -> T | None:
        row = await self._store.load(kind, key)
        self._revisions[kind, key] = row.revision if row else 0
        return msgspec.json.decode(row.state, type=state) if row else None

    def _claim_key(self, name: str) -> str:
        return f"{self._key}/{name}"


def filler(nonce: int, account: Address, cap: int) -> Claim:
    """A transaction that only spends a nonce which nothing else will: nothing, to ourselves."""
    return Claim(
        name=f"{_GAP}{nonce}",
        purpose=f"fill the gap at nonce {nonce}",
        contract=account,
        data=b"",
        value=0,
        gas=21_000,
        nonce=nonce,
        cap=cap,
        versions=(),
    )


def is_filler(claim: Claim) -> bool:
    """Whether a claim only fills a gap, so that no caller waits for it."""
    return claim.name.startswith(_GAP)


def renewed(claim: Claim, stage: Stage) -> Claim:
    """A claim back in an earlier stage, as after a reorganisation."""
    return replace(
        claim, stage=stage, transaction=None, block=0, block_hash=None, gas_used=0, fee=0
    )
