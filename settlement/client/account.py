"""The account behind a channel: it deposits for a session key, adds, and takes the rest back.

::

    account = ChannelAccount(reader=reader, writer=sender)
    await account.open(session_key.address, anchor=anchor_key, amount=5 * 10**18)

The session key signs vouchers and holds nothing; whoever steals it can spend what budgets and the
deposit allow, and withdraw nothing.
"""

from settlement.chain.calls import Calls
from settlement.chain.quotes import quote_deposit
from settlement.chain.reader import RpcChainReader
from settlement.errors import InputError
from settlement.ports.chain import ChainWriter, TransactionReceipt
from settlement.types import Address


class ChannelAccount:
    """Sends the transactions of one account; ``writer`` signs for it."""

    def __init__(self, *, reader: RpcChainReader, writer: ChainWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._calls = Calls(reader.deployment)

    async def open(self, signer: Address, *, anchor: Address, amount: int) -> TransactionReceipt:
        """Open a channel for a session key with a first deposit of base units, or add to it where
        an earlier try was mined already. Approves first what the hub may not take yet.

        Raises InputError where the account lacks the tokens, and what sending raises.
        """
        if (await self._reader.channel(signer)).exists:
            return await self.top_up(signer, amount)
        owner = self._writer.account
        call = self._calls.open_channel(signer=signer, owner=owner, anchor=anchor, amount=amount)
        await self._allow(amount)
        return await self._writer.submit(call)

    async def top_up(self, signer: Address, amount: int) -> TransactionReceipt:
        """Add to a channel's balance; anyone may. Raises as :meth:`open`."""
        await self._allow(amount)
        return await self._writer.submit(self._calls.top_up_channel(signer, amount))

    async def request_withdrawal(self, signer: Address, amount: int) -> TransactionReceipt:
        """Ask for part of the balance back (0 cancels); nodes stop serving the channel at once.

        A cooperative close (:mod:`settlement.client.closing`) returns it without the delay.
        """
        return await self._writer.submit(self._calls.request_withdrawal(signer, amount))

    async def withdraw(self, signer: Address) -> TransactionReceipt:
        """Have a released withdrawal sent to the channel's owner."""
        return await self._writer.submit(self._calls.withdraw(signer))

    async def _allow(self, amount: int) -> None:
        quote = await quote_deposit(self._reader, self._writer.account, amount)
        if quote.missing:
            problem = f"it lacks {quote.missing} base units of the Service Token"
            raise InputError(where="the account", problem=problem)
        if quote.allowed < amount:
            await self._writer.submit(self._calls.approve_deposit(amount))
