"""The car-rental site of the story: an integration with nothing but the client library.

It opens a channel, holds the traveller's grants, reads tickets and pays with vouchers, and signs
its statement at the end of the month.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from node.client.tokens import ReadAnswer, TokenReader
from node.devnet.network import Devnet, DevNode, new_key
from node.protocol.messages import Grant
from settlement.client.anchor_client import AnchorClient
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets
from settlement.core.statements import StatementDraft
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.services.clock import SystemClock
from settlement.store.sqlite import SqliteStore
from settlement.types import Address, Hash, TokenId

DEPOSIT = 10**18
PURSE = 10 * 10**18
CONCURRENT = 16
GRANTED_MS = 86_400_000


@dataclass(slots=True, kw_only=True)
class Rental:
    """The integration: its owner account, its session key in the channel, its reader."""

    net: Devnet
    owner: SigningKey
    session_key: SigningKey
    anchor: DevNode
    channel: ChannelClient
    reader: TokenReader
    grants: dict[Hash, Signed[Grant]] = field(default_factory=dict)

    async def open_channel(self) -> None:
        """Deposit into the hub and name the anchor, on chain."""
        calls = self.net.calls
        await self.net.send(
            self.owner,
            calls.approve_deposit(DEPOSIT),
            calls.open_channel(
                signer=self.session_key.address,
                owner=self.owner.address,
                anchor=self.anchor.key,
                amount=DEPOSIT,
            ),
        )

    def take_grant(self, grant: Signed[Grant]) -> None:
        """Keep what the traveller has allowed."""
        self.grants[grant.message.token] = grant

    async def status(self, token: TokenId) -> ReadAnswer:
        """One paid and verified read of a ticket."""
        return await self.reader.read(token, "status", self.grants[token.id])

    async def read_many(
        self, token: TokenId, count: int, counted: Callable[[int], None]
    ) -> tuple[list[ReadAnswer], list[float]]:
        """Read ``count`` times, CONCURRENT at once; the answers and their times in ms.
        ``counted`` is told after each answer how many there are."""
        answers: list[ReadAnswer] = []
        times: list[float] = []
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                started = time.perf_counter()
                answers.append(await self.status(token))
                times.append((time.perf_counter() - started) * 1_000)
                counted(len(answers))

        await asyncio.gather(*(work() for _ in range(CONCURRENT)))
        return answers, times

    async def spent(self, period: int) -> int:
        """What its own purse says that it has promised in a period."""
        return (await self.channel.state()).spent(period)

    async def draft(self, period: int) -> StatementDraft:
        """What its anchor asks it to sign."""
        async with AnchorClient(self.anchor.api_url) as anchor:
            return await anchor.draft(self.channel.signer, period)

    async def sign_statement(self, draft: StatementDraft) -> None:
        """Compare the draft with its own vouchers, sign and hand it over."""
        statement = await self.channel.statement(draft, self.anchor.key)
        async with AnchorClient(self.anchor.api_url) as anchor:
            await anchor.send_statement(statement)


def grant_to(
    net: Devnet, traveller: SigningKey, integration: Address, token: TokenId, now_ms: int
) -> Signed[Grant]:
    """The traveller's signed permission to read one ticket's status."""
    grant = Grant(
        holder=traveller.address,
        integration=integration,
        token=token.id,
        interfaces=("status",),
        purpose="hand over the car when the flight has landed",
        expires=now_ms + GRANTED_MS,
        nonce=Hash(os.urandom(32)),
    )
    return Signed.by(traveller, net.deployment.domain, grant)


@asynccontextmanager
async def open_rental(net: Devnet, nodes: Sequence[DevNode]) -> AsyncIterator[Rental]:
    """A site with money and a purse on disk; its channel is not open yet."""
    anchors = [node for node in nodes if node.role == "anchor"]
    owner, session_key, clock = new_key(), new_key(), SystemClock()
    await net.chain.fund(owner.address)
    await net.send(net.founder, net.calls.pay(owner.address, PURSE))
    async with SqliteStore(net.folder / "rental.sqlite") as store:
        channel = ChannelClient(
            key=session_key,
            domain=net.deployment.domain,
            store=store,
            clock=clock,
            budgets=Budgets(per_call=DEPOSIT // 20, per_day=DEPOSIT),
        )
        reader = TokenReader(
            session=net.session,
            anchors=[anchor.api_url for anchor in anchors],
            channel=channel,
            domain=net.deployment.domain,
            trusted=[anchor.key for anchor in anchors],
        )
        yield Rental(
            net=net,
            owner=owner,
            session_key=session_key,
            anchor=anchors[0],
            channel=channel,
            reader=reader,
        )
