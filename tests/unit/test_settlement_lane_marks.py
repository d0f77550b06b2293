"""What the hub holds for a node's lanes, told in any order of repetitions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.core.lane_marks import (
    ContractReceiveClaimed,
    ContractReceivePosted,
    ContractReceiveUnmarked,
    LaneMark,
    MarkEvent,
    initial_marks,
    marks_key,
    step,
)
from settlement.types import Address, Hash

NODE = Address(b"n" * 20)
SIGNERS = [Address(bytes([n]) * 20) for n in range(3)]
CLASSES = [Hash(bytes([n]) * 32) for n in range(2)]
TOLD = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(SIGNERS),
        st.sampled_from(CLASSES),
        st.integers(min_value=1, max_value=100),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(told=TOLD, again=st.integers(min_value=0, max_value=20), forgotten=st.booleans())
def test_the_last_word_about_each_lane_counts(
    told: list[tuple[bool, Address, Hash, int]], again: int, forgotten: bool
) -> None:
    state = initial_marks(marks_key(NODE, 3))
    events: list[MarkEvent] = []
    last: dict[tuple[bool, Address, Hash], int] = {}
    for number, (posted, signer, token_class, amount) in enumerate(told):
        lane = LaneMark(signer=signer, token_class=token_class, amount=amount)
        kind = ContractReceivePosted if posted else ContractReceiveClaimed
        events.append(kind(block=number, log_index=0, lane=lane))
        last[posted, signer, token_class] = amount
    for event in (*events, *events[again:]):
        state = step(state, event, 0).state
    if forgotten:
        forget = ContractReceiveUnmarked(block=0, log_index=0)
        state = step(state, forget, 0).state
        assert (state.posted, state.claimed) == ((), ())
        for event in events:
            state = step(state, event, 0).state
    assert (state.node, state.period) == (NODE, 3)
    for signer in SIGNERS:
        for token_class in CLASSES:
            posted = state.posted_for(signer, token_class)
            claimed = state.claimed_for(signer, token_class)
            assert posted == last.get((True, signer, token_class), 0)
            assert claimed == last.get((False, signer, token_class), 0)
