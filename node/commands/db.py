"""``smartlayer db …``: move, back up, restore and check a node's or an integration's database.

A database is a SQLite file, or ``postgresql://user@host/name``; its password comes from a file (or
from PGPASSFILE), never from the command line.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from node.commands.options import AsJson
from node.commands.terminal import Result, Terminal, run
from settlement.chain.keystore import read_password
from settlement.errors import InputError
from settlement.store import offline
from settlement.store.copying import TableReport
from settlement.store.places import Place

db = typer.Typer(no_args_is_help=True, help="Move, back up, restore and check databases.")

Database = Annotated[
    str, typer.Argument(metavar="DATABASE", help="A SQLite file, or postgresql://user@host/name.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the database user's password.")
]


@db.command("migrate")
def migrate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The database as it is.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A new file or empty database.")],
    from_password_file: PasswordFile = None,
    to_password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move a database, and compare the copy; stop the node first. The old one stays, closed."""
    places = _place(source, from_password_file), _place(target, to_password_file)

    async def work() -> Result:
        return {"moved_to": target, **_tables(await offline.migrate(*places))}

    run(Terminal(as_json=as_json), work())


@db.command("backup")
def backup(
    database: Database,
    file: File,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy a database, in use or not, as it is at one moment, into a new file; compare the copy."""
    place = _place(database, password_file)

    async def work() -> Result:
        return {"backup": str(file), **_tables(await offline.backup(place, file))}

    run(Terminal(as_json=as_json), work())


@db.command("restore")
def restore(
    file: File,
    database: Database,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a new database of a backup. An anchor promises nothing more in the period it is in."""
    place = _place(database, password_file)

    async def work() -> Result:
        now_ms = time.time_ns() // 1_000_000
        return {"restored": database, **_tables(await offline.restore(file, place, now_ms))}

    run(Terminal(as_json=as_json), work())


@db.command("check")
def check(database: Database, password_file: PasswordFile = None, as_json: AsJson = False) -> None:
    """Read all of a database, in use or not: its structure, and the checksum of every row."""
    place = _place(database, password_file)
    sound = True

    async def work() -> Result:
        nonlocal sound
        found = await offline.check(place)
        sound = not found.wrong
        return {"sound": sound, "wrong": list(found.wrong), **_tables(found.tables)}

    run(Terminal(as_json=as_json), work())
    if not sound:
        raise typer.Exit(1)


def _place(where: str, password_file: Path | None) -> Place:
    password = None if password_file is None else read_password(password_file)
    place = Place(where=where, password=password)
    if place.target is None and "://" in where:
        raise InputError(where=where, problem="expected a file or postgresql://…")
    return place


def _tables(tables: Sequence[TableReport]) -> Result:
    return {table.name: {"rows": table.rows, "digest": table.digest.hex()} for table in tables}
