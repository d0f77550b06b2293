"""What a chain command works with: an endpoint, a deployment, perhaps an account.

Every command that spends goes through :meth:`Desk.perform`: the quote is shown, the payer's balance
checked, the person asked, and each call rehearsed before it is sent, so that a refusal is explained
and costs nothing but an approval that went before it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from node.commands.terminal import Result, Terminal, plain
from settlement.chain.calls import Calls
from settlement.chain.deployment import Deployment
from settlement.chain.quotes import Quote
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc
from settlement.chain.sender import RpcSender
from settlement.errors import InputError
from settlement.ports.chain import Call, TransactionReceipt
from settlement.protocol.signing import SigningKey
from settlement.types import Address, checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One network as a command sees it. ``key`` and ``sender`` are None where nothing is sent."""

    terminal: Terminal
    deployment: Deployment
    reader: RpcChainReader
    calls: Calls
    key: SigningKey | None = None
    sender: RpcSender | None = None

    @property
    def account(self) -> Address:
        """The account that pays and signs."""
        assert self.key is not None, "a command that spends has an account"
        return self.key.address

    async def perform(self, *calls: Call, quote: Quote | None = None) -> Result:
        """Show the quote, ask, and send the calls in order; with --dry-run only rehearse.

        Raises InputError where the account lacks the tokens, Declined, and what sending raises.
        """
        assert self.sender is not None, "a command that spends has an account"
        if quote is not None:
            self.terminal.say(*quote.lines())
            if quote.missing:
                problem = f"{checksum(self.account)} lacks {quote.missing} base units"
                raise InputError(where="--keystore", problem=f"{problem} of {quote.unit}")
        purposes = [call.purpose for call in calls]
        gas = await self.sender.simulate(calls[0])
        if self.terminal.dry_run:
            return self._rehearsed(calls, purposes, gas, quote)
        self.terminal.confirm(f"{'; '.join(purposes).capitalize()}?")
        receipts = []
        for call in calls:
            self.terminal.say(f"… {call.purpose}")
            receipts.append(await self.sender.submit(call))
        return self._done(purposes, receipts)

    def _done(self, purposes: list[str], receipts: list[TransactionReceipt]) -> Result:
        found: Result = {
            "done": purposes,
            "transactions": [receipt.transaction for receipt in receipts],
            "gas_used": sum(receipt.gas_used for receipt in receipts),
        }
        if self.terminal.as_json:
            found["events"] = [
                {"event": type(event).__name__, **plain(event)}
                for receipt in receipts
                for event in receipt.events
            ]
        return found

    async def send_one(self, call: Call) -> TransactionReceipt:
        """Rehearse a call, ask, send it. Raises Declined, and what sending raises."""
        assert self.sender is not None, "a command that spends has an account"
        await self.sender.simulate(call)
        self.terminal.confirm(f"{call.purpose.capitalize()}?")
        return await self.sender.submit(call)

    def _rehearsed(
        self, calls: tuple[Call, ...], purposes: list[str], gas: int, quote: Quote | None
    ) -> Result:
        # A later call may need an earlier one (approve, then deposit): only the first can be
        # rehearsed for certain, the others are shown.
        found: Result = {"dry_run": True, "would_do": purposes, "gas_of_the_first": gas}
        if quote is not None:
            found["takes"] = {"amount": str(quote.amount), "unit": quote.unit}
        found["calls"] = [
            {"to": call.contract, "data": call.data, "value": str(call.value)} for call in calls
        ]
        return found


async def chain_id_of(rpc_url: str) -> int:
    """The chain that an endpoint shows. Raises RpcUnreachable."""
    async with JsonRpc(rpc_url, 0) as rpc:
        return int(await rpc.once("eth_chainId"), 16)


@asynccontextmanager
async def open_desk(
    terminal: Terminal, rpc_url: str, deployment: Path, key: SigningKey | None
) -> AsyncIterator[Desk]:
    """Connect to the network of a deployment file. Raises InputError, WrongChain, NotDeployed."""
    known = Deployment.load(deployment)
    async with JsonRpc(rpc_url, known.chain_id) as rpc:
        reader = RpcChainReader(rpc, known)
        await reader.require_deployed()
        yield Desk(
            terminal=terminal,
            deployment=known,
            reader=reader,
            calls=Calls(known),
            key=key,
            sender=None if key is None else RpcSender(rpc, key, deployment=known),
        )


def approval(quote: Quote, call: Call) -> tuple[Call, ...]:
    """``call`` approves what ``quote`` takes; nothing where enough is allowed already."""
    return (call,) if quote.allowed < quote.amount else ()


def token_amount(text: str) -> int:
    """Tokens as a decimal number (``1250.5``) in base units. Raises InputError."""
    digits = text.replace("_", "").replace(",", "")
    whole, dot, part = digits.partition(".")
    good = whole.isascii() and whole.isdigit() and len(whole) <= 30
    if not good or len(part) > 18 or (dot and not (part.isascii() and part.isdigit())):
        problem = "expected a number of tokens with up to 18 decimals"
        raise InputError(where=f"the amount {text!r}", problem=problem)
    return int(whole) * 10**18 + int(part.ljust(18, "0"))
