"""The anchor's part of a cooperative close: offer the terms, agree, send, and see it through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from settlement.core.closing import (
    CLOSING,
    ActionClose,
    ClosingStage,
    ClosingState,
    ContractReceiveClose,
    ContractReceiveRefusal,
    ContractSendClose,
    closing_key,
)
from settlement.core.refusals import CloseRefused, RefundTooSmall
from settlement.ports.chain import Call, ChainWriter
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_events import ChainEvent
from settlement.ports.dispute_events import ChannelClosed
from settlement.protocol.messages import Close
from settlement.protocol.signed import SignedClose
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import Anchor
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Signature, Uint32, Uint64, Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseOffer:
    """What the anchor would sign now: all but ``final_amount`` of ``balance`` is refunded. The
    offer ends with its period, at ``deadline`` (unix seconds)."""

    signer: Address
    period: Uint32
    final_amount: Uint128
    balance: Uint128
    deadline: Uint64

    def agreement(self) -> Close:
        """The message that both ends sign."""
        return Close(
            signer=self.signer,
            period=self.period,
            final_amount=self.final_amount,
            deadline=self.deadline,
        )


class CloseCalls(Protocol):
    """The builder of the transaction (``settlement.chain.dispute_calls.DisputeCalls``)."""

    def close_channel(self, agreement: Close, payer: Signature, anchor: Signature) -> Call: ...


class Closing:
    """Closes channels of one anchor with their payers.

    The anchor pays the gas of a close, so it sends none that refunds less than ``least_refund``
    (base units, more than 0): a payer could otherwise have it spend gas on next to nothing.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        domain: Domain,
        key: SigningKey,
        anchor: Anchor,
        directory: ChannelDirectory,
        calendar: Calendar,
        writer: ChainWriter,
        calls: CloseCalls,
        least_refund: Uint128,
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._key = key
        self._anchor = anchor
        self._directory = directory
        self._calendar = calendar
        self._writer = writer
        self._calls = calls
        self._least_refund = least_refund
        self._log = structlog.get_logger("closing")

    @property
    def performers(self) -> Mapping[type, Performer]:
        """The coroutine that sends agreements; the hub takes each once."""
        return {ContractSendClose: self._send}

    async def offer(self, signer: Address) -> CloseOffer:
        """What the anchor would sign for a channel now; nothing is bound by asking.

        Raises ChannelUnknown, ChannelWrongAnchor, RefundTooSmall: whoever signs an offer stops
        paying for its period, so none is made that would be declined.
        """
        period = await self._calendar.period()
        final_amount = await self._anchor.leased_at_most(signer, period)
        windows = await self._calendar.windows(period)
        channel = await self._directory.channel(signer, period)
        self._require_worth(channel.balance - final_amount)
        return CloseOffer(
            signer=signer,
            period=period,
            final_amount=final_amount,
            balance=channel.balance,
            deadline=windows.closes_at,
        )

    async def close(self, agreement: SignedClose) -> ClosingState:
        """Agree to a close that the payer signed, and send it; asking again changes nothing.

        From then on the channel gets no further lease in this period. Raises SignatureInvalid,
        ChannelUnknown, ChannelWrongAnchor, CloseRefused, RefundTooSmall; then nothing was kept.
        """
        message = agreement.message
        agreement.require(self._domain, message.signer)
        known = await self.state(message.signer, message.period)
        agreed = known.stage in (ClosingStage.SENT, ClosingStage.CLOSED)
        terms = (message.final_amount, message.deadline)
        # A state that nobody agreed on yet has terms too, 0 and 0, which anybody may sign.
        if not agreed or (known.final_amount, known.deadline) != terms:
            await self._require_fair(message)
            await self._anchor.seal(message.signer, message.period, message.final_amount)
        event = ActionClose(
            agreement=message,
            payer=agreement.signature,
            anchor=self._key.sign(self._domain, message),
        )
        key = closing_key(message.signer, message.period)
        return (await self._engine.apply(CLOSING, key, event)).state

    async def state(self, signer: Address, period: int) -> ClosingState:
        """Where a close stands."""
        return await self._engine.state(CLOSING, closing_key(signer, period))

    async def receive(self, events: Sequence[ChainEvent]) -> None:
        """Take confirmed events, after the directory has seen them."""
        for event in events:
            if isinstance(event, ChannelClosed):
                key = closing_key(event.signer, event.period)
                await self._engine.apply(CLOSING, key, ContractReceiveClose())

    async def _require_fair(self, message: Close) -> None:
        period, now = await self._calendar.period(), await self._calendar.seconds()
        channel = await self._directory.channel(message.signer, period)
        if message.period != period:
            raise CloseRefused(problem=f"it is for period {message.period}, {period} is running")
        if message.deadline <= now:
            raise CloseRefused(problem="its deadline has passed")
        if message.final_amount >= channel.balance:
            raise CloseRefused(problem="nothing would be refunded")
        self._require_worth(channel.balance - message.final_amount)

    def _require_worth(self, refund: int) -> None:
        if refund < self._least_refund:
            raise RefundTooSmall(refund=max(0, refund), least=self._least_refund)

    async def _send(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, ContractSendClose)
        agreement = request.agreement
        if (await self._directory.channel(agreement.signer, agreement.period)).closed:
            return
        call = self._calls.close_channel(agreement, request.payer, request.anchor)
        try:
            await self._writer.submit(call)
        except CallReverted as error:
            self._log.warning("close_refused", error=error.error, advice=error.explanation)
            refusal = ContractReceiveRefusal(problem=error.explanation)
            key = closing_key(agreement.signer, agreement.period)
            await self._engine.apply(CLOSING, key, refusal)
