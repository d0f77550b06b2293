"""``smartlayer chain rent …``: what keeps a token class available, and what nodes earn by it.

Uptimes are a JSON file, as anchors signed them: ``[{"token_class": "0x…", "instances": "…",
"availability": "…", "signatures": ["0x…"]}]``, signatures in ascending order of the anchors' keys,
availability in basis points.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.desk import Desk, approval
from node.commands.issuing import class_id
from node.commands.options import (
    AmountOption,
    ContractOption,
    NodeOption,
    PeriodOption,
    acts,
    address_option,
    looks,
)
from node.commands.rows import amount_of, compact_signature, entries, text_of
from node.commands.terminal import Result
from settlement.chain.calls import amount_text
from settlement.chain.quotes import quote_rent
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_records import RentState, UptimeRow
from settlement.types import Address, Hash, parse_hash

rent = typer.Typer(no_args_is_help=True, help="Quote, pay, earn and show rent.")

Instances = Annotated[int, typer.Option(min=1, max=1 << 40, help="Tokens kept available.")]
Periods = Annotated[int, typer.Option(min=1, max=1_200, help="Settlement periods.")]


@looks(rent, "quote")
async def show_quote(
    desk: Desk, *, token: ContractOption, instances: Instances, periods: Periods
) -> Result:
    """What rent would cost now; nothing is sent."""
    payer = desk.deployment.rent
    quote = await quote_rent(desk.reader, payer, class_id(desk, token), instances, periods)
    return {"price": amount_text(quote.amount, quote.unit), "notes": list(quote.notes)}


@acts(rent, "start")
async def start_rent(
    desk: Desk, *, token: ContractOption, instances: Instances, periods: Periods
) -> Result:
    """Begin rent, for the first time or after a suspension."""
    token_class = class_id(desk, token)
    start = desk.calls.start_rent(token_class, instances, periods)
    return await _pay(desk, token_class, instances, periods, start)


@acts(rent, "top-up")
async def top_up_rent(desk: Desk, *, token: ContractOption, periods: Periods) -> Result:
    """Extend rent at today's price; anyone may."""
    token_class = class_id(desk, token)
    found = await desk.reader.rent(token_class)
    if found.state is RentState.NONE:
        problem = "its rent never began; use: smartlayer chain rent start"
        raise InputError(where="--token", problem=problem)
    top_up = desk.calls.top_up_rent(token_class, periods)
    return await _pay(desk, token_class, found.instances, periods, top_up)


@looks(rent, "show")
async def show_rent(desk: Desk, *, token: ContractOption) -> Result:
    """Show until when a class's rent is paid."""
    found = await desk.reader.rent(class_id(desk, token))
    if found.state is RentState.NONE:
        return {"state": found.state}
    return {
        "state": found.state,
        "instances": found.instances,
        "paid_until": moment(found.expiry),
        "balance": amount_text(found.balance, "SVC"),
    }


@acts(rent, "extend")
async def extend_rent(desk: Desk, *, token: ContractOption, periods: Periods) -> Result:
    """Extend rent out of the class's balance of unearned rent; anyone may."""
    return await desk.perform(desk.stakes.extend_rent(class_id(desk, token), periods))


@acts(rent, "update-garnish")
async def update_garnish(desk: Desk, *, token: ContractOption) -> Result:
    """Begin or end the garnish of the issuer's revenue, as the rent's state asks; anyone may."""
    return await desk.perform(desk.stakes.update_garnish(class_id(desk, token)))


@acts(rent, "garnish")
async def garnish_rent(desk: Desk, *, token: ContractOption) -> Result:
    """Pay owed rent out of the issuer's garnished revenue; anyone may."""
    return await desk.perform(desk.stakes.garnish(class_id(desk, token)))


@acts(rent, "return")
async def return_rent(desk: Desk, *, token: ContractOption, period: PeriodOption) -> Result:
    """Give rent that nobody earned in a period back to the class's balance; anyone may."""
    call = desk.stakes.return_unearned_rent(class_id(desk, token), period)
    return await desk.perform(call)


@acts(rent, "roll")
async def roll_rent(
    desk: Desk,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Periods at most.")] = 100,
) -> Result:
    """Close the books of past periods; anyone may."""
    return await desk.perform(desk.calls.roll_rent(limit))


@acts(rent, "earn")
async def earn_rent(
    desk: Desk,
    *,
    node: NodeOption,
    period: PeriodOption,
    uptimes: Annotated[Path, typer.Option(help="JSON file of acknowledged uptimes.")],
) -> Result:
    """Credit a node its rent by what anchors acknowledged; anyone may."""
    rows = [_uptime(entry, f"{uptimes}[{i}]") for i, entry in enumerate(entries(uptimes))]
    return await desk.perform(desk.stakes.earn_rent(node, period, rows))


@acts(rent, "withdraw")
async def withdraw_rent(
    desk: Desk,
    *,
    amount: AmountOption,
    receiver: Annotated[Address | None, address_option("Default: the account.")] = None,
) -> Result:
    """Send the account's earned rent out of the vault."""
    held = await desk.answer("RentVault", "earnedBy", desk.account)
    desk.terminal.say(f"The vault owes the account {amount_text(held, 'SVC')}.")
    return await desk.perform(desk.stakes.withdraw_rent(receiver or desk.account, amount))


async def _pay(desk: Desk, token_class: Hash, instances: int, periods: int, call: Call) -> Result:
    quote = await quote_rent(desk.reader, desk.account, token_class, instances, periods)
    approvals = approval(quote, desk.calls.approve_rent(quote.amount))
    return await desk.perform(*approvals, call, quote=quote)


def _uptime(entry: dict[str, Any], where: str) -> UptimeRow:
    signatures = entry.get("signatures")
    if not isinstance(signatures, list) or not all(isinstance(each, str) for each in signatures):
        raise InputError(where=f"{where}.signatures", problem="expected a list of texts")
    compacts = [
        compact_signature(text, f"{where}.signatures[{i}]") for i, text in enumerate(signatures)
    ]
    return UptimeRow(
        token_class=parse_hash(text_of(entry, "token_class", where), f"{where}.token_class"),
        instances=amount_of(entry, "instances", where, 64),
        availability=amount_of(entry, "availability", where, 16),
        r=tuple(r for r, _ in compacts),
        vs=tuple(vs for _, vs in compacts),
    )
