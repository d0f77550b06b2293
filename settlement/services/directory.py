"""The directory of channels: what confirmed events say, kept in one machine per channel."""

from collections.abc import Iterable, Sequence

from settlement.core.channels import (
    CHANNEL,
    ChannelEvent,
    ChannelState,
    ContractReceiveAnchorChanged,
    ContractReceiveClosed,
    ContractReceiveDirectClaim,
    ContractReceiveKey,
    ContractReceiveLimit,
    ContractReceiveNamed,
    ContractReceiveOpened,
    ContractReceiveReplaced,
    ContractReceiveRestored,
    ContractReceiveSettled,
    ContractReceiveToppedUp,
    ContractReceiveWithdrawalRequested,
    ContractReceiveWithdrawn,
    KeyLimit,
    SessionKey,
    channel_key,
)
from settlement.core.key_changes import KEY_CHANGE, ContractReceiveKeyRotated, key_change_key
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
from settlement.ports.dispute_events import ChannelClosed, SignerLimited, SignerRotated
from settlement.ports.stake_events import KeyRotated
from settlement.services.engine import Engine
from settlement.types import ZERO_ADDRESS, Address


class ChannelDirectory:
    """Channels by session signer. Feed it every confirmed event, in order (:meth:`receive`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def channel(self, signer: Address, period: int | None = None) -> ChannelState:
        """The channel that a session key signs for, in ``period`` where one is given.

        Raises ChannelUnknown where none is confirmed, or this key does not sign in that period.
        """
        state = await self._engine.state(CHANNEL, channel_key(await self._name(signer)))
        if not state.exists or (period is not None and not state.signs(signer, period)):
            raise ChannelUnknown(signer=signer)
        return state

    async def anchor_at(self, channel: ChannelState, period: int) -> Address:
        """The key of the anchor that settles a channel in ``period``."""
        return await self.key_at(channel.anchor_at(period), period)

    async def key_at(self, key: Address, period: int) -> Address:
        """The key that stands in ``period`` for the node that once had ``key``."""
        change = await self._engine.state(KEY_CHANGE, key_change_key(key))
        while change.gave_way(period):
            key = change.new_key
            change = await self._engine.state(KEY_CHANGE, key_change_key(key))
        return key

    async def _name(self, signer: Address) -> Address:
        state = await self._engine.state(CHANNEL, channel_key(signer))
        return signer if state.channel == ZERO_ADDRESS else state.channel

    async def signers(self) -> tuple[Address, ...]:
        """Every session key that ever had a channel, sorted."""
        keys = await self._engine.store.keys(CHANNEL.kind)
        return tuple(Address(bytes.fromhex(key)) for key in keys)

    async def receive(self, events: Iterable[ChainEvent]) -> None:
        """Take confirmed events, oldest first; those taken before change nothing."""
        for event in events:
            if isinstance(event, KeyRotated):
                await self._rotated(event)
            for signer, told in await self._told(event):
                await self._engine.apply(CHANNEL, channel_key(signer), told)

    async def _rotated(self, event: KeyRotated) -> None:
        change = await self._engine.state(KEY_CHANGE, key_change_key(event.key))
        if event.block >= change.block:
            told = ContractReceiveKeyRotated(
                new_key=event.new_key, from_period=event.from_period, block=event.block
            )
            await self._engine.apply(KEY_CHANGE, key_change_key(event.key), told)

    async def _undo_rotations(self, replaced_from: int) -> bool:
        """Forget changes of key in replaced blocks; whether there were any."""
        undone = False
        for name in await self._engine.store.keys(KEY_CHANGE.kind):
            if (await self._engine.state(KEY_CHANGE, name)).block >= replaced_from:
                nothing = ContractReceiveKeyRotated(new_key=ZERO_ADDRESS, from_period=0, block=-1)
                await self._engine.apply(KEY_CHANGE, name, nothing)
                undone = True
        return undone

    async def undo(self, chain: ChainReader, replaced_from: int, first_block: int) -> None:
        """The chain replaced the blocks from ``replaced_from`` on, which were shown before.

        Channels with an event there are told again, from the deployment's ``first_block`` to the
        last block that still stands; the new blocks' events then come as usual. Repeating it
        after a crash is harmless.
        """
        stale = set()
        rekeyed = await self._undo_rotations(replaced_from)
        for signer in await self.signers():
            state = await self._engine.state(CHANNEL, channel_key(signer))
            # One without events was being told again when an earlier process died.
            if state.block >= replaced_from or not state.exists:
                stale.add(signer)
                forget = ContractReceiveReplaced(block=replaced_from, log_index=0)
                await self._engine.apply(CHANNEL, channel_key(signer), forget)
        again = bool(stale or rekeyed)
        for event in await chain_events(chain, first_block, replaced_from - 1) if again else ():
            if rekeyed and isinstance(event, KeyRotated):
                await self._rotated(event)
            for signer, told in await self._told(event):
                if signer in stale:
                    await self._engine.apply(CHANNEL, channel_key(signer), told)

    async def _told(self, event: ChainEvent) -> list[tuple[Address, ChannelEvent]]:
        block, log_index = event.position
        match event:
            case StatementsAccepted():
                return [
                    (
                        await self._name(row.signer),
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
            case SignerRotated(channel=channel, signer=signer):
                key = SessionKey(signer=signer, from_period=event.from_period)
                return [
                    (channel, ContractReceiveKey(block=block, log_index=log_index, key=key)),
                    (
                        signer,
                        ContractReceiveNamed(block=block, log_index=log_index, channel=channel),
                    ),
                ]
            case _:
                return [(await self._name(signer), told) for signer, told in _told_to_one(event)]


async def chain_events(chain: ChainReader, first: int, last: int) -> Sequence[ChainEvent]:
    """Every event of the deployment in these blocks, in smaller ranges where they are refused."""
    if last < first:
        return ()
    try:
        return await chain.events(first, last, frozenset())
    except RangeRefused:
        if first == last:
            raise
    middle = (first + last) // 2
    return (*await chain_events(chain, first, middle), *await chain_events(chain, middle + 1, last))


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
        case ChannelClosed():
            told = ContractReceiveClosed(block=block, log_index=log_index, balance=event.amount)
        case SignerLimited():
            limit = KeyLimit(
                signer=event.signer,
                from_period=event.from_period,
                cap=event.cap,
                until=event.until,
            )
            told = ContractReceiveLimit(block=block, log_index=log_index, limit=limit)
        case DirectClaimed():
            told = ContractReceiveDirectClaim(block=block, log_index=log_index, amount=event.amount)
        case _:
            return []
    return [(event.signer, told)]
