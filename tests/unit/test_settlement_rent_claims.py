"""A node's rent of a period: claimed once, sent again when lost, ended by the chain's word only."""

from dataclasses import replace

from settlement.core.rent_claims import (
    MOST_SENDS,
    RENT_CLAIM,
    ROWS_PER_CALL,
    ActionClaim,
    ActionSendAgain,
    AnchorWord,
    ContractReceiveRentEarned,
    ContractReceiveRentSkipped,
    ContractSendEarn,
    Fate,
    RentClaimEvent,
    RentClaimState,
    RentRow,
)
from settlement.types import Address, Hash, Signature, keccak

CLASS, OTHER = Hash(b"c" * 32), Hash(b"d" * 32)
WORD = AnchorWord(anchor=Address(b"a" * 20), signature=Signature(bytes(65)))
NEW = RENT_CLAIM.initial("3")


def row(token_class: Hash = CLASS, instances: int = 5) -> RentRow:
    return RentRow(token_class=token_class, instances=instances, availability=9_000, words=(WORD,))


def step(
    state: RentClaimState, event: RentClaimEvent
) -> tuple[RentClaimState, tuple[ContractSendEarn, ...]]:
    moved = RENT_CLAIM.step(state, event, 0)
    return moved.state, moved.effects


def claimed(*rows: RentRow) -> RentClaimState:
    return step(NEW, ActionClaim(rows=rows, now=100))[0]


def test_signed_rows_are_sent_and_their_period_is_remembered() -> None:
    state, effects = step(NEW, ActionClaim(rows=(row(), row(OTHER)), now=100))
    assert effects == (ContractSendEarn(period=3, classes=(CLASS, OTHER)),)
    assert (state.sent_at, len(state.pending)) == (100, 2)


def test_many_rows_go_in_several_transactions() -> None:
    rows = tuple(row(keccak(bytes([n]))) for n in range(2 * ROWS_PER_CALL + 1))
    _, effects = step(NEW, ActionClaim(rows=rows, now=1))
    assert [len(effect.classes) for effect in effects] == [ROWS_PER_CALL, ROWS_PER_CALL, 1]


def test_what_is_on_its_way_or_earned_is_not_claimed_again() -> None:
    state = claimed(row())
    assert step(state, ActionClaim(rows=(row(instances=6),), now=101)) == (state, ())
    state, _ = step(state, ContractReceiveRentEarned(token_class=CLASS, amount=9))
    assert step(state, ActionClaim(rows=(row(instances=6),), now=101)) == (state, ())
    assert state.earned == 9


def test_a_lost_transaction_is_sent_again_and_given_up_in_the_end() -> None:
    state = claimed(row())
    for now in range(MOST_SENDS - 1):
        state, effects = step(state, ActionSendAgain(now=now))
        assert effects == (ContractSendEarn(period=3, classes=(CLASS,)),)
    state, effects = step(state, ActionSendAgain(now=99))
    assert effects == ()
    assert state.rows[0].fate is Fate.GIVEN_UP
    _, effects = step(state, ActionClaim(rows=(row(instances=6),), now=100))
    assert len(effects) == 1


def test_a_skipped_row_is_claimed_again_only_by_other_words() -> None:
    told = ContractReceiveRentSkipped(token_class=CLASS, too_early=False)
    state, _ = step(claimed(row()), told)
    assert state.rows[0].fate is Fate.SKIPPED
    assert step(state, ActionClaim(rows=(row(),), now=101)) == (state, ())
    again, effects = step(state, ActionClaim(rows=(row(instances=4),), now=101))
    assert (again.rows[0].fate, len(effects)) == (Fate.PENDING, 1)


def test_rent_that_was_not_paid_yet_is_claimed_again_by_the_same_words() -> None:
    told = ContractReceiveRentSkipped(token_class=CLASS, too_early=True)
    state, _ = step(claimed(row()), told)
    state, effects = step(state, ActionClaim(rows=(row(),), now=101))
    assert (state.rows[0].fate, len(effects)) == (Fate.PENDING, 1)


def test_what_was_earned_stays_earned_whatever_is_told_later() -> None:
    state, _ = step(claimed(row()), ContractReceiveRentEarned(token_class=CLASS, amount=9))
    for event in (
        ContractReceiveRentSkipped(token_class=CLASS, too_early=False),
        ContractReceiveRentEarned(token_class=CLASS, amount=9),
    ):
        assert step(state, event) == (state, ())


def test_rent_that_somebody_else_claimed_for_us_is_known_too() -> None:
    state, _ = step(NEW, ContractReceiveRentEarned(token_class=CLASS, amount=9))
    assert (state.earned, state.rows[0].fate) == (9, Fate.EARNED)
    assert step(state, ActionClaim(rows=(row(),), now=1)) == (state, ())


def test_rows_stay_in_order_of_their_class() -> None:
    state = claimed(row(OTHER), row(CLASS))
    assert [each.token_class for each in state.rows] == [CLASS, OTHER]
    assert replace(state.rows[0], sends=0) == row(CLASS)
