"""An anchor's word about uptime: it keeps what it measured, and signs what is not above it."""

from collections.abc import Sequence

from settlement.core.uptime import UPTIME, ActionLooked, UptimeState, uptime_key
from settlement.ports.uptimes import UptimeAnswer
from settlement.protocol.messages import UptimeAcknowledgement
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine
from settlement.types import Address, Signature


class UptimeDesk:
    """Measures for one anchor. It is trusted for liveness only: alone its word pays nobody, and
    unearned rent goes back to the class, so it gains nothing by silence either."""

    def __init__(
        self, *, engine: Engine, domain: Domain, key: SigningKey, calendar: Calendar
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._key = key
        self._calendar = calendar

    async def looked(self, node: Address, look: ActionLooked) -> None:
        """Keep what was seen of a node in the running period; durable once this returns."""
        period = await self._calendar.period()
        await self._engine.apply(UPTIME, uptime_key(period, node), look)

    async def measured(self, node: Address, period: int) -> UptimeState:
        """What this anchor measured of a node in a period."""
        return await self._engine.state(UPTIME, uptime_key(period, node))

    async def answer(
        self, node: Address, period: int, claims: Sequence[UptimeAcknowledgement]
    ) -> UptimeAnswer:
        """Answer a node about a period that is over; of a running one nothing is measured yet, and
        an anchor does not speak for itself."""
        if node == self._key.address or not await self._is_over(period):
            return UptimeAnswer(measured=(), signatures=(None,) * len(claims))
        state = await self.measured(node, period)
        signatures = tuple(self._word(state, claim) for claim in claims)
        return UptimeAnswer(measured=state.acknowledgements(), signatures=signatures)

    def _word(self, state: UptimeState, claim: UptimeAcknowledgement) -> Signature | None:
        return self._key.sign(self._domain, claim) if state.covers(claim) else None

    async def _is_over(self, period: int) -> bool:
        return 0 <= period < await self._calendar.period()
