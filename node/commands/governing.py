"""``smartlayer chain govern …``, ``anchors …`` and ``brake …``: what holders of stake decide.

A proposal is kept in a file, so that whoever votes, queues or executes it works with the very same
one: its number is that of its calls, and its words are made from the calls, never read.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.desk import Desk
from node.commands.options import AmountOption, acts, address_option, looks
from node.commands.terminal import Result
from settlement.chain import proposals
from settlement.chain.abi import build
from settlement.chain.calls import amount_text
from settlement.chain.proposals import Proposal, ProposalState
from settlement.chain.quotes import duration
from settlement.chain.reverts import moment
from settlement.errors import InputError
from settlement.ports.chain_records import Penalties
from settlement.types import Address, hex_text, parse_address, parse_hash

LONGEST_REASON = 32

govern = typer.Typer(no_args_is_help=True, help="Propose, vote, queue, execute and show.")
anchors = typer.Typer(no_args_is_help=True, help="Elect the anchors that serve.")
brake = typer.Typer(no_args_is_help=True, help="Stop new money for a while, and see whether it is.")


class Support(StrEnum):
    """How somebody votes."""

    AGAINST = "against"
    FOR = "for"
    ABSTAIN = "abstain"


_NUMBERS = {
    Support.AGAINST: proposals.AGAINST,
    Support.FOR: proposals.FOR,
    Support.ABSTAIN: proposals.ABSTAIN,
}

File = Annotated[Path, typer.Option(help="Where the proposal is kept.")]
Why = Annotated[str, typer.Option(help="The proposal's text.")]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="rent_price=0.12 in tokens, protocol_share=2.5 in percent, thaw_time=60 in seconds.",
    ),
]
AccountOption = Annotated[Address, address_option("Whose.")]


@acts(govern, "propose-terms")
async def propose_terms(desk: Desk, *, settings: Settings, why: Why, file: File) -> Result:
    """Propose other terms; they hold two periods after they are executed."""
    current = (await desk.reader.parameters()).terms
    changes = dict(proposals.setting(text) for text in settings)
    proposal = proposals.change_terms(desk.deployment, current, changes, why)
    return await _propose(desk, proposal, file)


@acts(govern, "propose-rates")
async def propose_rates(desk: Desk, *, settings: Settings, why: Why, file: File) -> Result:
    """Propose what running scripts costs; it holds two periods after it is executed."""
    current = await desk.reader.rates()
    proposal = proposals.change_rates(desk.deployment, current, _numbers(settings), why)
    return await _propose(desk, proposal, file)


@acts(govern, "propose-penalties")
async def propose_penalties(desk: Desk, *, settings: Settings, why: Why, file: File) -> Result:
    """Propose what offences cost; it holds two periods after it is executed."""
    current = build(Penalties, await desk.answer("DisputeManager", "penalties"))
    proposal = proposals.change_penalties(desk.deployment, current, _numbers(settings), why)
    return await _propose(desk, proposal, file)


@acts(govern, "propose-veto")
async def propose_veto(
    desk: Desk,
    *,
    case: Annotated[str, typer.Option(help="The case's id, 0x and 64 digits.")],
    why: Why,
    file: File,
) -> Result:
    """Propose to end a case about a node's service level without a punishment."""
    proposal = proposals.veto_case(desk.deployment, parse_hash(case, "case"), why)
    return await _propose(desk, proposal, file)


@acts(govern, "propose-mint")
async def propose_mint(
    desk: Desk,
    *,
    receiver: Annotated[Address, address_option("Who gets them.")],
    amount: AmountOption,
    why: Why,
    file: File,
) -> Result:
    """Propose to mint Service Tokens, within the yearly rate."""
    return await _propose(desk, proposals.mint(desk.deployment, receiver, amount, why), file)


@acts(govern, "propose-guardian")
async def propose_guardian(
    desk: Desk,
    *,
    guardian: Annotated[Address, address_option("Who may stop new money.")],
    why: Why,
    file: File,
) -> Result:
    """Propose another guardian of the emergency brake."""
    return await _propose(desk, proposals.name_guardian(desk.deployment, guardian, why), file)


@acts(govern, "propose-fees")
async def propose_fees(
    desk: Desk,
    *,
    treasury: Annotated[Address, address_option("Gets what stakers do not.")],
    stakers: Annotated[int, typer.Option(min=0, max=10_000, help="Basis points.")],
    why: Why,
    file: File,
) -> Result:
    """Propose how collected fees are split between stakers and the treasury."""
    proposal = proposals.split_fees(desk.deployment, treasury, stakers, why)
    return await _propose(desk, proposal, file)


@acts(govern, "vote")
async def cast_vote(
    desk: Desk,
    *,
    file: File,
    support: Annotated[Support, typer.Option(help="How.")],
    reason: Annotated[str, typer.Option(help="Kept on chain with the vote.")] = "",
) -> Result:
    """Vote on a proposal, with the votes that the account had when its vote began."""
    proposal = await _load(desk, file)
    _tell(desk, proposal)
    call = proposals.vote(desk.deployment, proposal.id, _NUMBERS[support], reason)
    return await desk.perform(call)


@acts(govern, "queue")
async def queue_proposal(desk: Desk, *, file: File) -> Result:
    """Begin the notice of a proposal that passed; anyone may."""
    proposal = await _load(desk, file)
    _tell(desk, proposal)
    return await desk.perform(proposals.queue(desk.deployment, proposal))


@acts(govern, "execute")
async def execute_proposal(desk: Desk, *, file: File) -> Result:
    """Carry out a proposal whose notice has ended; anyone may."""
    proposal = await _load(desk, file)
    _tell(desk, proposal)
    return await desk.perform(proposals.execute(desk.deployment, proposal))


@acts(govern, "cancel")
async def cancel_proposal(desk: Desk, *, file: File) -> Result:
    """Take the account's own proposal back before its vote begins."""
    proposal = await _load(desk, file)
    _tell(desk, proposal)
    return await desk.perform(proposals.cancel(desk.deployment, proposal))


@looks(govern, "show")
async def show_proposal(desk: Desk, *, file: File) -> Result:
    """Show a proposal: what it does, how it stands, and when the next step can be taken."""
    proposal = await _load(desk, file)
    number = proposal.id
    state = ProposalState(await desk.answer("NetworkGovernor", "state", number))
    against, given, abstain = await desk.answers("NetworkGovernor", "proposalVotes", number)
    ready = await desk.answer("NetworkGovernor", "proposalEta", number)
    begins = await desk.answer("NetworkGovernor", "proposalSnapshot", number)
    ends = await desk.answer("NetworkGovernor", "proposalDeadline", number)
    return {
        "proposal": str(number),
        "text": proposal.text,
        "does": list(proposal.lines),
        "state": state,
        "votes_for": amount_text(given, "STK"),
        "votes_against": amount_text(against, "STK"),
        "votes_abstain": amount_text(abstain, "STK"),
        "voting_begins": moment(begins),
        "voting_ends": moment(ends),
        "can_be_executed_from": moment(ready) if ready else "not queued",
    }


@looks(govern, "power")
async def show_power(desk: Desk, *, account: AccountOption) -> Result:
    """Show the votes that count for an account now, and who votes with its tokens."""
    votes = await desk.answer("VotingPower", "getVotes", account)
    return {
        "votes": amount_text(votes, "STK"),
        "of its own, not staked": amount_text(await desk.reader.stake_balance(account), "STK"),
        "staked": amount_text(await desk.answer("VotingPower", "stakedBy", account), "STK"),
        "votes with its tokens": await desk.answer("StakeToken", "delegates", account),
        "votes with what it staked": await desk.answer("VotingPower", "delegates", account),
    }


@acts(govern, "delegate")
async def delegate_votes(
    desk: Desk, *, to: Annotated[Address, address_option("Who votes with them.")]
) -> Result:
    """Let another account vote with the account's tokens; they stay where they are."""
    return await desk.perform(*proposals.delegate_votes(desk.deployment, to))


@acts(anchors, "approve")
async def approve_anchors(
    desk: Desk,
    *,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A node key; may be repeated. None: no ballot."),
    ] = None,
) -> Result:
    """Approve these anchors and no others; the ballot stands until it is replaced."""
    chosen = [parse_address(text, "--anchor") for text in anchor or ()]
    return await desk.perform(desk.stakes.approve_anchors(chosen))


@acts(anchors, "count")
async def count_ballot(
    desk: Desk, *, voter: Annotated[Address, address_option("Whose ballot.")]
) -> Result:
    """Count a ballot in the current period, with its voter's votes as it began; anyone may."""
    return await desk.perform(desk.stakes.count_ballot(voter))


@acts(anchors, "fix-seed")
async def fix_seed(desk: Desk) -> Result:
    """Fix the block that the period's placement comes from; anyone may, once a period."""
    return await desk.perform(desk.stakes.fix_seed())


@looks(anchors, "show")
async def show_anchors(desk: Desk) -> Result:
    """Show the anchors that serve now, and those that would serve next, the most approved first."""
    period = (await desk.reader.parameters()).period
    return {
        "period": period,
        "serving": list(await desk.reader.elected_anchors(period)),
        "next": list(await desk.reader.elected_anchors(period + 1)),
        "seats": await desk.answer("AnchorElection", "seats"),
    }


@looks(anchors, "ballot")
async def show_ballot(desk: Desk, *, account: AccountOption) -> Result:
    """Show the anchors that an account approves."""
    return {"approves": list(await desk.answer("AnchorElection", "ballotOf", account))}


@acts(brake, "pull")
async def pull_brake(
    desk: Desk, *, reason: Annotated[str, typer.Option(help="Why, in up to 32 bytes.")]
) -> Result:
    """Stop new money for a while; the account is the guardian. Nobody is kept from leaving."""
    if not 1 <= len(reason.encode()) <= LONGEST_REASON:
        raise InputError(where="--reason", problem=f"it has 1 to {LONGEST_REASON} bytes")
    lasts = await desk.answer("EmergencyBrake", "duration")
    cooldown = await desk.answer("EmergencyBrake", "cooldown")
    desk.terminal.say(
        f"New money stops for {duration(lasts)}; withdrawals, challenges and claims go on.",
        f"The brake cannot be pulled again for {duration(cooldown)} after that.",
    )
    return await desk.perform(desk.stakes.pull_brake(reason))


@acts(brake, "release")
async def release_brake(desk: Desk) -> Result:
    """Let new money in again; the guardian may, or a vote."""
    return await desk.perform(desk.stakes.release_brake())


@looks(brake, "show")
async def show_brake(desk: Desk) -> Result:
    """Show whether new money is stopped, until when, and who may stop it."""
    until = await desk.answer("EmergencyBrake", "pausedUntil")
    return {
        "new money": "stopped" if await desk.answer("EmergencyBrake", "isPaused") else "let in",
        "last stop ends": moment(until) if until else "never stopped",
        "guardian": await desk.answer("EmergencyBrake", "guardian"),
        "a stop lasts": duration(await desk.answer("EmergencyBrake", "duration")),
    }


def _numbers(settings: list[str]) -> dict[str, int]:
    """Settings that are all numbers. Raises InputError."""
    found = {}
    for name, value in map(proposals.setting, settings):
        if not isinstance(value, int):
            raise InputError(where="--set", problem=f"{name} is no number")
        found[name] = value
    return found


async def _propose(desk: Desk, proposal: Proposal, file: Path) -> Result:
    _tell(desk, proposal)
    call = proposals.propose(desk.deployment, proposal)
    if not desk.terminal.dry_run:
        _keep(file, proposal, call.data)
    result = await desk.perform(call)
    return {"proposal": str(proposal.id), "does": list(proposal.lines), **result}


def _keep(file: Path, proposal: Proposal, calldata: bytes) -> None:
    """Write the file before anything is sent: without it nobody could queue what passed."""
    kept = {"does": list(proposal.lines), "calldata": hex_text(calldata)}
    text = json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
    if file.exists() and file.read_text() != text:
        raise InputError(where="--file", problem=f"{file} exists and keeps something else")
    file.write_text(text)


def _tell(desk: Desk, proposal: Proposal) -> None:
    desk.terminal.say(f"Proposal {proposal.id}: {proposal.text}")
    desk.terminal.say(*(f"  {line}" for line in proposal.lines))


async def _load(desk: Desk, file: Path) -> Proposal:
    """The proposal of a file, told as what it changes in the terms that hold now."""
    data = _calldata(file)
    return proposals.read_proposal(desk.deployment, data, (await desk.reader.parameters()).terms)


def _calldata(file: Path) -> bytes:
    try:
        source: Any = json.loads(file.read_text())
        return bytes.fromhex(source["calldata"].removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(where="--file", problem=f"{file} is no proposal: {error}") from error
