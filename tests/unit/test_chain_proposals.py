"""Proposals in plain words, and the number that the governor gives them."""

from dataclasses import fields, replace

import pytest

from settlement.chain.deployment import Deployment
from settlement.chain.proposals import (
    _PENALTY_WORDS,
    _RATE_WORDS,
    _WORDS,
    FOR,
    Proposal,
    change_penalties,
    change_rates,
    change_terms,
    differences,
    execute,
    mint,
    name_guardian,
    propose,
    queue,
    read_proposal,
    setting,
    split_fees,
    veto_case,
    vote,
)
from settlement.errors import InputError
from settlement.ports.chain_records import ExecutionRates, Penalties, Terms
from settlement.ports.chain_terms import DEFAULT_RATES, TOKEN, monthly_terms
from settlement.types import Address, keccak

TREASURY, GUARDIAN = Address(b"t" * 20), Address(b"g" * 20)
DEPLOYMENT = Deployment(
    chain_id=31_337,
    first_block=7,
    **{
        field.name: Address(keccak(field.name.encode())[12:])
        for field in fields(Deployment)
        if field.name not in ("chain_id", "first_block")
    },
)
TERMS = monthly_terms(TREASURY)


def test_a_change_of_terms_is_told_as_a_difference() -> None:
    proposal = change_terms(DEPLOYMENT, TERMS, {"rent_price": TOKEN * 12 // 100}, "Rent")
    assert proposal.lines == ("rent price 0.1 → 0.12 SVC",)
    assert proposal.calls[0].contract == DEPLOYMENT.parameters


def test_shares_windows_and_stakes_are_told_in_their_units() -> None:
    changed = replace(
        TERMS, protocol_share=150, settle_deadline=172_800, minimum_anchor_stake=5_000 * TOKEN
    )
    assert differences(TERMS, changed) == (
        "settle deadline 259,200 → 172,800 s",
        "protocol's share 2 → 1.5 %",
        "least stake of an anchor 10,000 → 5,000 STK",
    )


def test_every_governable_term_has_its_words() -> None:
    assert set(_WORDS) == {field.name for field in fields(Terms)}
    assert set(_RATE_WORDS) == {field.name for field in fields(ExecutionRates)}
    assert set(_PENALTY_WORDS) == {field.name for field in fields(Penalties)}


def test_a_change_of_penalties_is_told_and_read_back() -> None:
    current = Penalties(
        reward=1_000, restitution=4_000, equivocation=1_000, over_leasing=2_000, service_level=100
    )
    proposal = change_penalties(DEPLOYMENT, current, {"service_level": 250}, "Levels")
    assert proposal.lines == ("penalty of a case about a service level 1 → 2.5 %",)
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, proposal).data).lines
    assert "penalty of a case about a service level 2.5 %" in line
    with pytest.raises(InputError, match="not a penalty"):
        change_penalties(DEPLOYMENT, current, {"fine": 1}, "?")
    with pytest.raises(InputError, match="nothing would change"):
        change_penalties(DEPLOYMENT, current, {"reward": 1_000}, "?")


def test_a_veto_names_its_case() -> None:
    case = keccak(b"case")
    proposal = veto_case(DEPLOYMENT, case, "It was maintenance")
    assert proposal.lines == (f"veto case 0x{case.hex()}",)
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, proposal).data).lines
    assert case.hex() in line


def test_a_change_of_rates_is_told_and_read_back() -> None:
    proposal = change_rates(DEPLOYMENT, DEFAULT_RATES, {"update_gas": TOKEN // 500}, "Updates")
    assert proposal.lines == ("price of a million gas of an update 0.001 → 0.002 SVC",)
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, proposal).data).lines
    assert "price of a million gas of an update 0.002 SVC" in line
    with pytest.raises(InputError, match="not a rate"):
        change_rates(DEPLOYMENT, DEFAULT_RATES, {"gas": 1}, "?")
    with pytest.raises(InputError, match="nothing would change"):
        change_rates(DEPLOYMENT, DEFAULT_RATES, {"page": DEFAULT_RATES.page}, "?")


def test_what_is_no_term_or_no_change_is_refused() -> None:
    with pytest.raises(InputError, match="not a term"):
        change_terms(DEPLOYMENT, TERMS, {"rent": 1}, "Rent")
    with pytest.raises(InputError, match="nothing would change"):
        change_terms(DEPLOYMENT, TERMS, {"rent_price": TERMS.rent_price}, "Rent")


@pytest.mark.parametrize(
    "proposal",
    [
        mint(DEPLOYMENT, TREASURY, 5 * TOKEN, "More"),
        name_guardian(DEPLOYMENT, GUARDIAN, "Guard"),
        split_fees(DEPLOYMENT, TREASURY, 2_500, "Split"),
    ],
    ids=lambda proposal: proposal.text,
)
def test_a_proposal_is_read_back_from_its_calldata(proposal: Proposal) -> None:
    call = propose(DEPLOYMENT, proposal)
    assert call.contract == DEPLOYMENT.governor
    found = read_proposal(DEPLOYMENT, call.data)
    assert found.id == proposal.id
    assert found.text == proposal.text
    with pytest.raises(InputError):
        read_proposal(DEPLOYMENT, proposal.calls[0].data)


def test_what_a_proposal_does_is_told_from_its_calls() -> None:
    changed = change_terms(DEPLOYMENT, TERMS, {"rent_price": TOKEN * 12 // 100}, "Rent")
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, changed).data).lines
    assert "rent price 0.12 SVC" in line
    minted = mint(DEPLOYMENT, TREASURY, 5, "More")
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, minted).data).lines
    assert line.startswith("ServiceToken.mint: to 0x")
    stranger = replace(minted.calls[0], contract=Address(b"s" * 20))
    unknown = Proposal(calls=(stranger,), text="?", lines=("?",))
    (line,) = read_proposal(DEPLOYMENT, propose(DEPLOYMENT, unknown).data).lines
    assert line.startswith("call 0x")


def test_queueing_and_executing_name_the_same_calls() -> None:
    proposal = mint(DEPLOYMENT, TREASURY, 5 * TOKEN, "More")
    queued, executed = queue(DEPLOYMENT, proposal), execute(DEPLOYMENT, proposal)
    assert queued.data[4:] == executed.data[4:]
    assert queued.data[:4] == keccak(b"queue(address[],uint256[],bytes[],bytes32)")[:4]
    assert "mint 5 SVC" in executed.purpose


def test_a_vote_is_for_against_or_abstains() -> None:
    plain, reasoned = vote(DEPLOYMENT, 7, FOR), vote(DEPLOYMENT, 7, FOR, "cheaper")
    assert plain.data[:4] == keccak(b"castVote(uint256,uint8)")[:4]
    assert b"cheaper" in reasoned.data
    with pytest.raises(InputError):
        vote(DEPLOYMENT, 7, 3)


def test_a_proposal_is_read_as_what_it_changes_in_the_terms_that_hold() -> None:
    proposal = change_terms(DEPLOYMENT, TERMS, {"rent_price": TOKEN * 12 // 100}, "Rent")
    data = propose(DEPLOYMENT, proposal).data
    assert read_proposal(DEPLOYMENT, data, TERMS).lines == ("rent price 0.1 → 0.12 SVC",)
    changed = replace(TERMS, rent_price=TOKEN * 12 // 100)
    assert read_proposal(DEPLOYMENT, data, changed).lines == ("the terms as they hold now",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rent_price=0.12", ("rent_price", TOKEN * 12 // 100)),
        ("minimum_anchor_stake=10_000", ("minimum_anchor_stake", 10_000 * TOKEN)),
        ("protocol_share=2.5%", ("protocol_share", 250)),
        ("thaw_time=3600", ("thaw_time", 3_600)),
        ("equivocation=100", ("equivocation", 10_000)),
        ("treasury=0x" + "67" * 20, ("treasury", GUARDIAN)),
    ],
)
def test_a_setting_is_written_in_the_units_of_people(text: str, expected: object) -> None:
    assert setting(text) == expected


@pytest.mark.parametrize(
    "text", ["rent=1", "rent_price", "protocol_share=2.555", "thaw_time=1.5", "thaw_time=-1", "=1"]
)
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        setting(text)
