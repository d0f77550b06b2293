"""The service part, through the flight ticket's template."""

import json
from pathlib import Path

import pytest

from node.errors import ScriptInvalid, ScriptUnfinished
from node.tokenscript.build import build, placeholders
from node.tokenscript.exports import exported_names
from node.tokenscript.parse import parse_signed, parse_unsigned
from node.tokenscript.service import Access, Service, http_rule
from node.tokenscript.signature import sign, verify
from settlement.errors import InputError
from settlement.protocol.signing import SigningKey

TEMPLATE = (
    Path(__file__).parent.parent.parent / "node" / "devnet" / "flight_ticket" / "ticket.tsml.xml"
).read_bytes()
AIRLINE = SigningKey(bytes([5]) * 32)
VALUES = {
    "chain_id": "31337",
    "ticket_address": "0x" + "11" * 20,
    "flight_attester": "0x" + "22" * 20,
    "flight_schema": "0x" + "33" * 32,
    "hotel_url": "http://127.0.0.1:9000",
    "hotel_timeout": "2s",
    "hotel_attester": "0x" + "44" * 20,
    "booking_schema": "0x" + "55" * 32,
}
TICKET = build(TEMPLATE, VALUES)


@pytest.fixture(scope="module")
def service() -> Service:
    found = parse_signed(verify(sign(TICKET, AIRLINE))).service
    assert found is not None
    return found


def refused(old: str, new: str) -> ScriptInvalid:
    assert old.encode() in TICKET
    with pytest.raises(ScriptInvalid) as caught:
        parse_unsigned(TICKET.replace(old.encode(), new.encode(), 1))
    return caught.value


def test_the_ticket_subscribes_to_its_flight(service: Service) -> None:
    (subscription,) = service.subscriptions
    assert subscription.topic == "flight-status"
    assert subscription.attester == bytes([0x22]) * 20
    assert subscription.schema == bytes([0x33]) * 32
    assert subscription.key == "flightNumber"


def test_the_ticket_can_be_read_by_grant(service: Service) -> None:
    status = service.read("status")
    assert status is not None
    assert (status.price, status.access) == ("read", Access.GRANTED)
    assert service.read("other") is None


def test_the_ticket_may_rebook_its_hotel_and_nothing_else(service: Service) -> None:
    action = service.action("rebookHotel")
    assert action is not None
    assert (action.attempts, action.timeout_ms) == (3, 2_000)
    assert action.success is not None
    assert action.success.attester == bytes([0x44]) * 20
    assert action.allows("http://127.0.0.1:9000/bookings/HB-7", "PUT")
    assert not action.allows("http://127.0.0.1:9000/bookings/HB-7", "DELETE")
    assert not action.allows("http://127.0.0.1:9001/bookings/HB-7", "PUT")


def test_the_ticket_asks_for_three_replicas(service: Service) -> None:
    assert service.level is not None
    assert service.level.availability_ppm == 999_000
    assert service.level.latency_ms == 200
    assert service.level.replicas == 3


def test_the_state_has_a_schema_and_the_script_its_handlers(service: Service) -> None:
    assert service.state.version == 1
    assert "delayMinutes" in json.loads(service.state.schema)["properties"]
    assert service.script.handlers == ("onActivate", "onAttestation", "status")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<sl:state version="1">', "<sl:state>"),
        ('<sl:state version="1">', '<sl:state version="0">'),
        ('"type": "object",', '"type": "object"'),
        ('"type": "object",', '"type": "object", "type": 1,'),
        ('key="flightNumber"', 'key="seat"'),
        ('topic="flight-status"', 'topic="Flight Status"'),
        ('topic="flight-status"', ""),
        ('attester="0x2222', 'attester="0x'),
        ('schema="0x3333', 'schema="3333'),
        ('access="granted"', 'access="friends"'),
        ('name="status" price', 'name="rebookHotel" price'),
        ('attempts="3"', 'attempts="0"'),
        ('attempts="3"', 'attempts="1000"'),
        ('attempts="3"', 'attempts="three"'),
        ('timeout="2s"', 'timeout="2"'),
        ('timeout="2s"', 'timeout="0s"'),
        ('timeout="2s"', 'timeout="100h"'),
        ('method="PUT"', 'method="TRACE"'),
        ("http://127.0.0.1:9000/bookings/*", "ftp://127.0.0.1/*"),
        ("http://127.0.0.1:9000/bookings/*", "http://*/bookings"),
        ("http://127.0.0.1:9000/bookings/*", "http://user@hotel.example/"),
        ('availability="99.9"', 'availability="101"'),
        ('availability="99.9"', 'availability="99.99999"'),
        ('availability="99.9"', 'availability="NaN"'),
        ('replicas="3"', 'replicas="0"'),
        ("export function status", "function status"),
        ("export function onAttestation", "function onAttestation"),
        ("<sl:read ", "<sl:write "),
        ('price="read"', 'prize="read"'),
        ('urn:smartlayer:service:1"', 'urn:smartlayer:service:2"'),
        ('<ts:viewContent name="service">', '<ts:viewContent name="other">'),
        ("<sl:sla ", '<sl:watch contract="Nobody" event="X"/><sl:sla '),
        ("<sl:sla ", '<sl:depends name="a" contract="Nobody" interface="x"/><sl:sla '),
        ("<sl:sla ", "<sl:script>export function x() {}</sl:script><sl:sla "),
        ("</sl:service>", "</sl:service><sl:service xmlns:sl='urn:smartlayer:service:1'/>"),
    ],
)
def test_a_fault_in_the_service_part_is_refused(old: str, new: str) -> None:
    if "service:2" in new:
        # another version of the service part is a foreign element that only wallets may skip
        altered = TICKET.replace(old.encode(), new.encode())
        assert parse_unsigned(altered).service is None
        return
    assert refused(old, new).line > 30


def test_a_script_larger_than_the_sandbox_takes_is_refused() -> None:
    assert "more than" in refused("const HOTEL", "//" + "x" * 200_000 + "\nconst HOTEL").problem


def test_a_script_without_service_part_is_still_a_script() -> None:
    start, end = TICKET.index(b"<sl:service"), TICKET.index(b"</sl:service>")
    plain = TICKET[:start] + TICKET[end + len(b"</sl:service>") :]
    assert parse_unsigned(plain).service is None


@pytest.mark.parametrize(
    "url",
    [
        "https://hotel.example/bookings/..",
        "https://hotel.example/bookings/a/b",
        "https://hotel.example/bookings/",
        "https://hotel.example/bookings/*",
        "https://hotel.example/bookings/%2e%2e",
        "https://hotel.example/bookings/a?x=1",
        "https://hotel.example/bookings/a#x",
        "https://hotel.example/bookings/a\n",
        "https://hotel.example/bookings/a\\b",
        "https://hotel.example:8443/bookings/a",
        "https://user@hotel.example/bookings/a",
        "https://hotel.example@evil.example/bookings/a",
        "https://HOTEL.example/bookings/a",
        "https://hotel.example./bookings/a",
        "https://hotel.example:0/bookings/a",
        "https://hotel.example:x/bookings/a",
        "https://[::1]/bookings/a",
        "http://hotel.example/bookings/a",
        "//hotel.example/bookings/a",
        "https:/hotel.example/bookings/a",
        "https://hotel.exämple/bookings/a",
        "",
        "https://hotel.example/bookings/" + "a" * 3_000,
    ],
)
def test_a_url_off_the_allow_list_is_refused(url: str) -> None:
    assert not http_rule("https://hotel.example/bookings/*", "PUT").allows(url, "PUT")


def test_a_url_on_the_allow_list_passes() -> None:
    rule = http_rule("https://hotel.example/bookings/*?guest=*", "PUT")
    assert rule.allows("https://hotel.example/bookings/HB-7?guest=ada", "PUT")
    assert rule.allows("https://hotel.example:443/bookings/HB-7?guest=ada", "PUT")
    assert not rule.allows("https://hotel.example/bookings/HB-7?guest=ada&admin=1", "PUT")


def test_a_pattern_cannot_leave_the_host_open() -> None:
    for pattern in ("https://*.example/", "https://*/", "*"):
        with pytest.raises(InputError):
            http_rule(pattern, "GET")


def test_the_template_names_its_placeholders() -> None:
    assert set(placeholders(TEMPLATE)) == set(VALUES)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_template_with_a_placeholder_left_is_refused(name: str) -> None:
    with pytest.raises(ScriptUnfinished, match=name):
        build(TEMPLATE, {key: value for key, value in VALUES.items() if key != name})


def test_a_value_without_placeholder_is_refused() -> None:
    with pytest.raises(ScriptUnfinished, match="does not have it"):
        build(TEMPLATE, {**VALUES, "seat": "12A"})


@pytest.mark.parametrize("value", ["", "<b/>", '"', "a&b", "]]>", "{{chain_id}}", "a\nb", "`"])
def test_a_value_cannot_change_the_structure(value: str) -> None:
    with pytest.raises(ScriptUnfinished, match="special characters"):
        build(TEMPLATE, {**VALUES, "hotel_url": value})


def test_a_value_that_breaks_the_language_is_refused_when_building() -> None:
    with pytest.raises(ScriptInvalid):
        build(TEMPLATE, {**VALUES, "ticket_address": "0x12"})


def test_exports_are_found_outside_comments_and_strings_only() -> None:
    source = """
        // export function commented() {}
        /* export const alsoCommented = 1 */
        const text = "export function quoted() {}" + `export class Templated {}`;
        export function first() {}
        export async function second() {}
        export const third = () => 1, other = 2;
        export { text as fourth, fifth };
    """
    assert exported_names(source) == ("first", "second", "third", "fourth", "fifth")
