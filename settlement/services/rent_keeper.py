"""What anchors do for rent so that nothing waits for a person: garnish, extend, return.

In grace a class's revenue is garnished, and its balance of unearned rent extends it, before nodes
stop serving it; rent that nobody earned goes back to the class when the claims are over. Anybody
may do these things, so exactly one anchor does each: the duty for a class passes on from slot to
slot of chain time, in the order of the elected anchors, as a missed duty must not stay missed.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog

from settlement.errors import SmartLayerError
from settlement.ports.chain import Call, ChainReader, ChainWriter
from settlement.ports.chain_events import ChainEvent, RentStarted
from settlement.ports.chain_records import RentAccount, RentState
from settlement.ports.clock import Clock
from settlement.ports.stake_events import GarnishBegan, GarnishEnded
from settlement.services.calendar import Calendar
from settlement.types import Address, Hash

SLOTS_PER_PERIOD = 720
"""A slot is an hour where a period is a month."""
SHORTEST_SLOT_S = 5
LONGEST_LOOK_BACK = 4
"""Periods back whose unearned rent is returned; anybody may return older ones by command."""
WAKE_MS = 1_000


class KeepingCalls(Protocol):
    """The builders of the keeper's transactions (``settlement.chain.stake_calls.StakeCalls``)."""

    def update_garnish(self, token_class: Hash) -> Call: ...

    def garnish(self, token_class: Hash) -> Call: ...

    def extend_rent(self, token_class: Hash, periods: int) -> Call: ...

    def return_unearned_rent(self, token_class: Hash, period: int) -> Call: ...


class RentKeeper:
    """Keeps rent for one anchor, whose key pays the gas. It keeps nothing itself: what is due is
    asked of the chain each time, and what another anchor has done is not due any more."""

    def __init__(
        self,
        *,
        anchor: Address,
        chain: ChainReader,
        writer: ChainWriter,
        calls: KeepingCalls,
        calendar: Calendar,
        clock: Clock,
    ) -> None:
        self._anchor = anchor
        self._chain = chain
        self._writer = writer
        self._calls = calls
        self._calendar = calendar
        self._clock = clock
        self._purses: dict[Hash, Address] = {}
        self._garnished: set[Hash] = set()
        self._seen: dict[Hash, int] = {}
        self._log = structlog.get_logger("rent_keeper")

    async def receive(self, events: Sequence[ChainEvent]) -> None:
        """Take confirmed events, oldest first; rebuilt at every start, as the chain is followed
        from the deployment on."""
        for event in events:
            match event:
                case RentStarted():
                    self._seen.setdefault(event.token_class, -1)
                case GarnishBegan():
                    self._purses[event.token_class] = event.purse
                    self._garnished.add(event.token_class)
                case GarnishEnded():
                    self._garnished.discard(event.token_class)

    async def run(self) -> None:
        """Do what is due, again and again, until cancelled."""
        while True:
            try:
                await self.wake()
            except SmartLayerError as error:
                self._log.warning("rent_not_kept", error=str(error))
            await self._clock.sleep_ms(WAKE_MS)

    async def wake(self) -> None:
        """Look once in a slot at each class that this anchor has the duty for."""
        now, period = await self._calendar.seconds(), await self._calendar.period()
        windows = await self._calendar.windows(period)
        slot = now // max(
            SHORTEST_SLOT_S, (windows.closes_at - windows.opens_at) // SLOTS_PER_PERIOD
        )
        due = [name for name, seen in self._seen.items() if seen < slot]
        elected = await self._chain.elected_anchors(period) if due else ()
        for token_class in due:
            self._seen[token_class] = slot
            if elected and on_duty(token_class, slot, elected) == self._anchor:
                await self._keep(token_class, period, now)

    async def _keep(self, token_class: Hash, period: int, now: int) -> None:
        try:
            for call in await self._due(token_class, period, now):
                await self._writer.submit(call)
        except SmartLayerError as error:
            # The next on duty tries again; the others' classes do not wait for this one.
            self._log.info("rent_not_kept", token_class=token_class.hex(), error=str(error))

    async def _due(self, token_class: Hash, period: int, now: int) -> list[Call]:
        rent = await self._chain.rent(token_class)
        calls = await self._returns(token_class, period, now)
        in_grace = rent.state is RentState.GRACE
        if in_grace and await self._balance_covers(rent, period):
            # Extending ends a garnish by itself.
            return [
                *calls,
                self._calls.extend_rent(token_class, _missing_periods(rent, period)),
            ]
        if in_grace != (token_class in self._garnished):
            calls.append(self._calls.update_garnish(token_class))
        purse = self._purses.get(token_class)
        if purse is not None and await self._chain.credit(purse) > 0:
            calls.append(self._calls.garnish(token_class))
        return calls

    async def _returns(self, token_class: Hash, period: int, now: int) -> list[Call]:
        calls = []
        for earlier in range(max(0, period - LONGEST_LOOK_BACK), period):
            windows = await self._calendar.windows(earlier)
            if windows.direct_until <= now:
                left = (await self._chain.rent_in(token_class, earlier)).left
                calls += [self._calls.return_unearned_rent(token_class, earlier)] if left else []
        return calls

    async def _balance_covers(self, rent: RentAccount, period: int) -> bool:
        price = (await self._calendar.terms(period)).rent_price * rent.instances
        return rent.balance >= price * _missing_periods(rent, period)


def on_duty(token_class: Hash, slot: int, elected: Sequence[Address]) -> Address:
    """The anchor that keeps a class in a slot."""
    return elected[(int.from_bytes(token_class, "big") + slot) % len(elected)]


def _missing_periods(rent: RentAccount, period: int) -> int:
    """What reaches past the current period, so that the class is active again."""
    return period - rent.paid_until + 1
