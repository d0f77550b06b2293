"""``smartlayer chain node …`` and ``delegation …``: a node's keys and terms, and what others stake
on it and earn by it."""

from pathlib import Path
from typing import Annotated

import typer

from node.commands.desk import Desk, approval
from node.commands.nodes import found_node, say_wait, web_addresses
from node.commands.options import AmountOption, NodeOption, acts, address_option, looks
from node.commands.terminal import Result
from settlement.chain.calls import amount_text
from settlement.chain.keystore import load_key
from settlement.chain.quotes import Quote
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.types import Address, checksum

node_terms = typer.Typer(no_args_is_help=True, help="A node's key, operator, payout and terms.")
delegation = typer.Typer(no_args_is_help=True, help="Stake on somebody else's node, and earn.")
rewards = typer.Typer(no_args_is_help=True, help="Share fees among stakers, and take one's part.")


@acts(node_terms, "rotate-key")
async def rotate_key(
    desk: Desk,
    *,
    node: NodeOption,
    new_keystore: Annotated[Path, typer.Option(help="Keystore v3 file of the new node key.")],
    new_password_file: Annotated[Path, typer.Option(help="File with the new key's password.")],
) -> Result:
    """Replace a node's key from the next period on; the old one keeps the current period."""
    await found_node(desk, node)
    key = load_key(new_keystore, new_password_file)
    proof = desk.calls.key_proof(key, desk.account)
    done = await desk.perform(desk.stakes.rotate_key(node, key.address, proof))
    return {"new_key": key.address, **done}


@acts(node_terms, "offer")
async def offer_operator(
    desk: Desk,
    *,
    node: NodeOption,
    operator: Annotated[Address, address_option("Who may take it over; zero takes it back.")],
) -> Result:
    """Offer a node, with all its stake, to another account."""
    desk.terminal.say("Whoever accepts owns the node and its stake.")
    return await desk.perform(desk.stakes.offer_operator(node, operator))


@acts(node_terms, "accept")
async def accept_operator(desk: Desk, *, node: NodeOption) -> Result:
    """Take over a node that was offered to the account."""
    return await desk.perform(desk.stakes.accept_operator(node))


@acts(node_terms, "payout")
async def set_payout(
    desk: Desk,
    *,
    node: NodeOption,
    payout: Annotated[Address, address_option("Where earnings go.")],
) -> Result:
    """Pay a node's earnings elsewhere, from the next period on."""
    return await desk.perform(desk.stakes.set_payout(node, payout))


@acts(node_terms, "commission")
async def set_commission(
    desk: Desk,
    *,
    node: NodeOption,
    commission: Annotated[int, typer.Option(min=0, max=10_000, help="Basis points.")],
) -> Result:
    """Change what a node keeps of its delegators' rewards; a higher one needs notice."""
    return await desk.perform(desk.stakes.set_commission(node, commission))


@acts(node_terms, "apply-commission")
async def apply_commission(desk: Desk, *, node: NodeOption) -> Result:
    """Let a scheduled commission hold, once its notice has ended; anyone may."""
    return await desk.perform(desk.stakes.apply_commission(node))


@acts(node_terms, "move")
async def move_node(
    desk: Desk,
    *,
    node: NodeOption,
    api_url: Annotated[str, typer.Option(help="Where integrations reach it.")],
    link_url: Annotated[str, typer.Option(help="Where other nodes reach it (wss://…).")],
) -> Result:
    """Say where a node is reached now."""
    web_addresses(api_url, link_url)
    return await desk.perform(desk.calls.update_urls(node, api_url, link_url))


@acts(delegation, "stake")
async def delegate_stake(desk: Desk, *, node: NodeOption, amount: AmountOption) -> Result:
    """Delegate stake to a node: it earns rewards less the commission, and is slashed with it."""
    found = await found_node(desk, node)
    await say_wait(desk)
    quote = Quote(
        amount=amount,
        unit="STK",
        held=await desk.reader.stake_balance(desk.account),
        allowed=await desk.reader.allowance("StakeToken", desk.account, desk.deployment.registry),
        notes=(f"The node keeps {found.commission / 100:g} % of the rewards.",),
    )
    approvals = approval(quote, desk.calls.approve_stake(amount))
    return await desk.perform(*approvals, desk.stakes.delegate(node, amount), quote=quote)


@acts(delegation, "take-back")
async def undelegate_stake(desk: Desk, *, node: NodeOption) -> Result:
    """Let all that the account delegated to a node thaw."""
    await say_wait(desk)
    held = await desk.answer("NodeRegistry", "delegationOf", node, desk.account)
    if held["shares"] == 0:
        problem = f"{checksum(desk.account)} delegates nothing to {checksum(node)}"
        raise InputError(where="--node", problem=problem)
    return await desk.perform(desk.stakes.undelegate(node, held["shares"]))


@acts(delegation, "withdraw")
async def withdraw_delegated(desk: Desk, *, node: NodeOption) -> Result:
    """Take thawed delegated stake back."""
    return await desk.perform(desk.stakes.withdraw_delegation(node))


@looks(delegation, "show")
async def show_delegation(
    desk: Desk, *, node: NodeOption, account: Annotated[Address, address_option("Whose.")]
) -> Result:
    """Show what an account delegated to a node, and what it has earned there."""
    found = await found_node(desk, node)
    held = await desk.answer("NodeRegistry", "delegationOf", node, account)
    due = await desk.answer("RewardPool", "dueToDelegator", found.number, account)
    shown: Result = {
        "active": amount_text(held["stake"], "STK"),
        "thawing": amount_text(held["thawing"], "STK"),
        "rewards": amount_text(due, "SVC"),
        "commission": f"{found.commission / 100:g} %",
    }
    thawed = held["thawed_at"] if "thawed_at" in held else held["thawedAt"]
    return shown | ({"thawed at": moment(thawed)} if held["thawing"] else {})


@acts(rewards, "collect")
async def collect_fees(desk: Desk) -> Result:
    """Take the stakers' and the treasury's fees out of the hub; anyone may."""
    return await desk.perform(desk.stakes.collect_fees())


@acts(rewards, "claim")
async def claim_rewards(desk: Desk, *, node: NodeOption) -> Result:
    """Pay the account its rewards from a node; for its operator, the node's own."""
    found = await found_node(desk, node)
    if found.operator == desk.account:
        return await desk.perform(desk.stakes.claim_node_rewards(found.number))
    return await desk.perform(desk.stakes.claim_delegator_rewards(found.number, desk.account))


@looks(rewards, "show")
async def show_rewards(desk: Desk, *, node: NodeOption) -> Result:
    """Show what a node itself has earned as stake, and how fees are split."""
    found = await found_node(desk, node)
    due = await desk.answer("RewardPool", "dueToNode", found.number)
    share = await desk.answer("RewardPool", "stakerShare")
    return {
        "due to the node": amount_text(due, "SVC"),
        "stakers get": f"{share / 100:g} % of the fees",
        "treasury": await desk.answer("RewardPool", "treasury"),
    }
