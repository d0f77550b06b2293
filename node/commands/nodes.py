"""``smartlayer chain register`` and ``smartlayer chain stake …``: a node's place in the network."""

from pathlib import Path
from typing import Annotated

import typer

from node.commands.desk import Desk, approval, token_amount
from node.commands.options import AmountOption, NodeOption, acts, address_option, looks, parsed
from node.commands.terminal import Result
from node.config import Role
from settlement.chain.calls import ANCHOR, SERVICE, amount_text
from settlement.chain.keystore import load_key
from settlement.chain.quotes import duration, quote_stake
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain_records import RegisteredNode
from settlement.types import Address, checksum

LONGEST_URL = 256
BITS = {Role.SERVICE: SERVICE, Role.ANCHOR: ANCHOR}

stake = typer.Typer(no_args_is_help=True, help="Add, thaw, withdraw and show a node's stake.")


async def register(
    desk: Desk,
    *,
    node_keystore: Annotated[Path, typer.Option(help="Keystore v3 file of the node key.")],
    node_password_file: Annotated[Path, typer.Option(help="File with the node key's password.")],
    api_url: Annotated[str, typer.Option(help="Where integrations reach it.")],
    link_url: Annotated[str, typer.Option(help="Where other nodes reach it (wss://…).")],
    roles: Annotated[str, typer.Option(help="service, anchor, or both by comma.")] = "service",
    stake_amount: Annotated[
        int | None,
        typer.Option("--stake", parser=parsed(token_amount), help="Default: what the roles need."),
    ] = None,
    payout: Annotated[Address | None, address_option("Default: the account.")] = None,
) -> Result:
    """Register a node with the account as its operator, and put its stake down."""
    web_addresses(api_url, link_url)
    key = load_key(node_keystore, node_password_file)
    bits = role_bits(roles)
    quote = await quote_stake(desk.reader, desk.account, bits, stake_amount)
    call = desk.calls.register_node(
        key=key.address,
        key_proof=desk.calls.key_proof(key, desk.account),
        payout=payout or desk.account,
        roles=bits,
        api_url=api_url,
        link_url=link_url,
        stake=quote.amount,
    )
    approvals = approval(quote, desk.calls.approve_stake(quote.amount))
    return {"node": key.address, **await desk.perform(*approvals, call, quote=quote)}


def web_addresses(api_url: str, link_url: str) -> None:
    """Check where a node says it is. Raises InputError."""
    for option, url, schemes in (
        ("--api-url", api_url, ("http://", "https://")),
        ("--link-url", link_url, ("ws://", "wss://")),
    ):
        if not url.startswith(schemes) or len(url.encode()) > LONGEST_URL:
            problem = f"expected {' or '.join(schemes)} and at most {LONGEST_URL} bytes"
            raise InputError(where=option, problem=problem)


def role_bits(roles: str) -> int:
    """The registry's bitmask of roles in words. Raises InputError."""
    bits = 0
    for name in roles.split(","):
        try:
            bits |= BITS[Role(name.strip())]
        except ValueError as error:
            raise InputError(where="--roles", problem="expected service, anchor or both") from error
    return bits


@acts(stake, "add")
async def add_stake(desk: Desk, *, node: NodeOption, amount: AmountOption) -> Result:
    """Add stake to a node; its operator owns it, whoever pays."""
    found = await found_node(desk, node)
    quote = await quote_stake(desk.reader, desk.account, found.roles, amount)
    approvals = approval(quote, desk.calls.approve_stake(amount))
    return await desk.perform(*approvals, desk.calls.add_stake(node, amount), quote=quote)


@acts(stake, "thaw")
async def thaw_stake(desk: Desk, *, node: NodeOption, amount: AmountOption) -> Result:
    """Let part of the stake thaw; a new request restarts the wait for all that thaws."""
    await say_wait(desk)
    return await desk.perform(desk.calls.request_thaw(node, amount))


@acts(stake, "leave")
async def leave_network(desk: Desk, *, node: NodeOption) -> Result:
    """Let all stake thaw; the node is a member no more."""
    await say_wait(desk)
    return await desk.perform(desk.calls.leave_network(node))


@acts(stake, "withdraw")
async def withdraw_stake(desk: Desk, *, node: NodeOption) -> Result:
    """Take thawed stake back."""
    return await desk.perform(desk.calls.withdraw_thawed(node))


@looks(stake, "show")
async def show_stake(desk: Desk, *, node: NodeOption) -> Result:
    """Show a node's stake."""
    found = await found_node(desk, node)
    if desk.terminal.as_json:
        return {"node": found}
    shown: Result = {
        "operator": found.operator,
        "active": amount_text(found.stake, "STK"),
        "locked as bonds": amount_text(found.locked, "STK"),
        "thawing": amount_text(found.thawing, "STK"),
        "delegated by others": amount_text(found.delegated, "STK"),
    }
    return shown | ({"thawed at": moment(found.thawed_at)} if found.thawing else {})


@looks(stake, "list")
async def list_nodes(desk: Desk) -> Result:
    """List every node that ever registered."""
    nodes = await desk.reader.nodes()
    for node in nodes:
        roles = ", ".join(role.value for role, bit in BITS.items() if node.roles & bit)
        desk.terminal.say(f"{node.number:>4} {checksum(node.key)} {roles:<16} {node.api_url}")
    return {"count": len(nodes), **({"nodes": nodes} if desk.terminal.as_json else {})}


async def found_node(desk: Desk, key: Address) -> RegisteredNode:
    """The registered node with this key. Raises InputError."""
    found = await desk.reader.node(key)
    if found is None:
        raise InputError(where="--node", problem=f"no node has the key {checksum(key)}")
    return found


async def say_wait(desk: Desk) -> None:
    """Tell how long stake is bound, before it is."""
    terms = (await desk.reader.parameters()).terms
    desk.terminal.say(
        f"It can be withdrawn after {duration(terms.thaw_time)}, and is at risk until then."
    )
