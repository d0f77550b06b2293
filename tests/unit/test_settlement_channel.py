"""A channel as events tell it: any order of repetitions and reorganisations, one truth."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from settlement.core.channels import (
    ChannelEvent,
    ChannelState,
    ContractReceiveAnchorChanged,
    ContractReceiveClosed,
    ContractReceiveDirectClaim,
    ContractReceiveKey,
    ContractReceiveOpened,
    ContractReceiveReplaced,
    ContractReceiveRestored,
    ContractReceiveSettled,
    ContractReceiveToppedUp,
    ContractReceiveWithdrawalRequested,
    ContractReceiveWithdrawn,
    SessionKey,
    channel_key,
    initial_channel,
    step,
)
from settlement.types import ZERO_ADDRESS, Address

FIRST = Address(b"\x01" * 20)
OWNER = Address(b"o" * 20)
ANCHORS = [Address(bytes([n + 16]) * 20) for n in range(3)]
FEW = st.integers(min_value=1, max_value=50)


class AnyHistory(RuleBasedStateMachine):
    """Beside the channel goes the hub itself: a balance, debits by period, keys and anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ChannelState = initial_channel(channel_key(FIRST))
        self.told: list[ChannelEvent] = []
        self.block = 0
        self.balance = 0
        self.debits: dict[tuple[int, Address, int], int] = {}
        self.anchors: dict[int, Address] = {}
        self.keys: dict[int, Address] = {}
        self.withdrawing = 0
        self.closed = False
        self.period = 0

    def _place(self) -> dict[str, int]:
        self.block += 1
        return {"block": self.block, "log_index": 0}

    def _tell(self, event: ChannelEvent) -> None:
        self.told.append(event)
        self.state = step(self.state, event, 0).state

    @initialize(amount=FEW)
    def open(self, amount: int) -> None:
        self.balance = amount
        self.anchors[0] = ANCHORS[0]
        self.keys[0] = FIRST
        self._tell(
            ContractReceiveOpened(
                **self._place(), owner=OWNER, anchor=ANCHORS[0], period=0, amount=amount
            )
        )

    @rule(amount=FEW)
    def top_up(self, amount: int) -> None:
        self.balance += amount
        self.closed = False
        self._tell(ContractReceiveToppedUp(**self._place(), balance=self.balance))

    @rule()
    def next_period(self) -> None:
        self.period += 1

    @rule(number=st.integers(min_value=0, max_value=2))
    def change_anchor(self, number: int) -> None:
        self.anchors[self.period + 1] = ANCHORS[number]
        self._tell(
            ContractReceiveAnchorChanged(
                **self._place(), anchor=ANCHORS[number], from_period=self.period + 1
            )
        )

    @precondition(lambda self: self.period + 1 not in self.keys)
    @rule()
    def rotate(self) -> None:
        key = Address(bytes([len(self.keys) + 100]) * 20)
        self.keys[self.period + 1] = key
        session = SessionKey(signer=key, from_period=self.period + 1)
        self._tell(ContractReceiveKey(**self._place(), key=session))

    @rule(amount=st.integers(min_value=0, max_value=50))
    def ask_to_withdraw(self, amount: int) -> None:
        self.withdrawing = min(amount, self.balance)
        self._tell(
            ContractReceiveWithdrawalRequested(
                **self._place(), amount=self.withdrawing, withdrawable_at=9
            )
        )

    @precondition(lambda self: self.withdrawing)
    @rule()
    def withdraw(self) -> None:
        self.balance -= min(self.withdrawing, self.balance)
        self.withdrawing = 0
        self._tell(ContractReceiveWithdrawn(**self._place(), balance=self.balance))

    @precondition(lambda self: self.balance > 1)
    @rule()
    def close(self) -> None:
        self.balance //= 2
        self.withdrawing, self.closed = 0, True
        self._tell(ContractReceiveClosed(**self._place(), balance=self.balance))

    @precondition(lambda self: self.balance)
    @rule(share=FEW)
    def settle(self, share: int) -> None:
        anchor = self._anchor_at(self.period)
        if any(period == self.period for period, _, _ in self.debits):
            return
        amount = min(share, self.balance)
        self.debits[self.period, anchor, self.block] = amount
        self.balance -= amount
        chunk = self.block
        self._tell(
            ContractReceiveSettled(
                **self._place(), period=self.period, anchor=anchor, chunk=chunk, amount=amount
            )
        )

    @precondition(lambda self: self.debits)
    @rule(pick=st.integers(min_value=0))
    def restore(self, pick: int) -> None:
        names = sorted(self.debits)
        period, anchor, chunk = names[pick % len(names)]
        self.balance += self.debits.pop((period, anchor, chunk))
        self._tell(
            ContractReceiveRestored(**self._place(), period=period, anchor=anchor, chunk=chunk)
        )

    @precondition(lambda self: self.balance)
    @rule(amount=FEW)
    def claim_directly(self, amount: int) -> None:
        taken = min(amount, self.balance)
        self.balance -= taken
        self._tell(ContractReceiveDirectClaim(**self._place(), amount=taken))

    @rule(pick=st.integers(min_value=0))
    def tell_again(self, pick: int) -> None:
        """What a follower that starts from an older cursor shows."""
        before = self.state
        for event in self.told[pick % len(self.told) :]:
            self.state = step(self.state, event, 0).state
        assert self.state == before

    @rule()
    def reorganise(self) -> None:
        """Everything is forgotten and told again, as the directory does it."""
        forget = ContractReceiveReplaced(block=self.block, log_index=0)
        self.state = step(self.state, forget, 0).state
        assert not self.state.exists
        for event in self.told:
            self.state = step(self.state, event, 0).state

    def _anchor_at(self, period: int) -> Address:
        return self.anchors[max(since for since in self.anchors if since <= period)]

    @invariant()
    def the_balance_is_the_hubs(self) -> None:
        assert self.state.balance == self.balance
        assert (self.state.withdrawal_amount, self.state.closed) == (self.withdrawing, self.closed)

    @invariant()
    def the_debits_are_the_hubs(self) -> None:
        kept = {(s.period, s.anchor, s.chunk): s.amount for s in self.state.settled}
        assert kept == self.debits
        for period, anchor, _ in self.debits:
            assert self.state.settled_by(anchor, period)

    @invariant()
    def keys_and_anchors_are_those_of_their_periods(self) -> None:
        if not self.state.exists:
            return
        for period in (self.period, self.period + 1):
            since = max(start for start in self.keys if start <= period)
            assert self.state.signer_at(period) == self.keys[since]
            assert self.state.anchor_at(period) == self._anchor_at(period)
        assert self.state.anchor_at(self.period) != ZERO_ADDRESS


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
