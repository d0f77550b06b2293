"""A whole deployment through ape, made from what `ape compile` compiled."""

from typing import Any

import pytest
from ape_cast import (
    ANCHOR,
    DAY,
    PERIOD,
    SCRIPT_HASH,
    SERVICE,
    TOKEN,
    Actors,
    Deployment,
    address_of,
    rates,
    signing_key,
    terms,
)

from settlement.protocol.messages import KeyProof
from settlement.protocol.typed_data import Domain


@pytest.fixture
def actors(accounts: Any) -> Actors:
    """Eleven funded accounts."""
    return Actors(*(accounts[i] for i in range(11)))


@pytest.fixture
def deployed(project: Any, chain: Any, actors: Actors) -> Deployment:
    """Everything deployed and wired, tokens handed out, one anchor, one node, one ticket class."""
    owner = actors.owner
    stake = project.StakeToken.deploy(owner, 10**8 * TOKEN, sender=owner)
    service = project.ServiceToken.deploy(owner, owner, 10**9 * TOKEN, 300, sender=owner)
    parameters = project.Parameters.deploy(
        owner, chain.pending_timestamp - 1, PERIOD, terms(actors), rates(), sender=owner
    )
    brake = project.EmergencyBrake.deploy(owner, owner, 3 * DAY, 27 * DAY, sender=owner)
    votes = project.VotingPower.deploy(owner, stake, sender=owner)
    rewards = project.RewardPool.deploy(owner, service, actors.treasury, 5_000, sender=owner)
    nodes = project.NodeRegistry.deploy(
        owner, stake, parameters, brake, votes, rewards, sender=owner
    )
    election = project.AnchorElection.deploy(parameters, nodes, votes, 21, sender=owner)
    issuers = project.IssuerRegistry.deploy(owner, parameters, sender=owner)
    rent = project.RentVault.deploy(service, parameters, issuers, nodes, election, sender=owner)
    disputes = project.DisputeManager.deploy(owner, nodes, parameters, election, sender=owner)
    parts = (service, parameters, nodes, issuers, disputes, rent)
    claims = project.HubClaims.deploy(*parts, sender=owner)
    hub = project.ChannelHub.deploy(*parts, claims, sender=owner)
    nodes.setHub(hub, sender=owner)
    nodes.setDisputes(disputes, sender=owner)
    votes.setRegistry(nodes, sender=owner)
    rewards.setSources(nodes, hub, sender=owner)
    issuers.setVenues(hub, rent, sender=owner)
    ticket = project.SmartTicket.deploy(actors.airline, sender=actors.airline)
    domain = Domain.of(chain.chain_id, address_of(hub))

    stake.transfer(actors.operator, 100_000 * TOKEN, sender=owner)
    stake.approve(nodes, 100_000 * TOKEN, sender=actors.operator)
    for account, spender in ((actors.payer, hub), (actors.airline, rent)):
        service.transfer(account, 1_000 * TOKEN, sender=owner)
        service.approve(spender, 1_000 * TOKEN, sender=account)
    for key, payout, roles, amount in (
        (actors.anchor, actors.anchor_payout, ANCHOR, 10_000),
        (actors.node, actors.node_payout, SERVICE, 1_000),
    ):
        consent = KeyProof(operator=address_of(actors.operator), key=address_of(key))
        proof = signing_key(key).sign(domain, consent)
        nodes.register(
            key,
            payout,
            roles,
            "http://api",
            "ws://link",
            amount * TOKEN,
            proof,
            sender=actors.operator,
        )
    issuers.registerClass(
        ticket, actors.issuer_payout, 1_000, "ipfs://ticket", SCRIPT_HASH, sender=actors.airline
    )
    return Deployment(
        stake,
        service,
        parameters,
        nodes,
        issuers,
        rent,
        hub,
        ticket,
        bytes(issuers.classIdOf(ticket)),
        domain,
    )
