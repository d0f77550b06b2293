"""An integration's channel: ``ape run channel open|top-up|anchor|request|withdraw|show``."""

from typing import Any

import click

from scripts._ape_bridge import ADDRESS, AMOUNT, Desk, command
from settlement.chain.calls import amount_text
from settlement.chain.quotes import quote_deposit
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.types import ZERO_ADDRESS, Address, checksum


@click.group()
def cli() -> None:
    """Open, fill, move and empty a channel."""


@click.option("--amount", type=AMOUNT, required=True, help="Service Tokens.")
@click.option("--anchor", type=ADDRESS, required=True, help="The anchor's node key.")
@click.option("--owner", type=ADDRESS, help="Who may withdraw; default the account.")
@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def open_channel(
    desk: Desk, signer: Address, owner: Address | None, anchor: Address, amount: int
) -> dict[str, Any]:
    """Open a channel for a session key with a first deposit."""
    if (await desk.reader.channel(signer)).exists:
        raise InputError(where="--signer", problem="it has a channel; use: ape run channel top-up")
    call = desk.calls.open_channel(
        signer=signer, owner=owner or desk.writer.account, anchor=anchor, amount=amount
    )
    return await _deposit(desk, amount, call)


@click.option("--amount", type=AMOUNT, required=True, help="Service Tokens.")
@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def top_up_channel(desk: Desk, signer: Address, amount: int) -> dict[str, Any]:
    """Add to a channel's balance; anyone may."""
    return await _deposit(desk, amount, desk.calls.top_up_channel(signer, amount))


@click.option("--anchor", type=ADDRESS, required=True, help="The new anchor's node key.")
@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def set_anchor(desk: Desk, signer: Address, anchor: Address) -> dict[str, Any]:
    """Choose another anchor from the next period on."""
    return await desk.perform(desk.calls.set_anchor(signer, anchor))


@click.option("--amount", type=AMOUNT, required=True, help="Service Tokens; 0 cancels.")
@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def request_withdrawal(desk: Desk, signer: Address, amount: int) -> dict[str, Any]:
    """Ask for part of the balance back; nodes stop serving it at once."""
    return await desk.perform(desk.calls.request_withdrawal(signer, amount))


@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def withdraw(desk: Desk, signer: Address) -> dict[str, Any]:
    """Send a released withdrawal to the channel's owner; anyone may."""
    return await desk.perform(desk.calls.withdraw(signer))


@click.option("--signer", type=ADDRESS, required=True, help="The session key's address.")
async def show_channel(desk: Desk, signer: Address) -> dict[str, Any]:
    """Show a channel."""
    found = await desk.reader.channel(signer)
    if not found.exists:
        raise InputError(where="--signer", problem=f"{checksum(signer)} has no channel")
    shown: dict[str, Any] = {
        "owner": found.owner,
        "anchor": found.anchor,
        "balance": amount_text(found.balance, "SVC"),
    }
    if found.next_anchor != ZERO_ADDRESS:
        shown["next_anchor"] = found.next_anchor
        shown["next_anchor_from_period"] = found.next_anchor_from
    if found.withdrawal_amount:
        shown["withdrawal"] = amount_text(found.withdrawal_amount, "SVC")
        shown["withdrawable_at"] = moment(found.withdrawable_at)
    return {"channel": found} if desk.terminal.as_json else shown


async def _deposit(desk: Desk, amount: int, call: Any) -> dict[str, Any]:
    if amount == 0:
        raise InputError(where="--amount", problem="a deposit is above zero")
    quote = await quote_deposit(desk.reader, desk.writer.account, amount)
    approvals = [desk.calls.approve_deposit(amount)] if quote.allowed < amount else []
    return await desk.perform(*approvals, call, quote=quote)


command(cli, "open")(open_channel)
command(cli, "top-up")(top_up_channel)
command(cli, "anchor")(set_anchor)
command(cli, "request")(request_withdrawal)
command(cli, "withdraw")(withdraw)
command(cli, "show")(show_channel)
