"""The directory of channels: what confirmed events say, kept in one machine per channel."""

from collections.abc import Iterable, Sequence

from settlement.core.channels import (
    CHANNEL,
    ChannelEvent,
    ChannelState,
    ContractReceiveAnchorChanged,
    ContractReceiveDirectClaim,
    ContractReceiveOpened,
    ContractReceiveReplaced,
    ContractReceiveRestored,
    ContractReceiveSettled,
    ContractReceiveToppedUp,
    ContractReceiveWithdrawalRequested,
    ContractReceiveWithdrawn,
    channel_key,
)
from settlement.core.refusals import ChannelUnknown
from settlement.ports.chain import ChainReader
from settlement.ports.chain_errors import RangeRefused
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

    async def undo(self, chain: ChainReader, replaced_from: int, first_block: int) -> None:
        """The chain replaced the blocks from ``replaced_from`` on, which were shown before.

        Channels with an event there are told again, from the deployment's ``first_block`` to the
        last block that still stands; the new blocks' events then come as usual. Repeating it
        after a crash is harmless.
        """
        stale = set()
        for signer in await self.signers():
            state = await self._engine.state(CHANNEL, channel_key(signer))
            # One without events was being told again when an earlier process died.
            if state.block >= replaced_from or not state.exists:
                stale.add(signer)
                again = ContractReceiveReplaced(block=replaced_from, log_index=0)
                await self._engine.apply(CHANNEL, channel_key(signer), again)
        for event in await _events(chain, first_block, replaced_from - 1) if stale else ():
            for signer, told in await self._told(event):
                if signer in stale:
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


async def _events(chain: ChainReader, first: int, last: int) -> Sequence[ChainEvent]:
    if last < first:
        return ()
    try:
        return await chain.events(first, last, frozenset())
    except RangeRefused:
        if first == last:
            raise
    middle = (first + last) // 2
    return (*await _events(chain, first, middle), *await _events(chain, middle + 1, last))


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
