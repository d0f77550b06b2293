"""What the ape scripts share: one account of ape's as a writer, options, output and exit codes.

Reads go through our own reader over the network's RPC address, so that scripts and nodes see the
same and explain reverts in the same words; ape brings the network, the account and the signature.

Exit codes: 0 done, 2 wrong input, 3 refused by a contract, 4 the chain could not be reached or the
transaction is not mined, 5 declined by the person at the keyboard.
"""

import asyncio
import functools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Any

import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, account_option
from ape.exceptions import ApeException
from ape.logging import CLICK_ECHO_KWARGS

from settlement.chain.calls import Calls
from settlement.chain.deployment import Deployment
from settlement.chain.events import EventDecoder
from settlement.chain.keystore import read_password
from settlement.chain.quotes import Quote
from settlement.chain.reader import RpcChainReader, latest_block
from settlement.chain.rpc import JsonRpc
from settlement.errors import InputError, SmartLayerError
from settlement.ports.chain import Block, Call, TransactionReceipt
from settlement.ports.chain_errors import CallReverted, RpcRefused
from settlement.types import Address, Hash, checksum, hex_text, parse_address, parse_hash

UNIT = 10**18
_NO_BODIES = False
_GAS_MARGIN_PERCENT = 125
_PRIORITY_FEE = 2 * 10**9
_FILE = click.Path(dir_okay=False, path_type=Path)
_INPUT, _REVERTED, _CHAIN, _DECLINED = 2, 3, 4, 5


# ape's own lines go to standard error: standard output is the result's, which programs read.
for _level in ("debug", "info", "success", "warning", "error"):
    CLICK_ECHO_KWARGS[_level] = {"err": True}


class Declined(Exception):
    """The person at the keyboard said no."""


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """How a script talks: people or programs, really or as a rehearsal."""

    as_json: bool
    dry_run: bool
    yes: bool

    def say(self, *lines: str) -> None:
        """Tell a person; a program reads the result only."""
        if not self.as_json:
            for line in lines:
                click.echo(line)

    def confirm(self, question: str) -> None:
        """Ask a person before money moves; raises Declined."""
        if self.dry_run or self.yes or self.as_json or not sys.stdin.isatty():
            return
        if not click.confirm(question):
            raise Declined

    def finish(self, result: dict[str, Any]) -> None:
        """Print the result: one JSON object, or a line for each field."""
        if self.as_json:
            click.echo(json.dumps(plain(result)))
            return
        for name, value in plain(result).items():
            shown = json.dumps(value) if isinstance(value, dict | list) else value
            click.echo(f"{name.replace('_', ' ')}: {shown}")


class ApeWriter:
    """An account of ape's as a ``ChainWriter``."""

    def __init__(
        self, rpc: JsonRpc, account: AccountAPI, provider: ProviderAPI, terminal: Terminal
    ):
        self.account = parse_address(str(account.address))
        self.deployment: Deployment | None = None
        self._rpc, self._ape, self._provider, self._terminal = rpc, account, provider, terminal

    async def submit(self, call: Call) -> TransactionReceipt:
        """Rehearse the call, so that a refusal is explained and costs nothing; then send it."""
        gas = await self.rehearse(call)
        self._terminal.say(f"… {call.purpose}")
        head = await self._rpc.read("eth_getBlockByNumber", "latest", _NO_BODIES)
        values: dict[str, Any] = {
            "data": call.data,
            "value": call.value,
            "gas": gas * _GAS_MARGIN_PERCENT // 100,
            "max_fee": 2 * int(head["baseFeePerGas"], 16) + _PRIORITY_FEE,
            "max_priority_fee": _PRIORITY_FEE,
            "required_confirmations": 0,  # nonces keep the order, and each receipt is read anew
        }
        if call.contract is not None:
            values["receiver"] = checksum(call.contract)
        transaction = self._provider.network.ecosystem.create_transaction(**values)
        try:
            receipt = self._ape.call(transaction)
        except ApeException as error:
            raise RpcRefused(
                endpoint=self._rpc.shown, method="the transaction", number=0, problem=str(error)
            ) from error
        return await self._receipt(str(receipt.txn_hash))

    async def rehearse(self, call: Call) -> int:
        """The gas that the call would use now. Raises CallReverted in words."""
        request = {"from": hex_text(self.account), "data": hex_text(call.data)}
        request |= {"to": hex_text(call.contract)} if call.contract else {}
        request |= {"value": hex(call.value)} if call.value else {}
        try:
            return int(await self._rpc.read("eth_estimateGas", request), 16)
        except CallReverted as error:
            raise replace(error, purpose=call.purpose, contract=call.contract) from error

    async def _receipt(self, digest: str) -> TransactionReceipt:
        found = await self._rpc.read("eth_getTransactionReceipt", digest)
        block = await self._rpc.read("eth_getBlockByHash", found["blockHash"], _NO_BODIES)
        block_hash = Hash(bytes.fromhex(found["blockHash"][2:]))
        times = {block_hash: int(block["timestamp"], 16)}
        decoder = EventDecoder.of(self.deployment) if self.deployment else None
        created, used = found.get("contractAddress"), int(found["gasUsed"], 16)
        return TransactionReceipt(
            transaction=parse_hash(digest),
            block=int(found["blockNumber"], 16),
            block_hash=block_hash,
            gas_used=used,
            fee=used * int(found.get("effectiveGasPrice", "0x0"), 16),
            created=Address(bytes.fromhex(created[2:])) if created else None,
            events=decoder.decode(found["logs"], times) if decoder else (),
        )


@dataclass(frozen=True, kw_only=True)
class Desk:
    """All that a script works with."""

    rpc: JsonRpc
    writer: ApeWriter
    terminal: Terminal
    head: Block
    deployment_path: Path

    @functools.cached_property
    def deployment(self) -> Deployment:
        found = Deployment.load(self.deployment_path)
        if found.chain_id != self.rpc.chain_id:
            raise InputError(
                where=str(self.deployment_path),
                problem=f"it is for chain {found.chain_id}, this network is {self.rpc.chain_id}",
            )
        return found

    @functools.cached_property
    def reader(self) -> RpcChainReader:
        return RpcChainReader(self.rpc, self.deployment)

    @functools.cached_property
    def calls(self) -> Calls:
        return Calls(self.deployment)

    async def perform(self, *calls: Call, quote: Quote | None = None) -> dict[str, Any]:
        """Show the quote, ask, rehearse or send; returns what happened, for the output."""
        await self.reader.require_deployed()
        if quote is not None:
            self.terminal.say(*quote.lines())
            if quote.missing:
                problem = f"{checksum(self.writer.account)} lacks {quote.missing} base units"
                raise InputError(where="--account", problem=f"{problem} of {quote.unit}")
        purposes = [call.purpose for call in calls]
        if self.terminal.dry_run:
            return await self._rehearsed(calls, purposes)
        self.terminal.confirm(f"{'; '.join(purposes).capitalize()}?")
        self.writer.deployment = self.deployment
        receipts = [await self.writer.submit(call) for call in calls]
        return {
            "done": purposes,
            "transactions": [receipt.transaction for receipt in receipts],
            "gas_used": sum(receipt.gas_used for receipt in receipts),
            "events": [event_json(event) for receipt in receipts for event in receipt.events],
        }

    async def _rehearsed(self, calls: tuple[Call, ...], purposes: list[str]) -> dict[str, Any]:
        # A later call may need an earlier one (approve, then deposit): only the first can be
        # rehearsed for certain, the others are shown.
        gas = await self.writer.rehearse(calls[0])
        return {
            "dry_run": True,
            "would_do": purposes,
            "gas_of_the_first": gas,
            "calldata": [
                {"to": call.contract, "data": call.data, "value": call.value} for call in calls
            ],
        }


class Amount(click.ParamType):
    """Tokens as a decimal number (``1250.5``), in base units inside."""

    name = "TOKENS"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        try:
            units = Decimal(str(value).replace("_", "").replace(",", "")) * UNIT
        except InvalidOperation:
            self.fail(f"{value!r} is not a number of tokens", param, ctx)
        if not units.is_finite() or units < 0 or units != units.to_integral_value():
            self.fail(f"{value!r} is not a number of tokens with up to 18 decimals", param, ctx)
        return int(units)


class AddressText(click.ParamType):
    """An address; one in mixed case must carry its checksum."""

    name = "ADDRESS"

    def convert(self, value: Any, param: Any, ctx: Any) -> Address:
        try:
            return parse_address(str(value)) if isinstance(value, str) else value
        except InputError as error:
            self.fail(error.problem, param, ctx)


class HashText(click.ParamType):
    """32 bytes in 0x-prefixed hexadecimal."""

    name = "HASH"

    def convert(self, value: Any, param: Any, ctx: Any) -> Hash:
        try:
            return parse_hash(str(value)) if isinstance(value, str) else value
        except InputError as error:
            self.fail(error.problem, param, ctx)


AMOUNT, ADDRESS, HASH = Amount(), AddressText(), HashText()
Script = Callable[..., Awaitable[dict[str, Any]]]


def command(group: click.Group | None, name: str) -> Callable[[Script], click.Command]:
    """Make a coroutine ``script(desk, **options)`` a command of ape's, with the shared options."""

    def bind(script: Script) -> click.Command:
        def call(
            provider: ProviderAPI,
            account: AccountAPI,
            deployment: Path | None,
            json_output: bool,
            dry_run: bool,
            yes: bool,
            passphrase_file: Path | None,
            **options: Any,
        ) -> None:
            terminal = Terminal(as_json=json_output, dry_run=dry_run, yes=yes)

            async def work() -> dict[str, Any]:
                _open_account(account, passphrase_file, unattended=yes and not dry_run)
                async with _desk(terminal, account, provider, deployment) as desk:
                    return await script(desk, **options)

            _run(terminal, work())

        made = click.command(name, cls=ConnectedProviderCommand, help=script.__doc__)
        decorated = made(_shared_options(call))
        decorated.params = [*getattr(script, "__click_params__", [])[::-1], *decorated.params]
        if group is not None:
            group.add_command(decorated)
        return decorated

    return bind


def _shared_options(call: Any) -> Any:
    where = "Where the contracts stand; default .build/deployments/<chain id>.json."
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask before sending."),
        click.option("--dry-run", is_flag=True, help="Check and show, send nothing."),
        click.option(
            "--passphrase-file", type=_FILE, help="Opens the account without asking (mode 600)."
        ),
        click.option(
            "--json",
            "json_output",
            is_flag=True,
            help="Print one JSON object.",
        ),
        click.option("--deployment", type=click.Path(dir_okay=False, path_type=Path), help=where),
        account_option(),
    ):
        call = option(call)
    return call


def _open_account(account: AccountAPI, passphrase_file: Path | None, *, unattended: bool) -> None:
    # Accounts that ape makes for local chains, and hardware wallets, have no passphrase.
    if not hasattr(account, "unlock") or not hasattr(account, "keyfile_path"):
        return
    if passphrase_file is not None:
        account.set_autosign(True, passphrase=read_password(passphrase_file))
    elif unattended:
        account.set_autosign(True)  # asks for the passphrase once, then signs without asking


@asynccontextmanager
async def _desk(
    terminal: Terminal, account: AccountAPI, provider: ProviderAPI, deployment: Path | None
) -> AsyncIterator[Desk]:
    endpoint = getattr(provider, "http_uri", None)
    if not endpoint:
        problem = "it has no HTTP RPC address; use ::foundry, or ecosystem:network:https://…"
        raise InputError(where="--network", problem=problem)
    chain_id = int(provider.chain_id)
    async with JsonRpc(str(endpoint), chain_id) as rpc:
        yield Desk(
            rpc=rpc,
            writer=ApeWriter(rpc, account, provider, terminal),
            terminal=terminal,
            head=await latest_block(rpc),
            deployment_path=deployment or Path(".build/deployments") / f"{chain_id}.json",
        )


def _run(terminal: Terminal, work: Awaitable[dict[str, Any]]) -> None:
    async def owned() -> dict[str, Any]:
        return await work

    try:
        terminal.finish(asyncio.run(owned()))
    except Declined:
        click.echo("Nothing was sent.", err=True)
        sys.exit(_DECLINED)
    except SmartLayerError as error:
        if terminal.as_json:
            told = {"code": error.code, "title": error.title, "fix": error.advice()}
            click.echo(json.dumps({"error": {**told, "details": plain(error.details())}}))
        else:
            click.echo(f"{error.code} {error.title}. {error.advice()}", err=True)
        sys.exit(_exit_code(error))


def _exit_code(error: SmartLayerError) -> int:
    match error:
        case InputError():
            return _INPUT
        case CallReverted():
            return _REVERTED
        case _:
            return _CHAIN


def event_json(event: Any) -> dict[str, Any]:
    """An event as JSON values, its name first."""
    return {"event": type(event).__name__, **plain(event)}


def plain(value: Any) -> Any:
    """Any value of ours as JSON: addresses checksummed, large integers as text."""
    match value:
        case bytes():
            return checksum(Address(value)) if len(value) == 20 else hex_text(value)
        case Enum():
            return value.name.lower()
        case bool() | None | str():
            return value
        case int():
            return value if abs(value) < 1 << 53 else str(value)
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return str(value)
