"""``smartlayer statement …``: an integration's month as a file, and what that file proves."""

import json
from pathlib import Path
from typing import Annotated

import typer

from node.commands.desk import Desk
from node.commands.issuing import read_file
from node.commands.options import AsJson, PeriodOption, looks
from node.commands.terminal import Result, Terminal, run
from node.commands.tokens import write_new
from settlement.chain.calls import amount_text
from settlement.chain.keystore import load_key
from settlement.client.channel import ChannelClient
from settlement.client.watch_client import WatchClient
from settlement.core.statement_file import (
    POT_NOTE,
    CommittedPot,
    StatementFile,
    StatementFileWrong,
    file_from_json,
    file_to_json,
    verify,
)
from settlement.errors import InputError
from settlement.ports.chain import ChainReader
from settlement.ports.chain_records import PotStatus
from settlement.services.clock import SystemClock
from settlement.store.sqlite import SqliteStore
from settlement.types import Address, checksum

LARGEST_FILE = 32 * 1024 * 1024

statement = typer.Typer(no_args_is_help=True, help="Keep and verify an integration's months.")

FileOption = Annotated[Path, typer.Option("--file", help="A statement file.")]


@looks(statement, "save")
async def save(
    desk: Desk,
    *,
    session: Annotated[Path, typer.Option(help="Keystore of the channel's session key.")],
    session_password_file: Annotated[Path, typer.Option(help="File with its password.")],
    purse: Annotated[Path, typer.Option(help="The SQLite file that the client pays from.")],
    anchor_url: Annotated[str, typer.Option(help="The anchor's API.")],
    period: PeriodOption,
    output: Annotated[Path, typer.Option(help="Where to write it; never overwritten.")],
) -> Result:
    """Fetch a period's statement, check it against the purse, and keep it with its proofs.

    Once the anchor has committed its root, the payouts of the whole period are in the file too.
    """
    if not purse.exists():
        raise InputError(where="--purse", problem=f"{purse} does not exist")
    key = load_key(session, session_password_file)
    account = await desk.reader.channel(key.address)
    if not account.exists:
        raise InputError(where="--session", problem=f"{checksum(key.address)} has no channel")
    async with SqliteStore(purse) as store, WatchClient(anchor_url) as anchor:
        channel = ChannelClient(
            key=key, domain=desk.deployment.domain, store=store, clock=SystemClock()
        )
        draft = await anchor.draft(key.address, period)
        pot = await _pot(desk.reader, anchor, draft.anchor, period)
        file = await channel.statement_file(draft, draft.anchor, pot)
    result = _told(file)
    write_new(output, json.dumps(file_to_json(file), indent=1).encode() + b"\n")
    return {"file": str(output), **result}


@statement.command("verify")
def verify_file(*, file: FileOption, as_json: AsJson = False) -> None:
    """Check every signature and sum of a statement file. Needs no network and no keys.

    Receipts are the owner's own word, and a root is compared with the chain by ``compare``.
    """

    async def verified() -> Result:
        return _told(_load(file))

    run(Terminal(as_json=as_json), verified())


@looks(statement, "compare")
async def compare(desk: Desk, *, file: FileOption) -> Result:
    """Verify a statement file, and compare it with the chain."""
    held = _load(file)
    result = _told(held)
    if (held.chain_id, held.hub) != (desk.deployment.chain_id, desk.deployment.hub):
        raise StatementFileWrong(problem="it is about another network")
    message = held.statement.message
    result["settled"] = await desk.reader.is_settled(held.signer, message.period)
    pot = await desk.reader.pot(message.anchor, message.period)
    result["committed"] = pot.status is PotStatus.COMMITTED
    if held.pot is not None and (held.pot.root, held.pot.total) != (pot.root, pot.sum):
        raise StatementFileWrong(problem="the chain shows another root for this period")
    result["notes"] = [note for note in result["notes"] if note != POT_NOTE]
    return result


async def _pot(
    reader: ChainReader, anchor: WatchClient, key: Address, period: int
) -> CommittedPot | None:
    pot = await reader.pot(key, period)
    if pot.status is not PotStatus.COMMITTED:
        return None
    payouts = await anchor.payouts(period, pot.leaf_count)
    return CommittedPot(root=pot.root, total=pot.sum, payouts=payouts)


def _load(file: Path) -> StatementFile:
    raw = read_file(file, "--file", LARGEST_FILE)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InputError(where="--file", problem=f"{file} is no JSON") from error
    return file_from_json(value)


def _told(file: StatementFile) -> Result:
    found = verify(file)
    return {
        "verified": True,
        "channel": file.signer,
        "anchor": found.anchor,
        "period": found.period,
        "amount": amount_text(found.amount, "SVC"),
        "base_units": str(found.amount),
        "lanes": found.lanes,
        "receipts": found.receipts,
        "without_receipt": str(found.without_receipt),
        "committed_root": file.pot.root if file.pot else None,
        "committed_total": None if found.paid_out is None else str(found.paid_out),
        "notes": list(found.notes),
    }
