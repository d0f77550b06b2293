"""Payouts under anchors' roots, fetched from the anchors' own APIs."""

from collections.abc import Sequence

from node.services.chain_view import ChainView
from settlement.client.watch_client import WatchClient
from settlement.core.payouts import PayoutLeaf
from settlement.errors import InputError
from settlement.ports.peers import AnchorUnreachable
from settlement.types import Address

MOST_LEAVES = 200_000
"""Leaves that are fetched, at most: a larger tree is only judged by what is shown on chain."""


class MemberPayouts:
    """Implements :class:`settlement.ports.payouts.PayoutSource` by the registry's API addresses."""

    def __init__(self, view: ChainView) -> None:
        self._view = view

    async def leaves(self, anchor: Address, period: int, leaf_count: int) -> Sequence[PayoutLeaf]:
        """Ask the anchor. Raises AnchorUnreachable, AnchorApiUnreachable, AnchorApiRefused."""
        member = self._view.members.newest(anchor)
        if member is None or leaf_count > MOST_LEAVES:
            raise AnchorUnreachable(anchor=anchor, problem="it cannot be asked for this tree")
        try:
            async with WatchClient(member.api_url) as client:
                return await client.payouts(period, leaf_count)
        except InputError as error:
            raise AnchorUnreachable(anchor=anchor, problem=str(error)) from error
