"""Governance: ``ape run govern propose-terms|propose-mint|propose-guardian|vote|…|show``.

A proposal is kept in a file next to the deployment, in plain words and as calls, so that whoever
votes, queues or executes it works with the very same one; its number is checked on the way.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from scripts._ape_bridge import ADDRESS, AMOUNT, Desk, command
from settlement.chain import proposals
from settlement.chain.abi import artifact
from settlement.chain.proposals import Proposal, ProposalState
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain_records import Terms
from settlement.types import Address, hex_text, parse_address

FILE = click.Path(dir_okay=False, path_type=Path)
SUPPORT = {"against": proposals.AGAINST, "for": proposals.FOR, "abstain": proposals.ABSTAIN}
_WITHOUT_NUMBER = {"treasury"}


@click.group()
def cli() -> None:
    """Propose, vote, queue, execute and show proposals."""


@click.option("--file", "file", type=FILE, required=True, help="Where the proposal is kept.")
@click.option("--why", required=True, help="The proposal's text.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    required=True,
    help="A term and its new value in base units: rent_price=120000000000000000.",
)
async def propose_terms(
    desk: Desk, settings: tuple[str, ...], why: str, file: Path
) -> dict[str, Any]:
    """Propose other terms; they hold two periods after they are executed."""
    current = (await desk.reader.parameters()).terms
    changes = dict(_setting(text) for text in settings)
    return await _propose(
        desk, proposals.change_terms(desk.deployment, current, changes, why), file
    )


@click.option("--file", "file", type=FILE, required=True, help="Where the proposal is kept.")
@click.option("--why", required=True, help="The proposal's text.")
@click.option("--amount", type=AMOUNT, required=True, help="Service Tokens.")
@click.option("--to", "receiver", type=ADDRESS, required=True, help="Who gets them.")
async def propose_mint(
    desk: Desk, receiver: Address, amount: int, why: str, file: Path
) -> dict[str, Any]:
    """Propose to mint Service Tokens, within the yearly rate."""
    return await _propose(desk, proposals.mint(desk.deployment, receiver, amount, why), file)


@click.option("--file", "file", type=FILE, required=True, help="Where the proposal is kept.")
@click.option("--why", required=True, help="The proposal's text.")
@click.option("--guardian", type=ADDRESS, required=True, help="Who may stop new money.")
async def propose_guardian(desk: Desk, guardian: Address, why: str, file: Path) -> dict[str, Any]:
    """Propose another guardian of the emergency brake."""
    return await _propose(desk, proposals.name_guardian(desk.deployment, guardian, why), file)


@click.option("--reason", default="", help="Kept on chain with the vote.")
@click.option("--support", type=click.Choice(sorted(SUPPORT)), required=True)
@click.option("--file", "file", type=FILE, required=True, help="The proposal.")
async def cast_vote(desk: Desk, file: Path, support: str, reason: str) -> dict[str, Any]:
    """Vote on a proposal."""
    proposal = _load(desk, file)
    _tell(desk, proposal)
    call = proposals.vote(desk.deployment, proposal.id, SUPPORT[support], reason)
    return await desk.perform(call)


@click.option("--file", "file", type=FILE, required=True, help="The proposal.")
async def queue_proposal(desk: Desk, file: Path) -> dict[str, Any]:
    """Begin the notice of a proposal that passed; anyone may."""
    proposal = _load(desk, file)
    _tell(desk, proposal)
    return await desk.perform(proposals.queue(desk.deployment, proposal))


@click.option("--file", "file", type=FILE, required=True, help="The proposal.")
async def execute_proposal(desk: Desk, file: Path) -> dict[str, Any]:
    """Carry out a proposal whose notice has ended; anyone may."""
    proposal = _load(desk, file)
    _tell(desk, proposal)
    return await desk.perform(proposals.execute(desk.deployment, proposal))


@click.option("--file", "file", type=FILE, required=True, help="The proposal.")
async def show_proposal(desk: Desk, file: Path) -> dict[str, Any]:
    """Show a proposal: what it does, how it stands, and when the next step can be taken."""
    proposal = _load(desk, file)
    state = ProposalState(await _ask(desk, "state", proposal.id))
    votes_against, votes_for, votes_abstain = await _ask_all(desk, "proposalVotes", proposal.id)
    ready = await _ask(desk, "proposalEta", proposal.id)
    return {
        "proposal": str(proposal.id),
        "text": proposal.text,
        "does": list(proposal.lines),
        "state": state,
        "votes_for": votes_for,
        "votes_against": votes_against,
        "votes_abstain": votes_abstain,
        "voting_begins": moment(await _ask(desk, "proposalSnapshot", proposal.id)),
        "voting_ends": moment(await _ask(desk, "proposalDeadline", proposal.id)),
        "can_be_executed_from": moment(ready) if ready else "not queued",
    }


async def _propose(desk: Desk, proposal: Proposal, file: Path) -> dict[str, Any]:
    _tell(desk, proposal)
    call = proposals.propose(desk.deployment, proposal)
    result = await desk.perform(call)
    if not desk.terminal.dry_run:
        _save(file, proposal, call.data)
    return {"proposal": str(proposal.id), "does": list(proposal.lines), **result}


def _save(file: Path, proposal: Proposal, calldata: bytes) -> None:
    kept = {"does": list(proposal.lines), "calldata": hex_text(calldata)}
    file.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _tell(desk: Desk, proposal: Proposal) -> None:
    desk.terminal.say(f"Proposal {proposal.id}: {proposal.text}")
    desk.terminal.say(*(f"  {line}" for line in proposal.lines))


def _load(desk: Desk, file: Path) -> Proposal:
    try:
        source = json.loads(file.read_text())
        data = bytes.fromhex(source["calldata"].removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(where=str(file), problem=f"it is no proposal: {error}") from error
    return proposals.read_proposal(desk.deployment, data)


def _setting(text: str) -> tuple[str, int | Address]:
    name, _, value = text.partition("=")
    if name not in {field.name for field in fields(Terms)} or not value:
        raise InputError(where="--set", problem=f"{text!r} is not a term and a value")
    if name in _WITHOUT_NUMBER:
        return name, parse_address(value, "--set")
    try:
        return name, int(value.replace("_", ""))
    except ValueError as error:
        raise InputError(where="--set", problem=f"{value!r} is not a whole number") from error


async def _ask(desk: Desk, function: str, proposal: int) -> int:
    return int((await _ask_all(desk, function, proposal))[0])


async def _ask_all(desk: Desk, function: str, proposal: int) -> tuple[Any, ...]:
    governor = artifact("NetworkGovernor")
    request = {
        "to": hex_text(desk.deployment.governor),
        "data": hex_text(governor.calldata(function, proposal)),
    }
    answer = await desk.rpc.read("eth_call", request, "latest")
    return governor.answer(function, bytes.fromhex(answer.removeprefix("0x")))


command(cli, "propose-terms")(propose_terms)
command(cli, "propose-mint")(propose_mint)
command(cli, "propose-guardian")(propose_guardian)
command(cli, "vote")(cast_vote)
command(cli, "queue")(queue_proposal)
command(cli, "execute")(execute_proposal)
command(cli, "show")(show_proposal)
