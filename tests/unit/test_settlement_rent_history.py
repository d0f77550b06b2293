"""Rent in any history: lost, doubled and foreign transactions, rows skipped and claimed again.

The vault here is the contract's rule and no more: a class pays a node once in a period, a row that
does not hold is skipped. What the node has written down must agree with it after every step.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from settlement.core.rent_claims import (
    MOST_SENDS,
    RENT_CLAIM,
    ROWS_PER_CALL,
    ActionClaim,
    ActionSendAgain,
    AnchorWord,
    ContractReceiveRentEarned,
    ContractReceiveRentSkipped,
    Fate,
    RentClaimEvent,
    RentRow,
)
from settlement.types import Address, Hash, Signature

CLASSES = tuple(Hash(bytes([n]) * 32) for n in range(1, 20))
WORD = AnchorWord(anchor=Address(b"a" * 20), signature=Signature(bytes(65)))
RENT = 7


class RentInAnyHistory(RuleBasedStateMachine):
    """One node's period, the transactions that may still be mined, and the vault."""

    def __init__(self) -> None:
        super().__init__()
        self.state = RENT_CLAIM.initial("3")
        self.now = 0
        self.on_the_way: list[tuple[Hash, ...]] = []
        self.paid: dict[Hash, int] = {}
        self.told: dict[Hash, int] = {}
        self.untold: list[RentClaimEvent] = []

    def take(self, event: RentClaimEvent) -> None:
        earned = {row.token_class for row in self.state.rows if row.fate is Fate.EARNED}
        moved = RENT_CLAIM.step(self.state, event, 0)
        self.state = moved.state
        for effect in moved.effects:
            assert 0 < len(effect.classes) <= ROWS_PER_CALL
            assert not earned.intersection(effect.classes), "what was earned is not sent again"
            self.on_the_way.append(effect.classes)

    @rule(
        classes=st.sets(st.sampled_from(CLASSES), min_size=1),
        instances=st.integers(1, 3),
    )
    def claim(self, classes: set[Hash], instances: int) -> None:
        rows = (
            RentRow(token_class=one, instances=instances, availability=9_000, words=(WORD,))
            for one in sorted(classes)
        )
        self.now += 1
        self.take(ActionClaim(rows=tuple(rows), now=self.now))

    @rule()
    def nothing_was_mined_for_a_while(self) -> None:
        self.now += 1
        self.take(ActionSendAgain(now=self.now))

    @precondition(lambda self: self.on_the_way)
    @rule(data=st.data(), kept=st.booleans(), holds=st.booleans())
    def a_transaction_is_mined(self, data: st.DataObject, kept: bool, holds: bool) -> None:
        sent = data.draw(st.sampled_from(self.on_the_way))
        if not kept:
            self.on_the_way.remove(sent)  # or it is mined again later, as a doubled one
        for token_class in sent:
            self.vault(token_class, holds)

    @rule(token_class=st.sampled_from(CLASSES))
    def somebody_else_claims_for_the_node(self, token_class: Hash) -> None:
        self.vault(token_class, holds=True)

    @precondition(lambda self: self.on_the_way)
    @rule()
    def a_transaction_is_lost(self) -> None:
        self.on_the_way.pop()

    def vault(self, token_class: Hash, holds: bool) -> None:
        """Pay once; skip what does not hold, and what was paid."""
        if holds and token_class not in self.paid:
            self.paid[token_class] = RENT
            self.untold.append(ContractReceiveRentEarned(token_class=token_class, amount=RENT))
        else:
            self.untold.append(ContractReceiveRentSkipped(token_class=token_class, too_early=False))

    @precondition(lambda self: self.untold)
    @rule(again=st.booleans())
    def the_next_log_is_read(self, again: bool) -> None:
        event = self.untold.pop(0)
        for _ in range(1 + again):
            self.take(event)
        if isinstance(event, ContractReceiveRentEarned):
            self.told[event.token_class] = event.amount

    @invariant()
    def the_books_are_what_the_chain_has_told(self) -> None:
        earned = {r.token_class: r.amount for r in self.state.rows if r.fate is Fate.EARNED}
        assert earned == self.told
        assert self.state.earned == sum(self.told.values()) <= sum(self.paid.values())

    @invariant()
    def every_class_stands_once_and_is_not_sent_for_ever(self) -> None:
        classes = [row.token_class for row in self.state.rows]
        assert classes == sorted(set(classes))
        assert all(row.sends <= MOST_SENDS for row in self.state.rows)

    def teardown(self) -> None:
        while self.untold:
            self.the_next_log_is_read(again=False)
        assert self.state.earned == sum(self.paid.values()), "in the end all that was paid is known"


TestRentInAnyHistory = RentInAnyHistory.TestCase
TestRentInAnyHistory.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
