"""How a command speaks: to a person in sentences, to a program in one JSON object.

Exit codes are part of the interface: 0 done, 2 wrong input, 3 refused by a contract or a peer, 4 a
chain or node that cannot be reached or has not answered yet, 5 declined at the keyboard, 1 anything
else.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, NoReturn

import typer

from settlement.errors import ChainError, InputError, PeerError, SmartLayerError
from settlement.ports.chain_errors import CallReverted
from settlement.types import Address, checksum, hex_text

OTHER, INPUT, REFUSED, UNREACHABLE, DECLINED = 1, 2, 3, 4, 5
JSON_SAFE = 1 << 53
"""Integers from here on become text: JavaScript would round them."""

Result = dict[str, Any]


class Declined(Exception):
    """The person at the keyboard said no, or nobody was there to say yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Whom a command speaks to, and what it may do unasked."""

    as_json: bool = False
    dry_run: bool = False
    yes: bool = False

    def say(self, *lines: str) -> None:
        """Tell a person; a program reads the result only."""
        if not self.as_json:
            for line in lines:
                typer.echo(line)

    def confirm(self, question: str) -> None:
        """Ask before anything is spent. Raises Declined, also where nobody can be asked."""
        if self.yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise Declined
        if not typer.confirm(question):
            raise Declined

    def finish(self, result: Result) -> None:
        """Print the result: one JSON object, or a line for each field."""
        shown = plain(result)
        if self.as_json:
            typer.echo(json.dumps(shown))
            return
        for name, value in shown.items():
            typer.echo(f"{name.replace('_', ' ')}: {_text(value)}")


def _text(value: Any) -> str:
    match value:
        case [str(), *_]:
            return "; ".join(map(str, value))
        case dict() | list():
            return json.dumps(value)
        case _:
            return str(value)


def run(terminal: Terminal, work: Coroutine[Any, Any, Result]) -> None:
    """Do the work, print its result, or leave with the exit code of what went wrong."""
    try:
        terminal.finish(asyncio.run(work))
    except Declined:
        typer.echo("Nothing was sent. Say --yes to go on without being asked.", err=True)
        raise typer.Exit(DECLINED) from None
    except SmartLayerError as error:
        if terminal.as_json:
            typer.echo(json.dumps({"error": told(error)}))
            raise typer.Exit(exit_code(error)) from None
        leave(error)


async def until_stopped(*tasks: "asyncio.Task[None]") -> None:
    """Return on SIGINT or SIGTERM; raise what any of ``tasks`` raises."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    waiting = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        await task


def leave(error: SmartLayerError) -> NoReturn:
    """Say what went wrong in one line with its fix, and leave with its exit code."""
    typer.echo(f"{error.code}: {error.title}. {error.advice()}", err=True)
    raise SystemExit(exit_code(error))


def told(error: SmartLayerError) -> Result:
    """A typed error for a program."""
    return {
        "code": error.code,
        "title": error.title,
        "fix": error.advice(),
        "retryable": error.retryable,
        "details": plain(error.details()),
    }


def exit_code(error: SmartLayerError) -> int:
    """The exit code of a typed error."""
    match error:
        case InputError():
            return INPUT
        case _ if error.retryable:
            return UNREACHABLE
        case CallReverted() | PeerError():
            return REFUSED
        case ChainError():
            return UNREACHABLE
        case _:
            return OTHER


def plain(value: Any) -> Any:
    """A value of ours as JSON: addresses checksummed, large integers as text."""
    match value:
        case bytes():
            return checksum(Address(value)) if len(value) == 20 else hex_text(value)
        case Enum():
            return value.name.lower()
        case bool() | None | str():
            return value
        case int():
            return value if abs(value) < JSON_SAFE else str(value)
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return str(value)
