"""``smartlayer chain class …`` and ``ticket …``: an issuer's acts on chain."""

from pathlib import Path
from typing import Annotated

import typer

from node.commands.desk import Desk
from node.commands.options import ContractOption, HashOption, acts, address_option, looks
from node.commands.terminal import Result
from settlement.chain.calls import create_ticket_contract, mint_ticket
from settlement.errors import InputError
from settlement.ports.chain_events import TokenMoved
from settlement.types import Address, Hash, TokenClass, TokenId, checksum, keccak

LONGEST_URI, LARGEST_SCRIPT = 512, 2 * 1024 * 1024

classes = typer.Typer(no_args_is_help=True, help="Register a token class and publish its script.")
ticket = typer.Typer(no_args_is_help=True, help="The example token contract.")

ScriptFile = Annotated[Path | None, typer.Option(help="The signed script; its hash is taken.")]
ScriptUri = Annotated[str, typer.Option(help="Where nodes fetch the script.")]


@acts(classes, "register")
async def register_class(
    desk: Desk,
    *,
    token: ContractOption,
    script_uri: ScriptUri,
    script: ScriptFile = None,
    script_hash: HashOption = None,
    share: Annotated[int, typer.Option(min=0, max=3_000, help="Basis points of calls.")] = 0,
    payout: Annotated[Address | None, address_option("Default: the account.")] = None,
) -> Result:
    """Register a token contract's class with its first script; the account owns the contract."""
    call = desk.calls.register_class(
        token_contract=token,
        payout=payout or desk.account,
        issuer_share=share,
        script_uri=_uri(script_uri),
        script_hash=_script_hash(script, script_hash),
    )
    return {"token_class": class_id(desk, token), **await desk.perform(call)}


@acts(classes, "publish")
async def publish_script(
    desk: Desk,
    *,
    token: ContractOption,
    script_uri: ScriptUri,
    script: ScriptFile = None,
    script_hash: HashOption = None,
) -> Result:
    """Replace a class's script."""
    digest = _script_hash(script, script_hash)
    call = desk.calls.publish_script(class_id(desk, token), _uri(script_uri), digest)
    return {"script_hash": digest, **await desk.perform(call)}


@acts(classes, "share")
async def schedule_share(
    desk: Desk,
    *,
    token: ContractOption,
    share: Annotated[int, typer.Option(min=0, max=3_000, help="Basis points of calls.")],
) -> Result:
    """Change the issuer's share; it holds two periods later."""
    return await desk.perform(desk.calls.schedule_share(class_id(desk, token), share))


@looks(classes, "show")
async def show_class(desk: Desk, *, token: ContractOption) -> Result:
    """Show a class: its script and what its issuer earns now."""
    number = class_id(desk, token)
    found = await desk.reader.token_class(number)
    if found is None:
        raise InputError(where="--token", problem=f"{checksum(token)} has no registered class")
    return {"token_class": number, "class": found}


@acts(ticket, "deploy")
async def deploy_ticket(desk: Desk) -> Result:
    """Deploy the example ERC-721 contract, owned by the account."""
    call = create_ticket_contract(desk.account)
    if desk.terminal.dry_run:
        return await desk.perform(call)
    receipt = await desk.send_one(call)
    return {"contract": receipt.created, "gas_used": receipt.gas_used}


@acts(ticket, "mint")
async def mint(
    desk: Desk,
    *,
    token: ContractOption,
    holder: Annotated[Address, address_option("Who gets the ticket.")],
    flight: Annotated[str, typer.Option(help="Flight number.")],
    hotel_booking: Annotated[str, typer.Option(help="Moved when the flight is late.")] = "",
) -> Result:
    """Mint an example ticket to a holder."""
    call = mint_ticket(token, holder, flight, hotel_booking)
    if desk.terminal.dry_run:
        return await desk.perform(call)
    receipt = await desk.send_one(call)
    events = await desk.reader.events(receipt.block, receipt.block, frozenset({token}))
    moved = [each for each in events if isinstance(each, TokenMoved) and each.contract == token]
    chain_id = desk.deployment.chain_id
    paths = [TokenId(chain_id=chain_id, contract=token, number=each.number).path for each in moved]
    return {"tokens": paths, "gas_used": receipt.gas_used}


def class_id(desk: Desk, contract: Address) -> Hash:
    """The class of a token contract on the desk's chain."""
    return TokenClass(chain_id=desk.deployment.chain_id, contract=contract).id


def _script_hash(file: Path | None, digest: Hash | None) -> Hash:
    if (file is None) == (digest is None):
        raise InputError(where="--script", problem="give either --script or --script-hash")
    if file is None:
        assert digest is not None
        return digest
    content = read_file(file, "--script", LARGEST_SCRIPT)
    return keccak(content)


def read_file(file: Path, option: str, largest: int) -> bytes:
    """A file's content. Raises InputError where it is missing, empty or too large."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(where=option, problem=f"{file}: {error.strerror}") from error
    if not 0 < len(content) <= largest:
        raise InputError(where=option, problem=f"{file} has not 1 to {largest} bytes")
    return content


def _uri(uri: str) -> str:
    if not 1 <= len(uri.encode()) <= LONGEST_URI:
        raise InputError(where="--script-uri", problem=f"it has 1 to {LONGEST_URI} bytes")
    return uri
