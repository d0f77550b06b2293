"""``smartlayer chain …``: found a network, pay, and the groups that act on one."""

import asyncio
import socket
from pathlib import Path
from typing import Annotated

import typer

from node.commands.channels import channel, credit
from node.commands.desk import Desk, chain_id_of
from node.commands.founding import LONGEST, SHORTEST, found_network
from node.commands.governing import anchors, brake, govern
from node.commands.issuing import classes, ticket
from node.commands.nodes import register, stake
from node.commands.operating import delegation, node_terms, rewards
from node.commands.options import (
    AmountOption,
    AsJson,
    DryRun,
    Keystore,
    PasswordFile,
    RpcUrl,
    Yes,
    acts,
    address_option,
    looks,
    parsed,
)
from node.commands.renting import rent
from node.commands.settling import settle
from node.commands.terminal import Result, Terminal, run, until_stopped
from settlement.chain.calls import amount_text, send_coin
from settlement.chain.keystore import load_key
from settlement.chain.local import LocalChain
from settlement.chain.quorum import endpoints_of, open_rpc
from settlement.chain.quotes import window_notes
from settlement.chain.sender import RpcSender
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_terms import MONTH
from settlement.types import Address, checksum, parse_address

chain = typer.Typer(no_args_is_help=True, help="Act on chain: stake, vote, rent, pay, settle.")
chain.add_typer(stake, name="stake")
chain.add_typer(node_terms, name="node")
chain.add_typer(delegation, name="delegation")
chain.add_typer(rewards, name="rewards")
chain.add_typer(govern, name="govern")
chain.add_typer(anchors, name="anchors")
chain.add_typer(brake, name="brake")
chain.add_typer(settle, name="settle")
chain.add_typer(classes, name="class")
chain.add_typer(rent, name="rent")
chain.add_typer(channel, name="channel")
chain.add_typer(credit, name="credit")
chain.add_typer(ticket, name="ticket")
register_node = acts(chain, "register")(register)


@chain.command("local")
def local(
    *,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Its port.")] = 8545,
    fund: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Gets coins; may be repeated.")
    ] = None,
    tick: Annotated[bool, typer.Option(help="Mine a block every second.")] = False,
    embedded: Annotated[bool, typer.Option(help="Use the chain that needs no Node.")] = False,
) -> None:
    """Run a chain on this machine until Ctrl-C, and give coins to accounts on it."""
    accounts = [parsed(parse_address)(text) for text in fund or ()]

    async def work() -> Result:
        _require_free(port)
        async with LocalChain(kind="embedded" if embedded else None, port=port) as found:
            await found.fund(*accounts)
            typer.echo(f"{found.kind}, chain {found.chain_id}: {found.endpoint}")
            async with asyncio.TaskGroup() as group:
                ticking = group.create_task(_tick(found) if tick else asyncio.sleep(0))
                await until_stopped()
                ticking.cancel()
        return {"stopped": True}

    run(Terminal(), work())


async def _tick(found: LocalChain) -> None:
    while True:
        await asyncio.sleep(1)
        await found.mine()


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise InputError(where="--port", problem=f"something listens on {port} already")


@chain.command("deploy")
def deploy_network(
    *,
    rpc_url: RpcUrl,
    keystore: Keystore,
    password_file: PasswordFile,
    deployment: Annotated[
        Path, typer.Option(envvar="SMARTLAYER_DEPLOYMENT", help="Where to write the addresses.")
    ],
    treasury: Annotated[Address | None, address_option("Gets the protocol's share.")] = None,
    period_length: Annotated[
        int, typer.Option(min=SHORTEST, max=LONGEST, help="Seconds; all windows scale with it.")
    ] = MONTH,
    governed: Annotated[
        bool, typer.Option("--governed", help="Hand it over to those who hold stake.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deploy all contracts from the committed artifacts; the account holds both supplies."""
    terminal = Terminal(as_json=as_json, dry_run=dry_run, yes=yes)

    async def work() -> Result:
        key = load_key(keystore, password_file)
        async with open_rpc(endpoints_of(rpc_url), await chain_id_of(rpc_url)) as rpc:
            return await found_network(
                terminal,
                rpc,
                RpcSender(rpc, key),
                deployment,
                treasury=treasury,
                period_length=period_length,
                governed=governed,
                replace=replace,
            )

    run(terminal, work())


@acts(chain, "pay")
async def pay(
    desk: Desk,
    *,
    receiver: Annotated[Address, address_option("Who gets it.")],
    amount: AmountOption,
    unit: Annotated[str, typer.Option(help="svc, stk, or coin (for gas).")] = "svc",
) -> Result:
    """Send Service Tokens, Stake Tokens or coins of the chain."""
    match unit.lower():
        case "svc":
            call: Call = desk.calls.pay(receiver, amount)
        case "stk":
            call = desk.calls.pay_stake(receiver, amount)
        case "coin":
            call = send_coin(receiver, amount)
        case _:
            raise InputError(where="--unit", problem="expected svc, stk or coin")
    return await desk.perform(call)


@looks(chain, "account")
async def show_account(
    desk: Desk, *, account: Annotated[Address, address_option("Whose balances.")]
) -> Result:
    """Show an account's tokens, coins and credit."""
    reader = desk.reader
    return {
        "account": checksum(account),
        "service tokens": amount_text(await reader.balance(account), "SVC"),
        "stake tokens": amount_text(await reader.stake_balance(account), "STK"),
        "credit in the hub": amount_text(await reader.credit(account), "SVC"),
        "coins for gas": amount_text(await reader.gas_balance(account), "coin"),
    }


@looks(chain, "period")
async def show_period(desk: Desk) -> Result:
    """Show the current period and the terms that hold in it."""
    parameters = await desk.reader.parameters()
    now = (await desk.reader.head()).timestamp
    return {
        "period": parameters.period,
        "next": list(window_notes(parameters, parameters.period, now)),
        "terms": parameters.terms,
    }
