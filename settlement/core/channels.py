"""What the chain says about one channel, event by event.

Every event carries its place on the chain, and one that is not later than the last is passed over:
a follower that starts again from an older cursor changes nothing.
"""

from dataclasses import dataclass, replace

from settlement.core.machine import Machine, Transition
from settlement.types import ZERO_ADDRESS, Address, Uint32, Uint64, Uint96, Uint128

REMEMBERED_PERIODS = 32
"""Settled periods that a channel remembers; the hub looks back as far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The channel was debited for a period by a chunk of its anchor's pot."""

    period: Uint32
    anchor: Address
    chunk: Uint32
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """From ``from_period`` on ``signer`` signs for the channel."""

    signer: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimit:
    """From ``from_period`` on ``signer`` spends at most ``cap`` a period (0: all that there is);
    from period ``until`` on it spends nothing (0: no end)."""

    signer: Address
    from_period: Uint32
    cap: Uint96
    until: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """A channel as confirmed blocks tell it. All zeros before it was opened.

    A channel is named by its first session key. ``keys`` are those that came after it; each of
    them has a state of its own, which only names the ``channel``.
    """

    signer: Address
    owner: Address = ZERO_ADDRESS
    anchor: Address = ZERO_ADDRESS
    next_anchor: Address = ZERO_ADDRESS
    next_anchor_from: Uint32 = 0
    opened_in: Uint32 = 0
    balance: Uint96 = 0
    withdrawal_amount: Uint128 = 0
    withdrawable_at: Uint64 = 0
    settled: tuple[Settled, ...] = ()
    keys: tuple[SessionKey, ...] = ()
    limits: tuple[KeyLimit, ...] = ()
    channel: Address = ZERO_ADDRESS
    closed: bool = False
    block: int = -1
    log_index: int = -1

    @property
    def exists(self) -> bool:
        return self.owner != ZERO_ADDRESS

    @property
    def withdrawing(self) -> bool:
        """Whether the owner asked for some of the deposit back."""
        return self.withdrawal_amount > 0

    def anchor_at(self, period: int) -> Address:
        """The anchor that settles this channel in ``period``."""
        if self.next_anchor != ZERO_ADDRESS and period >= self.next_anchor_from:
            return self.next_anchor
        return self.anchor

    def signer_at(self, period: int) -> Address:
        """The session key that signs for this channel in ``period``."""
        found = [key.signer for key in self.keys if key.from_period <= period]
        return found[-1] if found else self.signer

    def signs(self, signer: Address, period: int) -> bool:
        """Whether this key signs for the channel in ``period``, and has not expired."""
        until = next((lim.until for lim in reversed(self.limits) if lim.signer == signer), 0)
        return self.signer_at(period) == signer and (not until or period < until)

    def spendable_in(self, period: int) -> int:
        """What the period's key may spend: the balance, or its cap where that is less."""
        signer = self.signer_at(period)
        caps = [lim.cap for lim in self._limits_of(signer) if lim.from_period <= period]
        return min(self.balance, caps[-1]) if caps and caps[-1] else self.balance

    def _limits_of(self, signer: Address) -> tuple[KeyLimit, ...]:
        return tuple(limit for limit in self.limits if limit.signer == signer)

    def settled_by(self, anchor: Address, period: int) -> bool:
        """Whether ``anchor`` debited the channel for ``period``, and nobody gave that back."""
        return any((s.anchor, s.period) == (anchor, period) for s in self.settled)

    def settled_in(self, period: int) -> bool:
        """Whether the channel was debited for ``period`` and not restored."""
        return any(settled.period == period for settled in self.settled)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent:
    """The place of an event on the chain."""

    block: int
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveOpened(ChannelEvent):
    """The channel was opened with a first deposit."""

    owner: Address
    anchor: Address
    period: Uint32
    amount: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveToppedUp(ChannelEvent):
    """The deposit grew to ``balance``."""

    balance: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveAnchorChanged(ChannelEvent):
    """Another anchor keeps the channel from a period on."""

    anchor: Address
    from_period: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveWithdrawalRequested(ChannelEvent):
    """The owner wants ``amount`` back; zero cancels."""

    amount: Uint128
    withdrawable_at: Uint64


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveWithdrawn(ChannelEvent):
    """The withdrawal was paid out; ``balance`` stays."""

    balance: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveSettled(ChannelEvent):
    """The channel was debited by its Statement of a period."""

    period: Uint32
    anchor: Address
    chunk: Uint32
    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveRestored(ChannelEvent):
    """The debits of one chunk were given back."""

    period: Uint32
    anchor: Address
    chunk: Uint32


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveDirectClaim(ChannelEvent):
    """A node claimed ``amount`` from the channel itself."""

    amount: Uint128


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveKey(ChannelEvent):
    """Another session key signs for the channel from a period on; its name stays."""

    key: SessionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveNamed(ChannelEvent):
    """This session key signs for a channel with another name."""

    channel: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveLimit(ChannelEvent):
    """A session key got a cap, an expiry, or others."""

    limit: KeyLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveClosed(ChannelEvent):
    """Both ends closed the channel; ``balance`` stays for what is owed. More money reopens it."""

    balance: Uint96


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReceiveReplaced(ChannelEvent):
    """The chain replaced blocks that this channel's events were in: forget them all. What still
    stands is told again from the beginning."""


def channel_key(signer: Address) -> str:
    """The session key's address, lower-case hexadecimal without prefix."""
    return signer.hex()


def initial_channel(key: str) -> ChannelState:
    """A channel that was never opened."""
    return ChannelState(signer=Address(bytes.fromhex(key)))


def step(state: ChannelState, event: ChannelEvent, _now_ms: int) -> Transition[ChannelState, None]:
    """Take one event; one that was taken before changes nothing."""
    if isinstance(event, ContractReceiveReplaced):
        return Transition(state=ChannelState(signer=state.signer))
    if (event.block, event.log_index) <= (state.block, state.log_index):
        return Transition(state=state)
    moved = replace(_moved(state, event), block=event.block, log_index=event.log_index)
    return Transition(state=moved)


CHANNEL: Machine[ChannelState, ChannelEvent, None] = Machine(
    kind="channel", state_type=ChannelState, effect_types=(), initial=initial_channel, step=step
)


def _moved(state: ChannelState, event: ChannelEvent) -> ChannelState:
    match event:
        case ContractReceiveOpened():
            return replace(
                state,
                owner=event.owner,
                anchor=event.anchor,
                opened_in=event.period,
                balance=event.amount,
            )
        case ContractReceiveToppedUp(balance=balance):
            return replace(state, balance=balance, closed=False)
        case ContractReceiveWithdrawn(balance=balance):
            return replace(state, balance=balance, withdrawal_amount=0, withdrawable_at=0)
        case ContractReceiveClosed(balance=balance):
            return replace(
                state, balance=balance, closed=True, withdrawal_amount=0, withdrawable_at=0
            )
        case ContractReceiveKey() | ContractReceiveLimit() | ContractReceiveNamed():
            return _keyed(state, event)
        case ContractReceiveAnchorChanged():
            return replace(
                state,
                anchor=state.anchor_at(event.from_period - 1),
                next_anchor=event.anchor,
                next_anchor_from=event.from_period,
            )
        case ContractReceiveWithdrawalRequested():
            return replace(
                state,
                withdrawal_amount=event.amount,
                withdrawable_at=event.withdrawable_at if event.amount else 0,
            )
        case ContractReceiveSettled():
            return _settled(state, event)
        case ContractReceiveRestored():
            return _restored(state, event)
        case ContractReceiveDirectClaim():
            return replace(state, balance=max(0, state.balance - event.amount))
        case _:
            return state


def _keyed(
    state: ChannelState, event: ContractReceiveKey | ContractReceiveLimit | ContractReceiveNamed
) -> ChannelState:
    match event:
        case ContractReceiveKey(key=key):
            return replace(state, keys=(*state.keys, key))
        case ContractReceiveLimit(limit=limit):
            # A change replaces whatever was still to come for this key.
            kept = (
                known
                for known in state.limits
                if known.signer != limit.signer or known.from_period < limit.from_period
            )
            return replace(state, limits=(*kept, limit))
        case ContractReceiveNamed(channel=channel):
            return replace(state, channel=channel)


def _settled(state: ChannelState, event: ContractReceiveSettled) -> ChannelState:
    entry = Settled(
        period=event.period, anchor=event.anchor, chunk=event.chunk, amount=event.amount
    )
    return replace(
        state,
        balance=max(0, state.balance - event.amount),
        settled=(*state.settled, entry)[-REMEMBERED_PERIODS:],
    )


def _restored(state: ChannelState, event: ContractReceiveRestored) -> ChannelState:
    given_back = [
        s
        for s in state.settled
        if (s.period, s.anchor, s.chunk) == (event.period, event.anchor, event.chunk)
    ]
    return replace(
        state,
        balance=state.balance + sum(s.amount for s in given_back),
        settled=tuple(s for s in state.settled if s not in given_back),
    )
