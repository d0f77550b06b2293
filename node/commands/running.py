"""``smartlayer node …`` and ``smartlayer key …``: run a node, make and look at keys."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from node.commands.terminal import until_stopped
from settlement.chain.keystore import (
    create_keystore,
    keystore_address,
    read_password,
    write_password,
)
from settlement.errors import InputError
from settlement.types import checksum

node = typer.Typer(no_args_is_help=True, help="Run a node.")
key = typer.Typer(no_args_is_help=True, help="Make and look at keys.")

ReadyFile = Annotated[
    Path | None, typer.Option(help="Write the addresses here as JSON once ready.")
]
PasswordFile = Annotated[Path, typer.Option(help="File whose first line is the password.")]


def configure_logging(level: str) -> None:
    """One JSON object a line on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


@node.command("run")
def node_run(
    config: Annotated[Path | None, typer.Option(help="TOML file.")] = None,
    data_dir: Path | None = None,
    deployment: Path | None = None,
    rpc_url: str | None = None,
    keystore: Path | None = None,
    password_file: Path | None = None,
    roles: Annotated[str | None, typer.Option(help="service, anchor, or both by comma.")] = None,
    private_hosts: Annotated[str | None, typer.Option(help="host:port, by comma.")] = None,
    ready_file: ReadyFile = None,
) -> None:
    """Run a node until it is stopped. Every configuration key is also SMARTLAYER_<KEY>."""
    from node.config import load_config

    flags: dict[str, Any] = {
        "data_dir": data_dir,
        "deployment": deployment,
        "rpc_url": rpc_url,
        "keystore": keystore,
        "password_file": password_file,
        "roles": roles.split(",") if roles else None,
        "private_hosts": private_hosts.split(",") if private_hosts else None,
    }
    settings = load_config(config, **flags)
    configure_logging(settings.log_level)

    async def run() -> bool:
        """Run until stopped, or until this worker is to lead: then begin again (True)."""
        from node.app.process import running_node

        async with running_node(settings) as running:
            if ready_file is not None:
                facts = {"apiUrl": running.api_url, "linkUrl": running.link_url}
                ready_file.with_suffix(".part").write_text(json.dumps(facts))
                ready_file.with_suffix(".part").rename(ready_file)
            await until_stopped(running.failed, running.promoted)
            return running.promoted.done()

    while asyncio.run(run()):
        pass


@node.command("lanes")
def node_lanes(
    backup: Annotated[Path, typer.Argument(help="A backup of the node's database.")],
    since: Annotated[int, typer.Option(min=0, help="The first period that still matters.")] = 0,
) -> None:
    """Print a node's lanes as a watchtower takes them, from a backup of its database.

    Write it to a file, and give that file to ``smartlayer watch --lanes``.
    """
    if not backup.is_file():
        raise InputError(where="the backup", problem=f"there is no file {backup}")

    async def read() -> str:
        from node.services.handing_over import kept_lanes
        from settlement.client.watch_client import lanes_to_json
        from settlement.store.sqlite import SqliteStore

        async with SqliteStore(backup) as store:
            return json.dumps(lanes_to_json(await kept_lanes(store, since)))

    typer.echo(asyncio.run(read()))


@key.command("new")
def key_new(keystore: Path, password_file: PasswordFile) -> None:
    """Make a key in a new keystore; a password is drawn if the password file does not exist."""
    known = password_file.exists()
    password = read_password(password_file) if known else write_password(password_file)
    typer.echo(checksum(create_keystore(keystore, password)))


@key.command("show")
def key_show(keystore: Path) -> None:
    """Print the address of a keystore; needs no password."""
    typer.echo(checksum(keystore_address(keystore)))
