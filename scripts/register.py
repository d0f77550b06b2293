"""Register nodes, token classes and scripts: ``ape run register node …``."""

from pathlib import Path
from typing import Any

import click

from scripts._ape_bridge import ADDRESS, AMOUNT, HASH, Desk, command
from settlement.chain.calls import ANCHOR, SERVICE
from settlement.chain.keystore import load_key
from settlement.chain.quotes import quote_stake
from settlement.errors import InputError
from settlement.types import Address, Hash, TokenClass, checksum, hex_text, keccak

ROLES = {"service": SERVICE, "anchor": ANCHOR, "both": SERVICE | ANCHOR}
LONGEST_URL, LONGEST_URI, LARGEST_SCRIPT = 256, 512, 2 * 1024 * 1024


@click.group()
def cli() -> None:
    """Register a node, a token class or a script."""


@click.option("--link-url", required=True, help="Where other nodes reach it (ws:// or wss://).")
@click.option("--api-url", required=True, help="Where integrations reach it (http or https).")
@click.option("--payout", type=ADDRESS, help="Where earnings go; default the account.")
@click.option("--stake", type=AMOUNT, help="Stake Tokens; default the least the roles need.")
@click.option("--role", type=click.Choice(list(ROLES)), default="service", show_default=True)
@click.option(
    "--password-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the node key's password.",
)
@click.option(
    "--node-keystore",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keystore v3 file of the node key.",
)
async def register_node(
    desk: Desk,
    node_keystore: Path,
    password_file: Path,
    role: str,
    stake: int | None,
    payout: Address | None,
    api_url: str,
    link_url: str,
) -> dict[str, Any]:
    """Register a node with the account as its operator, and put its stake down."""
    _check_url("--api-url", api_url, ("http://", "https://"))
    _check_url("--link-url", link_url, ("ws://", "wss://", "http://", "https://", "tcp://"))
    key = load_key(node_keystore, password_file)
    operator = desk.writer.account
    quote = await quote_stake(desk.reader, operator, ROLES[role], stake)
    register = desk.calls.register_node(
        key=key.address,
        key_proof=desk.calls.key_proof(key, operator),
        payout=payout or operator,
        roles=ROLES[role],
        api_url=api_url,
        link_url=link_url,
        stake=quote.amount,
    )
    approvals = [desk.calls.approve_stake(quote.amount)] if quote.allowed < quote.amount else []
    done = await desk.perform(*approvals, register, quote=quote)
    return {"node": key.address, **done}


@click.option("--script", "script_file", type=click.Path(exists=True, path_type=Path))
@click.option("--script-hash", type=HASH, help="keccak256 of the script, instead of --script.")
@click.option("--script-uri", required=True, help="Where nodes fetch the script.")
@click.option(
    "--share", type=click.IntRange(0, 3_000), default=0, show_default=True, help="Basis points."
)
@click.option("--payout", type=ADDRESS, help="Where the issuer's share goes; default the account.")
@click.option("--token", "token_contract", type=ADDRESS, required=True, help="The token contract.")
async def register_class(
    desk: Desk,
    token_contract: Address,
    payout: Address | None,
    share: int,
    script_uri: str,
    script_hash: Hash | None,
    script_file: Path | None,
) -> dict[str, Any]:
    """Register a token contract's class with its first script; the account owns the contract."""
    digest = _script_hash(script_file, script_hash)
    _check_uri(script_uri)
    call = desk.calls.register_class(
        token_contract=token_contract,
        payout=payout or desk.writer.account,
        issuer_share=share,
        script_uri=script_uri,
        script_hash=digest,
    )
    class_id = TokenClass(chain_id=desk.rpc.chain_id, contract=token_contract).id
    return {"token_class": class_id, **await desk.perform(call)}


@click.option("--script", "script_file", type=click.Path(exists=True, path_type=Path))
@click.option("--script-hash", type=HASH, help="keccak256 of the script, instead of --script.")
@click.option("--script-uri", required=True, help="Where nodes fetch the script.")
@click.option("--token", "token_contract", type=ADDRESS, required=True, help="The token contract.")
async def publish_script(
    desk: Desk,
    token_contract: Address,
    script_uri: str,
    script_hash: Hash | None,
    script_file: Path | None,
) -> dict[str, Any]:
    """Replace a class's script."""
    digest = _script_hash(script_file, script_hash)
    _check_uri(script_uri)
    class_id = TokenClass(chain_id=desk.rpc.chain_id, contract=token_contract).id
    return await desk.perform(desk.calls.publish_script(class_id, script_uri, digest))


@click.option("--share", type=click.IntRange(0, 3_000), required=True, help="Basis points.")
@click.option("--token", "token_contract", type=ADDRESS, required=True, help="The token contract.")
async def schedule_share(desk: Desk, token_contract: Address, share: int) -> dict[str, Any]:
    """Change the issuer's share; it holds from the period after the next one."""
    class_id = TokenClass(chain_id=desk.rpc.chain_id, contract=token_contract).id
    return await desk.perform(desk.calls.schedule_share(class_id, share))


async def show_nodes(desk: Desk) -> dict[str, Any]:
    """List every node that ever registered."""
    nodes = await desk.reader.nodes()
    for node in nodes:
        roles = next(name for name, mask in ROLES.items() if mask == node.roles)
        desk.terminal.say(f"{node.number:>4} {checksum(node.key)} {roles:<8} {node.api_url}")
    return {"count": len(nodes), "nodes": nodes if desk.terminal.as_json else []}


def _script_hash(file: Path | None, digest: Hash | None) -> Hash:
    if (file is None) == (digest is None):
        raise InputError(where="--script", problem="give either --script or --script-hash")
    if digest is not None:
        return digest
    assert file is not None
    content = file.read_bytes()
    if not 0 < len(content) <= LARGEST_SCRIPT:
        raise InputError(where=str(file), problem=f"a script has 1 to {LARGEST_SCRIPT} bytes")
    click.echo(f"keccak256 of {file}: {hex_text(keccak(content))}", err=True)
    return keccak(content)


def _check_url(option: str, url: str, schemes: tuple[str, ...]) -> None:
    if not url.startswith(schemes):
        raise InputError(where=option, problem=f"it must begin with one of {', '.join(schemes)}")
    if len(url.encode()) > LONGEST_URL:
        raise InputError(where=option, problem=f"it is longer than {LONGEST_URL} bytes")


def _check_uri(uri: str) -> None:
    if not 1 <= len(uri.encode()) <= LONGEST_URI:
        raise InputError(where="--script-uri", problem=f"it has 1 to {LONGEST_URI} bytes")


command(cli, "node")(register_node)
command(cli, "class")(register_class)
command(cli, "script")(publish_script)
command(cli, "share")(schedule_share)
command(cli, "list")(show_nodes)
