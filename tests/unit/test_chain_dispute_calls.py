"""Every builder of disputes makes calldata that reads back as what was asked for."""

from collections.abc import Callable
from dataclasses import fields

import pytest

from node.protocol.messages import ElectionVote, JournalEntry
from settlement.chain.abi import artifact
from settlement.chain.deployment import Deployment
from settlement.chain.dispute_calls import DisputeCalls, authorization_nonce
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_records import (
    Authorization,
    DirectClaimRow,
    Lease,
    OwedLane,
    Payout,
    PayoutProof,
    Penalties,
    ProofNode,
)
from settlement.protocol.messages import Close, ServiceFinding
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, Signature, keccak

DEPLOYMENT = Deployment(
    chain_id=31_337,
    first_block=7,
    **{
        field.name: Address(keccak(field.name.encode())[12:])
        for field in fields(Deployment)
        if field.name not in ("chain_id", "first_block")
    },
)
CALLS = DisputeCalls(DEPLOYMENT)
A, B, C = (Address(bytes([n]) * 20) for n in (1, 2, 3))
H = Hash(b"\x07" * 32)
SIGNATURE = Signature(bytes(range(64)) + b"\x1b")
LANE = OwedLane(signer=A, token_class=H, acknowledged=1, lease_cap=2, r=H, vs=H)
PROOF = PayoutProof(
    first_index=3, payouts=(Payout(account=A, amount=5),), siblings=(ProofNode(hash=H, sum=6),)
)
PAYMENT = Authorization(valid_after=0, valid_before=9, salt=H, signature=SIGNATURE)
ROW = DirectClaimRow(
    signer=A,
    token_class=H,
    cumulative=1,
    acknowledged=2,
    lease_cap=3,
    voucher_r=H,
    voucher_vs=H,
    acknowledgement_r=H,
    acknowledgement_vs=H,
)
VOTE = ElectionVote(token=H, version=1, attempt=2, executor=A, trigger=H, window_end=3)
ENTRY = JournalEntry(
    token=H,
    version=1,
    lease_version=2,
    attempt=3,
    executor=A,
    previous=H,
    input_hash=H,
    state_root=H,
    output_hash=H,
    time=4,
)
AGREEMENT = Close(signer=A, period=1, final_amount=2, deadline=3)
BUILT: list[tuple[str, str, Callable[[], Call]]] = [
    (
        "ChannelHub",
        "openWithPermit",
        lambda: CALLS.open_with_permit(
            signer=A, owner=B, anchor=C, amount=1, deadline=2, permit=SIGNATURE
        ),
    ),
    ("ChannelHub", "topUpWithPermit", lambda: CALLS.top_up_with_permit(A, 1, 2, SIGNATURE)),
    (
        "ChannelHub",
        "openWithAuthorization",
        lambda: CALLS.open_with_authorization(
            signer=A, owner=B, anchor=C, amount=1, authorization=PAYMENT
        ),
    ),
    (
        "ChannelHub",
        "topUpWithAuthorization",
        lambda: CALLS.top_up_with_authorization(A, B, 1, PAYMENT),
    ),
    ("ChannelHub", "rotateSigner", lambda: CALLS.rotate_signer(A, B)),
    ("ChannelHub", "close", lambda: CALLS.close_channel(AGREEMENT, SIGNATURE, SIGNATURE)),
    ("ChannelHub", "postVoucher", lambda: CALLS.post_voucher(A, 1, ROW)),
    ("ChannelHub", "challenge", lambda: CALLS.challenge(A, 1, B, [LANE], PROOF)),
    ("ChannelHub", "challengeOrder", lambda: CALLS.challenge_order(A, 1, PROOF)),
    ("ChannelHub", "demandPayout", lambda: CALLS.demand_payout(A, 1, B, [LANE])),
    ("ChannelHub", "showPayout", lambda: CALLS.show_payout(A, 1, B, PROOF)),
    ("ChannelHub", "voidUnshown", lambda: CALLS.void_unshown(A, 1, B)),
    ("ChannelHub", "forfeitBond", lambda: CALLS.forfeit_bond(A, 1, B, C)),
    ("ChannelHub", "spendCreditOnRent", lambda: CALLS.spend_credit_on_rent(H, 1, 2)),
    (
        "DisputeManager",
        "punishElection",
        lambda: CALLS.punish_election(VOTE, SIGNATURE, VOTE, SIGNATURE),
    ),
    (
        "DisputeManager",
        "punishJournal",
        lambda: CALLS.punish_journal(ENTRY, SIGNATURE, ENTRY, SIGNATURE),
    ),
    (
        "DisputeManager",
        "punishOverLeasing",
        lambda: CALLS.punish_over_leasing(
            A,
            B,
            1,
            [Lease(node=A, token_class=H, acknowledged=1, lease_cap=2, r=H, vs=H)],
        ),
    ),
    (
        "DisputeManager",
        "schedulePenalties",
        lambda: CALLS.schedule_penalties(
            Penalties(reward=1, restitution=2, equivocation=3, over_leasing=4, service_level=5)
        ),
    ),
    (
        "DisputeManager",
        "openCase",
        lambda: CALLS.open_case(
            ServiceFinding(node=A, period=1, fault=2, evidence=H), "ipfs://e", [H], [H]
        ),
    ),
    ("DisputeManager", "vetoCase", lambda: CALLS.veto_case(H)),
    ("DisputeManager", "executeCase", lambda: CALLS.execute_case(H)),
]


@pytest.mark.parametrize(("contract", "function", "build"), BUILT, ids=[b[1] for b in BUILT])
def test_a_builder_calls_its_function_of_its_contract(
    contract: str, function: str, build: Callable[[], Call]
) -> None:
    call = build()
    assert call.contract == DEPLOYMENT.address_of(contract)
    assert call.data[:4] == artifact(contract).functions[function].selector
    assert call.purpose


def test_an_amount_that_is_too_wide_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InputError):
        CALLS.top_up_with_authorization(A, B, 2**96, PAYMENT)


def test_a_payments_nonce_names_its_channel() -> None:
    words = bytes(12) + A + bytes(12) + B + H
    assert authorization_nonce(A, B, H) == keccak(words)
    nonces = {
        authorization_nonce(A, B, H),
        authorization_nonce(B, B, H),
        authorization_nonce(A, ZERO_ADDRESS, H),
        authorization_nonce(A, B, ZERO_HASH),
    }
    assert len(nonces) == 4
