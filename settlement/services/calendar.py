"""The chain's clock for services: seconds of the newest block, periods, their windows and terms."""

from settlement.core.periods import PeriodTerms, PeriodWindows, windows_of
from settlement.core.splits import Shares
from settlement.ports.chain import Block, ChainReader
from settlement.ports.chain_records import ChainParameters, ExecutionRates, Terms


class Calendar:
    """Chain time and the terms of periods, read once and remembered.

    The composition root tells it every new head (:meth:`observe`); before the first one it asks
    the chain. Terms of a period that has begun never change, so they are read once.
    """

    def __init__(self, chain: ChainReader) -> None:
        self._chain = chain
        self._seconds: int | None = None
        self._parameters: dict[int, ChainParameters] = {}
        self._rates: dict[int, ExecutionRates] = {}
        self._clock: tuple[int, int] | None = None

    def observe(self, block: Block) -> None:
        """A new head was seen; time never runs backwards here, whatever a reorganisation does."""
        self._seconds = max(self._seconds or 0, block.timestamp)

    async def seconds(self) -> int:
        """The newest block's time, unix seconds."""
        if self._seconds is None:
            self.observe(await self._chain.head())
        assert self._seconds is not None
        return self._seconds

    async def period(self) -> int:
        """The current period."""
        if self._clock is None:
            parameters = await self._chain.parameters()
            self._clock = (parameters.genesis, parameters.period_length)
        genesis, length = self._clock
        return (await self.seconds() - genesis) // length

    async def windows(self, period: int) -> PeriodWindows:
        """The windows of a period."""
        found = await self._of(period)
        terms = PeriodTerms(
            genesis=found.genesis,
            period_length=found.period_length,
            acknowledgement_grace=found.terms.acknowledgement_grace,
            settle_deadline=found.terms.settle_deadline,
            challenge_window=found.terms.challenge_window,
            direct_claim_window=found.terms.direct_claim_window,
        )
        return windows_of(period, terms)

    async def terms(self, period: int) -> Terms:
        """The terms that hold for a period."""
        return (await self._of(period)).terms

    async def shares(self, period: int) -> Shares:
        """How gross is split in a period."""
        terms = await self.terms(period)
        return Shares(
            protocol=terms.protocol_share, burn=terms.burn_share, anchor=terms.anchor_share
        )

    async def rates(self, period: int) -> ExecutionRates:
        """What running scripts costs in a period.

        A change holds from the period after the next one, so those of the next are read along: a
        node whose endpoint is away when a period begins knows them.
        """
        if period not in self._rates:
            for each in (period, period + 1):
                if each <= await self.period() + 1 and each not in self._rates:
                    self._rates[each] = await self._chain.rates(each)
        return self._rates.get(period) or await self._chain.rates(period)

    async def _of(self, period: int) -> ChainParameters:
        if (found := self._parameters.get(period)) is None:
            found = await self._chain.parameters(period)
            if period <= await self.period():
                self._parameters[period] = found
        return found
