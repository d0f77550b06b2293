"""Comparing endpoints' answers, and leaving those alone that failed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.chain.ballot import Ballot, vote_against, vote_for
from settlement.chain.standing import BENCHES, Fault, Standing
from settlement.ports.chain_errors import AnswerMisshapen, CallReverted, QuotaExceeded, RpcRefused

HASH = "0x" + "ab" * 32
OTHER_HASH = "0x" + "cd" * 32
BLOCK = {
    "number": "0x10",
    "hash": HASH,
    "parentHash": OTHER_HASH,
    "timestamp": "0x1",
    "mixHash": OTHER_HASH,
}
LOG = {
    "address": "0x" + "aa" * 20,
    "topics": [OTHER_HASH],
    "data": "0x",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "transactionHash": OTHER_HASH,
    "logIndex": "0x0",
}
RECEIPT = {
    "transactionHash": OTHER_HASH,
    "blockHash": HASH,
    "blockNumber": "0x10",
    "status": "0x1",
    "gasUsed": "0x5208",
    "logs": [LOG],
}
REMOVED = LOG | {"removed": True, "logIndex": "0x1", "data": "0xf0f0"}


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
        ("eth_getBlockByNumber", BLOCK, BLOCK | {"hash": "0x" + "AB" * 32, "size": "0x5"}),
        ("eth_getLogs", [LOG], [LOG | {"blockTimestamp": "0x1"}]),
        ("eth_getLogs", [LOG, REMOVED], [LOG]),
        ("eth_getLogs", [LOG], [LOG | {"address": "0x" + "AA" * 20, "logIndex": "0x00"}]),
        ("eth_getTransactionReceipt", RECEIPT | {"logs": [LOG, REMOVED]}, RECEIPT),
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


@pytest.mark.parametrize(
    ("method", "truth", "lie"),
    [
        ("eth_getLogs", [LOG], [LOG | {"blockTimestamp": "zz"}]),
        ("eth_getLogs", [LOG], [LOG | {"blockTimestamp": "0xffff"}, REMOVED]),
        ("eth_getTransactionReceipt", RECEIPT, RECEIPT | {"logs": [LOG, REMOVED]}),
        ("eth_getTransactionReceipt", RECEIPT, RECEIPT | {"type": [], "contractAddress": None}),
        ("eth_getBlockByNumber", BLOCK, BLOCK | {"miner": 7, "transactions": "none"}),
    ],
)
def test_what_was_not_compared_is_not_handed_on_whoever_answers_first(
    method: str, truth: Any, lie: Any
) -> None:
    assert winning(method, lie, truth) == winning(method, truth, lie) == truth


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("eth_getBlockByNumber", [1]),
        ("eth_getBlockByNumber", {"number": "zz"}),
        ("eth_getBlockByNumber", BLOCK | {"hash": "0xab"}),
        ("eth_getBlockByNumber", BLOCK | {"timestamp": "0x" + "f" * 65}),
        ("eth_getBlockByNumber", BLOCK | {"number": "0x1_0"}),
        ("eth_getLogs", None),
        ("eth_getLogs", [None]),
        ("eth_getLogs", [LOG, LOG]),
        ("eth_getLogs", [LOG | {"logIndex": None}]),
        ("eth_getLogs", [LOG | {"topics": [OTHER_HASH] * 5}]),
        ("eth_getTransactionReceipt", RECEIPT | {"logs": None}),
        ("eth_getTransactionReceipt", RECEIPT | {"logs": [LOG | {"blockHash": OTHER_HASH}]}),
        ("eth_getBalance", None),
        ("eth_getBalance", 7),
        ("eth_estimateGas", "all of it"),
        ("eth_call", "0xabc"),
        ("eth_call", DEEP),
        ("eth_unheardOf", DEEP),
    ],
)
def test_what_has_not_an_answer_s_shape_is_nobodys_vote(method: str, answer: Any) -> None:
    found = ballot(method, answer, answer, answer)
    assert found.winner() is None
    assert found.leading == 0
    assert {type(error) for error in found.failures} == {AnswerMisshapen}


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
