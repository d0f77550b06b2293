"""Bad attestations and feed entries, sent to a node's API as any attester would: what the feed
refuses it refuses with a code, and what only the token can judge changes no token."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace as replaced

from node.client.attester import FeedPublisher
from node.core.canonical import object_from_bytes
from node.core.declared import tag_of
from node.core.feed import entry_hash
from node.devnet.rehearsal import Rehearsal
from node.devnet.rehearsal_people import person_key
from node.devnet.schemas import EAS_VERSION, FLIGHT_STATUS_TOPIC
from node.protocol.frames import FeedPush
from node.protocol.messages import FeedEntry
from node.protocol.wire import push_to_json
from node.sandbox.pool import PoolConfig, SandboxPool
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.eas import sign_offchain
from node.tokenscript.eas_data import encode_fields
from node.tokenscript.eas_types import EasDomain, schema_uid
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Hash, Signature, TokenId, keccak

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLIGHT = "SL123"
OTHER_SCHEMA = "string flightNumber,string status,uint32 delayMinutes,uint64 newArrival,bool vip"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxPool]:
    cache = tmp_path_factory.mktemp("engine")
    async with SandboxPool(PoolConfig(workers=1, cache=cache)) as pool:
        yield pool


@pytest_asyncio.fixture(loop_scope="module")
async def stage(sandbox: SandboxPool, tmp_path: Path) -> AsyncIterator[Rehearsal]:
    async with Rehearsal(tmp_path, sandbox, services=3) as rehearsal:
        yield rehearsal


@pytest_asyncio.fixture(loop_scope="module")
async def token(stage: Rehearsal) -> TokenId:
    """An active ticket."""
    ticket = stage.mint(1, FLIGHT, "H-1001")
    await stage.until(lambda: stage.agreed(ticket, 1))
    return ticket


def first_entry(
    stage: Rehearsal,
    body: bytes,
    *,
    signer: SigningKey | None = None,
    attester: SigningKey | None = None,
    previous: FeedPush | None = None,
) -> FeedPush:
    """An entry of the airline's feed, or of somebody else's, or signed by another than it says."""
    attester = attester or stage.people.airline
    entry = FeedEntry(
        attester=attester.address,
        topic=FLIGHT_STATUS_TOPIC,
        epoch=0,
        sequence=0 if previous is None else previous.entry.sequence + 1,
        previous=ZERO_HASH if previous is None else entry_hash(previous.entry),
        body_hash=keccak(body),
        tags=(tag_of("flightNumber", FLIGHT),),
        time=stage.clock.now_ms(),
    )
    signature = (signer or attester).sign(stage.deployment.domain, entry)
    return FeedPush(entry=entry, signature=signature, body=body)


def good_body(stage: Rehearsal) -> bytes:
    return stage.people.delay(FLIGHT, 180, stage.clock.now_ms()).to_bytes()


async def post(stage: Rehearsal, push: FeedPush) -> tuple[int, dict[str, Any]]:
    """Append it through the first service node."""
    url = f"{stage.services[0].api_url}/feeds"
    async with stage.session.post(url, json=push_to_json(push)) as response:
        return response.status, await response.json(content_type=None)


async def version(stage: Rehearsal, token: TokenId) -> int:
    """The newest version of the token anywhere."""
    return max([(await node.journal(token)).version for node in stage.services])


async def require_unmoved(stage: Rehearsal, token: TokenId) -> None:
    """After a while, the ticket is where it was on every replica, and nobody asked the hotel."""
    await stage.passing(3_000)
    assert await version(stage, token) == 1
    assert stage.hotel.asked == []


async def require_still_heard(stage: Rehearsal, token: TokenId) -> None:
    """The airline's next good word still moves the ticket."""
    publisher = FeedPublisher(
        session=stage.session,
        nodes=[stage.services[0].api_url],
        key=stage.people.airline,
        domain=stage.deployment.domain,
        clock=stage.clock,
        topic=FLIGHT_STATUS_TOPIC,
    )
    await publisher.publish(good_body(stage), {"flightNumber": FLIGHT})
    await stage.until(lambda: stage.agreed(token, 2))


# --- what the feed itself refuses ----------------------------------------------------------------


def unsigned(stage: Rehearsal) -> FeedPush:
    return replaced(first_entry(stage, good_body(stage)), signature=Signature(bytes(65)))


def by_another_key(stage: Rehearsal) -> FeedPush:
    return first_entry(stage, good_body(stage), signer=person_key("forger"))


def with_another_body(stage: Rehearsal) -> FeedPush:
    return replaced(first_entry(stage, good_body(stage)), body=b"{}")


def with_altered_tags(stage: Rehearsal) -> FeedPush:
    push = first_entry(stage, good_body(stage))
    entry = push.entry
    altered = entry.__class__(**{**vars(entry), "tags": (tag_of("flightNumber", "SL999"),)})
    return replaced(push, entry=altered)


def naming_one_before_the_first(stage: Rehearsal) -> FeedPush:
    honest = first_entry(stage, good_body(stage))
    entry = honest.entry.__class__(**{**vars(honest.entry), "previous": keccak(b"before")})
    signature = stage.people.airline.sign(stage.deployment.domain, entry)
    return FeedPush(entry=entry, signature=signature, body=honest.body)


REFUSED: dict[str, tuple[Callable[[Rehearsal], FeedPush], int, str]] = {
    "unsigned": (unsigned, 401, "SL-1002"),
    "signed by another key": (by_another_key, 401, "SL-1002"),
    "with another body": (with_another_body, 422, "SL-5130"),
    "with altered tags": (with_altered_tags, 401, "SL-1002"),
    "that is first and names one before it": (naming_one_before_the_first, 422, "SL-5130"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_entry_is_refused_with_its_code(
    stage: Rehearsal, token: TokenId, name: str
) -> None:
    make, status, code = REFUSED[name]

    found, problem = await post(stage, make(stage))

    assert (found, problem["code"], problem["charged"]) == (status, code, "no")
    assert problem["status"] == status
    await require_unmoved(stage, token)
    await require_still_heard(stage, token)


# --- what only the token can judge ---------------------------------------------------------------


def attestation(
    stage: Rehearsal, *, signer: SigningKey, schema: str, flight: str = FLIGHT
) -> DescribedAttestation:
    """A delay in EAS's form, by another signer, under another schema, or of another flight."""
    now_s = stage.clock.now_ms() // 1_000
    fields: dict[str, Any] = {
        "flightNumber": flight,
        "status": "delayed",
        "delayMinutes": 180,
        "newArrival": now_s + 86_400,
    }
    if schema == OTHER_SCHEMA:
        fields["vip"] = True
    signed = sign_offchain(
        EasDomain(version=EAS_VERSION, chain_id=stage.chain.chain_id, contract=signer.address),
        schema=schema_uid(schema, ZERO_ADDRESS, revocable=True),
        recipient=ZERO_ADDRESS,
        time=now_s,
        expiration=0,
        revocable=True,
        ref_uid=ZERO_HASH,
        data=encode_fields(schema, fields),
        salt=Hash(keccak(b"salt")),
        key=signer,
    )
    return DescribedAttestation(attestation=signed, schema=schema)


def forged(stage: Rehearsal) -> bytes:
    """The airline's own attestation with another number of minutes in it."""
    value = json.loads(good_body(stage))
    other = json.loads(stage.people.delay(FLIGHT, 600, stage.clock.now_ms()).to_bytes())
    value["attestation"]["sig"]["message"]["data"] = other["attestation"]["sig"]["message"]["data"]
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def of_another_chain(stage: Rehearsal) -> bytes:
    now_ms = stage.clock.now_ms()
    return stage.people.delay(FLIGHT, 180, now_ms, stage.chain.chain_id + 1).to_bytes()


def by_another_attester(stage: Rehearsal) -> bytes:
    schema = stage.people.delay(FLIGHT, 1, stage.clock.now_ms()).schema
    return attestation(stage, signer=person_key("rival airline"), schema=schema).to_bytes()


def under_another_schema(stage: Rehearsal) -> bytes:
    return attestation(stage, signer=stage.people.airline, schema=OTHER_SCHEMA).to_bytes()


def of_another_flight(stage: Rehearsal) -> bytes:
    """The entry's tags say SL123, what is attested says SL999."""
    schema = stage.people.delay(FLIGHT, 1, stage.clock.now_ms()).schema
    return attestation(stage, signer=stage.people.airline, schema=schema, flight="SL999").to_bytes()


def from_the_future(stage: Rehearsal) -> bytes:
    return stage.people.delay(FLIGHT, 180, stage.clock.now_ms() + 3_600_000).to_bytes()


def no_attestation(_stage: Rehearsal) -> bytes:
    return b'{"delayMinutes":180}'


def nothing_at_all(_stage: Rehearsal) -> bytes:
    return b""


UNHEARD: dict[str, Callable[[Rehearsal], bytes]] = {
    "forged": forged,
    "of another chain": of_another_chain,
    "by another attester": by_another_attester,
    "under another schema": under_another_schema,
    "of another flight": of_another_flight,
    "from the future": from_the_future,
    "no attestation": no_attestation,
    "nothing at all": nothing_at_all,
}


@pytest.mark.parametrize("name", UNHEARD)
async def test_a_well_signed_entry_whose_attestation_is_bad_moves_no_token(
    stage: Rehearsal, token: TokenId, name: str
) -> None:
    status, _ = await post(stage, first_entry(stage, UNHEARD[name](stage)))

    assert status == 201  # the feed is the attester's own; what is in it the token judges
    await require_unmoved(stage, token)
    await require_still_heard(stage, token)


async def test_an_attestation_replayed_in_another_attesters_feed_moves_no_token(
    stage: Rehearsal, token: TokenId
) -> None:
    replay = first_entry(stage, good_body(stage), attester=person_key("replayer"))

    status, problem = await post(stage, replay)

    assert (status, problem["code"]) == (422, "SL-5133")  # nobody subscribes to that attester
    await require_unmoved(stage, token)


async def test_an_entry_sent_twice_moves_the_token_once(stage: Rehearsal, token: TokenId) -> None:
    push = first_entry(stage, good_body(stage))

    answers = [await post(stage, push) for _ in range(3)]
    await stage.until(lambda: stage.agreed(token, 3))
    late = await post(stage, push)
    await stage.passing(3_000)

    assert [status for status, _ in [*answers, late]] == [201] * 4
    assert await version(stage, token) == 3
    assert stage.hotel.moved == ["H-1001"]


async def test_the_same_word_said_again_is_heard_again_and_books_nothing_more(
    stage: Rehearsal, token: TokenId
) -> None:
    """A second entry is a second input; the script sees that the night has been changed."""
    body = good_body(stage)
    first = first_entry(stage, body)
    await post(stage, first)
    await stage.until(lambda: stage.agreed(token, 3))
    await post(stage, first_entry(stage, body, previous=first))
    await stage.until(lambda: stage.agreed(token, 4))

    state = object_from_bytes((await stage.services[0].journal(token)).state)
    assert state["hotel"]["status"] == "rebooked"
    assert stage.hotel.moved == ["H-1001"]


async def test_an_attester_that_forks_its_feed_is_heard_no_more_anywhere(
    stage: Rehearsal, token: TokenId
) -> None:
    first = first_entry(stage, good_body(stage))
    await post(stage, first)
    await stage.until(lambda: stage.agreed(token, 3))
    rival = first_entry(stage, stage.people.delay(FLIGHT, 600, stage.clock.now_ms()).to_bytes())
    await post(stage, rival)
    await stage.passing(1_000)

    after = first_entry(stage, good_body(stage), previous=first)
    for player in stage.players:
        url = f"{player.api_url}/feeds"
        async with stage.session.post(url, json=push_to_json(after)) as response:
            problem = await response.json(content_type=None)
            assert (response.status, problem["code"]) == (409, "SL-5131")
    assert await version(stage, token) == 3
