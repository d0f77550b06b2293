"""HTTP between those who watch anchors: the payouts that an anchor shows, and lanes handed over.

::

    async with WatchClient("https://tower.example") as tower:
        await tower.hand_over([(voucher, acknowledgement)])
"""

from collections.abc import Sequence
from typing import Any

from settlement.client.anchor_client import AnchorClient
from settlement.core.payouts import PayoutLeaf
from settlement.errors import InputError
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import SignedAcknowledgement, SignedVoucher
from settlement.protocol.wire import signed_from_json, signed_to_json
from settlement.types import hex_text, parse_address, unsigned

LANES_PER_REQUEST = 64
PAYOUTS_PER_PAGE = 1_024

Lane = tuple[SignedVoucher, SignedAcknowledgement]


class WatchClient(AnchorClient):
    """Talks to one anchor or watchtower; an async context manager round one HTTP session."""

    async def payouts(self, period: int, leaf_count: int) -> tuple[PayoutLeaf, ...]:
        """What the anchor says that its root of ``period`` pays, at most ``leaf_count`` leaves.

        A page that is not full is the last: nobody is kept asking by a leaf at a time.
        Raises AnchorApiUnreachable, AnchorApiRefused, InputError (the answer cannot be read).
        """
        found: list[PayoutLeaf] = []
        while len(found) < leaf_count:
            path = f"/periods/{period}/payouts?first={len(found)}"
            page = leaves_from_json(await self._ask("GET", path, None))
            found += page
            if len(page) < PAYOUTS_PER_PAGE:
                break
        return tuple(found[:leaf_count])

    async def hand_over(self, lanes: Sequence[Lane]) -> int:
        """Have a watchtower watch these lanes; handing them over again is harmless. Returns how
        many it took.

        Raises AnchorApiUnreachable, AnchorApiRefused; lanes before a refused one were taken.
        """
        for first in range(0, len(lanes), LANES_PER_REQUEST):
            chunk = lanes[first : first + LANES_PER_REQUEST]
            await self._ask("POST", "/watch", lanes_to_json(chunk))
        return len(lanes)


def leaves_to_json(leaves: Sequence[PayoutLeaf]) -> dict[str, Any]:
    """A page of payouts as JSON; amounts are decimal text."""
    return {
        "payouts": [
            {"account": hex_text(leaf.account), "amount": str(leaf.amount)} for leaf in leaves
        ]
    }


def leaves_from_json(value: Any) -> tuple[PayoutLeaf, ...]:
    """Read a page of payouts. Raises InputError."""
    rows = _list(value, "payouts", PAYOUTS_PER_PAGE)
    return tuple(_leaf(row, f"payouts[{index}]") for index, row in enumerate(rows))


def lanes_to_json(lanes: Sequence[Lane]) -> dict[str, Any]:
    """Lanes handed over, as JSON."""
    return {
        "lanes": [
            {
                "voucher": signed_to_json(voucher),
                "acknowledgement": signed_to_json(acknowledgement),
            }
            for voucher, acknowledgement in lanes
        ]
    }


def lanes_from_json(value: Any, most: int = LANES_PER_REQUEST) -> tuple[Lane, ...]:
    """Read lanes that are handed over; no signature is checked yet. Raises InputError."""
    rows = _list(value, "lanes", most)
    return tuple(_lane(row, f"lanes[{index}]") for index, row in enumerate(rows))


def _list(value: Any, name: str, most: int) -> list[Any]:
    if not isinstance(value, dict) or value.keys() != {name}:
        raise InputError(where="body", problem=f"expected an object with {name}")
    rows = value[name]
    if not isinstance(rows, list) or len(rows) > most:
        raise InputError(where=name, problem=f"expected a list of at most {most}")
    return rows


def _leaf(row: Any, where: str) -> PayoutLeaf:
    match row:
        case {"account": str(account), "amount": str(amount)} if len(row) == 2:
            if not (amount.isascii() and amount.isdigit()) or len(amount) > 39:
                raise InputError(where=f"{where}.amount", problem="expected decimal text")
            return PayoutLeaf(
                account=parse_address(account, f"{where}.account"),
                amount=unsigned(int(amount), 128, f"{where}.amount"),
            )
    raise InputError(where=where, problem="expected account and amount as text")


def _lane(row: Any, where: str) -> Lane:
    if not isinstance(row, dict) or row.keys() != {"voucher", "acknowledgement"}:
        raise InputError(where=where, problem="expected voucher and acknowledgement")
    return (
        signed_from_json(Voucher, row["voucher"], f"{where}.voucher"),
        signed_from_json(Acknowledgement, row["acknowledgement"], f"{where}.acknowledgement"),
    )
