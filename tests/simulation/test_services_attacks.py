"""Hostile peers, holders and issuers against a network of real services in one process."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from node.core.inputs import Failure, Timer, encode_input
from node.core.journal import Phase
from node.devnet.airline import TEMPLATE, placeholder_values
from node.devnet.rehearsal import Player, Rehearsal
from node.devnet.rehearsal_people import HOTEL_URL, person_key
from node.devnet.rehearsal_steps import active_ticket, attest_delay, commits
from node.errors import CommitInvalid, SignerUnknown
from node.protocol.frames import AnyBody, Commit, JournalQuery, JournalReply
from node.protocol.messages import JournalEntry
from node.sandbox.pool import PoolConfig, SandboxPool
from node.tokenscript.build import build
from node.tokenscript.signature import sign
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.wire import signed_to_header
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Signature, TokenId

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[SandboxPool]:
    """One real sandbox for all."""
    async with SandboxPool(PoolConfig(workers=1)) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path, sandbox: SandboxPool) -> AsyncIterator[Rehearsal]:
    """A fresh network."""
    async with Rehearsal(tmp_path, sandbox) as rehearsal:
        yield rehearsal


async def outsider(stage: Rehearsal, token: TokenId) -> Player:
    """A service node that does not hold the token."""
    holders = await stage.holders(token)
    return next(player for player in stage.services if player not in holders)


def junk_commit(token: TokenId, version: int, data: bytes) -> Commit:
    """A commit that nobody has signed."""
    entry = JournalEntry(
        token=token.id,
        version=version,
        lease_version=1,
        attempt=0,
        executor=ZERO_ADDRESS,
        previous=ZERO_HASH,
        input_hash=ZERO_HASH,
        state_root=ZERO_HASH,
        output_hash=ZERO_HASH,
        time=1,
    )
    return Commit(entry=entry, signatures=(), input=data)


async def test_a_commit_that_nobody_signed_is_refused_before_anything_runs(
    stage: Rehearsal,
) -> None:
    ticket = await active_ticket(stage)
    holder, stranger = (await stage.holders(ticket))[0], await outsider(stage, ticket)
    empty = encode_input(Failure(key=ZERO_HASH, words=()))
    with pytest.raises(CommitInvalid):
        await holder.base.dispatch(stranger.address, junk_commit(ticket, 2, empty))


async def test_a_commit_far_ahead_that_nobody_signed_starts_no_catching_up(
    stage: Rehearsal,
) -> None:
    ticket = await active_ticket(stage)
    holder, stranger = (await stage.holders(ticket))[0], await outsider(stage, ticket)
    timer = encode_input(Timer(name="x", version=1, due=1))
    with pytest.raises(CommitInvalid):
        await holder.base.dispatch(stranger.address, junk_commit(ticket, 99, timer))


async def test_catching_up_with_a_holder_that_lies_ends(stage: Rehearsal) -> None:
    ticket = await active_ticket(stage)
    holder, liar, other = await stage.holders(ticket)
    old = (await commits(holder, ticket))[0]
    asked = 0

    async def lie(_peer: Address, _query: JournalQuery) -> AnyBody:
        nonlocal asked
        asked += 1
        return JournalReply(version=10**9, commits=(old,), accepted=None)

    liar.base.dispatch._handlers[JournalQuery] = lie
    far = msgspec.structs.replace(
        junk_commit(ticket, 99, old.input),
        entry=replace(old.entry, version=99, executor=liar.address),
    )
    domain = holder.base.domain
    signed = sorted((n.address, n.base.key.sign(domain, far.entry)) for n in (liar, other))
    await holder.base.dispatch(liar.address, msgspec.structs.replace(far, signatures=tuple(signed)))
    assert asked == 1
    assert (await holder.journal(ticket)).version < 99


async def test_a_journal_is_not_shown_to_a_node_that_does_not_hold_the_token(
    stage: Rehearsal,
) -> None:
    ticket = await active_ticket(stage)
    holder, stranger = (await stage.holders(ticket))[0], await outsider(stage, ticket)
    query = JournalQuery(token=ticket.id, first=1, limit=16)
    with pytest.raises(SignerUnknown):
        await holder.base.dispatch(stranger.address, query)


async def test_a_burnt_ticket_does_not_keep_others_from_hearing(stage: Rehearsal) -> None:
    tickets = [await active_ticket(stage, n, f"H-100{n}") for n in (1, 2, 3)]
    burnt = min(tickets, key=lambda ticket: ticket.id)
    stage._move(burnt.number, stage.people.traveller.address, ZERO_ADDRESS)
    await stage.passing(3_000)
    await attest_delay(stage)
    await stage.passing(12_000)
    for ticket in tickets:
        if ticket != burnt:
            versions = [
                (await each.journal(ticket)).version for each in await stage.holders(ticket)
            ]
            assert min(versions) > 1


async def test_a_new_script_leaves_the_tokens_of_the_old_one_alone(stage: Rehearsal) -> None:
    ticket = await active_ticket(stage)
    away = (await stage.holders(ticket))[0]
    await away.crash()
    await attest_delay(stage)
    await stage.until(lambda: stage.agreed(ticket, 3))
    stage.publish(published(stage, rb"LOUNGE-", b"SALON-"))
    await stage.passing(2_000)
    await away.start()
    await stage.passing(12_000)
    state = await away.journal(ticket)
    assert (state.phase, state.version) == (Phase.ACTIVE, 3)


async def test_a_free_read_under_a_grant_needs_the_integrations_own_signature(
    stage: Rehearsal,
) -> None:
    stage.publish(published(stage, rb'(<sl:read name="status"[^>]*?) price="[a-z]+"', rb"\1"))
    await stage.passing(2_000)
    ticket = await active_ticket(stage)
    holder = (await stage.holders(ticket))[0]
    victim = person_key("honest site").address
    grant = stage.people.grant(victim, ticket, stage.clock.now_ms() + 10**9)
    promise = Voucher(
        signer=victim, period=0, node=ZERO_ADDRESS, token_class=ZERO_HASH, cumulative=0
    )
    forged = Signed(message=promise, signature=Signature(bytes(65)))
    headers = {
        "SL-Request-Id": "0x" + "11" * 32,
        "SL-Voucher": signed_to_header(forged),
        "SL-Grant": signed_to_header(grant),
    }
    url = f"{holder.api_url}/tokens/{ticket.path}/status"
    async with stage.session.get(url, headers=headers) as response:
        assert response.status == 401


def published(stage: Rehearsal, pattern: bytes, replacement: bytes) -> bytes:
    """The ticket's script with something else in it, signed by the airline."""
    template = files("node.devnet.flight_ticket").joinpath(TEMPLATE).read_bytes()
    changed = re.sub(pattern, replacement, template)
    assert changed != template
    people = stage.people
    values = placeholder_values(
        people.airline,
        stage.chain.chain_id,
        people.contract,
        HOTEL_URL,
        person_key("hotel").address,
    )
    return sign(build(changed, values), people.airline)
