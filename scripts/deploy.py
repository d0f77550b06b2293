"""Deploy a network: ``ape run deploy --network ethereum:sepolia:https://… --account mine``."""

from pathlib import Path
from typing import Any

import click

from scripts._ape_bridge import ADDRESS, Desk, command
from settlement.chain.deploy import creation_calls, deploy, plan_for
from settlement.errors import InputError
from settlement.ports.chain_terms import DAY, MONTH
from settlement.types import Address

SHORTEST, LONGEST = 30, 366 * DAY


@click.option("--treasury", type=ADDRESS, help="Gets the protocol's share; default the account.")
@click.option(
    "--period-length",
    type=click.IntRange(SHORTEST, LONGEST),
    default=MONTH,
    show_default=True,
    help="Seconds per settlement period; all windows are scaled with it.",
)
@click.option("--governed", is_flag=True, help="Hand the network over to those who hold stake.")
@click.option("--replace", is_flag=True, help="Overwrite an existing deployment file.")
async def deploy_network(
    desk: Desk, treasury: Address | None, period_length: int, governed: bool, replace: bool
) -> dict[str, Any]:
    """Deploy all contracts from the committed artifacts and write the deployment file."""
    path = desk.deployment_path
    if not replace:
        _require_absent(path)
    plan = plan_for(
        desk.writer.account,
        desk.head,
        treasury=treasury,
        period_length=period_length,
        governed=governed,
    )
    names = [name for _, name in creation_calls(plan)]
    desk.terminal.say(
        f"Deploys {', '.join(names)} on chain {desk.rpc.chain_id}.",
        f"Periods of {period_length} s; a deposit comes back {plan.terms.withdrawal_delay} s after "
        "its period.",
    )
    if desk.terminal.dry_run:
        return {"dry_run": True, "would_deploy": names, "terms": plan.terms}
    desk.terminal.confirm("Deploy?")
    deployment = await deploy(desk.writer, desk.rpc.chain_id, desk.head, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    deployment.save(path)
    return {"deployment": str(path), **deployment.to_json()}


def _require_absent(path: Path) -> None:
    if path.exists():
        problem = "it exists; --replace overwrites it, --deployment names another"
        raise InputError(where=str(path), problem=problem)


cli = command(None, "deploy")(deploy_network)
