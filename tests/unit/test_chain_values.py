"""Calldata, transactions, deployments, terms and reverts, against independent encoders."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from settlement.chain.abi import artifact
from settlement.chain.calls import Calls, amount_text, compact, send_coin
from settlement.chain.deploy import creation_calls, deploy, plan_for, wiring_calls
from settlement.chain.deployment import Deployment
from settlement.chain.handover import hand_over_calls
from settlement.chain.reverts import explain
from settlement.chain.transactions import Transaction, rlp
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_events import ChainEvent, CreditBurnt
from settlement.ports.chain_records import Payout, ProofNode, StatementRow
from settlement.ports.chain_terms import DAY, MONTH, monthly_terms, scaled_terms
from settlement.ports.memory_chain import MemoryChain
from settlement.protocol.messages import KeyProof
from settlement.protocol.signing import SigningKey, require_signer
from settlement.types import Address, Hash, checksum, hex_text, keccak

SECRET = keccak(b"sender")
KEY = SigningKey(SECRET)
DEPLOYMENT = Deployment(
    chain_id=31_337,
    first_block=7,
    **{
        field.name: Address(keccak(field.name.encode())[12:])
        for field in fields(Deployment)
        if field.name not in ("chain_id", "first_block")
    },
)
CALLS = Calls(DEPLOYMENT)


# Transactions


@given(
    nonce=st.integers(0, 2**32),
    fee=st.integers(0, 2**64),
    gas=st.integers(21_000, 2**24),
    value=st.integers(0, 2**96),
    data=st.binary(max_size=300),
    to=st.one_of(st.none(), st.binary(min_size=20, max_size=20)),
)
def test_a_signed_transaction_is_what_the_usual_library_makes_of_it(
    nonce: int, fee: int, gas: int, value: int, data: bytes, to: bytes | None
) -> None:
    transaction = Transaction(
        chain_id=31_337,
        nonce=nonce,
        priority_fee=fee // 2,
        maximum_fee=fee,
        gas=gas,
        to=Address(to) if to else None,
        value=value,
        data=data,
    )
    fields_of_theirs = {
        "type": 2,
        "chainId": 31_337,
        "nonce": nonce,
        "maxPriorityFeePerGas": fee // 2,
        "maxFeePerGas": fee,
        "gas": gas,
        "value": value,
        "data": data,
        "accessList": [],
        **({"to": checksum(Address(to))} if to else {}),
    }
    theirs = Account.sign_transaction(fields_of_theirs, SECRET)
    digest, raw = transaction.signed(KEY)
    assert raw == bytes(theirs.raw_transaction)
    assert digest == bytes(theirs.hash)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b"", "80"),
        (b"\x7f", "7f"),
        (b"\x80", "8180"),
        (0, "80"),
        (1_024, "820400"),
        ([], "c0"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"a" * 56, "b838" + "61" * 56),
    ],
)
def test_rlp_encodes_the_examples_of_its_specification(item: bytes, expected: str) -> None:
    assert rlp(item).hex() == expected


# Calldata


def test_calldata_with_rows_is_what_the_abi_library_makes_of_plain_tuples() -> None:
    row = StatementRow(amount=5, vouchers_root=keccak(b"a"), r=keccak(b"b"), vs=keccak(b"c"))
    call = CALLS.settle_chunk(3, [row, replace(row, amount=6)])
    assert call.contract == DEPLOYMENT.hub
    signature = b"settleChunk(uint32,(uint128,bytes32,bytes32,bytes32)[])"
    assert call.data[:4] == keccak(signature)[:4]
    period, rows = decode(["uint32", "(uint128,bytes32,bytes32,bytes32)[]"], call.data[4:])
    assert period == 3
    assert [one[0] for one in rows] == [5, 6]
    assert rows[0][1:] == (row.vouchers_root, row.r, row.vs)


def test_nested_records_keep_their_order() -> None:
    account, other = KEY.address, Address(bytes([9]) * 20)
    call = CALLS.distribute(
        account,
        1,
        4,
        [Payout(account=other, amount=8)],
        [ProofNode(hash=keccak(b"x"), sum=2)],
    )
    types = ["address", "uint32", "uint32", "(address,uint128)[]", "(bytes32,uint128)[]"]
    values = [account, 1, 4, [(other, 8)], [(keccak(b"x"), 2)]]
    assert call.data[4:] == encode(types, values)


@pytest.mark.parametrize("amount", [-1, 1 << 96])
def test_an_amount_that_does_not_fit_its_width_is_refused_with_its_place(amount: int) -> None:
    with pytest.raises(InputError) as refusal:
        CALLS.top_up_channel(KEY.address, amount)
    assert refusal.value.where == "ChannelHub.topUp"


def test_every_call_says_in_words_what_it_is_for() -> None:
    call = CALLS.approve_deposit(1_250 * 10**18 + 5 * 10**17)
    assert call.purpose == "let the hub take 1,250.5 SVC"
    assert send_coin(KEY.address, 10**18).purpose.startswith("send 1 coin to 0x")


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0 SVC"), (1, "0.000000000000000001 SVC"), (10**21, "1,000 SVC")]
)
def test_amounts_are_shown_to_the_last_unit(amount: int, text: str) -> None:
    assert amount_text(amount, "SVC") == text


def test_a_key_proof_is_the_node_keys_word_for_this_operator() -> None:
    proof = CALLS.key_proof(KEY, Address(bytes([1]) * 20))
    message = KeyProof(operator=Address(bytes([1]) * 20), key=KEY.address)
    require_signer(DEPLOYMENT.domain, message, proof, KEY.address)


@given(digest=st.binary(min_size=32, max_size=32))
def test_a_compact_signature_keeps_r_s_and_parity(digest: bytes) -> None:
    signature = KEY.sign_digest(Hash(digest))
    r, vs = compact(signature)
    value = int.from_bytes(vs, "big")
    assert r == signature[:32]
    assert (value & ((1 << 255) - 1)).to_bytes(32, "big") == signature[32:64]
    assert 27 + (value >> 255) == signature[64]


# Deployment


def test_a_deployment_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    DEPLOYMENT.save(path)
    assert Deployment.load(path) == DEPLOYMENT
    assert json.loads(path.read_text())["hub"] == checksum(DEPLOYMENT.hub)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hub": "0x12"}, "deployment.hub"),
        ({"hub": None}, "deployment.hub"),
        ({"chain_id": "1"}, "deployment.chain_id"),
        ({"chain_id": True}, "deployment.chain_id"),
        ({"first_block": -1}, "deployment.first_block"),
    ],
)
def test_a_damaged_deployment_names_the_field(change: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as refusal:
        Deployment.from_json({**DEPLOYMENT.to_json(), **change})
    assert refusal.value.where == where


def test_a_deployment_file_that_is_missing_or_no_json_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Deployment.load(tmp_path / "absent.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError):
        Deployment.load(tmp_path / "broken.json")
    with pytest.raises(InputError):
        Deployment.from_json([])


async def test_deploying_creates_every_contract_then_wires_them() -> None:
    chain = MemoryChain()
    head = await chain.head()
    plan = plan_for(chain.account, head, period_length=600)
    deployment = await deploy(chain, chain.chain_id, head, plan)
    wiring = wiring_calls(deployment)
    created = chain.submitted[: -len(wiring)]
    assert [call.contract for call in created] == [None] * len(creation_calls(plan))
    assert chain.submitted[len(created) :] == wiring
    naming = wiring[0]
    assert naming.contract == deployment.registry
    assert naming.data == artifact("NodeRegistry").calldata("setHub", deployment.hub)
    assert deployment.first_block == head.number + 1
    hub = created[[name for name, _ in creation_calls(plan)].index("hub")].data
    assert all(
        part in hub
        for part in (
            deployment.service_token,
            deployment.parameters,
            deployment.registry,
            deployment.issuers,
        )
    )


async def test_a_governed_network_is_handed_over_as_it_is_founded() -> None:
    chain = MemoryChain()
    head = await chain.head()
    plan = plan_for(chain.account, head, governed=True)
    deployment = await deploy(chain, chain.chain_id, head, plan)
    handing = hand_over_calls(deployment, plan)
    assert chain.submitted[-len(handing) :] == handing
    given_up = [call for call in handing if call.purpose == "give a role up"]
    assert len(given_up) == 4
    assert handing[-4:] == given_up


async def test_only_the_owner_can_deploy() -> None:
    chain = MemoryChain()
    head = await chain.head()
    with pytest.raises(InputError):
        await deploy(chain, chain.chain_id, head, plan_for(KEY.address, head))
    assert chain.submitted == []


# Terms


@given(length=st.integers(30, 366 * DAY))
def test_scaled_terms_stay_within_the_contracts_bounds(length: int) -> None:
    terms = scaled_terms(monthly_terms(KEY.address), MONTH, length)
    windows = (
        terms.acknowledgement_grace,
        terms.settle_deadline,
        terms.challenge_window,
        terms.direct_claim_window,
    )
    assert all(window > length // 120 for window in (*windows, terms.thaw_time))
    assert terms.settle_deadline > terms.acknowledgement_grace + length // 120
    assert sum(windows[1:]) <= min(31 * length, 90 * DAY) or length > MONTH
    assert sum(windows[1:]) <= terms.withdrawal_delay <= 3 * sum(windows[1:])


def test_a_month_scaled_to_a_month_is_itself() -> None:
    terms = monthly_terms(KEY.address)
    assert scaled_terms(terms, MONTH, MONTH) == terms


# Reverts


def revert(name: str, error: str, *values: object) -> bytes:
    shape = next(s for s in artifact(name).errors.values() if s.name == error)
    return shape.selector + encode([item.type for item in shape.inputs], values)


def test_a_custom_error_becomes_a_sentence_with_amounts_and_times() -> None:
    low = explain(
        revert("NodeRegistry", "NodeRegistry_StakeTooLow", 5 * 10**20, 10**21), "", KEY.address
    )
    assert low.error == "NodeRegistry_StakeTooLow"
    assert low.advice() == (
        "The stake would be 500 STK, and these roles need 1,000 STK; stake more, or ask for "
        "fewer roles."
    )
    early = explain(
        revert("ChannelHub", "ChannelHub_OutsideWindow", 1_700_000_000, 1_700_000_060, 2**64 - 1),
        "",
        KEY.address,
    )
    assert "2023-11-14 22:13:20 UTC" in early.advice()
    assert f"second {2**64 - 1}" in early.advice()


def test_a_bound_is_named_as_the_contract_names_it() -> None:
    data = revert(
        "Parameters", "Parameters_OutOfBounds", b"anchorShare".ljust(32, b"\0"), 2_000, 0, 1_000
    )
    assert (
        explain(data, "", None).advice() == "anchorShare is 2000, and must lie between 0 and 1000."
    )


def test_plain_reasons_and_panics_are_told() -> None:
    reason = bytes.fromhex("08c379a0") + encode(["string"], ["no {braces} please"])
    assert "no {braces} please" in explain(reason, "", None).advice()
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    assert "0x11" in explain(panic, "", None).advice()


@given(data=st.binary(max_size=120))
def test_any_revert_data_whatever_gets_a_sentence(data: bytes) -> None:
    found = explain(data, "execution reverted", KEY.address)
    assert found.advice()
    assert str(found).startswith("SL-7001")


def test_the_address_in_an_error_is_checksummed() -> None:
    data = revert("ChannelHub", "ChannelHub_UnknownChannel", KEY.address)
    assert checksum(KEY.address) in explain(data, "", None).advice()


# The in-memory chain as a writer


async def test_the_in_memory_chain_keeps_what_was_submitted_and_answers_with_its_events() -> None:
    chain = MemoryChain()

    def burn(_: Address, __: Call) -> list[ChainEvent]:
        return [CreditBurnt(amount=3)]

    chain.on_submit = burn
    receipt = await chain.writer(KEY.address).submit(CALLS.burn_credit())
    assert [type(event) for event in receipt.events] == [CreditBurnt]
    assert receipt.events[0].block == receipt.block
    assert chain.submitted == [CALLS.burn_credit()]
    assert chain.submitted_by == [KEY.address]
    assert hex_text(receipt.block_hash) == hex_text((await chain.head()).hash)
