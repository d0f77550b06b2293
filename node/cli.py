"""The command ``smartlayer``: one screen of wiring."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from node.commands.chain import chain
from node.commands.signing import attest, grant
from node.commands.terminal import leave, until_stopped
from node.commands.tokens import token
from settlement.errors import SmartLayerError

app = typer.Typer(
    no_args_is_help=True, add_completion=True, help="Smart Layer: nodes, keys and a local network."
)
node_app = typer.Typer(no_args_is_help=True, help="Run a node.")
key_app = typer.Typer(no_args_is_help=True, help="Make and look at keys.")
app.add_typer(node_app, name="node")
app.add_typer(key_app, name="key")
app.add_typer(chain, name="chain")
app.add_typer(token, name="token")
app.add_typer(grant, name="grant")
app.add_typer(attest, name="attest")

ReadyFile = Annotated[
    Path | None, typer.Option(help="Write the addresses here as JSON once ready.")
]
PasswordFile = Annotated[Path, typer.Option(help="File whose first line is the password.")]


def main() -> None:
    """Run the command; a typed error becomes one sentence with its fix, and an exit code."""
    try:
        app()
    except SmartLayerError as error:
        leave(error)


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


@node_app.command("run")
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

    async def run() -> None:
        from node.app.process import running_node

        async with running_node(settings) as node:
            if ready_file is not None:
                facts = {"apiUrl": node.api_url, "linkUrl": node.link_url}
                ready_file.with_suffix(".part").write_text(json.dumps(facts))
                ready_file.with_suffix(".part").rename(ready_file)
            await until_stopped(node.failed)

    asyncio.run(run())


@key_app.command("new")
def key_new(keystore: Path, password_file: PasswordFile) -> None:
    """Make a key in a new keystore; a password is drawn if the password file does not exist."""
    from settlement.chain.keystore import create_keystore, read_password, write_password
    from settlement.types import checksum

    known = password_file.exists()
    password = read_password(password_file) if known else write_password(password_file)
    typer.echo(checksum(create_keystore(keystore, password)))


@key_app.command("show")
def key_show(keystore: Path) -> None:
    """Print the address of a keystore; needs no password."""
    from settlement.chain.keystore import keystore_address
    from settlement.types import checksum

    typer.echo(checksum(keystore_address(keystore)))


@app.command("devnet")
def devnet(
    keep: Annotated[bool, typer.Option(help="Leave the network up until Ctrl-C.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for logs, databases and the page.")] = Path(
        ".build/devnet"
    ),
    reads: Annotated[int, typer.Option(min=1, max=100_000, help="Paid reads.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
    embedded: Annotated[bool, typer.Option(help="Use the chain that needs no Node.")] = False,
) -> None:
    """A local network of eight nodes lives through a month: the flight-ticket story."""
    from node.devnet.run import run_devnet

    configure_logging("warning")
    held = asyncio.run(
        run_devnet(
            folder=output.resolve(), reads=reads, keep=keep, as_json=as_json, embedded=embedded
        )
    )
    raise typer.Exit(0 if held else 1)


@app.command("hotel", hidden=True)
def hotel(
    keystore: Annotated[Path, typer.Option()],
    password_file: PasswordFile,
    chain_id: Annotated[int, typer.Option()],
    ready_file: Annotated[Path, typer.Option()],
    silent: Annotated[str, typer.Option(help="Bookings that never get an answer.")] = "",
) -> None:
    """The hotel of the story, as a process of its own."""
    from node.devnet.hotel import serve_hotel

    names = frozenset(filter(None, silent.split(",")))
    asyncio.run(_until_cancelled(serve_hotel(keystore, password_file, chain_id, names, ready_file)))


async def _until_cancelled(work: Any) -> None:
    task = asyncio.create_task(work)
    await until_stopped(task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


if __name__ == "__main__":
    main()
