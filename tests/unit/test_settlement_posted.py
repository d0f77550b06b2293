"""A voucher posted on chain counts as acknowledged: no Statement that leaves it out is settled."""

from typing import cast

import pytest

from settlement.core.ledger import AcceptedStatement
from settlement.core.statements import LaneAmount
from settlement.ports.clock import VirtualClock
from settlement.ports.dispute_events import VoucherPosted
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.services.anchor import Anchor, ChannelStatement
from settlement.services.calendar import Calendar
from settlement.services.engine import Engine
from settlement.services.settler import DemandAnswers, SettlementCalls, Settler
from settlement.types import ZERO_HASH, Address, Hash, Signature

PAYER, NODE = Address(b"\x01" * 20), Address(b"\x02" * 20)
CLASS = Hash(b"\x03" * 32)


class OneStatement:
    """An anchor that has taken one Statement, which covers all that it acknowledged itself."""

    async def accepted(self, _period: int) -> tuple[ChannelStatement, ...]:
        lane = LaneAmount(node=NODE, token_class=CLASS, amount=100)
        statement = AcceptedStatement(
            amount=100, root=ZERO_HASH, signature=Signature(bytes(65)), lanes=(lane,)
        )
        return (ChannelStatement(signer=PAYER, statement=statement, acknowledged=100),)


@pytest.mark.parametrize(("posted", "settled"), [(None, 1), (99, 1), (100, 1), (101, 0)])
async def test_a_statement_below_what_was_posted_is_left_to_claims(
    posted: int | None, settled: int
) -> None:
    chain = MemoryChain()
    settler = Settler(
        engine=Engine(MemoryStore(), VirtualClock()),
        anchor=cast("Anchor", OneStatement()),
        chain=chain,
        writer=chain.writer(NODE),
        calls=cast("SettlementCalls", None),
        disputes=cast("DemandAnswers", None),
        calendar=Calendar(chain),
    )
    if posted is not None:
        event = VoucherPosted(signer=PAYER, node=NODE, period=4, token_class=CLASS, amount=posted)
        await settler._told(event)
    assert len(await settler._covering(4)) == settled
    assert len(await settler._covering(5)) == 1, "it was posted for another period"
