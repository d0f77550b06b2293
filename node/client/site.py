"""All that a website or an agent needs, in one object: a purse, a reader, its anchor.

::

    async with open_site(network, rpc_url, session_key, purse, budgets) as site:
        answer = await site.read("31337/0x…/7", "gate", grant)
        print(answer.result, answer.proven, answer.charged)

Anchors and their keys come from the registry on chain. The purse is one SQLite file; what it holds
after a crash decides which calls are repeated (:meth:`Site.pending`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from node.client.tokens import ReadAnswer, TokenReader
from node.core.placement import ANCHOR
from node.protocol.messages import Grant
from settlement.chain.deployment import Deployment
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.client.anchor_client import AnchorClient
from settlement.client.channel import ChannelClient
from settlement.core.purse import Budgets, PendingCall
from settlement.core.refusals import ChannelUnknown
from settlement.core.statements import StatementDraft
from settlement.errors import InputError
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.services.clock import SystemClock
from settlement.store.sqlite import SqliteStore
from settlement.types import Address, Hash, TokenId, parse_address, unsigned

PATIENCE_MS = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An integration that is open for business."""

    channel: ChannelClient
    reader: TokenReader
    chain: RpcChainReader
    anchors: dict[Address, str]

    async def read(
        self,
        token: TokenId | str,
        interface: str,
        grant: Signed[Grant] | None = None,
        arguments: dict[str, str] | None = None,
        request_id: Hash | None = None,
    ) -> ReadAnswer:
        """One paid, verified read; ``token`` may be its path ``chain/contract/number``. Raises
        what :meth:`node.client.tokens.TokenReader.read` raises, and InputError."""
        asked = token_at(token) if isinstance(token, str) else token
        return await self.reader.read(asked, interface, grant, arguments, request_id)

    async def pending(self) -> tuple[PendingCall, ...]:
        """Calls whose receipt never came: repeat them under their request ids."""
        return await self.channel.pending()

    async def sign_statement(self, period: int | None = None) -> StatementDraft:
        """Sign what the channel's anchor asks for in a period, now in the current one, once it
        covers what was spent; returns what was signed.

        Raises ChannelUnknown, the StatementErrors, AnchorApiUnreachable, AnchorApiRefused.
        """
        if period is None:
            period = (await self.chain.parameters()).period
        account = await self.chain.channel(self.channel.signer)
        if not account.exists or account.anchor not in self.anchors:
            raise ChannelUnknown(signer=self.channel.signer)
        spent = (await self.channel.state()).spent(period)
        async with AnchorClient(self.anchors[account.anchor]) as anchor:
            draft = await anchor.draft_covering(self.channel.signer, period, spent)
            await anchor.send_statement(await self.channel.statement(draft, account.anchor))
        return draft


@asynccontextmanager
async def open_site(
    network: Path, rpc_url: str, key: SigningKey, purse: Path, budgets: Budgets | None = None
) -> AsyncIterator[Site]:
    """Open a site: ``network`` is the deployment file, ``key`` the channel's session key, ``purse``
    the file that its promises are kept in; one process at a time.

    Raises InputError, WrongChain, RpcUnreachable, StoreFailed.
    """
    deployment = Deployment.load(network)
    async with (
        JsonRpc(rpc_url, deployment.chain_id) as rpc,
        SqliteStore(purse) as store,
        aiohttp.ClientSession() as session,
    ):
        chain = RpcChainReader(rpc, deployment)
        nodes = await chain.nodes()
        anchors = {node.key: node.api_url for node in nodes if node.roles & ANCHOR and node.stake}
        clock = SystemClock()
        channel = ChannelClient(
            key=key, domain=deployment.domain, store=store, clock=clock, budgets=budgets
        )
        reader = TokenReader(
            session=session,
            anchors=list(anchors.values()),
            channel=channel,
            domain=deployment.domain,
            trusted=list(anchors),
            clock=clock,
            patience_ms=PATIENCE_MS,
        )
        yield Site(channel=channel, reader=reader, chain=chain, anchors=anchors)


def token_at(path: str) -> TokenId:
    """A token by its path, ``chain/contract/number``. Raises InputError."""
    match path.split("/"):
        case [chain, contract, number] if chain.isdecimal() and number.isdecimal():
            return TokenId(
                chain_id=unsigned(int(chain), 256, "the token's chain"),
                contract=parse_address(contract, "the token's contract"),
                number=unsigned(int(number), 256, "the token's number"),
            )
    raise InputError(where="the token", problem="expected CHAIN/CONTRACT/NUMBER")
