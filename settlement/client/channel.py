"""What an integration pays with: promises within budgets, durable before they leave.

::

    channel = ChannelClient(key=key, domain=domain, store=store, clock=clock,
                            budgets=Budgets(per_day=5 * 10**18))
    voucher = await channel.voucher(offer.node, offer.token_class, offer.price, offer.period)
    headers = {"Voucher": signed_to_header(voucher)}

Any number of calls may be under way at once. :class:`settlement.client.calls.PaidCalls` does this
over HTTP. Who sends vouchers otherwise gives each call a request id: a ``timeout`` is not a
failure, and asking for the voucher of a pending call again, even after a crash, gives the same one;
only an answer that says "not charged" justifies :meth:`ChannelClient.release`.
"""

from settlement.core.purse import (
    PURSE,
    ActionClose,
    ActionPromise,
    ActionRelease,
    ActionSignStatement,
    Budgets,
    PendingCall,
    PurseState,
    ReceiveOwnVoucher,
    ReceiveReceipt,
    purse_key,
)
from settlement.core.refusals import CloseRefused
from settlement.core.statement_file import CommittedPot, FileLane, StatementFile
from settlement.core.statements import StatementDraft
from settlement.ports.clock import Clock
from settlement.ports.store import Store
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed, SignedClose, SignedStatement, SignedVoucher
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.closing import CloseOffer
from settlement.services.engine import Engine
from settlement.types import Address, Hash


class ChannelClient:
    """One session key's purse. Share one object between all calls of a process."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        store: Store,
        clock: Clock,
        budgets: Budgets | None = None,
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = Engine(store, clock)
        self._budgets = budgets or Budgets()

    @property
    def signer(self) -> Address:
        """The session key's address: the channel's name on chain."""
        return self._key.address

    async def voucher(
        self,
        node: Address,
        token_class: Hash,
        price: int,
        period: int,
        token: Hash | None = None,
        request_id: Hash | None = None,
    ) -> SignedVoucher:
        """Promise ``price`` base units to ``node``; durable when it returns.

        ``token`` names the called token for the budget per token. With a ``request_id`` the call
        is pending until :meth:`receipt` or :meth:`release`; asking again for a pending call, even
        after a crash, returns its own voucher, whatever ``price`` and ``period`` are by then.
        Raises BudgetExceeded, CallsPending, StoreFailed; then nothing was signed.
        """
        moved = await self._engine.apply(
            PURSE,
            purse_key(self.signer),
            ActionPromise(
                period=period,
                node=node,
                token_class=token_class,
                price=price,
                budgets=self._budgets,
                token=token,
                request_id=request_id,
            ),
        )
        call = None if request_id is None else moved.state.call(request_id, node, token_class)
        if call is not None:
            period, cumulative = call.period, call.cumulative
        else:
            cumulative = moved.state.lane(period, node, token_class).cumulative
        message = Voucher(
            signer=self.signer,
            period=period,
            node=node,
            token_class=token_class,
            cumulative=cumulative,
        )
        return Signed.by(self._key, self._domain, message)

    async def receipt(self, call: PendingCall, charged: int) -> None:
        """A pending call's receipt was checked, and says ``charged``; it counts once."""
        event = ReceiveReceipt(
            request_id=call.request_id,
            node=call.node,
            token_class=call.token_class,
            charged=charged,
        )
        await self._engine.apply(PURSE, purse_key(self.signer), event)

    async def pending(self) -> tuple[PendingCall, ...]:
        """Calls without a receipt, oldest first, those of earlier processes too: repeat them."""
        return (await self.state()).pending

    async def release(
        self,
        voucher: SignedVoucher,
        price: int,
        promised_ms: int | None = None,
        token: Hash | None = None,
        request_id: Hash | None = None,
    ) -> None:
        """The call was refused uncharged: reuse its promise for the next one.

        Never call it for a call whose outcome is unknown. ``promised_ms`` is when it was promised
        (now, by default): budgets of an hour or day that is over are not given back.
        """
        message = voucher.message
        now_ms = self._engine.clock.now_ms()
        event = ActionRelease(
            period=message.period,
            node=message.node,
            token_class=message.token_class,
            price=price,
            promised_ms=now_ms if promised_ms is None else promised_ms,
            token=token,
            request_id=request_id,
        )
        await self._engine.apply(PURSE, purse_key(self.signer), event)

    async def remember(self, voucher: SignedVoucher) -> None:
        """Take up a voucher that a node or anchor shows us, after an old backup was restored.

        Raises SignatureInvalid unless it bears our own signature.
        """
        voucher.require(self._domain, self.signer)
        message = voucher.message
        event = ReceiveOwnVoucher(
            period=message.period,
            node=message.node,
            token_class=message.token_class,
            cumulative=message.cumulative,
        )
        await self._engine.apply(PURSE, purse_key(self.signer), event)

    async def statement(self, draft: StatementDraft, anchor: Address) -> SignedStatement:
        """Check an anchor's draft against what was promised, lane by lane, and sign it.

        Works offline. Raises DraftEmpty, DraftExceedsPromises, DraftInconsistent,
        StatementForAnother.
        """
        event = ActionSignStatement(draft=draft, anchor=anchor)
        await self._engine.apply(PURSE, purse_key(self.signer), event)
        return Signed.by(self._key, self._domain, draft.statement())

    async def statement_file(
        self, draft: StatementDraft, anchor: Address, pot: CommittedPot | None = None
    ) -> StatementFile:
        """A period's statement with what proves it, to be kept and verified offline.

        ``draft`` is signed as :meth:`statement` signs it, and raises the same; ``pot`` is what the
        anchor committed, once it has.
        """
        statement = await self.statement(draft, anchor)
        state = await self.state()
        lanes = []
        for asked in draft.lanes:
            promised = state.lane(draft.period, asked.node, asked.token_class)
            voucher = Voucher(
                signer=self.signer,
                period=draft.period,
                node=asked.node,
                token_class=asked.token_class,
                cumulative=promised.cumulative,
            )
            lanes.append(
                FileLane(
                    voucher=Signed.by(self._key, self._domain, voucher),
                    amount=asked.amount,
                    receipted=promised.receipted,
                    receipts=promised.receipts,
                )
            )
        return StatementFile(
            chain_id=self._domain.chain_id,
            hub=self._domain.hub,
            signer=self.signer,
            statement=statement,
            lanes=tuple(lanes),
            pot=pot,
        )

    async def close(self, offer: CloseOffer, *, keep_at_most: int) -> SignedClose:
        """Agree to an anchor's offer to close the channel: all but what it keeps is refunded.

        What it keeps pays for calls that were made, and can be withdrawn later if it is not
        needed. No voucher is signed for this period from then on. Raises CloseRefused where it
        keeps more than ``keep_at_most`` base units.
        """
        event = ActionClose(
            period=offer.period, final_amount=offer.final_amount, keep_at_most=keep_at_most
        )
        if offer.signer != self.signer:
            raise CloseRefused(problem="it is about another channel")
        await self._engine.apply(PURSE, purse_key(self.signer), event)
        return Signed.by(self._key, self._domain, offer.agreement())

    async def state(self) -> PurseState:
        """What was promised and spent so far."""
        return await self._engine.state(PURSE, purse_key(self.signer))
