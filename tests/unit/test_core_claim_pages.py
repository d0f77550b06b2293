"""The pages of direct claims, against a hub in ten lines that takes only what it must take."""

from hypothesis import given
from hypothesis import strategies as st

from settlement.core.claim_pages import ClaimPages, PageClaim, PaidEntry, lane_id
from settlement.types import Address, Hash, keccak

SIGNER, NODE = Address(b"\x01" * 20), Address(b"\x02" * 20)


def lane(n: int) -> Hash:
    return lane_id(SIGNER, 3, NODE, Hash(keccak(b"class %d" % n)))


class Hub:
    """What ``ClaimPages.sol`` keeps of one node and period: words, and nothing else."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.paid: dict[Hash, int] = {}

    def claim(self, claim: PageClaim, amount: int) -> dict[Hash, int]:
        word = self.words[claim.page] if claim.page < len(self.words) else 0
        assert word == _word(claim.paid), "the page is shown as it stands"
        assert claim.page <= len(self.words), "a page begins behind another"
        tops = [_top(found) for found in claim.lanes]
        assert list(claim.lanes) == sorted(set(claim.lanes))
        if claim.page:
            assert tops[0] > self.words[claim.page - 1] & (1 << 48) - 1
        if claim.page + 1 < len(self.words):
            assert tops[-1] <= word & (1 << 48) - 1
        known = {entry.lane: entry.amount for entry in claim.paid}
        paid = {found: amount for found in claim.lanes if known.get(found, 0) < amount}
        entries = sorted((known | paid).items())
        if entries:
            new = _word(tuple(PaidEntry(lane=key, amount=value) for key, value in entries))
            self.words[claim.page : claim.page + 1] = [new]
        self.paid |= paid
        return paid


def _top(found: Hash) -> int:
    return int.from_bytes(found[:6], "big")


def _word(entries: tuple[PaidEntry, ...]) -> int:
    if not entries:
        return 0
    text = b"".join(e.lane + e.amount.to_bytes(32, "big") for e in entries)
    return int.from_bytes(keccak(text)[:26], "big") << 48 | _top(entries[-1].lane)


def test_a_lane_leads_with_its_class() -> None:
    token_class = Hash(keccak(b"class 1"))
    encoded = bytes(12) + SIGNER + (3).to_bytes(32, "big") + bytes(12) + NODE + token_class
    assert lane(1) == token_class[:3] + keccak(encoded)[:29]


def test_no_lanes_need_no_claim() -> None:
    assert ClaimPages().next_claim([], 10) is None


def test_a_nodes_first_claim_shows_nothing() -> None:
    claim = ClaimPages().next_claim([lane(2), lane(1)], 10)
    assert claim == PageClaim(page=0, paid=(), lanes=tuple(sorted((lane(1), lane(2)))))


def test_lanes_above_all_pages_begin_a_new_one() -> None:
    low, high = sorted((lane(1), lane(2)))
    pages = ClaimPages().after({low: 5})
    assert pages.page_of(low) == 0
    assert pages.page_of(high) == 1
    assert pages.word(0) == _word((PaidEntry(lane=low, amount=5),))
    assert pages.word(1) == 0


def test_a_claim_that_paid_nothing_changes_no_page() -> None:
    pages = ClaimPages().after({lane(1): 5})
    assert pages.after({}) == pages


@given(
    rounds=st.lists(
        st.tuples(st.sets(st.integers(0, 30), min_size=1), st.integers(1, 9), st.integers(1, 6)),
        max_size=8,
    ),
    restarted=st.booleans(),
)
def test_the_hub_takes_every_claim_and_pays_every_lane(
    rounds: list[tuple[set[int], int, int]], restarted: bool
) -> None:
    """Whatever was claimed before, and whether it is remembered or read from the chain again."""
    hub, pages, wanted = Hub(), ClaimPages(), dict[Hash, int]()
    for numbers, amount, most in rounds:
        waiting = {lane(n) for n in numbers}
        wanted |= {found: max(amount, wanted.get(found, 0)) for found in waiting}
        if restarted:
            pages = ClaimPages.of(hub.paid, hub.words)
        while claim := pages.next_claim(waiting, most):
            assert len(claim.lanes) <= most
            pages = pages.after(hub.claim(claim, amount))
            waiting -= set(claim.lanes)
        assert not waiting
        assert [pages.word(page) for page in range(len(hub.words))] == hub.words
    assert hub.paid == wanted
