"""``smartlayer chain channel …`` and ``credit …``: what payers put in, and payees take out."""

from typing import Annotated

import typer

from node.commands.desk import Desk, approval, token_amount
from node.commands.options import (
    AmountOption,
    PeriodOption,
    SignerOption,
    acts,
    address_option,
    looks,
    parsed,
)
from node.commands.terminal import Result
from settlement.chain.calls import amount_text
from settlement.chain.quotes import quote_deposit
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.protocol.messages import Close
from settlement.types import ZERO_ADDRESS, Address, Signature, checksum, parse_bytes

channel = typer.Typer(no_args_is_help=True, help="Open, fill, move and empty a channel.")
credit = typer.Typer(no_args_is_help=True, help="Show and withdraw what the hub owes an account.")


@acts(channel, "open")
async def open_channel(
    desk: Desk,
    *,
    signer: SignerOption,
    anchor: Annotated[Address, address_option("The anchor's node key.")],
    amount: AmountOption,
    owner: Annotated[Address | None, address_option("May withdraw. Default: the account.")] = None,
) -> Result:
    """Open a channel for a session key with a first deposit of Service Tokens."""
    if (await desk.reader.channel(signer)).exists:
        problem = "it has a channel; use: smartlayer chain channel top-up"
        raise InputError(where="--signer", problem=problem)
    call = desk.calls.open_channel(
        signer=signer, owner=owner or desk.account, anchor=anchor, amount=amount
    )
    return await _deposit(desk, amount, call)


@acts(channel, "top-up")
async def top_up_channel(desk: Desk, *, signer: SignerOption, amount: AmountOption) -> Result:
    """Add to a channel's balance; anyone may."""
    return await _deposit(desk, amount, desk.calls.top_up_channel(signer, amount))


@acts(channel, "anchor")
async def set_anchor(
    desk: Desk,
    *,
    signer: SignerOption,
    anchor: Annotated[Address, address_option("The new anchor's node key.")],
) -> Result:
    """Choose another anchor from the next period on."""
    return await desk.perform(desk.calls.set_anchor(signer, anchor))


@acts(channel, "request")
async def request_withdrawal(desk: Desk, *, signer: SignerOption, amount: AmountOption) -> Result:
    """Ask for part of the balance back (0 cancels); nodes stop serving it at once."""
    return await desk.perform(desk.calls.request_withdrawal(signer, amount))


@acts(channel, "withdraw")
async def withdraw(desk: Desk, *, signer: SignerOption) -> Result:
    """Send a released withdrawal to the channel's owner; anyone may."""
    return await desk.perform(desk.calls.withdraw(signer))


@acts(channel, "rotate")
async def rotate_signer(
    desk: Desk,
    *,
    signer: SignerOption,
    next_signer: Annotated[Address, address_option("The new session key's address.")],
) -> Result:
    """Let another session key sign from the next period on; the account owns the channel."""
    return await desk.perform(desk.disputes.rotate_signer(signer, next_signer))


@acts(channel, "close")
async def close_channel(
    desk: Desk,
    *,
    signer: SignerOption,
    period: PeriodOption,
    final_amount: Annotated[
        int, typer.Option(parser=parsed(token_amount), metavar="TOKENS", help="Still owed.")
    ],
    deadline: Annotated[int, typer.Option(min=0, max=(1 << 64) - 1, help="Unix seconds.")],
    payer_signature: Annotated[str, typer.Option(help="The session key's, of Close.")],
    anchor_signature: Annotated[str, typer.Option(help="The anchor's, of Close.")],
) -> Result:
    """Close in agreement: what both signed is kept, the rest goes back at once; anyone may."""
    agreement = Close(signer=signer, period=period, final_amount=final_amount, deadline=deadline)
    payer = Signature(parse_bytes(payer_signature, 65, "--payer-signature"))
    anchor = Signature(parse_bytes(anchor_signature, 65, "--anchor-signature"))
    return await desk.perform(desk.disputes.close_channel(agreement, payer, anchor))


@looks(channel, "show")
async def show_channel(desk: Desk, *, signer: SignerOption) -> Result:
    """Show a channel."""
    found = await desk.reader.channel(signer)
    if not found.exists:
        raise InputError(where="--signer", problem=f"{checksum(signer)} has no channel")
    if desk.terminal.as_json:
        return {"channel": found}
    shown: Result = {
        "owner": found.owner,
        "anchor": found.anchor,
        "balance": amount_text(found.balance, "SVC"),
    }
    if found.next_anchor != ZERO_ADDRESS:
        shown["next anchor"] = found.next_anchor
        shown["next anchor from period"] = found.next_anchor_from
    if found.withdrawal_amount:
        shown["withdrawal"] = amount_text(found.withdrawal_amount, "SVC")
        shown["withdrawable at"] = moment(found.withdrawable_at)
    return shown


async def _deposit(desk: Desk, amount: int, call: Call) -> Result:
    if amount == 0:
        raise InputError(where="--amount", problem="a deposit is above zero")
    quote = await quote_deposit(desk.reader, desk.account, amount)
    approvals = approval(quote, desk.calls.approve_deposit(amount))
    return await desk.perform(*approvals, call, quote=quote)


@looks(credit, "show")
async def show_credit(
    desk: Desk, *, account: Annotated[Address, address_option("Whose credit.")]
) -> Result:
    """Show what the hub owes an account."""
    amount = await desk.reader.credit(account)
    return {"account": account, "credit": amount_text(amount, "SVC"), "base_units": str(amount)}


@acts(credit, "withdraw")
async def withdraw_credit(
    desk: Desk,
    *,
    amount: AmountOption,
    receiver: Annotated[Address | None, address_option("Default: the account.")] = None,
) -> Result:
    """Send the account's credit out of the hub."""
    held = await desk.reader.credit(desk.account)
    desk.terminal.say(f"The hub owes the account {amount_text(held, 'SVC')}.")
    return await desk.perform(desk.calls.withdraw_credit(receiver or desk.account, amount))
