"""This node's prices: what scripts were measured to use, at the network's rates, over a floor.

A price is fixed when it is first asked for in a period, on disk, and stays until the next one.
What is measured is put on disk in batches; of a node that dies, the runs since the last batch are
forgotten, which can only make it cheaper.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from node.core.pricing import Rates, Usage, bill_up
from node.core.tab import TAB, ActionMeasure, ActionPin, Observed, Pin
from node.ports.sandbox import RunResult
from node.tokenscript.service import Action, Read
from settlement.ports.chain_records import ExecutionRates
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine
from settlement.types import Hash, hex_text

_KEPT: Final = 8_192
"""Prices, and versions of tokens that were billed, which are remembered; the oldest go first."""
BATCH: Final = 64
"""Runs of one script after which what was measured is put on disk."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """An update of a token to its next version, which is billed once however often it is run.

    ``action`` is the one whose success it tells, if any; ``load_gas`` is that of an activation.
    """

    token: Hash
    version: int
    action: Action | None = None
    load_gas: int = 0


class PriceBook:
    """Measures runs, keeps the tabs of scripts, and says what a call costs."""

    def __init__(self, floor: Prices, calendar: Calendar, engine: Engine) -> None:
        self._floor = floor
        self._calendar = calendar
        self._engine = engine
        self._waiting: dict[Hash, tuple[ActionMeasure, int]] = {}
        self._pins: OrderedDict[tuple[Hash, str, int], Pin] = OrderedDict()
        self._billed: OrderedDict[tuple[Hash, int], None] = OrderedDict()

    async def of(self, script_hash: Hash, wanted: Read | Action) -> int:
        """The price of one call of a read, or of one action, in the current period.

        What names no price is free, however much it uses. Raises what the chain's reader and the
        store raise.
        """
        return 0 if wanted.price is None else (await self._pin(script_hash, wanted)).price

    async def read(self, script_hash: Hash, name: str, result: RunResult) -> None:
        """A read was answered: charged for, or at a price of zero.

        One that failed does not count. It cost its caller nothing, who could choose arguments
        which make it use as much as a run may, and raise everybody's price with it.
        """
        await self._note(script_hash, {name: _usage(result)})

    async def paid(self, script_hash: Hash, read: Read) -> None:
        """A read at its price was charged for."""
        pin = await self._pin(script_hash, read)
        await self._note(script_hash, {}, paid_reads=1, brought_in=pin.share)

    async def updated(self, script_hash: Hash, update: Updated, result: RunResult | None) -> None:
        """An update was run, or a script loaded that has no handler for the activation.

        An action that went through costs what was quoted for it, anything else what it used.
        """
        usage = Usage() if result is None else _usage(result)
        observed = {} if result is None else {UPDATES: usage}
        if update.action is not None:
            observed[_measured_as(update.action)] = usage
        await self._note(script_hash, observed, added=await self._bill(script_hash, update, usage))

    async def _bill(self, script_hash: Hash, update: Updated, usage: Usage) -> int:
        """What an update adds to the tab: nothing the second time."""
        key = (update.token, update.version)
        if key in self._billed:
            return 0
        self._billed[key] = None
        while len(self._billed) > _KEPT:
            self._billed.popitem(last=False)
        if update.action is not None and update.action.price is not None:
            return (await self._pin(script_hash, update.action)).price
        rates = await self._calendar.rates(await self._calendar.period())
        return bill_up(_of_updates(rates), usage, load_gas=update.load_gas)

    async def _pin(self, script_hash: Hash, wanted: Read | Action) -> Pin:
        period = await self._calendar.period()
        key = (script_hash, wanted.name, period)
        if (known := self._pins.get(key)) is not None:
            return known
        await self._flush(script_hash)
        rates = await self._calendar.rates(period)
        reads = isinstance(wanted, Read)
        event = ActionPin(
            period=period,
            name=wanted.name,
            measured_as=(wanted.name,) if reads else (_measured_as(wanted), UPDATES),
            floor=self._floor.of(wanted),
            rates=_of_reads(rates) if reads else _of_updates(rates),
            carries=reads,
        )
        found = (await self._engine.apply(TAB, _key(script_hash), event)).state
        pin = found.pin(period, wanted.name)
        assert pin is not None, "it was fixed just now"
        self._pins[key] = pin
        while len(self._pins) > _KEPT:
            self._pins.popitem(last=False)
        return pin

    async def _note(
        self,
        script_hash: Hash,
        observed: dict[str, Usage],
        *,
        added: int = 0,
        paid_reads: int = 0,
        brought_in: int = 0,
    ) -> None:
        """Put it to what waits to be kept, and keep that when it is much, or a period over."""
        period = await self._calendar.period()
        if script_hash in self._waiting and self._waiting[script_hash][0].period != period:
            await self._flush(script_hash)
        empty = ActionMeasure(period=period), 0
        waiting, count = self._waiting.get(script_hash, empty)
        known = {each.name: each.usage for each in waiting.observed}
        for name, usage in observed.items():
            known[name] = usage.most(known.get(name, Usage()))
        waiting = replace(
            waiting,
            observed=tuple(Observed(name=name, usage=usage) for name, usage in known.items()),
            added=waiting.added + added,
            paid_reads=waiting.paid_reads + paid_reads,
            brought_in=waiting.brought_in + brought_in,
        )
        self._waiting[script_hash] = (waiting, count + len(observed))
        if count + len(observed) >= BATCH:
            await self._flush(script_hash)

    async def _flush(self, script_hash: Hash) -> None:
        waiting, _ = self._waiting.pop(script_hash, (None, 0))
        if waiting is not None:
            await self._engine.apply(TAB, _key(script_hash), waiting)

    async def close(self) -> None:
        """Put on disk what waits for it."""
        for script_hash in tuple(self._waiting):
            await self._flush(script_hash)


def _key(script_hash: Hash) -> str:
    return hex_text(script_hash)


def _measured_as(action: Read | Action) -> str:
    return f"action {action.name}"


def _usage(result: RunResult) -> Usage:
    output = (result.state or b"", result.result or b"", *result.effects)
    return Usage(gas=result.gas, output_bytes=sum(map(len, output)), pages=result.pages)


def _of_reads(rates: ExecutionRates) -> Rates:
    return Rates(million_gas=rates.read_gas, output_byte=rates.output_byte, page=rates.page)


def _of_updates(rates: ExecutionRates) -> Rates:
    return Rates(million_gas=rates.update_gas, output_byte=rates.output_byte, page=rates.page)
