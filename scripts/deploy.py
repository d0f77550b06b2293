"""Deploy a network: ``ape run deploy --network ethereum:sepolia:https://… --account mine``."""

from pathlib import Path
from typing import Any

import click
from ape.api import AccountAPI, ProviderAPI

from node.commands.founding import LONGEST, SHORTEST, found_network
from node.commands.terminal import Result, Terminal, run
from scripts._ape_bridge import (
    ApeWriter,
    ape_command,
    default_deployment,
    leave_as_click,
    open_account,
    rpc_address,
)
from settlement.chain.rpc import JsonRpc
from settlement.ports.chain_terms import MONTH
from settlement.types import parse_address


def act(
    provider: ProviderAPI,
    account: AccountAPI,
    *,
    as_json: bool,
    dry_run: bool,
    yes: bool,
    deployment: Path | None,
    passphrase_file: Path | None,
    treasury: str | None,
    **options: Any,
) -> None:
    terminal = Terminal(as_json=as_json, dry_run=dry_run, yes=yes)

    async def work() -> Result:
        open_account(account, passphrase_file, unattended=yes and not dry_run)
        async with JsonRpc(rpc_address(provider), int(provider.chain_id)) as rpc:
            return await found_network(
                terminal,
                rpc,
                ApeWriter(account, provider, rpc),
                deployment or default_deployment(provider),
                treasury=parse_address(treasury, "--treasury") if treasury else None,
                **options,
            )

    leave_as_click(lambda: run(terminal, work()))


cli = ape_command(
    "deploy",
    "Deploy all contracts from the committed artifacts and write the deployment file.",
    [
        click.Option(["--treasury"], help="Gets the protocol's share; default the account."),
        click.Option(
            ["--period-length"],
            type=click.IntRange(SHORTEST, LONGEST),
            default=MONTH,
            help="Seconds per settlement period; all windows are scaled with it.",
        ),
        click.Option(["--governed"], is_flag=True, help="Hand it over to those who hold stake."),
        click.Option(["--replace"], is_flag=True, help="Overwrite an existing deployment file."),
    ],
    act,
    sends=True,
)
