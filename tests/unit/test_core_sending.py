"""What a transaction may cost, and by how much a replacement pays more."""

from hypothesis import assume, given
from hypothesis import strategies as st

from settlement.core.sending import (
    Version,
    cap_for,
    opening_fees,
    replacement_fees,
    tint,
)
from settlement.types import ZERO_HASH

GWEI = 10**9
fees = st.integers(1, 5_000 * GWEI)


def version(priority: int, maximum: int) -> Version:
    return Version(hash=ZERO_HASH, raw=b"", priority_fee=priority, maximum_fee=maximum)


@given(base=fees, priority=fees, cap=fees)
def test_a_first_version_covers_the_base_fee_and_stays_below_the_cap(
    base: int, priority: int, cap: int
) -> None:
    found = opening_fees(base, priority, cap)
    if found is None:
        assert base + priority > cap
        return
    paid, maximum = found
    assert paid <= maximum <= cap
    assert maximum >= base + priority


@given(base=fees, priority=fees, more=st.integers(0, 100 * GWEI), cap=fees)
def test_a_replacement_is_one_that_clients_accept_and_stays_below_the_cap(
    base: int, priority: int, more: int, cap: int
) -> None:
    sent = version(priority, priority + more)
    found = replacement_fees(sent, base, cap)
    if found is None:
        return
    paid, maximum = found
    assert 10 * paid >= 11 * sent.priority_fee
    assert 10 * maximum >= 11 * sent.maximum_fee
    assert paid <= maximum <= cap


@given(base=fees, sent_for=st.integers(1, 100 * GWEI))
def test_with_room_below_the_cap_a_spike_is_outbid_at_once(base: int, sent_for: int) -> None:
    sent = version(min(GWEI, sent_for), sent_for)
    cap = 4 * (base + sent_for) + 10 * GWEI
    found = replacement_fees(sent, base, cap)
    assert found is not None
    assert found[1] >= min(2 * base, cap)


def test_no_replacement_passes_the_cap() -> None:
    sent = version(GWEI, 19 * GWEI)
    assert replacement_fees(sent, 50 * GWEI, 20 * GWEI) is None


@given(worth=st.integers(0, 10**20), gas=st.integers(21_000, 1 << 24), percent=st.integers(1, 100))
def test_fees_take_at_most_their_share_of_what_is_at_stake(
    worth: int, gas: int, percent: int
) -> None:
    cap = cap_for(500 * GWEI, gas, worth, percent)
    assert cap * gas * 100 <= worth * percent
    assert cap <= 500 * GWEI


@given(first=st.text(max_size=20), second=st.text(max_size=20))
def test_equal_calls_of_two_claims_differ_in_their_fee_by_next_to_nothing(
    first: str, second: str
) -> None:
    assume(first != second)
    assert tint(first) != tint(second)
    assert 0 <= tint(first) < GWEI // 50
