"""The embedded chain: time, order, snapshots, and the words that clients expect."""

import time

import pytest

from settlement.chain.calls import send_coin
from settlement.chain.embedded import EmbeddedRpc
from settlement.chain.embedded_chain import EmbeddedChain, TransactionRefused
from settlement.chain.transactions import Transaction
from settlement.protocol.signing import SigningKey
from settlement.types import Address, hex_text, keccak

RICH = SigningKey(keccak(b"rich"))
STRANGER = Address(keccak(b"stranger")[12:])
COIN = 10**18
GWEI = 10**9


@pytest.fixture
def chain() -> EmbeddedChain:
    return EmbeddedChain(chain_id=7, allocation={RICH.address: 10 * COIN})


def payment(nonce: int, **changes: int) -> bytes:
    call = send_coin(STRANGER, changes.pop("value", 1))
    fields = {"chain_id": 7, "priority_fee": GWEI, "maximum_fee": 10 * GWEI, "gas": 21_000}
    return Transaction(
        **{**fields, **changes}, nonce=nonce, to=call.contract, value=call.value, data=b""
    ).signed(RICH)[1]


def balance(chain: EmbeddedChain) -> int:
    return int(chain.state().get_balance(STRANGER))


def test_a_transaction_is_mined_at_once_in_its_own_block(chain: EmbeddedChain) -> None:
    digest = chain.send(payment(0, value=5))
    assert len(chain.blocks) == 2
    assert chain.found[digest] == 1
    assert balance(chain) == 5


def test_transactions_out_of_order_wait_for_their_turn(chain: EmbeddedChain) -> None:
    chain.send(payment(2))
    chain.send(payment(1))
    assert len(chain.blocks) == 1
    assert chain.pending_nonce(RICH.address) == 0
    chain.send(payment(0))
    assert len(chain.blocks) == 4
    assert chain.nonce(RICH.address) == 3


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (payment(0, chain_id=8), "chain 8"),
        (payment(0, value=11 * COIN), "insufficient funds"),
        (b"\x02junk", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_a_transaction_that_cannot_run_is_refused_in_the_words_clients_use(
    chain: EmbeddedChain, raw: bytes, words: str
) -> None:
    with pytest.raises(TransactionRefused) as refusal:
        chain.send(raw)
    assert words in refusal.value.problem
    assert len(chain.blocks) == 1


def test_a_used_nonce_is_refused(chain: EmbeddedChain) -> None:
    chain.send(payment(0))
    with pytest.raises(TransactionRefused) as refusal:
        chain.send(payment(0, value=2))
    assert "nonce too low" in refusal.value.problem


def test_many_transactions_do_not_drag_the_clock_along(chain: EmbeddedChain) -> None:
    for nonce in range(20):
        chain.send(payment(nonce))
    assert chain.head.header.timestamp <= time.time() + 1


def test_time_skips_as_far_as_asked_and_goes_on_from_there(chain: EmbeddedChain) -> None:
    rpc = EmbeddedRpc(chain)
    before = chain.head.header.timestamp
    rpc.answer({"id": 1, "method": "evm_increaseTime", "params": [3_600]})
    rpc.answer({"id": 2, "method": "evm_mine", "params": []})
    assert 3_600 <= chain.head.header.timestamp - before <= 3_605
    chain.send(payment(0))
    assert 3_600 <= chain.head.header.timestamp - before <= 3_605


def test_each_block_has_its_own_randomness(chain: EmbeddedChain) -> None:
    for _ in range(5):
        chain.mine()
    assert len({block.header.mix_hash for block in chain.blocks}) == 6


def test_a_snapshot_brings_state_and_blocks_back(chain: EmbeddedChain) -> None:
    chain.send(payment(0))
    number = chain.snapshot()
    chain.send(payment(1))
    chain.send(payment(2))
    assert chain.revert(number)
    assert not chain.revert(number)
    assert (len(chain.blocks), balance(chain), chain.nonce(RICH.address)) == (2, 1, 1)
    chain.send(payment(1, value=9))
    assert balance(chain) == 10


def test_dropped_blocks_take_their_transactions_with_them(chain: EmbeddedChain) -> None:
    digests = [chain.send(payment(nonce)) for nonce in range(3)]
    rpc = EmbeddedRpc(chain)
    chain.drop(2)
    found = [
        rpc.answer({"id": 1, "method": "eth_getTransactionReceipt", "params": [hex_text(digest)]})
        for digest in digests
    ]
    assert [answer["result"] is None for answer in found] == [False, True, True]


@pytest.mark.parametrize(
    "request_body",
    [
        {"id": 1, "method": "eth_getBalance", "params": ["nonsense"]},
        {"id": 1, "method": "eth_getBalance", "params": ["0x12", "0x99"]},
        {"id": 1, "method": "eth_call", "params": []},
        {"id": 1, "method": "no_such_method"},
        {"id": 1},
        "text",
    ],
)
def test_a_wrong_request_is_answered_with_an_error(
    chain: EmbeddedChain, request_body: object
) -> None:
    assert "error" in EmbeddedRpc(chain).answer(request_body)
