"""Comparing endpoints' answers, and leaving those alone that failed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.chain.ballot import Ballot, vote_against, vote_for
from settlement.chain.standing import BENCHES, Fault, Standing
from settlement.ports.chain_errors import CallReverted, QuotaExceeded, RpcRefused

BLOCK = {
    "number": "0x10",
    "hash": "0xAB",
    "parentHash": "0xcd",
    "timestamp": "0x1",
    "mixHash": "0x0",
}
LOG = {
    "address": "0xAa",
    "topics": ["0xBb"],
    "data": "0x",
    "blockNumber": "0x10",
    "blockHash": "0xab",
    "transactionHash": "0x1",
    "logIndex": "0x0",
}


def ballot(method: str, *answers: Any, needed: int = 2) -> Ballot[str]:
    votes = [vote_for(str(number), method, answer) for number, answer in enumerate(answers)]
    return Ballot(method=method, needed=needed, votes=votes)


def winning(method: str, *answers: Any) -> Any:
    winner = ballot(method, *answers).winner()
    return None if winner is None else winner.value


@given(
    truth=st.integers(0, 2**128), lie=st.integers(0, 2**128), liar=st.integers(0, 2), n=st.just(3)
)
def test_one_liar_of_three_never_wins(truth: int, lie: int, liar: int, n: int) -> None:
    answers = [hex(lie if voter == liar else truth) for voter in range(n)]
    assert winning("eth_getBalance", *answers) == hex(truth)


@pytest.mark.parametrize(
    ("method", "one", "other"),
    [
        ("eth_call", "0xABCD", "0xabcd"),
        ("eth_getBalance", "0x0a", "0xA"),
        ("eth_getBlockByNumber", BLOCK, BLOCK | {"hash": "0xab", "size": "0x5"}),
        ("eth_getLogs", [LOG], [LOG | {"blockTimestamp": "0x1"}]),
        ("eth_getLogs", [LOG, LOG | {"removed": True, "logIndex": "0x1"}], [LOG]),
        ("eth_getTransactionReceipt", {"blockNumber": None}, {"blockNumber": None, "type": "0x2"}),
        ("eth_getBlockByNumber", None, None),
    ],
)
def test_what_clients_write_differently_is_the_same_answer(
    method: str, one: Any, other: Any
) -> None:
    assert ballot(method, one, other).winner() is not None


@pytest.mark.parametrize(
    ("method", "one", "other"),
    [
        ("eth_call", "0xabcd", "0xabce"),
        ("eth_getBlockByNumber", BLOCK, BLOCK | {"timestamp": "0x2"}),
        ("eth_getBlockByNumber", BLOCK, None),
        ("eth_getLogs", [LOG], []),
        ("eth_getLogs", [LOG], [LOG | {"data": "0x01"}]),
        ("eth_getLogs", [LOG], "no logs"),
        ("eth_getBalance", "0x1", {"balance": 1}),
    ],
)
def test_what_means_something_else_is_another_answer(method: str, one: Any, other: Any) -> None:
    assert ballot(method, one, other).winner() is None
    assert winning(method, one, other, one) == one


def test_of_estimates_the_highest_of_a_majority_is_taken() -> None:
    assert winning("eth_estimateGas", "0x5208", "0x9999", "0x6000") == "0x9999"


def test_a_revert_is_an_answer_and_a_quota_is_none() -> None:
    revert = CallReverted(
        purpose="", contract=None, error="Hub_No", arguments="1", explanation="No."
    )
    quota = QuotaExceeded(endpoint="a", method="eth_call", number=429, problem="")
    votes = [vote_against("a", quota), vote_against("b", revert), vote_against("c", revert)]
    found = Ballot(method="eth_call", needed=2, votes=votes)
    winner = found.winner()
    assert winner is not None
    assert winner.error is revert
    assert found.failures == [quota]


def test_a_lasting_refusal_counts_by_its_number() -> None:
    refusals = [
        RpcRefused(endpoint=name, method="x", number=-32_601, problem=words)
        for name, words in (("a", "no such method"), ("b", "method not found"))
    ]
    votes = [vote_against(error.endpoint, error) for error in refusals]
    assert Ballot(method="x", needed=2, votes=votes).winner() is not None


@pytest.mark.parametrize("fault", Fault)
def test_every_further_fault_in_a_row_benches_for_longer_up_to_a_bound(fault: Fault) -> None:
    standing, now, lengths = Standing(shown="there"), 100.0, []
    for _ in range(20):
        standing.failed(fault, now)
        lengths.append(standing.benched_until - now)
    assert lengths[0] == BENCHES[fault].first
    assert lengths == sorted(lengths)
    assert lengths[-1] == BENCHES[fault].longest
    assert standing.benched(now)
    assert not standing.benched(now + BENCHES[fault].longest)
    standing.confirmed()
    assert not standing.benched(now)


def test_only_a_quota_closes_an_endpoint_altogether_and_not_for_long() -> None:
    standing = Standing(shown="there")
    for fault in Fault:
        standing.failed(fault, 0.0)
        assert standing.closed(0.1) is (fault is Fault.QUOTA)
    for _ in range(20):
        standing.failed(Fault.QUOTA, 0.0)
    assert standing.benched(BENCHES[Fault.QUOTA].closed)
    assert not standing.closed(BENCHES[Fault.QUOTA].closed)


def test_who_was_outvoted_is_doubted_until_it_is_confirmed() -> None:
    standing = Standing(shown="there")
    standing.failed(Fault.OUTVOTED, 0.0)
    standing.answered()
    assert standing.benched(0.1)
    standing.confirmed()
    assert not standing.benched(0.1)
