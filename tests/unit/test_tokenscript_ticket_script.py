"""The flight ticket's script, run by the engine that nodes run it in."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.ports.sandbox import Mode, RunRequest, Status
from node.sandbox.runner import Runner
from node.tokenscript.build import build
from node.tokenscript.parse import parse_unsigned
from node.tokenscript.service import Action
from settlement.types import Hash, keccak

TEMPLATE = (
    Path(__file__).parent.parent.parent / "node" / "devnet" / "flight_ticket" / "ticket.tsml.xml"
)
LANDING = 1_795_437_000  # 2026-11-23, 12:30 UTC
CONTEXT = {
    "now": 1_795_400_000,
    "seed": "00" * 32,
    "token": {"chainId": "31337", "contract": "0x" + "11" * 20, "tokenId": "7"},
    "attributes": {"flightNumber": "SL714", "hotelBooking": "HB-7"},
}


class Ticket:
    """The script in the sandbox."""

    def __init__(self) -> None:
        short, long = "0x" + "11" * 20, "0x" + "22" * 32
        values = {
            "chain_id": "31337", "ticket_address": short, "flight_attester": short,
            "flight_schema": long, "hotel_url": "http://127.0.0.1:9000", "hotel_timeout": "2s",
            "hotel_attester": short, "booking_schema": long,
        }  # fmt: skip
        service = parse_unsigned(build(TEMPLATE.read_bytes(), values)).service
        assert service is not None
        action = service.action("rebookHotel")
        assert action is not None
        self.action: Action = action
        self.source = service.script.source.encode()
        self.handlers = service.script.handlers
        self.runner = Runner()

    def run(self, entry: str, mode: Mode, state: Any, event: Any, **attributes: str) -> Any:
        context = CONTEXT | {"attributes": {**CONTEXT["attributes"], **attributes}}
        result = self.runner.run(
            RunRequest(
                engine=self.runner.engine,
                script=self.source,
                script_hash=keccak(self.source),
                entry=entry,
                mode=mode,
                gas_limit=mode.gas_limit,
                seed=Hash(bytes(32)),
                now=CONTEXT["now"],
                state=json.dumps(state).encode(),
                event=json.dumps(event).encode(),
                context=json.dumps(context).encode(),
            )
        )
        assert result.status is Status.OK, result.error
        return result

    def activate(self, **attributes: str) -> Any:
        return json.loads(self.run("onActivate", Mode.UPDATE, {}, {}, **attributes).state)

    def hear(self, state: Any, event: Any) -> tuple[Any, list[Any]]:
        result = self.run("onAttestation", Mode.UPDATE, state, event)
        return json.loads(result.state), [json.loads(one) for one in result.effects]


@pytest.fixture(scope="module")
def ticket() -> Ticket:
    return Ticket()


def delay(minutes: int, landing: int = LANDING) -> dict[str, Any]:
    data = {"flightNumber": "SL714", "status": "delayed", "delayMinutes": minutes}
    return {"kind": "attestation", "data": {**data, "newArrival": landing}}


def test_the_engine_finds_the_handlers_that_the_parser_lists(ticket: Ticket) -> None:
    found = json.loads(ticket.run("", Mode.LOAD, {}, {}).result)
    assert found == sorted(ticket.handlers)


def test_a_new_ticket_knows_its_flight_and_hotel(ticket: Ticket) -> None:
    state = ticket.activate()
    assert (state["flight"], state["delayMinutes"], state["lounge"]) == ("SL714", 0, None)
    assert state["hotel"] == {"status": "booked", "booking": "HB-7"}


def test_a_short_delay_changes_nothing_but_the_status(ticket: Ticket) -> None:
    state, effects = ticket.hear(ticket.activate(), delay(59))
    assert (state["status"], state["delayMinutes"], state["lounge"]) == ("delayed", 59, None)
    assert effects == []


def test_an_hours_delay_gives_a_lounge_pass_and_asks_for_the_hotel(ticket: Ticket) -> None:
    state, effects = ticket.hear(ticket.activate(), delay(60))
    assert state["lounge"] == "LOUNGE-SL714-7"
    assert state["hotel"]["status"] == "rebooking"
    (effect,) = effects
    assert effect["body"] == {"booking": "HB-7", "checkIn": "2026-11-23"}
    assert (effect["kind"], effect["action"]) == ("http", "rebookHotel")
    assert ticket.action.allows(effect["url"], effect["method"])


def test_the_same_delay_twice_asks_once(ticket: Ticket) -> None:
    state, _ = ticket.hear(ticket.activate(), delay(60))
    assert ticket.hear(state, delay(60)) == (state, [])


def test_without_a_hotel_a_delay_only_gives_the_pass(ticket: Ticket) -> None:
    state, effects = ticket.hear(ticket.activate(hotelBooking=""), delay(90))
    assert state["lounge"] is not None
    assert state["hotel"] == {"status": "none"}
    assert effects == []


def test_the_hotels_attestation_confirms_the_booking(ticket: Ticket) -> None:
    state, _ = ticket.hear(ticket.activate(), delay(90))
    data = {"booking": "HB-7", "checkIn": "2026-11-23", "confirmation": "C-1"}
    outcome = {
        "kind": "outcome",
        "action": "rebookHotel",
        "status": "success",
        "response": {"status": 200, "body": {}},
        "attestation": {"schema": "0x", "attester": "0x", "data": data},
    }
    after, effects = ticket.hear(state, outcome)
    assert after["hotel"] == {"status": "rebooked", **data}
    assert effects == []


def test_a_failed_rebooking_leaves_its_mark(ticket: Ticket) -> None:
    state, _ = ticket.hear(ticket.activate(), delay(90))
    failure = {"kind": "failure", "action": "rebookHotel", "fence": {}, "anchors": []}
    after, _ = ticket.hear(state, failure)
    assert after["hotel"]["status"] == "failed"
    assert after["lounge"] == "LOUNGE-SL714-7"


def test_the_status_is_what_an_integration_sees(ticket: Ticket) -> None:
    state, _ = ticket.hear(ticket.activate(), delay(90))
    seen = json.loads(ticket.run("status", Mode.READ, state, {}).result)
    assert seen == {key: state[key] for key in seen}
    assert sorted(seen) == ["delayMinutes", "flight", "hotel", "lounge", "status"]
