"""Proposals: what a vote would do, as calls of the governor and in plain words.

A proposal is a list of calls that the timelock makes. Every call that governance can make has its
sentence here; what is changed in the terms is told as a difference of two values
(``rent price 0.1 → 0.12 SVC``). Source: ``contracts/governance/NetworkGovernor.sol``.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum

from eth_abi.abi import decode, encode

from settlement.chain.abi import artifact, build, decode_inputs
from settlement.chain.calls import amount_text, contract_call
from settlement.chain.deployment import Deployment
from settlement.errors import InputError
from settlement.ports.chain import Call
from settlement.ports.chain_records import ExecutionRates, Penalties, Terms
from settlement.types import Address, Hash, checksum, keccak, parse_address

AGAINST, FOR, ABSTAIN = 0, 1, 2

_SHARES = (
    "protocol_share",
    "anchor_share",
    "maximum_issuer_share",
    "burn_share",
    "bond_ratio",
)
_STAKES = ("minimum_service_stake", "minimum_anchor_stake")
_WORDS = {
    "acknowledgement_grace": "acknowledgement grace",
    "settle_deadline": "settle deadline",
    "challenge_window": "challenge window",
    "direct_claim_window": "direct claim window",
    "withdrawal_delay": "withdrawal delay",
    "thaw_time": "thaw time",
    "rent_grace": "grace for rent",
    "protocol_share": "protocol's share",
    "anchor_share": "anchor's share",
    "maximum_issuer_share": "issuer's largest share",
    "burn_share": "part of the protocol's share that is burnt",
    "bond_ratio": "anchor's bond",
    "treasury": "treasury",
    "minimum_service_stake": "least stake of a service node",
    "minimum_anchor_stake": "least stake of an anchor",
    "rent_price": "rent price",
}
_RATE_WORDS = {
    "read_gas": "price of a million gas of a read",
    "update_gas": "price of a million gas of an update",
    "output_byte": "price of a byte put out",
    "page": "price of a page of memory",
}
_PENALTY_WORDS = {
    "reward": "reporter's part of what is slashed",
    "restitution": "victims' part of what is slashed",
    "equivocation": "penalty for two contradicting signatures",
    "over_leasing": "penalty for leasing more than a channel holds",
    "service_level": "penalty of a case about a service level",
}


class ProposalState(IntEnum):
    """Where a proposal stands (OpenZeppelin's ``IGovernor.ProposalState``)."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Calls that one vote decides on, with the text that tells why. ``lines`` say what they do."""

    calls: tuple[Call, ...]
    text: str
    lines: tuple[str, ...]

    @property
    def arguments(self) -> tuple[list[Address], list[int], list[bytes]]:
        """Targets, values and payloads, as the governor takes them."""
        targets = [call.contract for call in self.calls if call.contract is not None]
        return targets, [call.value for call in self.calls], [call.data for call in self.calls]

    @property
    def text_hash(self) -> Hash:
        return keccak(self.text.encode())

    @property
    def id(self) -> int:
        """The governor's number for it: keccak256 of its encoded arguments."""
        types = ["address[]", "uint256[]", "bytes[]", "bytes32"]
        return int.from_bytes(keccak(encode(types, [*self.arguments, self.text_hash])), "big")


def change_terms(
    deployment: Deployment, current: Terms, changes: dict[str, int | Address], text: str
) -> Proposal:
    """A proposal to change some of the terms, two periods after it is executed.

    Raises InputError for a name that is no term, and where nothing would change.
    """
    known = {field.name for field in fields(Terms)}
    for name in changes:
        if name not in known:
            raise InputError(where=name, problem=f"not a term; there are {', '.join(known)}")
    wanted: dict[str, object] = dict(changes)
    terms = replace(current, **wanted)  # type: ignore[arg-type]  # names are checked above
    lines = differences(current, terms)
    if not lines:
        raise InputError(where="changes", problem="nothing would change")
    call = contract_call(deployment, "Parameters", "schedule", "; ".join(lines), terms)
    return Proposal(calls=(call,), text=text, lines=lines)


def change_rates(
    deployment: Deployment, current: ExecutionRates, changes: dict[str, int], text: str
) -> Proposal:
    """A proposal to change what running scripts costs, two periods after it is executed.

    Raises InputError for a name that is no rate, and where nothing would change.
    """
    for name in changes:
        if name not in _RATE_WORDS:
            raise InputError(where=name, problem=f"not a rate; there are {', '.join(_RATE_WORDS)}")
    rates = replace(current, **changes)
    lines = tuple(
        f"{words} {_svc(getattr(current, name)).split(' ')[0]} → {_svc(getattr(rates, name))}"
        for name, words in _RATE_WORDS.items()
        if getattr(current, name) != getattr(rates, name)
    )
    if not lines:
        raise InputError(where="changes", problem="nothing would change")
    call = contract_call(deployment, "Parameters", "scheduleRates", "; ".join(lines), rates)
    return Proposal(calls=(call,), text=text, lines=lines)


def change_penalties(
    deployment: Deployment, current: Penalties, changes: dict[str, int], text: str
) -> Proposal:
    """A proposal to change what offences cost, two periods after it is executed.

    Raises InputError for a name that is no penalty, and where nothing would change.
    """
    for name in changes:
        if name not in _PENALTY_WORDS:
            known = ", ".join(_PENALTY_WORDS)
            raise InputError(where=name, problem=f"not a penalty; there are {known}")
    penalties = replace(current, **changes)
    lines = tuple(
        f"{words} {getattr(current, name) / 100:g} → {getattr(penalties, name) / 100:g} %"
        for name, words in _PENALTY_WORDS.items()
        if getattr(current, name) != getattr(penalties, name)
    )
    if not lines:
        raise InputError(where="changes", problem="nothing would change")
    what = "; ".join(lines)
    call = contract_call(deployment, "DisputeManager", "schedulePenalties", what, penalties)
    return Proposal(calls=(call,), text=text, lines=lines)


def veto_case(deployment: Deployment, case_id: Hash, text: str) -> Proposal:
    """A proposal to end a case about a node's service level without a punishment."""
    line = f"veto case 0x{case_id.hex()}"
    call = contract_call(deployment, "DisputeManager", "vetoCase", line, case_id)
    return Proposal(calls=(call,), text=text, lines=(line,))


def mint(deployment: Deployment, receiver: Address, amount: int, text: str) -> Proposal:
    """A proposal to mint Service Tokens, within the year's rate."""
    line = f"mint {amount_text(amount, 'SVC')} for {checksum(receiver)}"
    call = contract_call(deployment, "ServiceToken", "mint", line, receiver, amount)
    return Proposal(calls=(call,), text=text, lines=(line,))


def name_guardian(deployment: Deployment, guardian: Address, text: str) -> Proposal:
    """A proposal to name the guardian of the emergency brake."""
    line = f"let {checksum(guardian)} use the emergency brake"
    call = contract_call(deployment, "EmergencyBrake", "setGuardian", line, guardian)
    return Proposal(calls=(call,), text=text, lines=(line,))


def split_fees(deployment: Deployment, treasury: Address, staker_share: int, text: str) -> Proposal:
    """A proposal to split collected fees anew; ``staker_share`` in basis points."""
    line = f"give stakers {staker_share / 100:g} % of the fees, {checksum(treasury)} the rest"
    call = contract_call(deployment, "RewardPool", "setFeeSplit", line, treasury, staker_share)
    return Proposal(calls=(call,), text=text, lines=(line,))


def differences(before: Terms, after: Terms) -> tuple[str, ...]:
    """What changes, one sentence for each term."""
    return tuple(
        f"{_WORDS[field.name]} {_shown(field.name, old)} → {_shown(field.name, new, unit=True)}"
        for field in fields(Terms)
        for old, new in [(getattr(before, field.name), getattr(after, field.name))]
        if old != new
    )


def propose(deployment: Deployment, proposal: Proposal) -> Call:
    """Put a proposal to the vote; the sender needs the threshold of votes."""
    purpose = f"propose to {'; '.join(proposal.lines)}"
    return contract_call(
        deployment, "NetworkGovernor", "propose", purpose, *proposal.arguments, proposal.text
    )


def vote(deployment: Deployment, proposal: int, support: int, reason: str = "") -> Call:
    """Vote on a proposal by its number: 0 against, 1 for, 2 abstain. Raises InputError."""
    if support not in (AGAINST, FOR, ABSTAIN):
        raise InputError(where="support", problem="expected 0 (against), 1 (for) or 2 (abstain)")
    word = ("against", "for", "to abstain on")[support]
    purpose = f"vote {word} proposal {proposal}"
    if not reason:
        return contract_call(deployment, "NetworkGovernor", "castVote", purpose, proposal, support)
    return contract_call(
        deployment, "NetworkGovernor", "castVoteWithReason", purpose, proposal, support, reason
    )


def delegate_votes(deployment: Deployment, to: Address) -> tuple[Call, Call]:
    """Let another account vote with the sender's tokens, and with those that it staked."""
    words = f"let {checksum(to)} vote with the account's"
    return (
        contract_call(deployment, "StakeToken", "delegate", f"{words} tokens", to),
        contract_call(deployment, "VotingPower", "delegate", f"{words} staked tokens", to),
    )


def cancel(deployment: Deployment, proposal: Proposal) -> Call:
    """Take a proposal back before its vote begins; its proposer may."""
    return _move(deployment, "cancel", "take back", proposal)


def setting(text: str) -> tuple[str, int | Address]:
    """A term, rate or penalty and its new value, as written: ``rent_price=0.12`` in tokens,
    ``protocol_share=2.5`` in percent, ``thaw_time=2419200`` in seconds. Raises InputError."""
    name, _, value = text.partition("=")
    if name == "treasury":
        return name, parse_address(value, name)
    if name in _STAKES or name in _RATE_WORDS or name == "rent_price":
        return name, _decimal(name, value, 18)
    if name in _SHARES or name in _PENALTY_WORDS:
        return name, _decimal(name, value.removesuffix("%").strip(), 2)
    if name in _WORDS:
        return name, _decimal(name, value, 0)
    known = ", ".join([*_WORDS, *_RATE_WORDS, *_PENALTY_WORDS])
    raise InputError(where=text, problem=f"expected NAME=VALUE; the names are {known}")


def _decimal(name: str, text: str, places: int) -> int:
    whole, _, part = text.replace("_", "").partition(".")
    digits = whole + part
    if not (whole and digits.isascii() and digits.isdigit()) or len(part) > places:
        problem = f"expected a number with up to {places} decimals" if places else "expected digits"
        raise InputError(where=name, problem=problem)
    return int(whole + part.ljust(places, "0"))


def queue(deployment: Deployment, proposal: Proposal) -> Call:
    """Begin the notice of a proposal that passed; anyone may."""
    return _move(deployment, "queue", "queue", proposal)


def execute(deployment: Deployment, proposal: Proposal) -> Call:
    """Carry out a proposal whose notice has ended; anyone may."""
    return _move(deployment, "execute", "carry out", proposal)


def read_proposal(deployment: Deployment, data: bytes, current: Terms | None = None) -> Proposal:
    """The proposal in the calldata of ``propose``, in words where its calls are known.

    New terms are told as what they change in ``current``, and all of them without it. Raises
    InputError where the data is something else.
    """
    shape = artifact("NetworkGovernor").functions["propose"]
    if data[:4] != shape.selector:
        raise InputError(where="calldata", problem="it does not propose anything")
    targets, values, payloads, text = decode([item.type for item in shape.inputs], data[4:])
    addresses = [Address(bytes.fromhex(target[2:])) for target in targets]
    lines = tuple(
        _told(deployment, target, payload, current)
        for target, payload in zip(addresses, payloads, strict=True)
    )
    calls = tuple(
        Call(contract=target, data=payload, purpose=line, value=value)
        for target, value, payload, line in zip(addresses, values, payloads, lines, strict=True)
    )
    return Proposal(calls=calls, text=text, lines=lines)


def _told(deployment: Deployment, target: Address, payload: bytes, current: Terms | None) -> str:
    """A call in words, from the call itself: a file's own words prove nothing."""
    names = deployment.contracts() | deployment.tokens() | deployment.governance()
    name = names.get(target)
    if name is None:
        return f"call {checksum(target)} with 0x{payload.hex()}"
    known = artifact(name).functions.values()
    shape = next((shape for shape in known if shape.selector == payload[:4]), None)
    if shape is None:
        return f"call {name} with 0x{payload.hex()}"
    values = decode_inputs(shape, payload[4:])
    if (name, shape.name) == ("Parameters", "schedule"):
        terms = build(Terms, values["terms"])
        if current is not None:
            return "; ".join(differences(current, terms)) or "the terms as they hold now"
        return "schedule " + "; ".join(
            f"{words} {_shown(term, getattr(terms, term), unit=True)}"
            for term, words in _WORDS.items()
        )
    if (name, shape.name) == ("Parameters", "scheduleRates"):
        rates = build(ExecutionRates, values["rates"])
        return "schedule " + "; ".join(
            f"{words} {_svc(getattr(rates, rate))}" for rate, words in _RATE_WORDS.items()
        )
    if (name, shape.name) == ("DisputeManager", "schedulePenalties"):
        penalties = build(Penalties, values["penalties"])
        return "schedule " + "; ".join(
            f"{words} {getattr(penalties, penalty) / 100:g} %"
            for penalty, words in _PENALTY_WORDS.items()
        )
    told = ", ".join(f"{item} {_plain(value)}" for item, value in values.items())
    return f"{name}.{shape.name}: {told}" if told else f"{name}.{shape.name}"


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == 20 else "0x" + value.hex()
    return str(value)


def _move(deployment: Deployment, function: str, verb: str, proposal: Proposal) -> Call:
    purpose = f"{verb}: {'; '.join(proposal.lines)}"
    signature = f"{function}(address[],uint256[],bytes[],bytes32)"
    return contract_call(
        deployment,
        "NetworkGovernor",
        signature,
        purpose,
        *proposal.arguments,
        proposal.text_hash,
    )


def _svc(amount: int) -> str:
    return amount_text(amount, "SVC")


def _shown(name: str, value: int | Address, *, unit: bool = False) -> str:
    if isinstance(value, bytes):
        return checksum(Address(value))
    if name in _SHARES:
        return f"{value / 100:g}" + (" %" if unit else "")
    if name in _STAKES or name == "rent_price":
        token = "STK" if name in _STAKES else "SVC"
        return amount_text(value, token) if unit else amount_text(value, token).split(" ")[0]
    return f"{value:,}" + (" s" if unit else "")
