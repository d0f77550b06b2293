"""A period's settlement by hand: ``ape run settle status|chunk|commit|distribute|…``.

A node does all this by itself; these commands are for an operator whose node is down, and for
anyone who wants to push a final period's payouts. Files are JSON:

* statements: ``[{"amount": "…", "vouchers_root": "0x…", "signature": "0x…"}]``
* payouts: ``[{"account": "0x…", "amount": "…"}]``, in the order of the tree's leaves

Amounts in files are base units, as text.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from scripts._ape_bridge import ADDRESS, AMOUNT, Desk, command
from settlement.chain.calls import amount_text, compact
from settlement.chain.quotes import window_notes
from settlement.errors import InputError
from settlement.ports.chain_records import Payout, ProofNode, StatementRow
from settlement.protocol.merkle_sum import Tree, payout_leaf
from settlement.types import Address, Signature, parse_address, parse_bytes, parse_hash, unsigned

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PERIOD = click.IntRange(0, (1 << 32) - 1)
LARGEST_FILE = 64 * 1024 * 1024
ROWS_PER_CALL, PAYOUTS_PER_CALL = 300, 300


@click.group()
def cli() -> None:
    """Settle, commit and distribute a period."""


@click.option("--period", type=PERIOD, required=True)
@click.option("--anchor", type=ADDRESS, required=True, help="The anchor's node key.")
async def show_pot(desk: Desk, anchor: Address, period: int) -> dict[str, Any]:
    """Show where an anchor's period stands."""
    pot = await desk.reader.pot(anchor, period)
    parameters = await desk.reader.parameters(period)
    notes = window_notes(parameters, period, desk.head.timestamp)
    desk.terminal.say(*notes)
    if desk.terminal.as_json:
        return {"pot": pot, "windows": parameters.windows_of(period), "notes": notes}
    return {
        "status": pot.status,
        "collected": amount_text(pot.sum, "SVC"),
        "distributed": amount_text(pot.distributed, "SVC"),
        "payouts": pot.leaf_count,
        "bond": amount_text(pot.bond, "STK"),
    }


@click.option("--statements", type=FILE, required=True, help="JSON file of signed statements.")
@click.option("--period", type=PERIOD, required=True)
async def settle_statements(desk: Desk, period: int, statements: Path) -> dict[str, Any]:
    """Debit channels by their signed statements; the account is the anchor's node key."""
    rows = [_row(entry, f"{statements}[{i}]") for i, entry in enumerate(_entries(statements))]
    chunks = [rows[start : start + ROWS_PER_CALL] for start in range(0, len(rows), ROWS_PER_CALL)]
    return await desk.perform(*(desk.calls.settle_chunk(period, chunk) for chunk in chunks))


@click.option("--payouts", type=FILE, required=True, help="JSON file of payouts.")
@click.option("--period", type=PERIOD, required=True)
async def commit_period(desk: Desk, period: int, payouts: Path) -> dict[str, Any]:
    """Commit a period's payouts; the account is the anchor's node key."""
    leaves = _payouts(payouts)
    tree = _tree(leaves)
    call = desk.calls.commit_period(period, tree.root.hash, tree.root.sum, len(leaves))
    return {"root": tree.root.hash, "sum": tree.root.sum, **await desk.perform(call)}


@click.option("--payouts", type=FILE, required=True, help="The file that was committed.")
@click.option("--period", type=PERIOD, required=True)
@click.option("--anchor", type=ADDRESS, required=True, help="The anchor's node key.")
async def distribute(desk: Desk, anchor: Address, period: int, payouts: Path) -> dict[str, Any]:
    """Credit a final period's payouts; anyone may, and paid ones are passed over."""
    leaves = _payouts(payouts)
    tree = _tree(leaves)
    pot = await desk.reader.pot(anchor, period)
    if pot.root != tree.root.hash:
        raise InputError(
            where=str(payouts), problem="these are not the payouts that were committed"
        )
    calls = []
    for first in range(0, len(leaves), PAYOUTS_PER_CALL):
        chunk = leaves[first : first + PAYOUTS_PER_CALL]
        siblings = [ProofNode(hash=n.hash, sum=n.sum) for n in tree.range_proof(first, len(chunk))]
        calls.append(desk.calls.distribute(anchor, period, first, chunk, siblings))
    return await desk.perform(*calls)


@click.option("--period", type=PERIOD, required=True)
@click.option("--anchor", type=ADDRESS, required=True, help="The anchor's node key.")
async def release_bond(desk: Desk, anchor: Address, period: int) -> dict[str, Any]:
    """Give a final period's bond back to the anchor's stake; anyone may."""
    return await desk.perform(desk.calls.release_bond(anchor, period))


@click.option("--to", "receiver", type=ADDRESS, help="Who gets it; default the account.")
@click.option("--amount", type=AMOUNT, help="Service Tokens; default all of the account's credit.")
async def withdraw_credit(
    desk: Desk, amount: int | None, receiver: Address | None
) -> dict[str, Any]:
    """Send the account's credit out of the hub."""
    held = await desk.reader.credit(desk.writer.account)
    if held == 0:
        raise InputError(where="--account", problem="it has no credit in the hub")
    wanted = held if amount is None else amount
    return await desk.perform(desk.calls.withdraw_credit(receiver or desk.writer.account, wanted))


async def burn_credit(desk: Desk) -> dict[str, Any]:
    """Burn the part of protocol fees that nobody gets; anyone may."""
    return await desk.perform(desk.calls.burn_credit())


def _entries(path: Path) -> Sequence[dict[str, Any]]:
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(where=str(path), problem=f"it is larger than {LARGEST_FILE} bytes")
    try:
        found = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise InputError(where=str(path), problem=f"it is not JSON: {error}") from error
    if not isinstance(found, list) or not found:
        raise InputError(where=str(path), problem="expected a list with at least one entry")
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise InputError(where=f"{path}[{index}]", problem="expected an object")
    return found


def _row(entry: dict[str, Any], where: str) -> StatementRow:
    signature = parse_bytes(_text(entry, "signature", where), 65, f"{where}.signature")
    if signature[64] not in (27, 28):
        raise InputError(where=f"{where}.signature", problem="v is neither 27 nor 28")
    r, vs = compact(Signature(signature))
    root = parse_hash(_text(entry, "vouchers_root", where), f"{where}.vouchers_root")
    return StatementRow(amount=_amount(entry, where), vouchers_root=root, r=r, vs=vs)


def _payouts(path: Path) -> list[Payout]:
    return [
        Payout(
            account=parse_address(_text(entry, "account", where), f"{where}.account"),
            amount=_amount(entry, where),
        )
        for index, entry in enumerate(_entries(path))
        for where in [f"{path}[{index}]"]
    ]


def _tree(leaves: Sequence[Payout]) -> Tree:
    return Tree.of([payout_leaf(leaf.account, leaf.amount) for leaf in leaves])


def _text(entry: dict[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise InputError(where=f"{where}.{name}", problem="expected text")
    return value


def _amount(entry: dict[str, Any], where: str) -> int:
    text = _text(entry, "amount", where)
    if not text.isascii() or not text.isdigit():
        raise InputError(where=f"{where}.amount", problem="expected base units as decimal digits")
    return unsigned(int(text), 128, f"{where}.amount")


command(cli, "status")(show_pot)
command(cli, "chunk")(settle_statements)
command(cli, "commit")(commit_period)
command(cli, "distribute")(distribute)
command(cli, "release-bond")(release_bond)
command(cli, "withdraw-credit")(withdraw_credit)
command(cli, "burn")(burn_credit)
