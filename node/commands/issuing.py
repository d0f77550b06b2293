"""``smartlayer chain class …``, ``rent …`` and ``ticket …``: an issuer's acts on chain."""

from pathlib import Path
from typing import Annotated

import typer

from node.commands.desk import Desk, approval
from node.commands.options import ContractOption, HashOption, acts, address_option, looks
from node.commands.terminal import Result
from settlement.chain.calls import amount_text, create_ticket_contract, mint_ticket
from settlement.chain.quotes import quote_rent
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_events import TokenMoved
from settlement.ports.chain_records import RentState
from settlement.types import Address, Hash, TokenClass, TokenId, checksum, keccak

LONGEST_URI, LARGEST_SCRIPT = 512, 2 * 1024 * 1024

classes = typer.Typer(no_args_is_help=True, help="Register a token class and publish its script.")
rent = typer.Typer(no_args_is_help=True, help="Quote, pay and show the rent of a token class.")
ticket = typer.Typer(no_args_is_help=True, help="The example token contract.")

ScriptFile = Annotated[Path | None, typer.Option(help="The signed script; its hash is taken.")]
ScriptUri = Annotated[str, typer.Option(help="Where nodes fetch the script.")]
Instances = Annotated[int, typer.Option(min=1, max=1 << 40, help="Tokens kept available.")]
Periods = Annotated[int, typer.Option(min=1, max=1_200, help="Settlement periods.")]


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
    return {"token_class": _class_id(desk, token), **await desk.perform(call)}


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
    call = desk.calls.publish_script(_class_id(desk, token), _uri(script_uri), digest)
    return {"script_hash": digest, **await desk.perform(call)}


@acts(classes, "share")
async def schedule_share(
    desk: Desk,
    *,
    token: ContractOption,
    share: Annotated[int, typer.Option(min=0, max=3_000, help="Basis points of calls.")],
) -> Result:
    """Change the issuer's share; it holds two periods later."""
    return await desk.perform(desk.calls.schedule_share(_class_id(desk, token), share))


@looks(classes, "show")
async def show_class(desk: Desk, *, token: ContractOption) -> Result:
    """Show a class: its script and what its issuer earns now."""
    class_id = _class_id(desk, token)
    found = await desk.reader.token_class(class_id)
    if found is None:
        raise InputError(where="--token", problem=f"{checksum(token)} has no registered class")
    return {"token_class": class_id, "class": found}


@looks(rent, "quote")
async def show_quote(
    desk: Desk, *, token: ContractOption, instances: Instances, periods: Periods
) -> Result:
    """What rent would cost now; nothing is sent."""
    payer = desk.deployment.rent
    quote = await quote_rent(desk.reader, payer, _class_id(desk, token), instances, periods)
    return {"price": amount_text(quote.amount, quote.unit), "notes": list(quote.notes)}


@acts(rent, "start")
async def start_rent(
    desk: Desk, *, token: ContractOption, instances: Instances, periods: Periods
) -> Result:
    """Begin rent, for the first time or after a suspension."""
    class_id = _class_id(desk, token)
    start = desk.calls.start_rent(class_id, instances, periods)
    return await _pay(desk, class_id, instances, periods, start)


@acts(rent, "top-up")
async def top_up_rent(desk: Desk, *, token: ContractOption, periods: Periods) -> Result:
    """Extend rent at today's price; anyone may."""
    class_id = _class_id(desk, token)
    found = await desk.reader.rent(class_id)
    if found.state is RentState.NONE:
        problem = "its rent never began; use: smartlayer chain rent start"
        raise InputError(where="--token", problem=problem)
    top_up = desk.calls.top_up_rent(class_id, periods)
    return await _pay(desk, class_id, found.instances, periods, top_up)


@looks(rent, "show")
async def show_rent(desk: Desk, *, token: ContractOption) -> Result:
    """Show until when a class's rent is paid."""
    found = await desk.reader.rent(_class_id(desk, token))
    if found.state is RentState.NONE:
        return {"state": found.state}
    return {"state": found.state, "instances": found.instances, "paid_until": moment(found.expiry)}


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


async def _pay(desk: Desk, class_id: Hash, instances: int, periods: int, call: Call) -> Result:
    quote = await quote_rent(desk.reader, desk.account, class_id, instances, periods)
    approvals = approval(quote, desk.calls.approve_rent(quote.amount))
    return await desk.perform(*approvals, call, quote=quote)


def _class_id(desk: Desk, contract: Address) -> Hash:
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
