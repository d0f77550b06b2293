"""Groups of commands that are loaded when they are asked for: a key is made in the time that a key
takes, without the database and the chain that other commands need."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

GROUPS = {
    "node": ("node.commands.running", "node"),
    "key": ("node.commands.running", "key"),
    "chain": ("node.commands.chain", "chain"),
    "token": ("node.commands.tokens", "token"),
    "script": ("node.commands.scripts", "script"),
    "grant": ("node.commands.signing", "grant"),
    "attest": ("node.commands.signing", "attest"),
    "statement": ("node.commands.statements", "statement"),
    "db": ("node.commands.db", "db"),
    "watch": ("node.commands.watching", "watch"),
}
"""The name of each group or single command, the module that it is in, and its name there."""


class Groups(TyperGroup):
    """The groups above beside the commands of the application itself."""

    # typer carries a click of its own under a private name, hence the Any.
    def list_commands(self, ctx: Any) -> list[str]:
        return [*GROUPS, *(name for name in super().list_commands(ctx) if name not in GROUPS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in GROUPS and cmd_name not in self.commands:
            module, attribute = GROUPS[cmd_name]
            found = _command(cmd_name, getattr(import_module(module), attribute))
            found.name = cmd_name
            self.commands[cmd_name] = found
        return super().get_command(ctx, cmd_name)


def _command(name: str, found: Any) -> Any:
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer()
    alone.command(name)(found)
    return typer.main.get_command(alone)
