"""Which page of the hub's list of direct claims a lane belongs to, and what is shown with a claim.

The hub keeps what a node's lanes were paid directly in a period as pages, each only as a hash
(``contracts/libraries/ClaimPages.sol``): whoever claims shows the page as it stands. The lanes are
told by ``DirectClaimed`` events, the pages' bounds by the hub's ``claimPage``.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from settlement.types import Address, Hash, keccak

_BOUND_BITS = 48
_BOUND = (1 << _BOUND_BITS) - 1
_CLASS_BYTES = 3


def lane_id(signer: Address, period: int, node: Address, token_class: Hash) -> Hash:
    """A lane's number (``IChannelHub.laneOf``): 24 bits of the class, then 232 of
    keccak256(abi.encode(signer, period, node, tokenClass))."""
    encoded = bytes(12) + signer + period.to_bytes(32, "big") + bytes(12) + node + token_class
    return Hash(token_class[:_CLASS_BYTES] + keccak(encoded)[:-_CLASS_BYTES])


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidEntry:
    """A lane, by its number, and what it was paid so far."""

    lane: Hash
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageClaim:
    """One claim: the page, all that it holds, and the lanes to claim, in order."""

    page: int
    paid: tuple[PaidEntry, ...]
    lanes: tuple[Hash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPages:
    """What a node's lanes were paid in one period. ``bounds`` ascend: the highest 48 bits of each
    page's highest lane; ``paid`` ascend by lane."""

    paid: tuple[PaidEntry, ...] = ()
    bounds: tuple[int, ...] = ()

    @classmethod
    def of(cls, paid: Mapping[Hash, int], words: Iterable[int]) -> "ClaimPages":
        """From the lanes of the events and the hub's words of pages 0, 1, … (zeros left out)."""
        entries = (PaidEntry(lane=lane, amount=amount) for lane, amount in sorted(paid.items()))
        bounds = tuple(word & _BOUND for word in words if word)
        return cls(paid=tuple(entries), bounds=bounds)

    def page_of(self, lane: Hash) -> int:
        """The page that a lane is on, or comes on; one above all others comes on a new one."""
        return bisect_left(self.bounds, _top(lane))

    def entries(self, page: int) -> tuple[PaidEntry, ...]:
        """What a page holds."""
        return tuple(entry for entry in self.paid if self.page_of(entry.lane) == page)

    def word(self, page: int) -> int:
        """The hub's word of a page, 0 for an empty one: unlike it, ours is out of date."""
        entries = self.entries(page)
        if not entries:
            return 0
        text = b"".join(entry.lane + entry.amount.to_bytes(32, "big") for entry in entries)
        return int.from_bytes(keccak(text), "big") & ~_BOUND | _top(entries[-1].lane)

    def next_claim(self, lanes: Iterable[Hash], most: int) -> PageClaim | None:
        """The claim of the lowest page that some of ``lanes`` are on, ``most`` of them at most, or
        None for no lanes. Claims follow each other, each on the pages :meth:`after` the last."""
        ordered = sorted(set(lanes))
        if not ordered:
            return None
        page = self.page_of(ordered[0])
        found = [lane for lane in ordered if self.page_of(lane) == page]
        return PageClaim(page=page, paid=self.entries(page), lanes=tuple(found[:most]))

    def after(self, paid: Mapping[Hash, int]) -> "ClaimPages":
        """The pages once a claim has paid these lanes, of one page, so much in all."""
        if not paid:
            return self
        highest = _top(max(paid))
        new_page = not self.bounds or highest > self.bounds[-1]
        known = {entry.lane: entry.amount for entry in self.paid} | dict(paid)
        return ClaimPages.of(known, (*self.bounds, highest) if new_page else self.bounds)


def _top(lane: Hash) -> int:
    return int.from_bytes(lane, "big") >> (256 - _BOUND_BITS)
