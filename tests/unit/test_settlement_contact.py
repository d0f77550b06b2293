"""A node that loses its anchor says so at once, and long before it must stop."""

from dataclasses import replace

from structlog.testing import capture_logs

from settlement.core.lane import initial_lane, lane_key
from settlement.services.contact import Contact, used_share
from settlement.types import Address, Hash

SIGNER, NODE, ANCHOR = (Address(bytes([n]) * 20) for n in (1, 2, 3))
KEY = lane_key(SIGNER, 0, NODE, Hash(b"c" * 32))
LANE = replace(initial_lane(KEY), highest=10_000, acknowledged=100, lease_cap=300)
LIMIT = 200
"""From 100 on the lane may be charged 400 more without an answer: 200 leased, 200 exposed."""


def test_the_share_counts_lease_and_exposure_from_the_last_answer_on() -> None:
    shares = [used_share(replace(LANE, charged=n), LIMIT) for n in (100, 200, 300, 400, 500)]
    assert shares == [0, 2_500, 5_000, 7_500, 10_000]


def test_a_lane_warns_at_a_quarter_and_at_three_quarters_once_each() -> None:
    contact = Contact(LIMIT)
    with capture_logs() as logs:
        for charged in range(100, 501, 10):
            contact.note(KEY, replace(LANE, charged=charged))
    assert [entry["used"] for entry in logs] == ["25 %", "75 %"]
    assert {entry["log_level"] for entry in logs} == {"warning"}


def test_an_answer_ends_the_warning_and_the_next_one_is_given_anew() -> None:
    contact = Contact(LIMIT)
    with capture_logs() as logs:
        contact.note(KEY, replace(LANE, charged=250))
        contact.note(KEY, replace(LANE, charged=250, acknowledged=250))
        contact.note(KEY, replace(LANE, charged=250))
    assert len(logs) == 2


def test_an_anchor_that_does_not_answer_is_told_of_once_and_again_when_it_is_back() -> None:
    contact = Contact(LIMIT)
    with capture_logs() as logs:
        for now_ms in (1_000, 4_000, 7_000):
            contact.failed(ANCHOR, now_ms, "no answer")
        (lost,) = contact.standing().cut_off
        assert (lost.anchor, lost.since_ms, lost.failures) == (ANCHOR, 1_000, 3)
        contact.answered(ANCHOR)
    assert contact.standing().cut_off == ()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("anchor_cut_off", "warning"),
        ("anchor_back", "info"),
    ]


def test_the_standing_adds_up_what_no_anchor_owes() -> None:
    contact = Contact(LIMIT)
    other = lane_key(SIGNER, 0, NODE, Hash(b"d" * 32))
    contact.note(KEY, replace(LANE, charged=350))
    contact.note(other, replace(initial_lane(other), charged=100))
    standing = contact.standing()
    assert (standing.unacknowledged, standing.exposed) == (250 + 100, 50 + 100)
    assert standing.fullest == 6_250
