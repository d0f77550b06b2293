"""Options that commands share, and the two shapes of a chain command: one looks, one acts.

A command is a coroutine ``script(desk, *, own options)``. The decorators add the shared options, so
that they are the same everywhere and read from the same environment variables as a node's
configuration.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from node.commands.desk import open_desk, token_amount
from node.commands.terminal import Result, Terminal, run
from settlement.chain.deployment import Deployment
from settlement.chain.keystore import load_key
from settlement.chain.rpc import Rpc
from settlement.chain.sender import RpcSender
from settlement.errors import InputError
from settlement.protocol.signing import SigningKey
from settlement.types import Address, Hash, TokenId, parse_address, parse_hash, unsigned


def parsed(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A parser of ours for typer: a wrong value is a usage error that says what is wrong."""

    def parser(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except InputError as error:
            raise typer.BadParameter(error.problem) from error

    return parser


def address_option(help_text: str, *names: str) -> Any:
    """An address; one in mixed case must carry its checksum."""
    return typer.Option(*names, parser=parsed(parse_address), metavar="ADDRESS", help=help_text)


def token_of(text: str) -> TokenId:
    """A token as its path: ``chain/contract/number``. Raises InputError."""
    chain, _, rest = text.partition("/")
    contract, _, number = rest.partition("/")
    digits = chain + number
    if not (chain and number and digits.isascii() and digits.isdigit() and len(digits) <= 156):
        raise InputError(where="the token", problem="expected CHAIN/CONTRACT/NUMBER")
    return TokenId(
        chain_id=unsigned(int(chain), 256, "the token's chain"),
        contract=parse_address(contract, "the token's contract"),
        number=unsigned(int(number), 256, "the token's number"),
    )


AmountOption = Annotated[
    int,
    typer.Option(parser=parsed(token_amount), metavar="TOKENS", help="How many, in decimals."),
]
TokenOption = Annotated[
    TokenId,
    typer.Option(parser=parsed(token_of), metavar="CHAIN/CONTRACT/NUMBER", help="The token."),
]
ContractOption = Annotated[Address, address_option("The token contract.", "--token")]
NodeOption = Annotated[Address, address_option("The node key's address.")]
SignerOption = Annotated[Address, address_option("The session key's address.")]
AnchorOption = Annotated[Address, address_option("The anchor's node key.")]
PeriodOption = Annotated[int, typer.Option(min=0, max=(1 << 32) - 1, help="Its number.")]
HashOption = Annotated[
    Hash | None,
    typer.Option(parser=parsed(parse_hash), metavar="HASH", help="keccak256 of the script."),
]
RpcUrl = Annotated[
    str,
    typer.Option(
        envvar="SMARTLAYER_RPC_URL", help="JSON-RPC endpoint of the chain, or several by comma."
    ),
]
DeploymentFile = Annotated[
    Path, typer.Option(envvar="SMARTLAYER_DEPLOYMENT", help="JSON file with the contracts.")
]
Keystore = Annotated[
    Path, typer.Option(envvar="SMARTLAYER_KEYSTORE", help="Keystore v3 file of the account.")
]
PasswordFile = Annotated[
    Path, typer.Option(envvar="SMARTLAYER_PASSWORD_FILE", help="File with its password.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and show; send nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]

Script = Callable[..., Awaitable[Result]]


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


_LOOKS = (
    _parameter("rpc_url", RpcUrl),
    _parameter("deployment", DeploymentFile),
    _parameter("as_json", AsJson, default=False),
)
_ACTS = (
    *_LOOKS[:2],
    _parameter("keystore", Keystore),
    _parameter("password_file", PasswordFile),
    _parameter("dry_run", DryRun, default=False),
    _parameter("yes", Yes, default=False),
    _LOOKS[2],
)


class ChainCommand:
    """A command as typer calls it; ``script`` does its work at a desk.

    ``own`` are the script's own options, as parameters with typer's annotations; ``sends`` is
    whether it needs an account. The ape scripts offer the same commands with ape's accounts.
    """

    def __init__(self, name: str, script: Script, *, sends: bool) -> None:
        self.name, self.script, self.sends = name, script, sends
        hints = get_type_hints(script, include_extras=True)
        given = list(inspect.signature(script).parameters.values())[1:]
        self.own = [each.replace(annotation=hints[each.name]) for each in given]
        whole = [*self.own, *(_ACTS if sends else _LOOKS)]
        self.__name__ = script.__name__
        self.__doc__ = script.__doc__
        self.__signature__ = inspect.Signature(whole)
        self.__annotations__ = {each.name: each.annotation for each in whole}

    def __call__(
        self,
        *,
        rpc_url: str,
        deployment: Path,
        as_json: bool,
        keystore: Path | None = None,
        password_file: Path | None = None,
        dry_run: bool = False,
        yes: bool = False,
        **own: Any,
    ) -> None:
        terminal = Terminal(as_json=as_json, dry_run=dry_run, yes=yes)

        async def work() -> Result:
            writer_of = None
            if keystore is not None and password_file is not None:
                key = load_key(keystore, password_file)
                writer_of = functools.partial(_sender, key)
            async with open_desk(terminal, rpc_url, deployment, writer_of) as desk:
                return await self.script(desk, **own)

        run(terminal, work())


def _sender(key: SigningKey, rpc: Rpc, deployment: Deployment) -> RpcSender:
    return RpcSender(rpc, key, deployment=deployment)


def looks(app: typer.Typer, name: str) -> Callable[[Script], ChainCommand]:
    """Make a coroutine a command that only reads the chain."""
    return functools.partial(_bound, app, name, sends=False)


def acts(app: typer.Typer, name: str) -> Callable[[Script], ChainCommand]:
    """Make a coroutine a command that sends transactions of an account."""
    return functools.partial(_bound, app, name, sends=True)


def _bound(app: typer.Typer, name: str, script: Script, *, sends: bool) -> ChainCommand:
    made = ChainCommand(name, script, sends=sends)
    app.command(name)(made)
    return made
