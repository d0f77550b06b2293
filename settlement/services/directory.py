"""The directory of channels: what confirmed events say, kept in one machine per channel."""

from collections.abc import Iterable

from settlement.core.channels import (
    CHANNEL,
    ChannelEvent,
    ChannelState,
    ContractReceiveAnchorChanged,
    ContractReceiveDirectClaim,
    ContractReceiveOpened,
    ContractReceiveRestored,
    ContractReceiveSettled,
    ContractReceiveToppedUp,
    ContractReceiveWithdrawalRequested,
    ContractReceiveWithdrawn,
    channel_key,
)
from settlement.core.refusals import ChannelUnknown
from settlement.ports.chain_events import (
    AnchorChanged,
    ChainEvent,
    ChannelOpened,
    ChannelToppedUp,
    DirectClaimed,
    StatementsAccepted,
    StatementsRestored,
    WithdrawalRequested,
    Withdrawn,
)
from settlement.services.engine import Engine
from settlement.types import Address


class ChannelDirectory:
    """Channels by session signer. Feed it every confirmed event, in order (:meth:`receive`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def channel(self, signer: Address) -> ChannelState:
        """The channel of a session key. Raises ChannelUnknown where none is confirmed."""
        state = await self._engine.state(CHANNEL, channel_key(signer))
        if not state.exists:
            raise ChannelUnknown(signer=signer)
        return state

    async def signers(self) -> tuple[Address, ...]:
        """Every session key that ever had a channel, sorted."""
        keys = await self._engine.store.keys(CHANNEL.kind)
        return tuple(Address(bytes.fromhex(key)) for key in keys)

    async def receive(self, events: Iterable[ChainEvent]) -> None:
        """Take confirmed events, oldest first; those taken before change nothing."""
        for event in events:
            for signer, told in await self._told(event):
                await self._engine.apply(CHANNEL, channel_key(signer), told)

    async def _told(self, event: ChainEvent) -> list[tuple[Address, ChannelEvent]]:
        block, log_index = event.position
        match event:
            case StatementsAccepted():
                return [
                    (
                        row.signer,
                        ContractReceiveSettled(
                            block=block,
                            log_index=log_index,
                            period=event.period,
                            anchor=event.anchor,
                            chunk=event.chunk,
                            amount=row.amount,
                        ),
                    )
                    for row in event.rows
                ]
            case StatementsRestored():
                # The event does not name the channels; restoring is rare enough to ask them all.
                restored = ContractReceiveRestored(
                    block=block,
                    log_index=log_index,
                    period=event.period,
                    anchor=event.anchor,
                    chunk=event.chunk,
                )
                return [(signer, restored) for signer in await self.signers()]
            case _:
                return _told_to_one(event)


def _told_to_one(event: ChainEvent) -> list[tuple[Address, ChannelEvent]]:
    block, log_index = event.position
    told: ChannelEvent
    match event:
        case ChannelOpened():
            told = ContractReceiveOpened(
                block=block,
                log_index=log_index,
                owner=event.owner,
                anchor=event.anchor,
                period=event.period,
                amount=event.amount,
            )
        case ChannelToppedUp():
            told = ContractReceiveToppedUp(block=block, log_index=log_index, balance=event.balance)
        case AnchorChanged():
            told = ContractReceiveAnchorChanged(
                block=block,
                log_index=log_index,
                anchor=event.anchor,
                from_period=event.from_period,
            )
        case WithdrawalRequested():
            told = ContractReceiveWithdrawalRequested(
                block=block,
                log_index=log_index,
                amount=event.amount,
                withdrawable_at=event.withdrawable_at,
            )
        case Withdrawn():
            told = ContractReceiveWithdrawn(block=block, log_index=log_index, balance=event.balance)
        case DirectClaimed():
            told = ContractReceiveDirectClaim(block=block, log_index=log_index, amount=event.amount)
        case _:
            return []
    return [(event.signer, told)]
