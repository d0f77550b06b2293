"""The anchor's promises: acknowledge vouchers, draft Statements, take signed ones.

Wiring: ``Anchor(engine=…, domain=…, key=…, directory=…, calendar=…, lease_step=…)``; it has no
background work. Serve :meth:`Anchor.acknowledge` to service nodes and :meth:`Anchor.draft` and
:meth:`Anchor.receive_statement` to integrations; the settler reads :meth:`Anchor.accepted`.
"""

import asyncio
from dataclasses import dataclass
from weakref import WeakValueDictionary

from settlement.core.channels import ChannelState
from settlement.core.ledger import (
    LEDGER,
    AcceptedStatement,
    ActionDraft,
    ActionLimit,
    ActionSeal,
    ContractReceiveDeposit,
    LedgerState,
    ReceiveStatement,
    ReceiveVoucher,
    draft_now,
    ledger_key,
)
from settlement.core.periods import Phase
from settlement.core.refusals import ChannelWrongAnchor, PeriodClosed, VoucherWrongDomain
from settlement.core.restored import RESTORED, RESTORED_KEY, ActionSeen, AnchorRestored
from settlement.core.statements import StatementDraft
from settlement.protocol.signed import (
    Signed,
    SignedAcknowledgement,
    SignedStatement,
    SignedVoucher,
)
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.calendar import Calendar
from settlement.services.directory import ChannelDirectory
from settlement.services.engine import Engine
from settlement.types import Address

LONGEST_LOOK_BACK = 31
"""Earlier periods whose leases may still stand against a deposit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatement:
    """An accepted Statement, whose channel it debits, and what the anchor acknowledged there."""

    signer: Address
    statement: AcceptedStatement
    acknowledged: int

    @property
    def covers(self) -> bool:
        """Whether the Statement pays all that the anchor owes inclusion of."""
        return self.statement.amount >= self.acknowledged


def require_voucher_signer(domain: Domain, voucher: SignedVoucher) -> None:
    """Raise VoucherWrongDomain unless the voucher's own signer signed it in ``domain``;
    SignatureInvalid where the signature is malformed or malleable."""
    recovered = voucher.signer(domain)
    if recovered != voucher.message.signer:
        raise VoucherWrongDomain(
            signer=voucher.message.signer,
            recovered=recovered,
            chain_id=domain.chain_id,
            hub=domain.hub,
        )


class Anchor:
    """Keeps the channels that chose this node's key as their anchor."""

    def __init__(
        self,
        *,
        engine: Engine,
        domain: Domain,
        key: SigningKey,
        directory: ChannelDirectory,
        calendar: Calendar,
        lease_step: int,
    ) -> None:
        self._engine = engine
        self._domain = domain
        self._key = key
        self._directory = directory
        self._calendar = calendar
        self._lease_step = lease_step
        self._trusted: int | None = None
        self._locks: WeakValueDictionary[Address, asyncio.Lock] = WeakValueDictionary()

    @property
    def address(self) -> Address:
        """This anchor's key."""
        return self._key.address

    async def acknowledge(self, voucher: SignedVoucher) -> SignedAcknowledgement:
        """Acknowledge a voucher and lease what the deposit allows; durable before it is signed.

        Raises VoucherWrongDomain, SignatureInvalid, ChannelUnknown, ChannelWrongAnchor,
        PeriodClosed, AnchorRestored, LanesUsedUp, StoreFailed.
        """
        message = voucher.message
        require_voucher_signer(self._domain, voucher)
        channel = await self._require_ours(message.signer, message.period)
        await self._require_phase(message.period, Phase.OPEN, Phase.GRACE)
        await self._require_trusted(message.period)
        async with self._locks.setdefault(channel.signer, asyncio.Lock()):
            await self._refresh_deposit(message.signer, message.period)
            moved = await self._engine.apply(
                LEDGER,
                ledger_key(message.signer, message.period),
                ReceiveVoucher(voucher=voucher, lease_step=self._lease_step),
            )
        granted = moved.state.acknowledgement(message.node, message.token_class)
        return Signed.by(self._key, self._domain, granted)

    async def draft(self, signer: Address, period: int) -> StatementDraft:
        """What the integration is asked to sign for a period; amount 0 where nothing is owed.

        Remembered before it is handed out, where there is something to remember: anybody may ask.
        Raises ChannelUnknown, ChannelWrongAnchor, PeriodClosed (before the channel was opened, or
        in the future), AnchorRestored.
        """
        channel = await self._require_ours(signer, period)
        current = await self._calendar.period()
        if not channel.opened_in <= period <= current:
            phase = "not begun" if period > current else "before the channel was opened"
            raise PeriodClosed(period=period, current=current, phase=phase)
        await self._require_trusted(period)
        state = await self.ledger(signer, period)
        draft = draft_now(state, self.address)
        if not draft.amount or (state.drafts and state.drafts[-1] == draft):
            return draft
        moved = await self._engine.apply(
            LEDGER, ledger_key(signer, period), ActionDraft(anchor=self.address)
        )
        return moved.state.drafts[-1]

    async def receive_statement(self, statement: SignedStatement) -> AcceptedStatement:
        """Take an integration's Statement; the signature names the channel.

        Raises SignatureInvalid, ChannelUnknown (a forged signature recovers to nobody),
        ChannelWrongAnchor, PeriodClosed (its settle window is over), AnchorRestored, and the
        StatementErrors.
        """
        signer = statement.signer(self._domain)
        message = statement.message
        await self._require_ours(signer, message.period)
        await self._require_phase(message.period, Phase.OPEN, Phase.GRACE, Phase.SETTLING)
        await self._require_trusted(message.period)
        event = ReceiveStatement(anchor=self.address, statement=statement)
        moved = await self._engine.apply(LEDGER, ledger_key(signer, message.period), event)
        assert moved.state.statement is not None
        return moved.state.statement

    async def leased_at_most(self, signer: Address, period: int) -> int:
        """What the running period and earlier ones may still claim of a channel.

        Raises ChannelUnknown, ChannelWrongAnchor.
        """
        channel = await self._require_ours(signer, period)
        await self._require_trusted(period)
        async with self._locks.setdefault(channel.signer, asyncio.Lock()):
            claimed = await self._claimed_before(signer, period)
        return claimed + (await self.ledger(signer, period)).leased

    async def seal(self, signer: Address, period: int, final_amount: int) -> None:
        """Give this channel no further lease in ``period``; durable when it returns.

        Raises ChannelUnknown, ChannelWrongAnchor, CloseRefused where ``final_amount`` does not
        cover what is leased; then leases go on.
        """
        channel = await self._require_ours(signer, period)
        await self._require_trusted(period)
        async with self._locks.setdefault(channel.signer, asyncio.Lock()):
            claimed = await self._claimed_before(signer, period)
            event = ActionSeal(final_amount=final_amount, claimed=claimed)
            await self._engine.apply(LEDGER, ledger_key(signer, period), event)

    async def ledger(self, signer: Address, period: int) -> LedgerState:
        """The ledger of one channel-period, as it stands."""
        return await self._engine.state(LEDGER, ledger_key(signer, period))

    async def accepted(self, period: int) -> tuple[ChannelStatement, ...]:
        """Every accepted Statement of a period, by signer; the settler sends those that cover.

        None of a period that a restored store may have forgotten acknowledgements of.
        """
        found: list[ChannelStatement] = []
        if period < await self._trusted_from():
            return ()
        for key in await self._engine.store.keys(LEDGER.kind):
            if not key.endswith(f"/{period}"):
                continue
            state = await self._engine.state(LEDGER, key)
            if state.statement is not None:
                found.append(
                    ChannelStatement(
                        signer=state.signer,
                        statement=state.statement,
                        acknowledged=state.acknowledged,
                    )
                )
        return tuple(found)

    async def unsigned(self, period: int) -> int:
        """Channels of a period that owe something and have not signed for all of it."""
        count = 0
        if period < await self._trusted_from():
            return count
        for key in await self._engine.store.keys(LEDGER.kind):
            if key.endswith(f"/{period}"):
                state = await self._engine.state(LEDGER, key)
                signed = state.statement.amount if state.statement else 0
                count += signed < state.acknowledged
        return count

    async def _require_ours(self, signer: Address, period: int) -> ChannelState:
        channel = await self._directory.channel(signer, period)
        expected = await self._directory.anchor_at(channel, period)
        if expected != self.address:
            raise ChannelWrongAnchor(expected=expected, period=period)
        return channel

    async def _require_phase(self, period: int, *phases: Phase) -> None:
        now = await self._calendar.seconds()
        phase = (await self._calendar.windows(period)).phase_at(now)
        if phase not in phases:
            current = await self._calendar.period()
            raise PeriodClosed(period=period, current=current, phase=phase.value)

    async def _require_trusted(self, period: int) -> None:
        if period < (first := await self._trusted_from()):
            raise AnchorRestored(period=period, trusted_from=first)

    async def _trusted_from(self) -> int:
        """The first period that nothing signed can be missing of; see settlement.core.restored."""
        if self._trusted is None:
            state = await self._engine.state(RESTORED, RESTORED_KEY)
            if state.unseen:
                event = ActionSeen(period=await self._calendar.period())
                state = (await self._engine.apply(RESTORED, RESTORED_KEY, event)).state
            self._trusted = state.trusted_from
        return self._trusted

    async def _refresh_deposit(self, signer: Address, period: int) -> None:
        """Tell the ledger of ``period`` what no other period has a claim on."""
        claimed = await self._claimed_before(signer, period)
        channel = await self._directory.channel(signer)
        # What the session key may spend is a bound of leases, as the hub debits no more of it.
        cap = channel.spendable_in(period) + channel.withdrawal_amount
        deposit = max(0, min(channel.balance - claimed, cap))
        state = await self.ledger(signer, period)
        if (state.deposit, state.reserved) != (deposit, channel.withdrawal_amount):
            event = ContractReceiveDeposit(deposit=deposit, reserved=channel.withdrawal_amount)
            await self._engine.apply(LEDGER, ledger_key(signer, period), event)

    async def _claimed_before(self, signer: Address, period: int) -> int:
        """What earlier periods may still be debited; their leases are bounded first, so that it
        cannot grow afterwards. A period that another anchor keeps may claim everything."""
        channel = await self._directory.channel(signer)
        now = await self._calendar.seconds()
        claimed = 0
        for earlier in range(
            period - 1, max(channel.opened_in, period - LONGEST_LOOK_BACK) - 1, -1
        ):
            windows = await self._calendar.windows(earlier)
            if windows.direct_until <= now:
                break
            if channel.settled_in(earlier):
                continue
            if await self._directory.anchor_at(channel, earlier) != self.address:
                return channel.balance
            if earlier < await self._trusted_from():
                return channel.balance  # what was leased then is forgotten in part
            key = ledger_key(channel.signer_at(earlier), earlier)
            state = await self._engine.state(LEDGER, key)
            if state.limit is None:
                limit = ActionLimit(headroom=self._lease_step)
                moved = await self._engine.apply(LEDGER, key, limit)
                state = moved.state
            assert state.limit is not None
            claimed += state.limit if now < windows.settle_from else state.leased
        return claimed
