"""Evidence of a lane: no word that an anchor signs takes another one's worth away."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from settlement.core.lane import LaneState
from settlement.core.watched import (
    ReceiveEvidence,
    WatchedLane,
    initial_watched,
    own_lane,
    step,
    stronger,
    watched_key,
)
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed
from settlement.types import Address, Signature, keccak

NODE, PAYER = (Address(bytes([n]) * 20) for n in (2, 3))
CLASS = keccak(b"class")
KEY = watched_key(NODE, 5, PAYER, CLASS)
PROMISED = 1_000
HONEST, POISONED = (1_000, 2_000), (10, 2_001)
WORDS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6)


def signature(word: tuple[int, int]) -> Signature:
    return Signature(b"%d of %d" % word)


def evidence(word: tuple[int, int]) -> ReceiveEvidence:
    voucher = Voucher(signer=PAYER, period=5, node=NODE, token_class=CLASS, cumulative=PROMISED)
    acknowledgement = Acknowledgement(
        signer=PAYER,
        period=5,
        node=NODE,
        token_class=CLASS,
        acknowledged=word[0],
        lease_cap=word[1],
    )
    return ReceiveEvidence(
        voucher=Signed(message=voucher, signature=Signature(b"voucher")),
        acknowledgement=Signed(message=acknowledgement, signature=signature(word)),
    )


def told(*words: tuple[int, int]) -> WatchedLane:
    lane = initial_watched(KEY)
    for word in words:
        lane = step(lane, evidence(word), 0).state
    return lane


def own(word: tuple[int, int]) -> LaneState:
    return LaneState(
        signer=PAYER,
        period=5,
        node=NODE,
        token_class=CLASS,
        highest=PROMISED,
        signature=Signature(b"voucher"),
        acknowledged=word[0],
        lease_cap=word[1],
        acknowledgement=signature(word),
    )


def require_both(lane: WatchedLane) -> None:
    owed, leased = lane.most_owed, lane.leased
    assert (owed.acknowledged, owed.lease_cap, owed.signature) == (*HONEST, signature(HONEST))
    assert (leased.acknowledged, leased.lease_cap) == POISONED
    assert leased.signature == signature(POISONED)


def test_a_wider_lease_that_acknowledges_less_hides_no_debt_whichever_comes_first() -> None:
    require_both(told(POISONED, HONEST))
    require_both(told(HONEST, POISONED))


def test_what_a_node_holds_itself_outlives_what_its_anchor_hands_over() -> None:
    for lane in (
        stronger(own_lane(own(HONEST)), told(POISONED)),
        stronger(told(POISONED), own_lane(own(HONEST))),
    ):
        require_both(lane)
        assert lane.own
        assert lane.highest == PROMISED


def test_a_lane_that_was_kept_before_both_words_were_still_says_what_it_is_owed() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(own(HONEST)), type=WatchedLane)
    assert kept.most_owed.acknowledged == HONEST[0]
    require_both(step(kept, evidence(POISONED), 0).state)


@given(WORDS, WORDS)
def test_the_most_that_was_ever_signed_is_kept_of_both(
    handed: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    lane = stronger(told(*handed), told(*more))
    every = [(0, 0), *handed, *more]
    assert lane.most_owed.acknowledged == max(word[0] for word in every)
    assert lane.lease_cap == max(word[1] for word in every)
    for word in (lane.leased, lane.most_owed):
        pair = (word.acknowledged, word.lease_cap)
        assert pair in every
        assert word.signature == (signature(pair) if word.signature else b"")
