"""``smartlayer chain settle …``: a period's settlement by hand.

A node does all this by itself; these commands are for an operator whose node is down, and for
anyone who wants to push a final period's payouts. Files are JSON:

* statements: ``[{"amount": "…", "vouchers_root": "0x…", "signature": "0x…"}]``
* payouts: ``[{"account": "0x…", "amount": "…"}]``, in the order of the tree's leaves
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.desk import Desk
from node.commands.options import AnchorOption, PeriodOption, acts, looks
from node.commands.rows import amount_of, entries, signature_of, text_of
from node.commands.terminal import Result
from settlement.chain.calls import amount_text
from settlement.chain.quotes import window_notes
from settlement.errors import InputError
from settlement.ports.chain_records import Payout, ProofNode, StatementRow
from settlement.protocol.merkle_sum import Tree, payout_leaf
from settlement.types import parse_address, parse_hash

ROWS_PER_CALL, PAYOUTS_PER_CALL = 300, 300

settle = typer.Typer(no_args_is_help=True, help="Settle, commit and distribute a period by hand.")

Payouts = Annotated[Path, typer.Option(help="JSON file of payouts, in the order of the leaves.")]


@looks(settle, "status")
async def show_pot(desk: Desk, *, anchor: AnchorOption, period: PeriodOption) -> Result:
    """Show where an anchor's period stands."""
    pot = await desk.reader.pot(anchor, period)
    parameters = await desk.reader.parameters(period)
    notes = window_notes(parameters, period, (await desk.reader.head()).timestamp)
    if desk.terminal.as_json:
        return {"pot": pot, "windows": parameters.windows_of(period), "notes": notes}
    desk.terminal.say(*notes)
    return {
        "status": pot.status,
        "collected": amount_text(pot.sum, "SVC"),
        "distributed": amount_text(pot.distributed, "SVC"),
        "payouts": pot.leaf_count,
        "bond": amount_text(pot.bond, "STK"),
    }


@acts(settle, "chunk")
async def settle_statements(
    desk: Desk,
    *,
    period: PeriodOption,
    statements: Annotated[Path, typer.Option(help="JSON file of signed statements.")],
) -> Result:
    """Debit channels by their signed statements; the account is the anchor's node key."""
    rows = [_row(entry, f"{statements}[{i}]") for i, entry in enumerate(entries(statements))]
    chunks = [rows[start : start + ROWS_PER_CALL] for start in range(0, len(rows), ROWS_PER_CALL)]
    return await desk.perform(*(desk.calls.settle_chunk(period, chunk) for chunk in chunks))


@acts(settle, "commit")
async def commit_period(desk: Desk, *, period: PeriodOption, payouts: Payouts) -> Result:
    """Commit a period's payouts; the account is the anchor's node key."""
    leaves = _payouts(payouts)
    tree = _tree(leaves)
    call = desk.calls.commit_period(period, tree.root.hash, tree.root.sum, len(leaves))
    return {"root": tree.root.hash, "sum": tree.root.sum, **await desk.perform(call)}


@acts(settle, "distribute")
async def distribute(
    desk: Desk, *, anchor: AnchorOption, period: PeriodOption, payouts: Payouts
) -> Result:
    """Credit a final period's payouts; anyone may, and paid ones are passed over."""
    leaves = _payouts(payouts)
    tree = _tree(leaves)
    pot = await desk.reader.pot(anchor, period)
    if pot.root != tree.root.hash:
        problem = "these are not the payouts that were committed"
        raise InputError(where=str(payouts), problem=problem)
    calls = []
    for first in range(0, len(leaves), PAYOUTS_PER_CALL):
        chunk = leaves[first : first + PAYOUTS_PER_CALL]
        siblings = [ProofNode(hash=n.hash, sum=n.sum) for n in tree.range_proof(first, len(chunk))]
        calls.append(desk.calls.distribute(anchor, period, first, chunk, siblings))
    return await desk.perform(*calls)


@acts(settle, "release-bond")
async def release_bond(desk: Desk, *, anchor: AnchorOption, period: PeriodOption) -> Result:
    """Give a final period's bond back to the anchor's stake; anyone may."""
    return await desk.perform(desk.calls.release_bond(anchor, period))


@acts(settle, "burn")
async def burn_credit(desk: Desk) -> Result:
    """Burn the part of protocol fees that nobody gets; anyone may."""
    return await desk.perform(desk.calls.burn_credit())


def _row(entry: dict[str, Any], where: str) -> StatementRow:
    r, vs = signature_of(entry, "signature", where)
    root = parse_hash(text_of(entry, "vouchers_root", where), f"{where}.vouchers_root")
    return StatementRow(amount=amount_of(entry, "amount", where), vouchers_root=root, r=r, vs=vs)


def _payouts(path: Path) -> list[Payout]:
    return [
        Payout(
            account=parse_address(text_of(entry, "account", where), f"{where}.account"),
            amount=amount_of(entry, "amount", where),
        )
        for index, entry in enumerate(entries(path))
        for where in [f"{path}[{index}]"]
    ]


def _tree(leaves: Sequence[Payout]) -> Tree:
    return Tree.of([payout_leaf(leaf.account, leaf.amount) for leaf in leaves])
