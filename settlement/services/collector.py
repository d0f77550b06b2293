"""A service node's till: vouchers in, durable charges, acknowledgements from the anchors.

Wiring and use::

    collector = Collector(engine=…, domain=…, node=key.address, directory=…, calendar=…,
                          anchors=…, terms=CollectorTerms(exposure_limit=…))
    async with collector:                                   # runs the acknowledgement requests
        admission = await collector.admit(voucher, token_class=…, price=…, request_id=…)
        if admission.earlier is None:                       # otherwise: answer the same again
            charge = await collector.charge(admission, answer)   # durable when it returns
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec
import structlog

from settlement.core.lane import (
    LANE,
    ActionCharge,
    Charge,
    ChargeIndex,
    LaneState,
    ReceiveAcknowledgement,
    charges_stream,
    request_stream,
    require_lane,
    require_payable,
    voucher_lane_key,
)
from settlement.core.refusals import (
    AcknowledgementInvalid,
    ChannelShut,
    ChannelWithdrawing,
    PriceMismatch,
    RequestIdReused,
    VoucherWrongClass,
    VoucherWrongNode,
    VoucherWrongPeriod,
)
from settlement.errors import InputError, SmartLayerError
from settlement.ports.peers import AcknowledgementPort
from settlement.ports.store import RevisionConflict
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import SignedVoucher
from settlement.protocol.typed_data import Domain
from settlement.services.anchor import require_voucher_signer
from settlement.services.calendar import Calendar
from settlement.services.contact import Contact, Standing
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.services.exposure import Exposures
from settlement.types import BASIS_POINTS, Address, Hash


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorTerms:
    """What a node risks and how it asks. Amounts in base units, times in milliseconds.

    ``exposure_limit`` is the most that a channel's lanes together may be charged beyond their
    leases, in one period. The anchor is asked
    when ``request_share`` (basis points) of it is unacknowledged, and every ``request_every_ms``.
    """

    exposure_limit: int
    request_share: int = 1_000
    request_every_ms: int = 3_000
    concurrent_requests: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request that would be paid. ``earlier`` is the charge that its request id made before:
    answer with ``earlier.answer`` and charge nothing."""

    voucher: SignedVoucher
    price: int
    request_id: Hash
    key: str
    earlier: Charge | None


class Collector:
    """Collects for one service node. An async context manager round its requests to anchors."""

    def __init__(
        self,
        *,
        engine: Engine,
        domain: Domain,
        node: Address,
        directory: ChannelDirectory,
        calendar: Calendar,
        anchors: AcknowledgementPort,
        terms: CollectorTerms,
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._node = node
        self._directory = directory
        self._calendar = calendar
        self._anchors = anchors
        self._terms = terms
        self._exposures = Exposures(engine, directory, terms.exposure_limit)
        self._contact = Contact(terms.exposure_limit)
        self._unacknowledged: set[str] = set()
        self._urgent: set[str] = set()
        self._any_urgent = asyncio.Event()
        self._slots = asyncio.Semaphore(terms.concurrent_requests)
        self._tasks: asyncio.TaskGroup | None = None
        self._requesting: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("collector")

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._requesting = self._tasks.create_task(self._keep_requesting())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        assert self._requesting is not None
        self._requesting.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def admit(
        self,
        voucher: SignedVoucher,
        *,
        token_class: Hash,
        price: int,
        request_id: Hash,
        agreed_price: int | None = None,
    ) -> Admission:
        """Check that a request would be paid, before any work is done for it.

        Raises VoucherWrongNode, VoucherWrongPeriod, VoucherWrongClass, VoucherWrongDomain,
        SignatureInvalid, PriceMismatch, ChannelUnknown, ChannelShut, ChannelWithdrawing,
        VoucherTooLow, VoucherBelowLast, ExposureReached, RequestIdReused.
        """
        message = voucher.message
        if len(request_id) != 32:
            raise InputError(where="request id", problem="expected 32 bytes")
        if agreed_price is not None and agreed_price != price:
            raise PriceMismatch(price=price, agreed=agreed_price)
        await self._require_ours(message, token_class)
        require_voucher_signer(self._domain, voucher)
        key = voucher_lane_key(message)
        state = await self._engine.state(LANE, key)
        earlier = await self._earlier(state, key, message.cumulative, request_id)
        # A request id that the lane knows and the log does not show yet is being charged right
        # now: its charge will be found, so nothing more need be payable.
        if earlier is None and state.position_of(request_id) is None:
            channel = await self._directory.channel(message.signer, message.period)
            if channel.closed:
                raise ChannelShut(signer=message.signer)
            if channel.withdrawing:
                raise ChannelWithdrawing(
                    signer=message.signer, withdrawable_at=channel.withdrawable_at
                )
            self._ask_if_short(key, state, price)
            room = await self._exposures.room(key, state)
            require_payable(state, message.cumulative, price, room)
        return Admission(
            voucher=voucher, price=price, request_id=request_id, key=key, earlier=earlier
        )

    async def charge(self, admission: Admission, answer: bytes) -> Charge:
        """Charge an admitted request; returns once charge, voucher and answer are durable.

        The returned charge holds the answer to send: that of the first charge, if the request id
        was charged while this request was at work. Raises VoucherTooLow, VoucherBelowLast,
        ExposureReached, RequestIdReused, StoreFailed; then nothing was charged.
        """
        if admission.earlier is not None:
            return admission.earlier
        state = await self._engine.state(LANE, admission.key)
        event = ActionCharge(
            voucher=admission.voucher,
            price=admission.price,
            request_id=admission.request_id,
            answer=answer,
            exposure_limit=await self._exposures.room(admission.key, state),
        )
        self._exposures.begin(admission.key, state)
        try:
            moved = await self._engine.apply(LANE, admission.key, event)
        except RevisionConflict:
            # The index of request ids holds this one already, older than the lane remembers.
            earlier = await self._indexed(admission.key, admission.request_id)
            if earlier is None:
                raise
            return earlier
        if not moved.records:
            earlier = await self._recent(moved.state, admission.key, admission.request_id)
            assert earlier is not None
            return earlier
        self._note_unacknowledged(admission.key, moved.state)
        charge = moved.records[0].body
        assert isinstance(charge, Charge)
        return charge

    def standing(self) -> Standing:
        """What is earned and not owed by any anchor yet, and which anchors do not answer."""
        return self._contact.standing()

    async def lane(self, voucher: Voucher) -> LaneState:
        """The lane that a voucher pays into, as it stands."""
        return await self._engine.state(LANE, voucher_lane_key(voucher))

    async def lanes(self, period: int) -> tuple[LaneState, ...]:
        """All lanes of a period: what was earned, and what of it is acknowledged."""
        keys = await self._engine.store.keys(LANE.kind)
        return tuple(
            [
                await self._engine.state(LANE, key)
                for key in keys
                if key.split("/")[1] == str(period)
            ]
        )

    async def charges(self, lane: LaneState, start: int = 0, limit: int = 1_000) -> list[Charge]:
        """Charges of a lane from number ``start`` on, in order, at most ``limit``."""
        message = lane.best_voucher
        if message is None:
            return []
        stream = charges_stream(voucher_lane_key(message.message))
        rows = await self._engine.store.read_log(stream, start, limit)
        return [msgspec.json.decode(row.body, type=Charge) for row in rows]

    async def request_acknowledgements(self) -> int:
        """Ask for every lane that has something unacknowledged, once, now; returns how many
        lanes still have."""
        await self._request_all(self._unacknowledged)
        return len(self._unacknowledged)

    async def _require_ours(self, message: Voucher, token_class: Hash) -> None:
        if message.node != self._node:
            raise VoucherWrongNode(expected=self._node, found=message.node)
        if message.token_class != token_class:
            raise VoucherWrongClass(expected=token_class, found=message.token_class)
        period = await self._calendar.period()
        if message.period != period:
            raise VoucherWrongPeriod(expected=period, found=message.period)

    async def _earlier(
        self, state: LaneState, key: str, cumulative: int, request_id: Hash
    ) -> Charge | None:
        if state.position_of(request_id) is not None:
            return await self._recent(state, key, request_id)
        if cumulative > state.highest:
            return None  # a new voucher; the index would still stop a second charge
        return await self._indexed(key, request_id)

    async def _recent(self, state: LaneState, key: str, request_id: Hash) -> Charge | None:
        position = state.position_of(request_id)
        if position is None:
            return None
        rows = await self._engine.store.read_log(charges_stream(key), position, 1)
        if not rows or rows[0].position != position:
            return None  # on its way to the disk; the charge itself will wait for it
        charge = msgspec.json.decode(rows[0].body, type=Charge)
        if charge.request_id != request_id:
            raise RequestIdReused(request_id=request_id)
        return charge

    async def _indexed(self, key: str, request_id: Hash) -> Charge | None:
        rows = await self._engine.store.read_log(request_stream(key, request_id), 0, 1)
        if not rows:
            return None
        position = msgspec.json.decode(rows[0].body, type=ChargeIndex).position
        charges = await self._engine.store.read_log(charges_stream(key), position, 1)
        return msgspec.json.decode(charges[0].body, type=Charge)

    async def _find_unacknowledged(self) -> None:
        current = await self._calendar.period()
        for key in await self._engine.store.keys(LANE.kind):
            if int(key.split("/")[1]) >= current - 1:
                self._note_unacknowledged(key, await self._engine.state(LANE, key))

    def _note_unacknowledged(self, key: str, state: LaneState) -> None:
        self._exposures.note(key, state)
        self._contact.note(key, state)
        if not state.unacknowledged:
            return
        self._unacknowledged.add(key)
        if state.unacknowledged * BASIS_POINTS >= self._terms.exposure_limit * (
            self._terms.request_share
        ):
            self._urge(key)

    def _ask_if_short(self, key: str, state: LaneState, price: int) -> None:
        if state.charged + price > state.lease_cap + self._terms.exposure_limit:
            self._unacknowledged.add(key)
            self._urge(key)

    def _urge(self, key: str) -> None:
        self._urgent.add(key)
        self._any_urgent.set()

    async def _keep_requesting(self) -> None:
        # A node serves at once after a restart, however many lanes it has to look through.
        await self._find_unacknowledged()
        clock = self._engine.clock
        while True:
            all_again_ms = clock.now_ms() + self._terms.request_every_ms
            self._urgent.clear()
            await self.request_acknowledgements()
            while (left_ms := all_again_ms - clock.now_ms()) > 0:
                await self._wait(left_ms)
                urgent, self._urgent = self._urgent, set()
                await self._request_all(urgent)

    async def _request_all(self, keys: Iterable[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for key in sorted(keys):
                group.create_task(self._request(key))

    async def _wait(self, longest_ms: int) -> None:
        """Until a lane is urgent, or for ``longest_ms``."""
        urgent = asyncio.create_task(self._any_urgent.wait())
        tick = asyncio.create_task(self._engine.clock.sleep_ms(longest_ms))
        try:
            await asyncio.wait((urgent, tick), return_when=asyncio.FIRST_COMPLETED)
        finally:
            urgent.cancel()
            tick.cancel()
        self._any_urgent.clear()

    async def _request(self, key: str) -> None:
        async with self._slots:
            try:
                await self._acknowledged(key)
            except SmartLayerError as error:
                # Refused or unreachable, the anchor is asked until the grace is over: it may have
                # seen less of the chain than we have. The exposure limit bounds what is at risk.
                self._log.info("acknowledgement_failed", lane=key, error=str(error))
                if await self._is_too_late(key):
                    self._unacknowledged.discard(key)

    async def _is_too_late(self, key: str) -> bool:
        windows = await self._calendar.windows(int(key.split("/")[1]))
        return await self._calendar.seconds() >= windows.settle_from

    async def _acknowledged(self, key: str) -> None:
        state = await self._engine.state(LANE, key)
        voucher = state.best_voucher
        if voucher is None:
            self._unacknowledged.discard(key)
            return
        channel = await self._directory.channel(state.signer)
        anchor = await self._directory.anchor_at(channel, state.period)
        try:
            answer = await self._anchors.request(anchor, voucher)
        except SmartLayerError as error:
            self._contact.failed(anchor, self._engine.clock.now_ms(), str(error))
            raise
        self._contact.answered(anchor)
        answer.require(self._domain, anchor)
        if answer.message.signer != state.signer:
            raise AcknowledgementInvalid(problem="it is about another channel")
        require_lane(state, state.signer, answer.message)
        event = ReceiveAcknowledgement(acknowledgement=answer)
        moved = await self._engine.apply(LANE, key, event)
        self._exposures.note(key, moved.state)
        self._contact.note(key, moved.state)
        if not moved.state.unacknowledged:
            self._unacknowledged.discard(key)
