"""A month in which every transaction meets every fault on its way: nobody is paid twice.

A fault strikes the first tries of one kind of transaction: the answer is lost after it was mined, a
gateway says 502, it is delivered twice, it never leaves. The process may also die with it, and
events may be shown again. What the hub holds in the end is what one undisturbed month leaves.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from settling_world import (
    ANCHOR,
    DAY,
    NODES,
    PAYERS,
    PERIOD,
    Crash,
    World,
    expected_credits,
    make_a_month,
    payout_of,
)

from settlement.core.month_events import Stage
from settlement.ports.chain import Call, TransactionReceipt
from settlement.ports.chain_errors import (
    CallReverted,
    RpcUnreachable,
    TransactionPending,
    TransactionUnderpriced,
)
from settlement.ports.dispute_events import PayoutDemanded
from settlement.ports.memory_chain import MemoryChain
from settlement.protocol.messages import Voucher
from settlement.protocol.signed import Signed
from settlement.types import Address

Send = Callable[[], Awaitable[TransactionReceipt]]
GATEWAY = RpcUnreachable(endpoint="https://rpc.example", problem="HTTP 502")


async def lost_after_success(send: Send) -> TransactionReceipt:
    await send()
    raise GATEWAY


async def never_left(_send: Send) -> TransactionReceipt:
    raise GATEWAY


async def delivered_twice(send: Send) -> TransactionReceipt:
    receipt = await send()
    try:
        await send()
    except CallReverted:
        return receipt
    return receipt


async def pending_after_success(send: Send) -> TransactionReceipt:
    receipt = await send()
    raise TransactionPending(purpose="test", transaction=receipt.transaction, nonce=1)


async def too_dear(_send: Send) -> TransactionReceipt:
    raise TransactionUnderpriced(purpose="test", price=2, cap=1)


async def died_after_success(send: Send) -> TransactionReceipt:
    await send()
    raise Crash


async def died_before(_send: Send) -> TransactionReceipt:
    raise Crash


FAULTS = [
    lost_after_success,
    never_left,
    delivered_twice,
    pending_after_success,
    too_dear,
    died_after_success,
    died_before,
]


@dataclass
class FaultyWriter:
    """The anchor's sender: its first tries of one kind of call meet a fault."""

    chain: MemoryChain
    kind: str
    fault: Callable[[Send], Awaitable[TransactionReceipt]]
    tries: int = 3
    met: Counter[str] = field(default_factory=Counter)
    account: Address = ANCHOR.address

    async def submit(self, call: Call) -> TransactionReceipt:
        async def send() -> TransactionReceipt:
            return await self.chain.submit_as(self.account, call)

        if call.purpose != self.kind or self.met[call.purpose] >= self.tries:
            return await send()
        self.met[call.purpose] += 1
        return await self.fault(send)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("kind", ["settle", "commit", "pay", "release", "show"])
async def test_nobody_is_paid_twice_and_nothing_is_lost(
    kind: str, fault: Callable[[Send], Awaitable[TransactionReceipt]]
) -> None:
    world = World()
    writer = FaultyWriter(world.chain, kind, fault)
    world.writer = writer  # type: ignore[assignment]  # another sender that fails
    world.boot()
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.CHALLENGE, seconds=600, rounds=1_000)
    demand = PayoutDemanded(
        anchor=ANCHOR.address,
        period=0,
        account=payout_of(NODES[0]),
        answer_until=world.chain._time + DAY,
    )
    world.chain.mine(demand)
    await world.live_until(Stage.DONE, seconds=3_600, rounds=1_000)
    assert writer.met[kind] > 0
    owed = await expected_credits(world, lanes)
    assert world.chain.credits == owed
    assert world.hub.shown == {payout_of(NODES[0]): owed[payout_of(NODES[0])]}
    assert set(world.hub.accepted) == {payer.address for payer in PAYERS}
    assert world.hub.pot.distributed == world.hub.pot.sum == sum(a for _, _, a in lanes)


async def test_events_that_are_shown_again_move_nothing() -> None:
    world = World()
    lanes = await make_a_month(world)
    world.chain.advance(PERIOD + DAY)
    for _ in range(40):
        world.cursor = 0
        world.chain.advance(DAY // 4)
        await world.follow()
        await world.outbox.perform_due()
        await world.clock.advance_ms(60_000)
    assert (await world.settler.month(0)).stage is Stage.DONE
    assert world.chain.credits == await expected_credits(world, lanes)
    assert world.hub.transactions == ["settle", "commit", "pay", "release"]


async def test_an_acknowledgement_whose_answer_was_lost_is_given_again_and_owes_the_same() -> None:
    world = World()
    await world.open_channels()
    message = Voucher(
        signer=PAYERS[0].address,
        period=0,
        node=NODES[0],
        token_class=bytes(32),  # type: ignore[arg-type]  # any class
        cumulative=10**18,
    )
    voucher = Signed.by(PAYERS[0], world.anchor._domain, message)
    first = await world.anchor.acknowledge(voucher)
    world.boot()
    await world.follow()
    again = await world.anchor.acknowledge(voucher)
    assert again.message.acknowledged == first.message.acknowledged == 10**18
    assert again.message.lease_cap >= first.message.lease_cap
    ledger = await world.anchor.ledger(PAYERS[0].address, 0)
    assert (ledger.acknowledged, len(ledger.debts)) == (10**18, 1)


async def test_a_statement_that_arrives_again_and_again_is_settled_once() -> None:
    world = World()
    lanes = await make_a_month(world)
    draft = await world.anchor.draft(PAYERS[0].address, 0)
    statement = Signed.by(PAYERS[0], world.anchor._domain, draft.statement())
    for _ in range(5):
        world.boot()
        await world.follow()
        accepted = await world.anchor.receive_statement(statement)
        assert accepted.amount == draft.amount
    world.chain.advance(PERIOD + DAY)
    await world.live_until(Stage.DONE)
    assert world.chain.credits == await expected_credits(world, lanes)
