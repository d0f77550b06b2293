"""Transactions of stake, rent, elections and issuers, against the contracts' own signatures."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from eth_abi.abi import decode

from settlement.chain.deployment import Deployment
from settlement.chain.stake_calls import StakeCalls
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_records import UptimeRow
from settlement.protocol.messages import ClassClaim
from settlement.protocol.signing import SigningKey, require_signer
from settlement.types import ZERO_ADDRESS, Address, Hash, Signature, keccak

KEY = SigningKey(keccak(b"deployer"))
NODE, OTHER = Address(b"n" * 20), Address(b"o" * 20)
CLASS = Hash(b"c" * 32)
DEPLOYMENT = Deployment(
    chain_id=31_337,
    first_block=7,
    **{
        field.name: Address(keccak(field.name.encode())[12:])
        for field in fields(Deployment)
        if field.name not in ("chain_id", "first_block")
    },
)
CALLS = StakeCalls(DEPLOYMENT)
PROOF = Signature(bytes(65))
ROW = UptimeRow(token_class=CLASS, instances=3, availability=9_900, r=(CLASS,), vs=(CLASS,))

CASES: list[tuple[Callable[[], Call], str, str]] = [
    (lambda: CALLS.rotate_key(NODE, OTHER, PROOF), "registry", "rotateKey(address,address,bytes)"),
    (lambda: CALLS.offer_operator(NODE, OTHER), "registry", "offerOperator(address,address)"),
    (lambda: CALLS.accept_operator(NODE), "registry", "acceptOperator(address)"),
    (lambda: CALLS.set_payout(NODE, OTHER), "registry", "setPayout(address,address)"),
    (lambda: CALLS.set_commission(NODE, 500), "registry", "setCommission(address,uint16)"),
    (lambda: CALLS.apply_commission(NODE), "registry", "applyCommission(address)"),
    (lambda: CALLS.delegate(NODE, 5), "registry", "delegate(address,uint128)"),
    (lambda: CALLS.undelegate(NODE, 5), "registry", "undelegate(address,uint256)"),
    (lambda: CALLS.withdraw_delegation(NODE), "registry", "withdrawDelegation(address)"),
    (lambda: CALLS.claim_node_rewards(1), "rewards", "claimNode(uint32)"),
    (
        lambda: CALLS.claim_delegator_rewards(1, OTHER),
        "rewards",
        "claimDelegator(uint32,address)",
    ),
    (lambda: CALLS.collect_fees(), "rewards", "collect()"),
    (lambda: CALLS.approve_anchors([OTHER, NODE]), "election", "approve(address[])"),
    (lambda: CALLS.count_ballot(OTHER), "election", "count(address)"),
    (lambda: CALLS.fund_rewards(5), "rewards", "fund(uint128)"),
    (lambda: CALLS.fix_seed(), "seeds", "fix()"),
    (lambda: CALLS.draw_seed(2, b"header"), "seeds", "draw(uint32,bytes)"),
    (lambda: CALLS.post_root(CLASS, 4), "commitments", "post(bytes32,uint32)"),
    (lambda: CALLS.pull_brake("leak"), "brake", "pull(bytes32)"),
    (lambda: CALLS.release_brake(), "brake", "release()"),
    (
        lambda: CALLS.earn_rent(NODE, 2, [ROW]),
        "rent",
        "earn(address,uint32,(bytes32,uint64,uint16,bytes32[],bytes32[])[])",
    ),
    (lambda: CALLS.withdraw_rent(OTHER, 5), "rent", "withdrawRent(address,uint128)"),
    (lambda: CALLS.return_unearned_rent(CLASS, 2), "rent", "returnUnearned(bytes32,uint32)"),
    (lambda: CALLS.extend_rent(CLASS, 2), "rent", "extend(bytes32,uint32)"),
    (lambda: CALLS.update_garnish(CLASS), "rent", "updateGarnish(bytes32)"),
    (lambda: CALLS.garnish(CLASS), "rent", "garnish(bytes32)"),
    (lambda: CALLS.offer_class(CLASS, OTHER), "issuers", "offerClass(bytes32,address)"),
    (lambda: CALLS.accept_class(CLASS), "issuers", "acceptClass(bytes32)"),
    (lambda: CALLS.set_issuer_payout(CLASS, OTHER), "issuers", "setIssuerPayout(bytes32,address)"),
]


@pytest.mark.parametrize(("make", "where", "signature"), CASES, ids=[c[2] for c in CASES])
def test_a_call_goes_to_its_contract_and_names_its_function(
    make: Callable[[], Call], where: str, signature: str
) -> None:
    call = make()
    assert call.contract == getattr(DEPLOYMENT, where)
    assert call.data[:4] == keccak(signature.encode())[:4]
    assert call.purpose


def test_a_ballot_is_sorted_and_names_each_anchor_once() -> None:
    call = CALLS.approve_anchors([OTHER, NODE, OTHER])
    (anchors,) = decode(["address[]"], call.data[4:])
    assert [bytes.fromhex(anchor[2:]) for anchor in anchors] == [NODE, OTHER]


def test_an_offer_to_nobody_is_told_as_taken_back() -> None:
    assert "back" in CALLS.offer_operator(NODE, ZERO_ADDRESS).purpose


def test_the_deployers_consent_is_signed_for_this_network() -> None:
    consent = CALLS.class_claim(KEY, NODE, OTHER)
    claim = ClassClaim(token_contract=NODE, issuer=OTHER)
    require_signer(DEPLOYMENT.domain, claim, consent, KEY.address)
    call = CALLS.register_class_by_deployer(
        token_contract=NODE,
        payout=OTHER,
        issuer_share=100,
        script_uri="ipfs://a",
        script_hash=CLASS,
        nonce=3,
        consent=consent,
    )
    assert call.contract == DEPLOYMENT.issuers
    assert consent in call.data


def test_a_network_founded_without_a_contract_says_so() -> None:
    older = Deployment(
        **{
            field.name: getattr(DEPLOYMENT, field.name)
            for field in fields(Deployment)
            if field.name != "rewards"
        }
    )
    with pytest.raises(InputError, match="RewardPool"):
        StakeCalls(older).collect_fees()
