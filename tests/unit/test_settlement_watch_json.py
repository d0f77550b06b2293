"""Lanes, payouts and offers as JSON: what is written is read again, anything else is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.client.watch_client import (
    LANES_PER_REQUEST,
    PAYOUTS_PER_PAGE,
    Lane,
    lanes_from_json,
    lanes_to_json,
    leaves_from_json,
    leaves_to_json,
)
from settlement.core.payouts import PayoutLeaf
from settlement.errors import InputError
from settlement.protocol.messages import Acknowledgement, Voucher
from settlement.protocol.signed import Signed
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
PAYER, ANCHOR = SigningKey(keccak(b"payer")), SigningKey(keccak(b"anchor"))
NODE = Address(b"n" * 20)
CLASS = keccak(b"class")
LEAF = {"account": "0x" + "11" * 20, "amount": "5"}


def lane(amount: int) -> Lane:
    voucher = Voucher(
        signer=PAYER.address, period=3, node=NODE, token_class=CLASS, cumulative=amount
    )
    acknowledgement = Acknowledgement(
        signer=PAYER.address,
        period=3,
        node=NODE,
        token_class=CLASS,
        acknowledged=amount,
        lease_cap=amount,
    )
    return (
        Signed.by(PAYER, DOMAIN, voucher),
        Signed.by(ANCHOR, DOMAIN, acknowledgement),
    )


@given(amounts=st.lists(st.integers(0, (1 << 128) - 1), max_size=4))
@settings(max_examples=20, deadline=None)
def test_lanes_are_read_as_they_were_written(amounts: list[int]) -> None:
    lanes = tuple(lane(amount) for amount in amounts)
    assert lanes_from_json(json.loads(json.dumps(lanes_to_json(lanes)))) == lanes


@given(
    leaves=st.lists(
        st.builds(
            PayoutLeaf,
            account=st.binary(min_size=20, max_size=20).map(Address),
            amount=st.integers(0, (1 << 128) - 1),
        ),
        max_size=20,
    )
)
@settings(max_examples=40, deadline=None)
def test_payouts_are_read_as_they_were_written(leaves: list[PayoutLeaf]) -> None:
    written = json.loads(json.dumps(leaves_to_json(leaves)))
    assert leaves_from_json(written) == tuple(leaves)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"payouts": None},
        {"payouts": {}, "more": 1},
        {"payouts": [5]},
        {"payouts": [LEAF] * (PAYOUTS_PER_PAGE + 1)},
        {"payouts": [{"account": LEAF["account"]}]},
        {"payouts": [LEAF | {"more": "x"}]},
        {"payouts": [LEAF | {"amount": 5}]},
        {"payouts": [LEAF | {"amount": "-5"}]},
        {"payouts": [LEAF | {"amount": "\u0665"}]},
        {"payouts": [LEAF | {"amount": "9" * 40}]},
        {"payouts": [LEAF | {"amount": str(1 << 128)}]},
        {"payouts": [LEAF | {"account": "0x11"}]},
    ],
)
def test_payouts_of_any_other_form_are_refused(value: Any) -> None:
    with pytest.raises(InputError):
        leaves_from_json(value)


GOOD = lanes_to_json([lane(5)])["lanes"][0]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"lanes": {}},
        {"lanes": [GOOD], "more": 1},
        {"lanes": [GOOD] * (LANES_PER_REQUEST + 1)},
        {"lanes": [{"voucher": GOOD["voucher"]}]},
        {"lanes": [{"voucher": GOOD["acknowledgement"], "acknowledgement": GOOD["voucher"]}]},
        {"lanes": [GOOD | {"more": 1}]},
        {"lanes": [GOOD | {"voucher": None}]},
    ],
)
def test_lanes_of_any_other_form_are_refused(value: Any) -> None:
    with pytest.raises(InputError):
        lanes_from_json(value)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["lanes", "voucher", "acknowledgement", "payouts", "type", "message"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
@settings(max_examples=100, deadline=None)
def test_nothing_that_is_sent_makes_a_reader_fail(value: Any) -> None:
    for read in (lanes_from_json, leaves_from_json):
        try:
            read(value)
        except InputError:
            continue
