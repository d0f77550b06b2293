"""Scripts that must not be trusted: no ticket of such a class is placed, and a good script that is
published afterwards is taken."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_people import SCRIPT_URL, People, person_key
from node.errors import (
    ScriptHashWrong,
    ScriptSignatureInvalid,
    ScriptSignerWrong,
    ScriptUnsafe,
    ScriptUnsigned,
    TokenScriptError,
)
from node.sandbox.pool import PoolConfig, SandboxPool

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxPool]:
    cache = tmp_path_factory.mktemp("engine")
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="module")
async def stage(sandbox: SandboxPool, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    async with Rehearsal(tmp_path, sandbox, services=3) as rehearsal:
        yield rehearsal


def unsigned(people: People) -> bytes:
    before, _, rest = people.script.partition(b"<ds:Signature")
    if not rest:
        before, _, rest = people.script.partition(b"<Signature")
        return before + rest.partition(b"</Signature>")[2]
    return before + rest.partition(b"</ds:Signature>")[2]


def altered(people: People) -> bytes:
    return people.script.replace(b"LOUNGE_FROM_MINUTES = 60", b"LOUNGE_FROM_MINUTES = 00")


def by_another_signer(people: People) -> bytes:
    return people.script_by(person_key("somebody"))


def with_a_doctype(people: People) -> bytes:
    return people.script.replace(b"<ts:token", b'<!DOCTYPE x [<!ENTITY a "b">]><ts:token', 1)


def no_xml(_people: People) -> bytes:
    return b"MZ\x90\x00 not a script"


BAD: dict[str, tuple[Callable[[People], bytes], type[TokenScriptError]]] = {
    "unsigned": (unsigned, ScriptUnsigned),
    "altered": (altered, ScriptSignatureInvalid),
    "by another signer": (by_another_signer, ScriptSignerWrong),
    "with a DOCTYPE": (with_a_doctype, ScriptUnsafe),
    "not a script at all": (no_xml, TokenScriptError),
}


async def require_not_placed(stage: Rehearsal, expected: type[TokenScriptError]) -> None:
    """No anchor places a ticket of the class, and each says for which reason."""
    token = stage.mint(7, "SL123", "H-1001")

    async def seen() -> bool:
        return all(token.id in player.base.view.tokens for player in stage.players)

    await stage.until(seen)
    await stage.passing(12_000)
    for anchor in stage.anchors:
        async with stage.session.get(f"{anchor.api_url}/routes/{token.path}") as response:
            assert response.status == 404
            assert (await response.json(content_type=None))["code"] == "SL-5010"
        with pytest.raises(expected):
            await anchor.base.scripts.of_class(token.token_class.id)
    for node in stage.services:
        assert (await node.journal(token)).version == 0


@pytest.mark.parametrize("name", BAD)
async def test_a_ticket_with_a_bad_script_is_not_placed_and_later_ones_with_a_good_one_are(
    stage: Rehearsal, name: str
) -> None:
    make, expected = BAD[name]
    bad = make(stage.people)
    assert bad != stage.people.script
    stage.publish(bad)

    await require_not_placed(stage, expected)

    stage.publish(stage.people.script)
    later = stage.mint(8, "SL123", "H-1002")
    await stage.until(lambda: stage.agreed(later, 1))
    for node in stage.services:  # a token keeps the script of its mint, a bad one too
        assert (await node.journal(stage.people.token(7))).version == 0


async def test_a_file_other_than_the_published_one_is_not_used(stage: Rehearsal) -> None:
    stage.scripts.files[SCRIPT_URL] = altered(stage.people)

    await require_not_placed(stage, ScriptHashWrong)

    stage.scripts.files[SCRIPT_URL] = stage.people.script
    ticket = stage.people.token(7)
    await stage.until(lambda: stage.agreed(ticket, 1))
