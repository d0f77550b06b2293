"""Founding a network: what ``smartlayer chain deploy`` and ``ape run deploy`` do."""

from pathlib import Path

from node.commands.terminal import Result, Terminal
from settlement.chain.deploy import creation_calls, deploy, plan_for
from settlement.chain.reader import latest_block
from settlement.chain.rpc import Rpc
from settlement.errors import InputError
from settlement.ports.chain import ChainWriter
from settlement.ports.chain_terms import DAY
from settlement.types import Address

SHORTEST, LONGEST = 30, 366 * DAY
"""Bounds of a period, seconds."""


async def found_network(
    terminal: Terminal,
    rpc: Rpc,
    writer: ChainWriter,
    path: Path,
    *,
    treasury: Address | None,
    period_length: int,
    governed: bool,
    replace: bool,
) -> Result:
    """Deploy all contracts from the committed artifacts and write where they stand to ``path``.

    Raises InputError where the file exists, Declined, and what sending raises.
    """
    if not replace:
        _require_absent(path)
    head = await latest_block(rpc)
    plan = plan_for(
        writer.account, head, treasury=treasury, period_length=period_length, governed=governed
    )
    names = [name for _, name in creation_calls(plan)]
    terminal.say(
        f"Deploys {', '.join(names)} on chain {rpc.chain_id}.",
        f"Periods of {period_length} s; a deposit comes back {plan.terms.withdrawal_delay} s after "
        "its period.",
    )
    if terminal.dry_run:
        return {"dry_run": True, "would_deploy": names, "terms": plan.terms}
    terminal.confirm("Deploy?")
    made = await deploy(writer, rpc.chain_id, head, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)
    return {"deployment": str(path), **made.to_json()}


def _require_absent(path: Path) -> None:
    if path.exists():
        raise InputError(where=str(path), problem="it exists; --replace overwrites it")
