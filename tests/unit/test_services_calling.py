"""What a call is made of, and what counts as its success: nothing but the effect and the script."""

import json
from typing import Any

import pytest

from node.core.canonical import to_bytes
from node.devnet.hotel import confirm
from node.devnet.rehearsal_people import HOTEL_URL, People, person_key
from node.errors import EffectRefused
from node.ports.http import HttpOutcome, HttpOutcomeKind, MemoryHttp
from node.services.calling import action_call, perform, proven, shown
from node.services.chain_view import ClassView, PublishedScript
from node.services.script_library import ClassScript, trusted_script
from node.tokenscript.described import DescribedAttestation
from settlement.ports.clock import VirtualClock
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, keccak

CHAIN = 31_337
NOW_S = 1_700_000_000
KEY = Hash(b"\x07" * 32)
WISH = {"booking": "H-1", "checkIn": "2026-11-23"}


@pytest.fixture(scope="module")
def script() -> ClassScript:
    """The flight ticket's script, built, signed and verified."""
    people = People(Domain.of(CHAIN, Address(bytes(20))), CHAIN)
    view = ClassView(
        token_class=people.token_class,
        issuer=people.airline.address,
        payout=people.airline.address,
    )
    return trusted_script(
        people.script,
        view,
        PublishedScript(block=1, uri="https://airline.example/t", hash=keccak(people.script)),
    )


def effect(**changed: Any) -> bytes:
    """The effect that the script asks for, with some members changed; None leaves one out."""
    asked = {
        "kind": "http",
        "action": "rebookHotel",
        "url": f"{HOTEL_URL}/bookings/H-1",
        "method": "PUT",
        "body": WISH,
    }
    return to_bytes({name: v for name, v in (asked | changed).items() if v is not None})


def answered(body: bytes, status: int = 200) -> HttpOutcome:
    return HttpOutcome(
        kind=HttpOutcomeKind.ANSWERED, status=status, body=body, ended_ms=NOW_S * 1_000
    )


def confirmation(by: str = "hotel", chain: int = CHAIN, time_s: int = NOW_S) -> dict[str, Any]:
    return confirm(person_key(by), chain, "H-1", "2026-11-23", time_s)


def test_a_call_is_made_of_the_effect_and_the_signed_declarations(script: ClassScript) -> None:
    call = action_call(script, effect(), KEY).http

    assert (call.method, call.url) == ("PUT", f"{HOTEL_URL}/bookings/H-1")
    assert call.body == to_bytes(WISH)
    assert call.idempotency_key == KEY
    assert call.timeout_ms == 1_000
    assert call.allow == ("https://hotel.example:443/bookings/*",)


def test_whoever_makes_the_call_makes_the_same_request(script: ClassScript) -> None:
    one, other = action_call(script, effect(), KEY), action_call(script, effect(), KEY)
    assert one.http.request_hash == other.http.request_hash

    third = action_call(script, effect(), Hash(b"\x08" * 32))
    assert third.http.request_hash != one.http.request_hash


def test_an_effect_without_a_body_sends_none(script: ClassScript) -> None:
    assert action_call(script, effect(body=None), KEY).http.body == b""


@pytest.mark.parametrize(
    "changed",
    [
        {"url": None},
        {"url": ["https://hotel.example/bookings/H-1"]},
        {"method": None},
        {"method": "DELETE"},
        {"method": "put"},
        {"url": "https://hotel.example/bookings/H-1/../../admin"},
        {"url": "https://hotel.example/bookings/H-1/notes"},
        {"url": "https://hotel.example/bookings/"[:-1]},
        {"url": "https://hotel.example.evil.example/bookings/H-1"},
        {"url": "https://hotel.example@evil.example/bookings/H-1"},
        {"url": "http://hotel.example/bookings/H-1"},
        {"url": "https://hotel.example:8443/bookings/H-1"},
        {"url": "https://hotel.example/bookings/%2e%2e"},
        {"url": "/bookings/H-1"},
        {"url": ""},
    ],
    ids=str,
)
async def test_a_call_that_the_script_does_not_list_fails_without_being_made(
    script: ClassScript, changed: dict[str, Any]
) -> None:
    http = MemoryHttp(answer=lambda _call: HttpOutcome(kind=HttpOutcomeKind.ANSWERED, status=200))
    outcome = await perform(action_call(script, effect(**changed), KEY), http, VirtualClock())
    assert outcome.kind is HttpOutcomeKind.REFUSED_BY_GUARD
    assert not outcome.succeeded
    assert http.calls == []


@pytest.mark.parametrize("name", [None, 7, "bookFlight"])
def test_an_action_that_the_script_does_not_declare_is_refused(
    script: ClassScript, name: object
) -> None:
    with pytest.raises(EffectRefused):
        action_call(script, effect(action=name), KEY)


def test_a_success_carries_the_attestation_in_its_canonical_form(script: ClassScript) -> None:
    action = action_call(script, effect(), KEY).action
    answer = confirmation()
    spaced = json.dumps(answer, indent=2).encode()

    succeeded, attestation = proven(action, answered(spaced), CHAIN)

    assert succeeded
    assert attestation is not None
    described = DescribedAttestation.from_bytes(attestation)
    assert described.attestation.attester == person_key("hotel").address
    assert described.fields["booking"] == "H-1"


def test_a_hotel_whose_clock_is_a_little_ahead_is_believed(script: ClassScript) -> None:
    action = action_call(script, effect(), KEY).action
    ahead = answered(json.dumps(confirmation(time_s=NOW_S + 30)).encode())

    assert proven(action, ahead, CHAIN)[0]


def with_altered_data() -> bytes:
    answer, other = confirmation(), confirm(person_key("hotel"), CHAIN, "H-9", "2027-01-01", 1)
    answer["attestation"]["attestation"]["sig"]["message"]["data"] = other["attestation"][
        "attestation"
    ]["sig"]["message"]["data"]
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    "outcome",
    [
        answered(b'{"booking":"H-1"}'),
        answered(b'{"attestation":{}}'),
        answered(b'{"attestation":"none"}'),
        answered(b"[]"),
        answered(b""),
        answered(b"\xff"),
        answered(b"[" * 100_000),
        answered(with_altered_data()),
        answered(json.dumps(confirmation(by="another hotel")).encode()),
        answered(json.dumps(confirmation(chain=1)).encode()),
        answered(json.dumps(confirmation(time_s=NOW_S + 3_600)).encode()),
        answered(json.dumps(confirmation()).encode(), status=500),
        answered(json.dumps(confirmation()).encode(), status=302),
        HttpOutcome(kind=HttpOutcomeKind.UNKNOWN, body=json.dumps(confirmation()).encode()),
        HttpOutcome(kind=HttpOutcomeKind.UNREACHABLE),
        HttpOutcome(kind=HttpOutcomeKind.REFUSED_BY_GUARD),
    ],
    ids=lambda outcome: f"{outcome.kind}-{outcome.status}-{outcome.body[:12]!r}",
)
def test_an_answer_that_does_not_prove_it_is_no_success(
    script: ClassScript, outcome: HttpOutcome
) -> None:
    action = action_call(script, effect(), KEY).action

    assert proven(action, outcome, CHAIN) == (False, None)


def test_what_an_anchor_shows_of_an_outcome_is_bounded_and_has_no_body() -> None:
    outcome = HttpOutcome(
        kind=HttpOutcomeKind.UNKNOWN, status=0, body=b"secret", detail="x" * 5_000
    )

    assert shown(outcome) == {"kind": "unknown", "status": 0, "detail": "x" * 200}
