"""A node's stake: ``ape run stake add|thaw|leave|withdraw|delegate|undelegate|claim|show``."""

from typing import Any

import click

from scripts._ape_bridge import ADDRESS, AMOUNT, Desk, command
from settlement.chain.abi import artifact
from settlement.chain.calls import amount_text
from settlement.chain.quotes import duration, quote_stake
from settlement.chain.reverts import moment
from settlement.chain.stake_calls import StakeCalls
from settlement.errors import InputError
from settlement.ports.chain_records import RegisteredNode
from settlement.types import Address, checksum, hex_text


@click.group()
def cli() -> None:
    """Add, thaw, withdraw and show a node's stake."""


@click.option("--amount", type=AMOUNT, required=True, help="Stake Tokens.")
@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def add_stake(desk: Desk, node: Address, amount: int) -> dict[str, Any]:
    """Add stake to a node; its operator owns it, whoever pays."""
    found = await _node(desk, node)
    quote = await quote_stake(desk.reader, desk.writer.account, found.roles, amount)
    add = desk.calls.add_stake(node, amount)
    approvals = [desk.calls.approve_stake(amount)] if quote.allowed < amount else []
    return await desk.perform(*approvals, add, quote=quote)


@click.option("--amount", type=AMOUNT, required=True, help="Stake Tokens.")
@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def thaw_stake(desk: Desk, node: Address, amount: int) -> dict[str, Any]:
    """Let part of the stake thaw; a new request restarts the wait for all that thaws."""
    await _say_wait(desk)
    return await desk.perform(desk.calls.request_thaw(node, amount))


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def leave_network(desk: Desk, node: Address) -> dict[str, Any]:
    """Let all stake thaw; the node is a member no more."""
    await _say_wait(desk)
    return await desk.perform(desk.calls.leave_network(node))


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def withdraw_stake(desk: Desk, node: Address) -> dict[str, Any]:
    """Take thawed stake back."""
    return await desk.perform(desk.calls.withdraw_thawed(node))


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def show_stake(desk: Desk, node: Address) -> dict[str, Any]:
    """Show a node's stake."""
    found = await _node(desk, node)
    desk.terminal.say(f"Node {checksum(node)}, operator {checksum(found.operator)}")
    for name, amount in (
        ("active", found.stake),
        ("locked as bonds", found.locked),
        ("thawing", found.thawing),
        ("delegated by others", found.delegated),
    ):
        desk.terminal.say(f"  {name}: {amount_text(amount, 'STK')}")
    if found.thawing:
        desk.terminal.say(f"  thawed at {moment(found.thawed_at)}")
    return {"node": found} if desk.terminal.as_json else {}


@click.option("--amount", type=AMOUNT, required=True, help="Stake Tokens.")
@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def delegate_stake(desk: Desk, node: Address, amount: int) -> dict[str, Any]:
    """Delegate stake to a node: it earns rewards less the commission, and is slashed with it."""
    found = await _node(desk, node)
    await _say_wait(desk)
    desk.terminal.say(f"The node keeps {found.commission / 100:g} % of the rewards.")
    delegate = StakeCalls(desk.deployment).delegate(node, amount)
    return await desk.perform(desk.calls.approve_stake(amount), delegate)


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def undelegate_stake(desk: Desk, node: Address) -> dict[str, Any]:
    """Let all that the account delegated to a node thaw."""
    await _say_wait(desk)
    registry = artifact("NodeRegistry")
    request = {
        "to": hex_text(desk.deployment.registry),
        "data": hex_text(registry.calldata("delegationOf", node, desk.writer.account)),
    }
    answer = await desk.rpc.read("eth_call", request, "latest")
    (delegation,) = registry.answer("delegationOf", bytes.fromhex(answer.removeprefix("0x")))
    return await desk.perform(StakeCalls(desk.deployment).undelegate(node, delegation["shares"]))


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def withdraw_delegated(desk: Desk, node: Address) -> dict[str, Any]:
    """Take thawed delegated stake back."""
    return await desk.perform(StakeCalls(desk.deployment).withdraw_delegation(node))


@click.option("--node", type=ADDRESS, required=True, help="The node key's address.")
async def claim_rewards(desk: Desk, node: Address) -> dict[str, Any]:
    """Pay the account's rewards from a node; for its operator, the node's own."""
    found = await _node(desk, node)
    calls = StakeCalls(desk.deployment)
    if found.operator == desk.writer.account:
        return await desk.perform(calls.claim_node_rewards(found.number))
    return await desk.perform(calls.claim_delegator_rewards(found.number, desk.writer.account))


async def _node(desk: Desk, key: Address) -> RegisteredNode:
    found = await desk.reader.node(key)
    if found is None:
        raise InputError(where="--node", problem=f"no node has the key {checksum(key)}")
    return found


async def _say_wait(desk: Desk) -> None:
    terms = (await desk.reader.parameters()).terms
    desk.terminal.say(
        f"It can be withdrawn after {duration(terms.thaw_time)}, and is at risk until then."
    )


command(cli, "add")(add_stake)
command(cli, "thaw")(thaw_stake)
command(cli, "leave")(leave_network)
command(cli, "withdraw")(withdraw_stake)
command(cli, "delegate")(delegate_stake)
command(cli, "undelegate")(undelegate_stake)
command(cli, "withdraw-delegated")(withdraw_delegated)
command(cli, "claim")(claim_rewards)
command(cli, "show")(show_stake)
