"""From founder to voters: the timelock takes over all that can be changed.

Contracts change owners in two steps, so the founder lets the timelock accept them in one batch,
which it may do without delay while it is founder. The batch ends by setting the timelock's delay;
after it the governor alone proposes and cancels, anyone executes, and the founder has no role.
Source: ``contracts/governance/Timelock.sol`` and OpenZeppelin's TimelockController.
"""

from dataclasses import replace
from typing import Final, Protocol

from settlement.chain.abi import artifact
from settlement.chain.calls import contract_call
from settlement.chain.deployment import Deployment
from settlement.ports.chain import Call
from settlement.ports.chain_records import Terms
from settlement.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash, keccak

ADMIN_ROLE: Final = ZERO_HASH
PROPOSER_ROLE: Final = keccak(b"PROPOSER_ROLE")
EXECUTOR_ROLE: Final = keccak(b"EXECUTOR_ROLE")
CANCELLER_ROLE: Final = keccak(b"CANCELLER_ROLE")
OWNED: Final = (
    "Parameters",
    "EmergencyBrake",
    "RewardPool",
    "NodeRegistry",
    "DisputeManager",
    "ServiceToken",
)
"""The contracts that have an owner."""


class GovernedPlan(Protocol):
    """What handing over needs of a network's plan."""

    @property
    def owner(self) -> Address: ...
    @property
    def terms(self) -> Terms: ...
    @property
    def timelock_delay(self) -> int: ...


def hand_over_calls(deployment: Deployment, plan: GovernedPlan) -> list[Call]:
    """The owner's transactions that hand a founded network over, in order.

    The treasury's part of fees goes through the reward pool from then on (two periods later), and
    new Service Tokens can be minted by vote, within the token's yearly rate.
    """
    timelock, governor = deployment.timelock, deployment.governor
    pooled = replace(plan.terms, treasury=deployment.rewards)
    calls = [
        contract_call(
            deployment, "Parameters", "schedule", "send fees through the reward pool", pooled
        ),
        contract_call(
            deployment, "ServiceToken", "setMinter", "let votes mint within the rate", timelock
        ),
    ]
    calls += [
        contract_call(
            deployment, name, "transferOwnership", f"offer the {name} to the timelock", timelock
        )
        for name in OWNED
    ]
    targets = [deployment.address_of(name) for name in OWNED] + [timelock]
    payloads = [artifact(name).calldata("acceptOwnership") for name in OWNED]
    payloads.append(artifact("Timelock").calldata("updateDelay", plan.timelock_delay))
    batch = (targets, [0] * len(targets), payloads, ZERO_HASH, keccak(b"hand over"))
    what = "let the timelock own what can be changed"
    calls += [
        contract_call(deployment, "Timelock", "scheduleBatch", f"prepare to {what}", *batch, 0),
        contract_call(deployment, "Timelock", "executeBatch", what, *batch),
    ]
    calls += [
        _role(deployment, "grantRole", PROPOSER_ROLE, governor),
        _role(deployment, "grantRole", CANCELLER_ROLE, governor),
        _role(deployment, "grantRole", EXECUTOR_ROLE, ZERO_ADDRESS),
    ]
    roles = (PROPOSER_ROLE, CANCELLER_ROLE, EXECUTOR_ROLE, ADMIN_ROLE)
    return calls + [_role(deployment, "renounceRole", role, plan.owner) for role in roles]


def _role(deployment: Deployment, function: str, role: Hash, account: Address) -> Call:
    purpose = "give a role in the timelock" if function == "grantRole" else "give a role up"
    return contract_call(deployment, "Timelock", function, purpose, role, account)
