"""Deploying a network: every contract from the committed artifacts, through any writer.

The demo, the tests and the operators' scripts call this one function. Constructors are wired by
the names of their arguments, so an argument that nobody knows stops the deployment before it
begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from settlement.chain.abi import artifact, snake_case
from settlement.chain.deployment import Deployment
from settlement.errors import InputError
from settlement.ports.chain import Block, Call, ChainWriter, TransactionReceipt
from settlement.ports.chain_records import Terms
from settlement.ports.chain_terms import MONTH, TOKEN, monthly_terms, scaled_terms
from settlement.types import Address

_ORDER = (
    ("stake_token", "StakeToken"),
    ("service_token", "ServiceToken"),
    ("parameters", "Parameters"),
    ("registry", "NodeRegistry"),
    ("issuers", "IssuerRegistry"),
    ("rent", "RentVault"),
    ("hub", "ChannelHub"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a new network is founded on. ``genesis`` is when period 0 opens, unix seconds.

    ``owner`` owns the contracts that have one, ``holder`` gets both supplies (base units);
    ``yearly_rate`` is the most that may be minted a year, in basis points.
    """

    owner: Address
    holder: Address
    terms: Terms
    genesis: int
    period_length: int = MONTH
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
) -> NetworkPlan:
    """The default plan: ``founder`` owns and holds all, period 0 opens at ``head``; windows are
    those of a month, scaled to ``period_length`` seconds, unless ``terms`` are given."""
    scaled = scaled_terms(monthly_terms(treasury or founder), MONTH, period_length)
    return NetworkPlan(
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
    """Deploy all contracts and name the hub in the registry; returns where they stand.

    ``head`` is the newest block: events are read from the one after it. ``writer.account`` must
    be ``plan.owner``, which alone may name the hub. Raises what the writer raises, and InputError.
    """
    if writer.account != plan.owner:
        raise InputError(where="plan.owner", problem="only the deploying account can be the owner")
    made: dict[str, Address] = {}
    for field, name in creation_calls(plan):
        made[field] = await _create(writer, name, _wiring(plan, name) | made | _aliases(made))
    deployment = Deployment(chain_id=chain_id, first_block=head.number + 1, **made)
    data = artifact("NodeRegistry").calldata("setHub", deployment.hub)
    await writer.submit(
        Call(contract=deployment.registry, data=data, purpose="name the hub in the registry")
    )
    return deployment


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
