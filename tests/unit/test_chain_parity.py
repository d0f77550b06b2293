"""The Python mirrors of events, structs and errors are what the committed ABIs say."""

import re
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from settlement.chain.abi import Component, Shape, artifact, snake_case
from settlement.chain.events import event_types
from settlement.chain.reverts import ADVICE, custom_errors
from settlement.ports import chain_records
from settlement.ports.chain_events import ChainEvent
from settlement.types import Address, Hash, SolidityType

ROOT = Path(__file__).resolve().parents[2]
EMITTERS = (
    "Parameters",
    "NodeRegistry",
    "IssuerRegistry",
    "RentVault",
    "ChannelHub",
    "EmergencyBrake",
    "RewardPool",
    "AnchorElection",
    "PlacementSeeds",
    "Commitments",
    "DisputeManager",
)
FOREIGN = {"OwnershipTransferred", "OwnershipTransferStarted", "EIP712DomainChanged"}
PLACE = {field.name for field in fields(ChainEvent)}

STRUCTS = [
    (chain_records.Terms, "Parameters", "termsAt", "outputs"),
    (chain_records.ExecutionRates, "Parameters", "ratesAt", "outputs"),
    (chain_records.Windows, "Parameters", "windowsOf", "outputs"),
    (chain_records.ChannelAccount, "ChannelHub", "channelOf", "outputs"),
    (chain_records.PeriodPot, "ChannelHub", "potOf", "outputs"),
    (chain_records.RegisteredNode, "NodeRegistry", "nodeOf", "outputs"),
    (chain_records.RegisteredClass, "IssuerRegistry", "classOf", "outputs"),
    (chain_records.RentAccount, "RentVault", "rentOf", "outputs"),
    (chain_records.Delegation, "NodeRegistry", "delegationOf", "outputs"),
    (chain_records.UptimeRow, "RentVault", "earn", "inputs"),
    (chain_records.CommittedRoot, "Commitments", "rootOf", "outputs"),
    (chain_records.StatementRow, "ChannelHub", "settleChunk", "inputs"),
    (chain_records.AcceptedRow, "ChannelHub", "restoreChunk", "inputs"),
    (chain_records.DirectClaimRow, "ChannelHub", "claimDirect", "inputs"),
    (chain_records.Payout, "ChannelHub", "claim", "inputs"),
    (chain_records.ProofNode, "ChannelHub", "claim", "inputs"),
    (chain_records.OwedLane, "ChannelHub", "challenge", "inputs"),
    (chain_records.PayoutProof, "ChannelHub", "challenge", "inputs"),
    (chain_records.Authorization, "ChannelHub", "openWithAuthorization", "inputs"),
    (chain_records.Lease, "DisputeManager", "punishOverLeasing", "inputs"),
    (chain_records.Penalties, "DisputeManager", "penalties", "outputs"),
    (chain_records.ServiceCase, "DisputeManager", "caseOf", "outputs"),
]


def contract_events() -> dict[str, Shape]:
    return {
        shape.name: shape
        for name in EMITTERS
        for shape in artifact(name).events.values()
        if shape.name not in FOREIGN
    }


def solidity_type(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return next(m.name for m in get_args(annotation)[1:] if isinstance(m, SolidityType))
    if get_origin(annotation) is tuple:
        return solidity_type(get_args(annotation)[0]) + "[]"
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return "uint8"
    if is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        inner = [solidity_type(hints[field.name]) for field in fields(annotation)]
        return f"({','.join(inner)})"
    return {
        Address: "address",
        Hash: "bytes32",
        str: "string",
        bytes: "bytes",
        bool: "bool",
    }[annotation]


def mirrored(record: Any) -> list[tuple[str, str]]:
    hints = get_type_hints(record, include_extras=True)
    names = [f.name for f in fields(record)]
    if issubclass(record, ChainEvent):
        names = [name for name in names if name not in PLACE]
    return [(name, solidity_type(hints[name])) for name in names]


def declared(components: tuple[Component, ...]) -> list[tuple[str, str]]:
    return [(snake_case(item.name), item.type) for item in components]


def test_every_event_of_the_contracts_has_its_class() -> None:
    assert set(event_types()) == set(contract_events())


@pytest.mark.parametrize("name", sorted(event_types()))
def test_an_event_class_has_the_fields_that_the_contract_declares(name: str) -> None:
    assert mirrored(event_types()[name]) == declared(contract_events()[name].inputs)


@pytest.mark.parametrize(("record", "contract", "function", "side"), STRUCTS)
def test_a_record_has_the_members_of_its_struct(
    record: Any, contract: str, function: str, side: str
) -> None:
    components: tuple[Component, ...] = getattr(artifact(contract).functions[function], side)
    found = [declared(item.members) for item in components if item.members]
    assert mirrored(record) in found


@pytest.mark.parametrize(
    ("kind", "interface", "name"),
    [
        (chain_records.PotStatus, "IChannelHub", "PotStatus"),
        (chain_records.SkipReason, "IChannelHub", "SkipReason"),
        (chain_records.Offence, "IDisputeManager", "Offence"),
        (chain_records.ServiceFault, "IDisputeManager", "ServiceFault"),
        (chain_records.CaseStatus, "IDisputeManager", "CaseStatus"),
        (chain_records.RentSkip, "IRentVault", "RentSkip"),
        (chain_records.RentState, "IRentVault", "State"),
    ],
)
def test_an_enum_has_the_members_that_the_interface_declares(
    kind: type[IntEnum], interface: str, name: str
) -> None:
    source = (ROOT / "contracts" / "interfaces" / f"{interface}.sol").read_text()
    match = re.search(rf"enum {name} {{([^}}]*)}}", source)
    assert match is not None
    wanted = [snake_case(word.strip()).upper() for word in match[1].split(",")]
    assert [member.name for member in kind] == wanted
    assert [member.value for member in kind] == list(range(len(wanted)))


def test_every_custom_error_has_its_sentence_and_no_sentence_is_left_over() -> None:
    errors = {shape.name for shape in custom_errors().values()}
    assert errors - ADVICE.keys() == set()
    ours = {name for name in ADVICE if "_" in name}
    assert ours - errors == set()


@pytest.mark.parametrize("shape", custom_errors().values(), ids=lambda shape: shape.name)
def test_a_sentence_uses_only_fields_that_its_error_has(shape: Shape) -> None:
    used = set(re.findall(r"{(\w+)", ADVICE[shape.name]))
    assert used <= {snake_case(item.name) for item in shape.inputs}
