"""The command ``smartlayer``: one screen of wiring."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.groups import Groups
from node.commands.terminal import leave, until_stopped
from settlement.errors import SmartLayerError

app = typer.Typer(
    cls=Groups,
    no_args_is_help=True,
    add_completion=True,
    help="Smart Layer: nodes, keys and a local network.",
)


def main() -> None:
    """Run the command; a typed error becomes one sentence with its fix, and an exit code."""
    try:
        app()
    except SmartLayerError as error:
        leave(error)


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
    from node.commands.running import configure_logging
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
    password_file: Annotated[Path, typer.Option(help="File whose first line is the password.")],
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
