"""Where the contracts of one network stand: addresses on one chain, kept in a JSON file.

The file is public and is what a newcomer is given to join a network.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from settlement.errors import InputError
from settlement.protocol.typed_data import Domain
from settlement.types import ZERO_ADDRESS, Address, checksum, parse_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The contracts' addresses. ``first_block`` is where their events begin."""

    chain_id: int
    first_block: int
    stake_token: Address
    service_token: Address
    parameters: Address
    registry: Address
    issuers: Address
    rent: Address
    hub: Address
    disputes: Address = ZERO_ADDRESS
    brake: Address = ZERO_ADDRESS
    votes: Address = ZERO_ADDRESS
    rewards: Address = ZERO_ADDRESS
    timelock: Address = ZERO_ADDRESS
    governor: Address = ZERO_ADDRESS
    election: Address = ZERO_ADDRESS
    seeds: Address = ZERO_ADDRESS
    commitments: Address = ZERO_ADDRESS
    claims: Address = ZERO_ADDRESS

    @property
    def domain(self) -> Domain:
        """The signing domain of every message of this network."""
        return Domain.of(self.chain_id, self.hub)

    def contracts(self) -> dict[Address, str]:
        """The artifact's name for each address that emits events of ours."""
        return {
            self.parameters: "Parameters",
            self.registry: "NodeRegistry",
            self.issuers: "IssuerRegistry",
            self.rent: "RentVault",
            self.hub: "ChannelHub",
        } | self._placed(
            {
                self.brake: "EmergencyBrake",
                self.rewards: "RewardPool",
                self.election: "AnchorElection",
                self.seeds: "PlacementSeeds",
                self.commitments: "Commitments",
                self.disputes: "DisputeManager",
            }
        )

    def tokens(self) -> dict[Address, str]:
        """The artifact's name for the two token contracts."""
        return {self.stake_token: "StakeToken", self.service_token: "ServiceToken"}

    def governance(self) -> dict[Address, str]:
        """The artifact's name for each contract that counts votes or carries out what was voted."""
        return self._placed(
            {self.votes: "VotingPower", self.timelock: "Timelock", self.governor: "NetworkGovernor"}
        )

    def address_of(self, name: str) -> Address:
        """Where the contract with this artifact's name stands. Raises InputError."""
        known = self.contracts() | self.tokens() | self.governance()
        for address, found in known.items():
            if found == name:
                return address
        raise InputError(where=f"deployment.{name}", problem="the network was founded without it")

    @staticmethod
    def _placed(names: dict[Address, str]) -> dict[Address, str]:
        # Networks founded by an earlier release have no such contracts.
        return {address: name for address, name in names.items() if address != ZERO_ADDRESS}

    def to_json(self) -> dict[str, int | str]:
        """The file's content: addresses in checksummed text."""
        return {
            field.name: checksum(Address(value)) if isinstance(value, bytes) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }

    @classmethod
    def from_json(cls, source: Any, where: str = "deployment") -> Self:
        """Read the file's content. Raises InputError, which names the field."""
        if not isinstance(source, dict):
            raise InputError(where=where, problem="expected a JSON object")
        values: dict[str, Any] = {}
        for field in fields(cls):
            found = source.get(field.name)
            if field.name in ("chain_id", "first_block"):
                if not isinstance(found, int) or isinstance(found, bool) or found < 0:
                    raise InputError(where=f"{where}.{field.name}", problem="expected a number")
                values[field.name] = found
            elif isinstance(found, str):
                values[field.name] = parse_address(found, f"{where}.{field.name}")
            elif found is None and field.default is ZERO_ADDRESS:
                continue
            else:
                raise InputError(where=f"{where}.{field.name}", problem="expected an address")
        return cls(**values)

    def save(self, path: Path) -> None:
        """Write the file."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises InputError."""
        try:
            source = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise InputError(where=str(path), problem=str(error)) from error
        return cls.from_json(source, str(path))
