"""Who places a minted token: every anchor that is one at the time, and nobody else."""

import asyncio
from typing import Any, cast

import pytest

from node.core.members import Member, MemberJoined, MemberList, MemberStaked
from node.core.placement import ANCHOR, Rules
from node.ports.beacon import Beacon
from node.services.chain_view import ChainView
from node.services.placing import Placing
from node.services.script_library import ScriptLibrary
from node.services.table import Table
from settlement.ports.clock import VirtualClock
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, keccak

DOMAIN = Domain.of(31_337, Address(bytes(20)))
KEY = SigningKey(keccak(b"this anchor"))
OTHER = SigningKey(keccak(b"another anchor"))
TOKENS = [keccak(b"token %d" % number) for number in range(3)]


class Placed:
    """A table that holds every record already, and keeps who was looked up."""

    def __init__(self) -> None:
        self.asked: list[Hash] = []

    async def lookup(self, token: Hash) -> object:
        self.asked.append(token)
        return object()


def joined(key: SigningKey) -> MemberJoined:
    member = Member(
        key=key.address,
        operator=key.address,
        roles=ANCHOR,
        api_url="https://a.example",
        link_url="wss://a.example:1",
        stake=1,
        since_block=1,
        payout=key.address,
    )
    return MemberJoined(block=1, member=member)


async def looked_up(members: MemberList) -> tuple[list[Hash], bool]:
    """What this anchor looks up once three tokens are minted, and whether it still runs."""
    view, table, clock = ChainView(31_337), Placed(), VirtualClock(0)
    view.members = members
    placing = Placing(
        key=KEY,
        domain=DOMAIN,
        view=view,
        scripts=cast("ScriptLibrary", None),
        beacon=cast("Beacon", None),
        table=cast("Table", table),
        clock=clock,
        rules=cast("Rules", None),
    )
    running: asyncio.Task[Any] = asyncio.create_task(placing.run())
    for token in TOKENS:
        placing._minted.put_nowait(token)
    for _ in range(20):
        await asyncio.sleep(0)
        await clock.advance_ms(1_000)
    alive = not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return sorted(table.asked), alive


async def test_an_active_anchor_looks_for_every_token_that_was_minted() -> None:
    members = MemberList().after(joined(KEY)).after(joined(OTHER))

    assert await looked_up(members) == (sorted(TOKENS), True)


@pytest.mark.parametrize("ever", [True, False])
async def test_an_anchor_that_left_or_never_came_leaves_mints_to_the_others(*, ever: bool) -> None:
    members = MemberList().after(joined(OTHER))
    if ever:
        left = MemberStaked(block=2, key=KEY.address, stake=0)
        members = members.after(joined(KEY)).after(left)

    assert await looked_up(members) == ([], True)
