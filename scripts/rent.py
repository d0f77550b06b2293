"""Rent that keeps a token class available: ``ape run rent start|top-up|extend|garnish|…|show``."""

from typing import Any

import click

from scripts._ape_bridge import ADDRESS, Desk, command
from settlement.chain.calls import amount_text
from settlement.chain.quotes import quote_rent
from settlement.chain.reverts import moment
from settlement.chain.stake_calls import StakeCalls
from settlement.errors import InputError
from settlement.ports.chain_records import RentState
from settlement.types import Address, Hash, TokenClass

MOST_PERIODS, MOST_INSTANCES = 1_200, 1 << 40
PERIODS = click.IntRange(1, MOST_PERIODS)


@click.group()
def cli() -> None:
    """Pay and show the rent of a token class."""


@click.option("--periods", type=PERIODS, required=True, help="How many periods.")
@click.option("--instances", type=click.IntRange(1, MOST_INSTANCES), required=True)
@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def start_rent(desk: Desk, token: Address, instances: int, periods: int) -> dict[str, Any]:
    """Begin rent, for the first time or after a suspension."""
    class_id = _class_id(desk, token)
    start = desk.calls.start_rent(class_id, instances, periods)
    return await _pay(desk, class_id, instances, periods, start)


@click.option("--periods", type=PERIODS, required=True, help="How many periods.")
@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def top_up_rent(desk: Desk, token: Address, periods: int) -> dict[str, Any]:
    """Extend rent at today's price; anyone may."""
    class_id = _class_id(desk, token)
    rent = await desk.reader.rent(class_id)
    if rent.state is RentState.NONE:
        raise InputError(where="--token", problem="its rent never began; use: ape run rent start")
    top_up = desk.calls.top_up_rent(class_id, periods)
    return await _pay(desk, class_id, rent.instances, periods, top_up)


@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def show_rent(desk: Desk, token: Address) -> dict[str, Any]:
    """Show until when a class's rent is paid."""
    rent = await desk.reader.rent(_class_id(desk, token))
    if rent.state is RentState.NONE:
        return {"state": rent.state}
    return {
        "state": rent.state,
        "instances": rent.instances,
        "paid_until": moment(rent.expiry),
        "balance": amount_text(rent.balance, "SVC"),
    }


@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
async def roll_rent(desk: Desk, limit: int) -> dict[str, Any]:
    """Close the books of past periods; anyone may."""
    return await desk.perform(desk.calls.roll_rent(limit))


@click.option("--periods", type=PERIODS, required=True, help="How many periods.")
@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def extend_rent(desk: Desk, token: Address, periods: int) -> dict[str, Any]:
    """Extend rent out of the class's balance of unearned rent; anyone may."""
    class_id = _class_id(desk, token)
    return await desk.perform(StakeCalls(desk.deployment).extend_rent(class_id, periods))


@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def garnish_rent(desk: Desk, token: Address) -> dict[str, Any]:
    """Pay owed rent out of the issuer's garnished revenue; anyone may."""
    return await desk.perform(StakeCalls(desk.deployment).garnish(_class_id(desk, token)))


@click.option("--period", type=click.IntRange(0, (1 << 32) - 1), required=True)
@click.option("--token", type=ADDRESS, required=True, help="The token contract.")
async def return_rent(desk: Desk, token: Address, period: int) -> dict[str, Any]:
    """Give rent that nobody earned in a period back to the class's balance; anyone may."""
    calls = StakeCalls(desk.deployment)
    return await desk.perform(calls.return_unearned_rent(_class_id(desk, token), period))


async def _pay(
    desk: Desk, class_id: Hash, instances: int, periods: int, call: Any
) -> dict[str, Any]:
    quote = await quote_rent(desk.reader, desk.writer.account, class_id, instances, periods)
    approvals = [desk.calls.approve_rent(quote.amount)] if quote.allowed < quote.amount else []
    return await desk.perform(*approvals, call, quote=quote)


def _class_id(desk: Desk, token: Address) -> Hash:
    return TokenClass(chain_id=desk.rpc.chain_id, contract=token).id


command(cli, "start")(start_rent)
command(cli, "top-up")(top_up_rent)
command(cli, "extend")(extend_rent)
command(cli, "garnish")(garnish_rent)
command(cli, "return")(return_rent)
command(cli, "show")(show_rent)
command(cli, "roll")(roll_rent)
