"""This node's prices: what scripts were measured to use, at the network's rates, over a floor.

A price is pinned when it is first asked for in a period, and stays until the next one. Both the
measurements and the pins are in memory: a node that starts anew begins at the floor, which is
never above what it quoted before.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from node.core.pricing import Gauge, Rates, Usage, bill_up
from node.ports.sandbox import RunResult
from node.tokenscript.service import Action, Read
from settlement.services.calendar import Calendar
from settlement.types import Hash

_KEPT: Final = 8_192
"""Interfaces whose measurements are kept; the longest unused is forgotten first."""
UPDATES: Final = "an update"
"""Under what name all updates of a script are measured; no interface has a space in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """This node's floor by the names that scripts use, in base units."""

    read: int
    update: int

    def of(self, wanted: Read | Action) -> int:
        """The least price of one call; an interface without a price costs nothing."""
        match wanted.price:
            case None:
                return 0
            case "update":
                return self.update
            case _:
                return self.read


class PriceBook:
    """Measures runs and says what a call costs."""

    def __init__(self, floor: Prices, rates: Rates, calendar: Calendar) -> None:
        self._floor = floor
        self._rates = rates
        self._calendar = calendar
        self._gauges: OrderedDict[tuple[Hash, str], Gauge] = OrderedDict()
        self._pinned: OrderedDict[tuple[Hash, str, int], int] = OrderedDict()

    async def ran(self, script_hash: Hash, name: str, result: RunResult) -> None:
        """A run of an interface, or of :data:`UPDATES`, has ended; a failed one counts too."""
        output = (result.state or b"", result.result or b"", *result.effects)
        usage = Usage(gas=result.gas, output_bytes=sum(map(len, output)), pages=result.pages)
        key = (script_hash, name)
        gauge = self._gauges.get(key, Gauge())
        self._gauges[key] = gauge.observed(await self._calendar.period(), usage)
        self._gauges.move_to_end(key)
        while len(self._gauges) > _KEPT:
            self._gauges.popitem(last=False)

    async def of(self, script_hash: Hash, wanted: Read | Action) -> int:
        """The price of one call of a read, or of one action, in the current period.

        An action costs what the update that hears of its outcome costs. What names no price is
        free, however much it uses.
        """
        floor = self._floor.of(wanted)
        if wanted.price is None:
            return floor
        period = await self._calendar.period()
        measured = wanted.name if isinstance(wanted, Read) else UPDATES
        pin = (script_hash, wanted.name, period)
        if pin not in self._pinned:
            usage = self._gauges.get((script_hash, measured), Gauge()).most(period)
            derived = 0 if usage is None else bill_up(self._rates, usage)
            self._pinned[pin] = max(floor, derived)
            while len(self._pinned) > _KEPT:
                self._pinned.popitem(last=False)
        return self._pinned[pin]
