"""A case about a service level on the real contracts: anchors sign, time passes, stake is burnt."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.chain.abi import build
from settlement.chain.calls import ANCHOR, SERVICE, Calls, compact
from settlement.chain.deployment import Deployment
from settlement.chain.dispute_calls import DisputeCalls
from settlement.chain.local import LocalChain
from settlement.chain.reader import RpcChainReader
from settlement.ports.chain import Call
from settlement.ports.chain_errors import CallReverted
from settlement.ports.chain_records import CaseStatus, Offence, ServiceCase, ServiceFault
from settlement.ports.dispute_events import CaseOpened, CaseVetoed, Punished
from settlement.protocol.messages import ServiceFinding
from settlement.protocol.signing import SigningKey
from settlement.types import ZERO_ADDRESS, Hash, keccak

ROOT = Path(__file__).resolve().parents[2]
TOKEN = 10**18
STAKE = 20_000 * TOKEN
FOUNDER = SigningKey(keccak(b"founder"))
ANCHORS = [SigningKey(keccak(b"judge %d" % n)) for n in range(4)]
NODE = SigningKey(keccak(b"the accused"))
FINDING = ServiceFinding(
    node=NODE.address,
    period=0,
    fault=ServiceFault.WRONG_ANSWERS,
    evidence=keccak(b"a bundle of answers and what re-execution gave"),
)


class Court:
    """A founded network with four anchors and one node."""

    def __init__(self, chain: LocalChain, deployment: Deployment) -> None:
        self.chain, self.deployment = chain, deployment
        self.reader: RpcChainReader = chain.reader(deployment)
        self.calls = DisputeCalls(deployment)

    async def submit(self, call: Call) -> tuple[object, ...]:
        sender = self.chain.sender(FOUNDER, self.deployment)
        return (await sender.submit(call)).events

    async def open(self, judges: list[SigningKey], finding: ServiceFinding = FINDING) -> Hash:
        ordered = sorted(judges, key=lambda key: key.address)
        pairs = [compact(key.sign(self.deployment.domain, finding)) for key in ordered]
        call = self.calls.open_case(
            finding, "ipfs://bundle", [r for r, _ in pairs], [vs for _, vs in pairs]
        )
        (opened,) = await self.submit(call)
        assert isinstance(opened, CaseOpened)
        return opened.case_id

    async def case(self, case_id: Hash) -> ServiceCase:
        return build(ServiceCase, await self.reader.view("DisputeManager", "caseOf", case_id))

    async def slashable(self) -> int:
        return int(await self.reader.view("NodeRegistry", "slashable", NODE.address))


@pytest.fixture
async def court() -> AsyncIterator[Court]:
    async with LocalChain(root=ROOT) as chain:
        deployment = await chain.found(FOUNDER)
        calls, founder = Calls(deployment), chain.sender(FOUNDER, deployment)
        await founder.submit(calls.approve_stake(10 * STAKE))
        for key, roles in (*((key, ANCHOR) for key in ANCHORS), (NODE, SERVICE)):
            await founder.submit(
                calls.register_node(
                    key=key.address,
                    key_proof=calls.key_proof(key, FOUNDER.address),
                    payout=FOUNDER.address,
                    roles=roles,
                    api_url="http://127.0.0.1:1",
                    link_url="127.0.0.1:2",
                    stake=STAKE,
                )
            )
        yield Court(chain, deployment)


async def test_three_of_four_anchors_bring_a_case_that_costs_a_hundredth(court: Court) -> None:
    case_id = await court.open(ANCHORS[:3])
    case = await court.case(case_id)
    assert (case.node, case.fault, case.status) == (NODE.address, FINDING.fault, CaseStatus.OPEN)
    with pytest.raises(CallReverted, match="governance may veto"):
        await court.submit(court.calls.execute_case(case_id))
    await court.chain.advance(case.executable_at - await court.chain.now())
    (_, punished) = await court.submit(court.calls.execute_case(case_id))
    assert isinstance(punished, Punished)
    assert (punished.offence, punished.slashed) == (Offence.SERVICE_LEVEL, STAKE // 100)
    assert (punished.reporter, punished.reward, punished.restitution) == (ZERO_ADDRESS, 0, 0)
    assert await court.slashable() == STAKE - STAKE // 100


async def test_two_of_four_anchors_bring_none(court: Court) -> None:
    with pytest.raises(CallReverted, match="2 anchors signed the finding, and 3 must"):
        await court.open(ANCHORS[:2])


async def test_the_owner_vetoes_a_case(court: Court) -> None:
    case_id = await court.open(ANCHORS[1:])
    (vetoed,) = await court.submit(court.calls.veto_case(case_id))
    assert isinstance(vetoed, CaseVetoed)
    await court.chain.advance((await court.case(case_id)).executable_at)
    with pytest.raises(CallReverted, match="2 vetoed"):
        await court.submit(court.calls.execute_case(case_id))
    assert await court.slashable() == STAKE
