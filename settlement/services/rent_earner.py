"""A service node's rent: asks anchors for their word about closed periods, and claims by it.

Wiring: give :attr:`RentEarner.performers` to the process's Outbox, call :meth:`RentEarner.receive`
with every batch of confirmed events after the calendar has seen it, and own :meth:`RentEarner.run`,
which asks anchors and so must not hold up who follows the chain.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from settlement.chain.calls import compact
from settlement.core.rent_claims import (
    RENT_CLAIM,
    ActionClaim,
    ActionSendAgain,
    AnchorWord,
    ContractReceiveRentEarned,
    ContractReceiveRentSkipped,
    ContractSendEarn,
    Fate,
    RentClaimEvent,
    RentClaimState,
    RentRow,
    rent_claim_key,
)
from settlement.core.uptime import anchors_needed, best_claim, by_class
from settlement.errors import SmartLayerError
from settlement.ports.chain import Call, ChainReader, ChainWriter
from settlement.ports.chain_events import ChainEvent
from settlement.ports.chain_records import RentSkip, UptimeRow
from settlement.ports.stake_events import RentEarned, RentSkipped
from settlement.ports.uptimes import UptimeAnswer, UptimePort
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.protocol.signing import require_signer
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Hash, Signature

LONGEST_LOOK_BACK = 4
"""Periods back from the current one whose rent may still be earned, at most."""
WAKE_MS = 1_000
RESENDS_PER_WINDOW = 16
"""How often a lost transaction is sent again while rent can be earned, at most."""
LONGEST_ASK_MS = 3_600_000
"""Anchors are asked again after a second, then two, then four, and so on up to this: at the close
of a period some of them are a block behind."""


class RentCalls(Protocol):
    """The builder of the earner's transaction (``settlement.chain.stake_calls.StakeCalls``)."""

    def earn_rent(self, node: Address, period: int, rows: Sequence[UptimeRow]) -> Call: ...


class RentEarner:
    """Earns for one node. The writer pays the gas; the credit is the node's payout account's."""

    def __init__(
        self,
        *,
        engine: Engine,
        domain: Domain,
        node: Address,
        anchors: UptimePort,
        chain: ChainReader,
        writer: ChainWriter,
        calls: RentCalls,
        calendar: Calendar,
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._node = node
        self._anchors = anchors
        self._chain = chain
        self._writer = writer
        self._calls = calls
        self._calendar = calendar
        self._asks: dict[int, tuple[int, int]] = {}
        self._log = structlog.get_logger("rent")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """The coroutines that perform the effects; idempotent, as the vault pays once."""
        return {ContractSendEarn: self._perform_earn}

    async def claims(self, period: int) -> RentClaimState:
        """Where a period's rent stands."""
        return await self._engine.state(RENT_CLAIM, rent_claim_key(period))

    async def receive(self, events: Sequence[ChainEvent]) -> None:
        """Take confirmed events, oldest first."""
        for event in events:
            await self._told(event)

    async def run(self) -> None:
        """Do what the time asks for, again and again, until cancelled."""
        while True:
            try:
                await self.wake()
            except SmartLayerError as error:
                self._log.warning("rent_not_claimed", error=str(error))
            await self._engine.clock.sleep_ms(WAKE_MS)

    async def wake(self) -> None:
        """Look at every recent period by the chain's clock: ask for words, claim, send again."""
        now, current = await self._calendar.seconds(), await self._calendar.period()
        for period in range(max(0, current - LONGEST_LOOK_BACK), current):
            windows = await self._calendar.windows(period)
            pause = max(1, (windows.direct_until - windows.closes_at) // RESENDS_PER_WINDOW)
            if windows.closes_at <= now < windows.direct_until:
                await self._look_at(period, now, pause)

    async def _look_at(self, period: int, now: int, pause: int) -> None:
        state = await self.claims(period)
        if state.pending and now >= state.sent_at + pause:
            await self._apply(period, ActionSendAgain(now=now))
        tries, ask_at = self._asks.get(period, (0, 0))
        now_ms = self._engine.clock.now_ms()
        if now_ms >= ask_at:
            self._asks[period] = (
                tries + 1,
                now_ms + min(WAKE_MS << min(tries, 16), LONGEST_ASK_MS),
            )
            if rows := await self._signed_rows(period):
                await self._apply(period, ActionClaim(rows=rows, now=now))

    async def _signed_rows(self, period: int) -> tuple[RentRow, ...]:
        """The classes that are not claimed yet and for which enough anchors gave their word."""
        elected = await self._chain.elected_anchors(period)
        needed = anchors_needed(len(elected))
        others = [key for key in elected if key != self._node]
        first = await self._ask_all(others, period, ())
        claims = [
            claim
            for token_class, measured in by_class(each.measured for each in first.values()).items()
            if (claim := await self._claim(token_class, measured, needed, period)) is not None
        ]
        if not claims:
            return ()
        second = await self._ask_all(list(first), period, claims)
        rows = (self._row(claim, second, index) for index, claim in enumerate(claims))
        return tuple(row for row in rows if len(row.words) >= needed)

    async def _claim(
        self,
        token_class: Hash,
        measured: Sequence[UptimeAcknowledgement],
        needed: int,
        period: int,
    ) -> UptimeAcknowledgement | None:
        """What to claim of a class; None where nothing is left, or it is on its way already."""
        row = (await self.claims(period)).row(token_class)
        if row is not None and row.fate in (Fate.PENDING, Fate.EARNED):
            return None
        rent = await self._chain.rent_in(token_class, period)
        if rent.left == 0:
            return None
        about = [m for m in measured if (m.node, m.period) == (self._node, period)]
        return best_claim(about, needed, rent.instances)

    def _row(
        self,
        claim: UptimeAcknowledgement,
        answers: Mapping[Address, UptimeAnswer],
        index: int,
    ) -> RentRow:
        words = []
        for anchor, answer in answers.items():
            signature = answer.signatures[index] if index < len(answer.signatures) else None
            if signature is not None and self._is_signed(anchor, claim, signature):
                words.append(AnchorWord(anchor=anchor, signature=signature))
        return RentRow(
            token_class=claim.token_class,
            instances=claim.instances,
            availability=claim.availability,
            words=tuple(sorted(words, key=lambda word: word.anchor)),
        )

    def _is_signed(
        self, anchor: Address, claim: UptimeAcknowledgement, signature: Signature
    ) -> bool:
        try:
            require_signer(self._domain, claim, signature, anchor)
        except SmartLayerError as error:
            self._log.warning("bad_word_about_uptime", anchor=anchor.hex(), error=str(error))
            return False
        return True

    async def _ask_all(
        self, anchors: Sequence[Address], period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> dict[Address, UptimeAnswer]:
        answers = await asyncio.gather(*(self._ask(each, period, claims) for each in anchors))
        found = zip(anchors, answers, strict=True)
        return {anchor: answer for anchor, answer in found if answer is not None}

    async def _ask(
        self, anchor: Address, period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeAnswer | None:
        """An anchor that does not answer now is asked again later, while the window is open."""
        try:
            return await self._anchors.ask(anchor, period, claims)
        except SmartLayerError as error:
            self._log.info("no_word_about_uptime", anchor=anchor.hex(), error=str(error))
            return None

    async def _told(self, event: ChainEvent) -> None:
        match event:
            case RentEarned(node=self._node):
                earned = ContractReceiveRentEarned(
                    token_class=event.token_class, amount=event.amount
                )
                await self._apply(event.period, earned)
            case RentSkipped(node=self._node):
                skipped = ContractReceiveRentSkipped(
                    token_class=event.token_class,
                    too_early=event.reason is RentSkip.NOTHING_DUE,
                )
                await self._apply(event.period, skipped)

    async def _apply(self, period: int, event: RentClaimEvent) -> None:
        await self._engine.apply(RENT_CLAIM, rent_claim_key(period), event)

    async def _perform_earn(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendEarn)
        state = await self.claims(request.period)
        rows = [row for row in state.pending if row.token_class in request.classes]
        windows = await self._calendar.windows(request.period)
        if not rows or await self._calendar.seconds() >= windows.direct_until:
            return
        call = self._calls.earn_rent(self._node, request.period, [_on_chain(row) for row in rows])
        await self._writer.submit(call)


def _on_chain(row: RentRow) -> UptimeRow:
    pairs = [compact(word.signature) for word in row.words]
    return UptimeRow(
        token_class=row.token_class,
        instances=row.instances,
        availability=row.availability,
        r=tuple(r for r, _ in pairs),
        vs=tuple(vs for _, vs in pairs),
    )
