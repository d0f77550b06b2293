"""A network that is handed over as it is founded, and the first vote in it, on a real chain."""

from collections.abc import AsyncIterator

import pytest

from settlement.chain import proposals
from settlement.chain.abi import artifact
from settlement.chain.calls import Calls
from settlement.chain.deploy import deploy, plan_for
from settlement.chain.local import LocalChain
from settlement.chain.reader import latest_block
from settlement.chain.sender import RpcSender
from settlement.ports.chain_errors import CallReverted
from settlement.protocol.signing import SigningKey
from settlement.types import hex_text, keccak

FOUNDER = SigningKey(keccak(b"founder of a governed network"))
TOKEN = 10**18
HOUR = 3_600


@pytest.fixture
async def chain() -> AsyncIterator[LocalChain]:
    async with LocalChain() as running:
        yield running


@pytest.mark.timeout(120)
async def test_after_the_hand_over_only_a_vote_changes_the_terms(chain: LocalChain) -> None:
    await chain.fund(FOUNDER.address)
    head = await latest_block(chain.rpc)
    plan = plan_for(FOUNDER.address, head, period_length=HOUR, governed=True)
    deployment = await deploy(RpcSender(chain.rpc, FOUNDER), chain.chain_id, head, plan)
    reader, sender = chain.reader(deployment), chain.sender(FOUNDER, deployment)

    with pytest.raises(CallReverted) as refused:
        await sender.submit(Calls(deployment).schedule_terms(plan.terms))
    assert refused.value.error == "OwnableUnauthorizedAccount"

    terms = (await reader.parameters()).terms
    proposal = proposals.change_terms(deployment, terms, {"rent_price": TOKEN * 12 // 100}, "Rent")
    await chain.advance(2)
    await sender.submit(proposals.propose(deployment, proposal))
    await chain.advance(plan.voting_delay + 2)
    await sender.submit(proposals.vote(deployment, proposal.id, proposals.FOR, "it costs more"))
    await chain.advance(plan.voting_period + 2)
    await sender.submit(proposals.queue(deployment, proposal))
    with pytest.raises(CallReverted) as early:
        await sender.submit(proposals.execute(deployment, proposal))
    assert early.value.error == "TimelockUnexpectedOperationState"
    await chain.advance(plan.timelock_delay + 2)
    await sender.submit(proposals.execute(deployment, proposal))

    governor = artifact("NetworkGovernor")
    request = {
        "to": hex_text(deployment.governor),
        "data": hex_text(governor.calldata("state", proposal.id)),
    }
    answer = await chain.rpc.read("eth_call", request, "latest")
    (state,) = governor.answer("state", bytes.fromhex(answer[2:]))
    assert state == proposals.ProposalState.EXECUTED
    await chain.advance(3 * HOUR)
    assert (await reader.parameters()).terms.rent_price == TOKEN * 12 // 100
