"""Cases that a process had logged as evidence and not yet opened when it died."""

from dataclasses import replace
from typing import Any, cast

from node.core.journal import DoubleProposal, RootDiffers, evidence_stream
from node.core.reporting import REPORT
from node.protocol.frames import Lease, Proposal
from node.protocol.messages import ElectionVote, JournalEntry
from node.services.reporting import Reporting
from settlement.core.machine import Record
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import Batch, MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine, log_record
from settlement.types import ZERO_HASH, Address, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
EXECUTOR = SigningKey(keccak(b"executor"))
TOKEN = keccak(b"token")
ENTRY = JournalEntry(
    token=TOKEN,
    version=4,
    lease_version=4,
    attempt=1,
    executor=EXECUTOR.address,
    previous=keccak(b"3"),
    input_hash=keccak(b"input"),
    state_root=keccak(b"root"),
    output_hash=ZERO_HASH,
    time=1_000,
)
LEASE = Lease(
    vote=ElectionVote(
        token=TOKEN,
        version=4,
        attempt=1,
        executor=EXECUTOR.address,
        trigger=keccak(b"trigger"),
        window_end=9_000,
    ),
    signatures=(),
)


def proposal(entry: JournalEntry) -> Proposal:
    signature = EXECUTOR.sign(DOMAIN, entry)
    return Proposal(entry=entry, signature=signature, input=b"input", lease=LEASE)


async def test_a_double_proposal_that_is_only_logged_becomes_a_case_at_the_next_start() -> None:
    store, chain = MemoryStore(), MemoryChain()
    stream = evidence_stream(TOKEN)
    rival = replace(ENTRY, state_root=keccak(b"another root"))
    evidence = [
        RootDiffers(own_root=ZERO_HASH, own_output=ZERO_HASH, proposal=proposal(rival)),
        DoubleProposal(first=proposal(ENTRY), second=proposal(rival)),
    ]
    for position, body in enumerate(evidence):
        record = log_record(Record(stream=stream, position=position, body=body))
        await store.commit(Batch(records=(record,)))
    for _ in range(2):
        engine = Engine(store, VirtualClock())
        reporting = Reporting(
            engine=engine, domain=DOMAIN, writer=chain, verdicts=cast("Any", None)
        )
        await reporting.review([TOKEN])
        (case,) = await store.keys(REPORT.kind)
        assert case.startswith(EXECUTOR.address.hex())
        assert (await engine.state(REPORT, case)).sent
        assert len(store.outbox) == 1
