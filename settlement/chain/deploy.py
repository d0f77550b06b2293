"""Deploying a network: every contract from the committed artifacts, through any writer.

The demo, the tests and the operators' scripts call this one function. Constructors are wired by
the names of their arguments, so an argument that nobody knows stops the deployment before it
begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from settlement.chain.abi import artifact, snake_case
from settlement.chain.calls import contract_call
from settlement.chain.deployment import Deployment
from settlement.chain.handover import hand_over_calls
from settlement.errors import InputError
from settlement.ports.chain import Block, Call, ChainWriter, TransactionReceipt
from settlement.ports.chain_records import ExecutionRates, Terms
from settlement.ports.chain_terms import (
    DAY,
    DEFAULT_RATES,
    MONTH,
    TOKEN,
    monthly_terms,
    scaled_terms,
)
from settlement.types import ZERO_ADDRESS, Address

_ORDER = (
    ("stake_token", "StakeToken"),
    ("service_token", "ServiceToken"),
    ("parameters", "Parameters"),
    ("brake", "EmergencyBrake"),
    ("votes", "VotingPower"),
    ("rewards", "RewardPool"),
    ("registry", "NodeRegistry"),
    ("election", "AnchorElection"),
    ("seeds", "PlacementSeeds"),
    ("commitments", "Commitments"),
    ("issuers", "IssuerRegistry"),
    ("rent", "RentVault"),
    ("disputes", "DisputeManager"),
    ("claims", "HubClaims"),
    ("hub", "ChannelHub"),
    ("timelock", "Timelock"),
    ("governor", "NetworkGovernor"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a new network is founded on. ``genesis`` is when period 0 opens, unix seconds.

    ``owner`` owns the contracts that have one, ``holder`` gets both supplies (base units);
    ``yearly_rate`` is the most that may be minted a year, in basis points. ``guardian`` may pull
    the emergency brake for ``brake_duration`` seconds, and again after ``brake_cooldown``; of fees
    that reach the reward pool stakers get ``staker_share`` basis points. Stake elects anchors into
    ``seats``; one of them commits roots every ``slot_length`` seconds, and the duty passes on after
    ``patience``. A ``governed`` network is handed over as it is founded: from then on only votes
    change it. Else its owner can hand it over later.
    """

    owner: Address
    holder: Address
    terms: Terms
    genesis: int
    period_length: int = MONTH
    rates: ExecutionRates = DEFAULT_RATES
    guardian: Address = ZERO_ADDRESS
    staker_share: int = 5_000
    brake_duration: int = 3 * DAY
    brake_cooldown: int = 27 * DAY
    voting_delay: int = DAY
    voting_period: int = 7 * DAY
    timelock_delay: int = 2 * DAY
    proposal_threshold: int = 100_000 * TOKEN
    quorum_percent: int = 4
    seats: int = 21
    slot_length: int = 300
    patience: int = 60
    governed: bool = False
    stake_supply: int = 100_000_000 * TOKEN
    service_supply: int = 1_000_000_000 * TOKEN
    yearly_rate: int = 300


def plan_for(
    founder: Address,
    head: Block,
    *,
    treasury: Address | None = None,
    period_length: int = MONTH,
    terms: Terms | None = None,
    guardian: Address | None = None,
    governed: bool = False,
) -> NetworkPlan:
    """The default plan: ``founder`` owns and holds all, period 0 opens at ``head``; windows and the
    delays of governance are those of a month, scaled to ``period_length`` seconds, unless ``terms``
    are given. ``founder`` is the guardian unless another is named."""
    scaled = scaled_terms(monthly_terms(treasury or founder), MONTH, period_length)

    def part(seconds: int) -> int:
        return max(1, seconds * period_length // MONTH)

    stop = min(7 * DAY, part(3 * DAY))
    return NetworkPlan(
        guardian=guardian or founder,
        governed=governed,
        brake_duration=stop,
        brake_cooldown=9 * stop,
        voting_delay=part(DAY),
        voting_period=part(7 * DAY),
        timelock_delay=part(2 * DAY),
        slot_length=max(20, min(300, part(300))),
        patience=max(4, min(60, part(60))),
        owner=founder,
        holder=founder,
        terms=terms or scaled,
        genesis=head.timestamp,
        period_length=period_length,
    )


def creation_calls(plan: NetworkPlan) -> list[tuple[str, str]]:
    """The contracts that a deployment creates, in order: field of Deployment, artifact's name.

    Raises InputError where an artifact has no bytecode or a constructor asks for something that a
    plan cannot give.
    """
    known = _wiring(plan) | {name: Address(bytes(20)) for name, _ in _ORDER} | {"nodes": b""}
    for _, name in _ORDER:
        code = artifact(name)
        if not code.bytecode:
            raise InputError(where=name, problem="the artifact has no bytecode; compile first")
        for item in code.constructor:
            if snake_case(item.name) not in known:
                raise InputError(where=name, problem=f"unknown argument {item.name}")
    return list(_ORDER)


async def deploy(writer: ChainWriter, chain_id: int, head: Block, plan: NetworkPlan) -> Deployment:
    """Deploy all contracts, wire them, and hand a governed network over; returns where they stand.

    ``head`` is the newest block: events are read from the one after it. ``writer.account`` must
    be ``plan.owner``, which alone may wire. Raises what the writer raises, and InputError.
    """
    if writer.account != plan.owner:
        raise InputError(where="plan.owner", problem="only the deploying account can be the owner")
    made: dict[str, Address] = {}
    for field, name in creation_calls(plan):
        made[field] = await _create(writer, name, _wiring(plan, name) | made | _aliases(made))
    deployment = Deployment(chain_id=chain_id, first_block=head.number + 1, **made)
    for call in wiring_calls(deployment):
        await writer.submit(call)
    if plan.governed:
        for call in hand_over_calls(deployment, plan):
            await writer.submit(call)
    return deployment


def wiring_calls(deployment: Deployment) -> list[Call]:
    """What contracts must learn of each other after they exist, each once and for good."""
    registry, hub, rent = deployment.registry, deployment.hub, deployment.rent
    return [
        contract_call(deployment, "NodeRegistry", "setHub", "name the hub in the registry", hub),
        contract_call(
            deployment,
            "NodeRegistry",
            "setDisputes",
            "let verdicts slash",
            deployment.disputes,
        ),
        contract_call(deployment, "VotingPower", "setRegistry", "let staked tokens vote", registry),
        contract_call(
            deployment, "RewardPool", "setSources", "let the pool see stake and fees", registry, hub
        ),
        contract_call(
            deployment, "IssuerRegistry", "setVenues", "let rent garnish revenue", hub, rent
        ),
    ]


def _wiring(plan: NetworkPlan, name: str = "") -> dict[str, object]:
    supply = plan.stake_supply if name == "StakeToken" else plan.service_supply
    return {
        "owner": plan.owner,
        "holder": plan.holder,
        "supply": supply,
        "yearly_rate": plan.yearly_rate,
        "genesis": plan.genesis,
        "period_length": plan.period_length,
        "terms": plan.terms,
        "rates": plan.rates,
        "guardian": plan.guardian,
        "brake_duration": plan.brake_duration,
        "brake_cooldown": plan.brake_cooldown,
        "treasury": plan.terms.treasury,
        "staker_share": plan.staker_share,
        "voting_delay": plan.voting_delay,
        "voting_period": plan.voting_period,
        "proposal_threshold": plan.proposal_threshold,
        "quorum_percent": plan.quorum_percent,
        "seats": plan.seats,
        "slot_length": plan.slot_length,
        "patience": plan.patience,
    }


def _aliases(made: Mapping[str, Address]) -> dict[str, Address]:
    # Contracts call the node registry "nodes".
    return {"nodes": made["registry"]} if "registry" in made else {}


async def _create(writer: ChainWriter, name: str, known: Mapping[str, object]) -> Address:
    code = artifact(name)
    arguments = [known[snake_case(item.name)] for item in code.constructor]
    receipt: TransactionReceipt = await writer.submit(
        Call(contract=None, data=code.creation(*arguments), purpose=f"deploy the {name}")
    )
    if receipt.created is None:
        raise InputError(where=name, problem="the receipt names no created contract")
    return receipt.created
