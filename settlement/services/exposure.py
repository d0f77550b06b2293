"""How much more a node risks on a channel: one limit for all of its lanes together.

Leases cover what anchors granted; beyond them a node serves at its own risk. A payer that opens
many lanes (one for each token class) must not get that risk many times over, and no lane is worth
more than the channel's deposit.
"""

from collections import defaultdict

from settlement.core.lane import LANE, LaneState
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address

Channel = tuple[Address, int]
"""A session key and a period."""


class Exposures:
    """The lanes of one process that are charged beyond their leases, or may be right now.

    Between :meth:`room` and the step that uses it nothing else runs, as lanes that are in use are
    held in memory; so charges of several lanes at once do not pass the limit together.
    """

    def __init__(self, engine: Engine, directory: ChannelDirectory, limit: int) -> None:
        self._engine = engine
        self._directory = directory
        self._limit = limit
        self._open: defaultdict[Channel, set[str]] = defaultdict(set)

    async def room(self, key: str, state: LaneState) -> int:
        """What this lane may be charged beyond its lease now. Raises ChannelUnknown."""
        channel = await self._directory.channel(state.signer, state.period)
        others = self._open[state.signer, state.period] - {key}
        used = sum([uncovered(await self._engine.state(LANE, other)) for other in others])
        deposit = max(0, channel.spendable_in(state.period) - state.lease_cap)
        return max(0, min(self._limit - used, deposit))

    def begin(self, key: str, state: LaneState) -> None:
        """A charge of this lane is about to be made."""
        self._open[state.signer, state.period].add(key)

    def note(self, key: str, state: LaneState) -> None:
        """The lane stands so: keep it in mind while it is charged beyond its lease."""
        channel = (state.signer, state.period)
        if uncovered(state):
            self._open[channel].add(key)
        else:
            self._open[channel].discard(key)
            if not self._open[channel]:
                del self._open[channel]


def uncovered(state: LaneState) -> int:
    """What was charged beyond the lease."""
    return max(0, state.charged - state.lease_cap)
