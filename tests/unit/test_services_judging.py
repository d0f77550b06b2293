"""What may move a token, as every replica judges it: from the input, the script and the chain."""

from dataclasses import replace
from typing import Any

import pytest

from node.core.canonical import to_bytes
from node.core.inputs import Attested, Outcome
from node.core.journal import JournalState
from node.devnet.hotel import confirm
from node.devnet.rehearsal_people import People, person_key
from node.errors import (
    AttestationExpired,
    AttestationForged,
    AttestationMalformed,
    AttestationWrongAttester,
    AttestationWrongSchema,
    InputInvalid,
    InputNotDeclared,
)
from node.protocol.messages import FeedEntry, ObservedResponse
from node.services.calling import require_chain
from node.services.chain_view import ClassView, PublishedScript, TokenView
from node.services.instances import Instance
from node.services.judging import require_attested, require_outcome
from node.services.script_library import trusted_script
from node.tokenscript.described import DescribedAttestation
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_HASH, Address, Signature, keccak

CHAIN = 31_337
NOW_MS = 1_700_000_000_123
PEOPLE = People(Domain.of(CHAIN, Address(bytes(20))), CHAIN)
TOKEN = PEOPLE.token(7)


@pytest.fixture(scope="module")
def instance() -> Instance:
    """A ticket of flight SL123, active here."""
    view = ClassView(
        token_class=PEOPLE.token_class,
        issuer=PEOPLE.airline.address,
        payout=PEOPLE.airline.address,
    )
    return Instance(
        view=TokenView(
            token=TOKEN,
            holder=PEOPLE.traveller.address,
            minted_to=PEOPLE.traveller.address,
            minted_in=3,
        ),
        script=trusted_script(
            PEOPLE.script,
            view,
            PublishedScript(block=1, uri="https://airline.example/t", hash=keccak(PEOPLE.script)),
        ),
        state=JournalState(token=TOKEN.id),
        attributes=to_bytes({"flightNumber": "SL123", "hotelBooking": "H-1"}),
    )


def attested(body: bytes, **changed: Any) -> Attested:
    """An entry of the airline's feed with this body."""
    entry = FeedEntry(
        attester=PEOPLE.airline.address,
        topic="flight-status",
        epoch=0,
        sequence=0,
        previous=ZERO_HASH,
        body_hash=keccak(body),
        tags=(),
        time=NOW_MS,
    )
    return Attested(entry=replace(entry, **changed), signature=Signature(bytes(65)), body=body)


def delay(flight: str = "SL123", now_ms: int = NOW_MS, chain: int = CHAIN) -> bytes:
    return PEOPLE.delay(flight, 180, now_ms, chain).to_bytes()


def outcome(attestation: bytes | None, action: str = "rebookHotel") -> Outcome:
    response = ObservedResponse(
        token=TOKEN.id,
        action=action,
        version=2,
        attempt=0,
        request_hash=keccak(b"request"),
        status=200,
        body_hash=keccak(b""),
        time=NOW_MS,
    )
    return Outcome(
        key=keccak(b"key"),
        response=response,
        witness=Address(bytes(20)),
        signature=Signature(bytes(65)),
        body=b"",
        attestation=attestation,
    )


def booking(
    key: SigningKey | None = None, chain: int = CHAIN, time_s: int = NOW_MS // 1_000
) -> bytes:
    """The hotel's attestation of the moved booking, or somebody else's."""
    answer = confirm(key or person_key("hotel"), chain, "H-1", "2026-11-23", time_s)
    return to_bytes(answer["attestation"])


# --- attested inputs -----------------------------------------------------------------------------


def test_the_airlines_word_about_this_flight_moves_the_ticket(instance: Instance) -> None:
    require_attested(instance, attested(delay()), CHAIN)


def test_a_word_about_another_flight_does_not(instance: Instance) -> None:
    with pytest.raises(InputNotDeclared):
        require_attested(instance, attested(delay("SL999")), CHAIN)


def test_a_word_on_another_topic_does_not(instance: Instance) -> None:
    with pytest.raises(InputNotDeclared):
        require_attested(instance, attested(delay(), topic="weather"), CHAIN)


def test_a_word_in_somebody_elses_feed_does_not(instance: Instance) -> None:
    stranger = person_key("stranger").address
    with pytest.raises(InputNotDeclared):
        require_attested(instance, attested(delay(), attester=stranger), CHAIN)


def test_a_word_for_another_chain_is_a_replay(instance: Instance) -> None:
    with pytest.raises(InputInvalid):
        require_attested(instance, attested(delay(chain=1)), CHAIN)


def test_a_word_that_is_younger_than_its_entry_is_refused(instance: Instance) -> None:
    with pytest.raises(AttestationExpired):
        require_attested(instance, attested(delay(now_ms=NOW_MS + 60_000)), CHAIN)


def test_the_airline_cannot_pass_on_somebody_elses_word(instance: Instance) -> None:
    rival = People(PEOPLE.domain, CHAIN)
    rival.airline = person_key("rival")
    said = rival.delay("SL123", 180, NOW_MS).to_bytes()
    with pytest.raises(AttestationWrongAttester):
        require_attested(instance, attested(said), CHAIN)


def test_an_attestation_of_another_kind_is_refused(instance: Instance) -> None:
    with pytest.raises(InputNotDeclared):
        require_attested(instance, attested(booking(PEOPLE.airline)), CHAIN)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"attestation":1}'])
def test_a_body_that_is_no_attestation_is_refused(instance: Instance, body: bytes) -> None:
    with pytest.raises(AttestationMalformed):
        require_attested(instance, attested(body), CHAIN)


def test_what_is_judged_does_not_depend_on_when_it_is_judged(instance: Instance) -> None:
    """The times compared are those that the input carries: a replica that is late agrees."""
    old = attested(delay(now_ms=NOW_MS - 10**9), time=NOW_MS - 10**9 + 5)
    require_attested(instance, old, CHAIN)


# --- outcomes ------------------------------------------------------------------------------------


def test_the_hotels_attestation_proves_the_outcome(instance: Instance) -> None:
    require_outcome(instance, outcome(booking()), CHAIN)


def test_an_outcome_of_an_action_that_the_script_does_not_have_is_refused(
    instance: Instance,
) -> None:
    with pytest.raises(InputNotDeclared):
        require_outcome(instance, outcome(booking(), action="bookFlight"), CHAIN)


def test_an_outcome_without_the_attestation_that_it_needs_is_refused(instance: Instance) -> None:
    with pytest.raises(AttestationWrongSchema):
        require_outcome(instance, outcome(None), CHAIN)


def test_an_outcome_under_another_schema_is_refused(instance: Instance) -> None:
    with pytest.raises(AttestationWrongSchema):
        require_outcome(instance, outcome(delay()), CHAIN)


def test_an_outcome_that_somebody_else_attests_is_refused(instance: Instance) -> None:
    with pytest.raises(AttestationWrongAttester):
        require_outcome(instance, outcome(booking(person_key("another hotel"))), CHAIN)


def test_an_outcome_attested_for_another_chain_is_refused(instance: Instance) -> None:
    with pytest.raises(InputInvalid):
        require_outcome(instance, outcome(booking(chain=1)), CHAIN)


def test_an_outcome_attested_after_it_was_observed_is_refused(instance: Instance) -> None:
    late = booking(time_s=NOW_MS // 1_000 + 3_600)
    with pytest.raises(AttestationExpired):
        require_outcome(instance, outcome(late), CHAIN)


def test_an_altered_attestation_is_forged(instance: Instance) -> None:
    altered = booking().replace(b'"time":"17', b'"time":"16')
    assert altered != booking()
    with pytest.raises((AttestationForged, AttestationMalformed)):
        require_outcome(instance, outcome(altered), CHAIN)


def test_only_this_chain_counts() -> None:
    described = DescribedAttestation.from_bytes(delay())
    require_chain(described, CHAIN)
    with pytest.raises(InputInvalid, match="31337"):
        require_chain(described, 1)
