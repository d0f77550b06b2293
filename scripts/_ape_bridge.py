"""What the ape scripts share: ``smartlayer chain``'s own commands with ape's network and account.

A command is written once, in ``node/commands``. Here it gets ape's options in place of our RPC
address and keystore. Reads go through our own reader over the network's RPC address, so that
scripts, command line and nodes see the same and explain refusals in the same words; ape brings the
network, the account and the signature. Output and exit codes are the command line's
(``node/commands/terminal.py``).
"""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import click
import typer
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, account_option
from ape.exceptions import ApeException
from ape.logging import CLICK_ECHO_KWARGS
from typer.models import OptionInfo

from node.commands.desk import open_desk
from node.commands.options import ChainCommand
from node.commands.terminal import Result, Terminal, run
from settlement.chain.deployment import Deployment
from settlement.chain.events import EventDecoder
from settlement.chain.keystore import read_password
from settlement.chain.rpc import JsonRpc
from settlement.errors import InputError
from settlement.ports.chain import Call, TransactionReceipt
from settlement.ports.chain_errors import CallReverted, RpcRefused
from settlement.types import Address, Hash, checksum, hex_text, parse_address, parse_hash

_NO_BODIES = False
_GAS_MARGIN_PERCENT = 125
_PRIORITY_FEE = 2 * 10**9
_FILE = click.Path(dir_okay=False, path_type=Path)


# ape's own lines go to standard error: standard output is the result's, which programs read.
for _level in ("debug", "info", "success", "warning", "error"):
    CLICK_ECHO_KWARGS[_level] = {"err": True}


class ApeWriter:
    """An account of ape's as a ``ChainWriter``."""

    def __init__(
        self,
        account: AccountAPI,
        provider: ProviderAPI,
        rpc: JsonRpc,
        deployment: Deployment | None = None,
    ) -> None:
        self.account = parse_address(str(account.address))
        self._ape, self._provider, self._rpc = account, provider, rpc
        self._decoder = EventDecoder.of(deployment) if deployment else None

    async def submit(self, call: Call) -> TransactionReceipt:
        """Rehearse the call, so that a refusal is explained and costs nothing; then send it."""
        gas = await self.simulate(call)
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

    async def simulate(self, call: Call) -> int:
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
        created, used = found.get("contractAddress"), int(found["gasUsed"], 16)
        return TransactionReceipt(
            transaction=parse_hash(digest),
            block=int(found["blockNumber"], 16),
            block_hash=block_hash,
            gas_used=used,
            fee=used * int(found.get("effectiveGasPrice", "0x0"), 16),
            created=Address(bytes.fromhex(created[2:])) if created else None,
            events=self._decoder.decode(found["logs"], times) if self._decoder else (),
        )


def commands(app: typer.Typer, **others: ChainCommand) -> click.Group:
    """A group of ``smartlayer chain`` as a group of ape's, perhaps with more commands by name."""
    own = [each.callback for each in app.registered_commands]
    named = {each.name: each for each in own if isinstance(each, ChainCommand)} | others
    return click.Group(
        commands={name: _command(name, each) for name, each in named.items()},
        help=str(app.info.help),
    )


def _command(name: str, command: ChainCommand) -> click.Command:
    def act(provider: ProviderAPI, **given: Any) -> None:
        terminal, deployment, passphrase_file, own = _shared(given)
        # Commands that only look may have an option of this name.
        account: AccountAPI | None = own.pop("account") if command.sends else None

        async def work() -> Result:
            writer_of = None
            if account is not None:
                unattended = terminal.yes and not terminal.dry_run
                open_account(account, passphrase_file, unattended=unattended)
                writer_of = functools.partial(ApeWriter, account, provider)
            path = deployment or default_deployment(provider)
            async with open_desk(terminal, rpc_address(provider), path, writer_of) as desk:
                return await command.script(desk, **own)

        leave_as_click(lambda: run(terminal, work()))

    params = [_option(each) for each in command.own]
    return ape_command(name, str(command.__doc__), params, act, sends=command.sends)


def ape_command(
    name: str, words: str, params: list[click.Option], act: Callable[..., None], *, sends: bool
) -> click.Command:
    """A command with ape's network, and with ``sends`` its account, beside its own options."""
    made = ConnectedProviderCommand(name, callback=act, help=words, params=list(params))
    for option in _OPTIONS if sends else _OPTIONS[:2]:
        option(made)
    return made


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    click.option(
        "--deployment",
        type=_FILE,
        help="Where the contracts stand; default .build/deployments/<chain id>.json.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask before sending."),
    click.option("--dry-run", is_flag=True, help="Check and show, send nothing."),
    click.option(
        "--passphrase-file", type=_FILE, help="Opens the account without asking (mode 600)."
    ),
    account_option(),
)


def _shared(given: Mapping[str, Any]) -> tuple[Terminal, Path | None, Path | None, dict[str, Any]]:
    """What all commands are given, and what is a command's own."""
    own = dict(given)
    terminal = Terminal(
        as_json=own.pop("as_json"),
        dry_run=own.pop("dry_run", False),
        yes=own.pop("yes", False),
    )
    return terminal, own.pop("deployment"), own.pop("passphrase_file", None), own


def leave_as_click(work: Callable[[], None]) -> None:
    """The command line's way of leaving, as a process that click runs leaves."""
    try:
        work()
    except typer.Exit as left:
        sys.exit(left.exit_code)


def rpc_address(provider: ProviderAPI) -> str:
    """The RPC address of ape's network. Raises InputError."""
    found = getattr(provider, "http_uri", None)
    if not found:
        problem = "it has no HTTP RPC address; use ::foundry, or ecosystem:network:https://…"
        raise InputError(where="--network", problem=problem)
    return str(found)


def default_deployment(provider: ProviderAPI) -> Path:
    """Where a network's addresses are kept unless another file is named."""
    return Path(".build/deployments") / f"{int(provider.chain_id)}.json"


def _option(parameter: inspect.Parameter) -> click.Option:
    """An option of typer's as one of click's: the two do not share their types."""
    kind, info = get_args(parameter.annotation)
    assert isinstance(info, OptionInfo), parameter.name
    # In Annotated, what stands first in typer.Option is a name, though it is called the default.
    first = (info.default,) if isinstance(info.default, str) else ()
    names = [*first, *(info.param_decls or ())] or [f"--{parameter.name.replace('_', '-')}"]
    kind, many = _inner(kind)
    required = parameter.default is inspect.Parameter.empty
    return click.Option(
        [*names, parameter.name],
        type=_Value(kind, info),
        required=required,
        default=None if required else parameter.default,
        multiple=many,
        is_flag=kind is bool,
        help=info.help,
        metavar=info.metavar,
    )


def _inner(kind: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be several."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is list:
        return get_args(kind)[0], True
    return kind, False


class _Value(click.ParamType):
    """One value, read by the parser of its option or as its type."""

    def __init__(self, kind: Any, info: OptionInfo) -> None:
        self.name = getattr(kind, "__name__", "value")
        self._kind, self._info = kind, info

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            if self._info.parser is not None:
                return self._info.parser(value)
        except typer.BadParameter as error:
            self.fail(error.message, param, ctx)
        return self._plain().convert(value, param, ctx)

    def _plain(self) -> click.ParamType:
        if self._kind is int:
            return click.IntRange(_whole(self._info.min), _whole(self._info.max))
        if self._kind is Path:
            return click.Path(path_type=Path)
        if isinstance(self._kind, type) and issubclass(self._kind, Enum):
            return _Member(self._kind)
        return click.BOOL if self._kind is bool else click.STRING


class _Member(click.Choice):
    def __init__(self, kind: type[Enum]) -> None:
        super().__init__([str(each.value) for each in kind])
        self._kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self._kind(super().convert(value, param, ctx))


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def open_account(account: AccountAPI, passphrase_file: Path | None, *, unattended: bool) -> None:
    """Open an account of ape's with the passphrase of a file, if any. Raises InputError."""
    # Accounts that ape makes for local chains, and hardware wallets, have no passphrase.
    if not hasattr(account, "unlock") or not hasattr(account, "keyfile_path"):
        return
    if passphrase_file is not None:
        account.set_autosign(True, passphrase=read_password(passphrase_file))
    elif unattended:
        account.set_autosign(True)  # asks for the passphrase once, then signs without asking
