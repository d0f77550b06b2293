"""What a chain command works with: an endpoint, a deployment, perhaps an account.

Every command that spends goes through :meth:`Desk.perform`: the quote is shown, the payer's balance
checked, the person asked, and each call rehearsed before it is sent, so that a refusal is explained
and costs nothing but an approval that went before it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from node.commands.terminal import Result, Terminal, plain
from settlement.chain.abi import artifact
from settlement.chain.calls import Calls
from settlement.chain.deployment import Deployment
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.quorum import endpoints_of, open_rpc
from settlement.chain.quotes import Quote
from settlement.chain.reader import RpcChainReader
from settlement.chain.rpc import JsonRpc, Rpc
from settlement.chain.stake_calls import StakeCalls
from settlement.errors import InputError
from settlement.ports.chain import Call, TransactionReceipt
from settlement.types import Address, checksum


class Writer(Protocol):
    """An account that can send: a key of ours, or one that a wallet or eth-ape keeps."""

    @property
    def account(self) -> Address:
        """The account that pays and signs."""
        ...

    async def simulate(self, call: Call) -> int:
        """The gas that a call would take now. Raises CallReverted in words."""
        ...

    async def submit(self, call: Call) -> TransactionReceipt:
        """Send a call and wait until it is mined."""
        ...


WriterOf = Callable[[Rpc, Deployment], Writer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One network as a command sees it. ``writer`` is None where nothing is sent."""

    terminal: Terminal
    deployment: Deployment
    reader: RpcChainReader
    calls: Calls
    stakes: StakeCalls
    disputes: DisputeCalls
    writer: Writer | None = None

    @property
    def account(self) -> Address:
        """The account that pays and signs."""
        return self._writer.account

    @property
    def _writer(self) -> Writer:
        assert self.writer is not None, "a command that spends has an account"
        return self.writer

    async def answers(self, name: str, function: str, *arguments: object) -> tuple[Any, ...]:
        """What a view function of the deployment's contract ``name`` returns. Raises InputError
        where the network was founded without it, CallReverted."""
        interface = artifact(name)
        data = interface.calldata(function, *arguments)
        return interface.answer(
            function, await self.reader.call(self.deployment.address_of(name), data)
        )

    async def answer(self, name: str, function: str, *arguments: object) -> Any:
        """The first value of :meth:`answers`."""
        return (await self.answers(name, function, *arguments))[0]

    async def perform(self, *calls: Call, quote: Quote | None = None) -> Result:
        """Show the quote, ask, and send the calls in order; with --dry-run only rehearse.

        Raises InputError where the account lacks the tokens, Declined, and what sending raises.
        """
        writer = self._writer
        if quote is not None:
            self.terminal.say(*quote.lines())
            if quote.missing:
                problem = f"{checksum(self.account)} lacks {quote.missing} base units"
                raise InputError(where="the account", problem=f"{problem} of {quote.unit}")
        purposes = [call.purpose for call in calls]
        gas = await writer.simulate(calls[0])
        if self.terminal.dry_run:
            return self._rehearsed(calls, purposes, gas, quote)
        self.terminal.confirm(f"{'; '.join(purposes).capitalize()}?")
        receipts = []
        for call in calls:
            self.terminal.say(f"… {call.purpose}")
            receipts.append(await writer.submit(call))
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
        await self._writer.simulate(call)
        self.terminal.confirm(f"{call.purpose.capitalize()}?")
        return await self._writer.submit(call)

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
    """The chain that the first endpoint shows. Raises InputError and RpcUnreachable."""
    async with JsonRpc(endpoints_of(rpc_url)[0], 0) as rpc:
        return int(await rpc.once("eth_chainId"), 16)


@asynccontextmanager
async def open_desk(
    terminal: Terminal, rpc_url: str, deployment: Path, writer_of: WriterOf | None
) -> AsyncIterator[Desk]:
    """Connect to the network of a deployment file. Raises InputError, WrongChain, NotDeployed."""
    known = Deployment.load(deployment)
    async with open_rpc(endpoints_of(rpc_url), known.chain_id) as rpc:
        reader = RpcChainReader(rpc, known)
        await reader.require_deployed()
        yield Desk(
            terminal=terminal,
            deployment=known,
            reader=reader,
            calls=Calls(known),
            stakes=StakeCalls(known),
            disputes=DisputeCalls(known),
            writer=None if writer_of is None else writer_of(rpc, known),
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
