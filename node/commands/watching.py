"""``smartlayer watch``: a watchtower of its own, for nodes that are away or have no gas money."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.running import ReadyFile, configure_logging
from node.commands.terminal import until_stopped
from node.config import load_config

MOST_LANES = 100_000


def watch(
    config: Annotated[Path | None, typer.Option(help="TOML file.")] = None,
    lanes: Annotated[
        Path | None, typer.Option(help="JSON file of lanes to watch, as POST /watch takes them.")
    ] = None,
    data_dir: Path | None = None,
    deployment: Path | None = None,
    rpc_url: str | None = None,
    keystore: Path | None = None,
    password_file: Path | None = None,
    api_host: str | None = None,
    api_port: int | None = None,
    watch_lanes: Annotated[
        int, typer.Option(min=1, help="Lanes watched for others, at most.")
    ] = MOST_LANES,
    ready_file: ReadyFile = None,
) -> None:
    """Watch anchors for the nodes whose lanes are handed over, until stopped.

    The key pays for gas and gets the rewards; it needs no stake and no registration.
    """
    flags: dict[str, Any] = {
        "data_dir": data_dir,
        "deployment": deployment,
        "rpc_url": rpc_url,
        "keystore": keystore,
        "password_file": password_file,
        "api_host": api_host,
        "api_port": api_port,
        "watch_lanes": watch_lanes,
        "watch": True,
    }
    settings = load_config(config, **flags)
    configure_logging(settings.log_level)

    async def run() -> None:
        from node.app.watch_process import running_watch

        async with running_watch(settings, lanes) as watching:
            if ready_file is not None:
                part = ready_file.with_suffix(".part")
                part.write_text(json.dumps({"apiUrl": watching.api_url}))
                part.rename(ready_file)
            await until_stopped(watching.failed)

    asyncio.run(run())
