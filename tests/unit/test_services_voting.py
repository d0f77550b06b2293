"""An anchor votes only by triggers that are this token's own, and remembers what it was shown."""

from typing import cast

import pytest

from node.core.election import Timing, winner
from node.core.inputs import entry_trigger
from node.core.voter import VOTER
from node.errors import NotElected, TriggerUnknown, VersionUnproven
from node.protocol.frames import FeedPush, PlacementAnnounce, VoteReply, VoteRequest
from node.protocol.messages import FeedEntry, JournalEntry, Placement
from node.services.dispatch import Dispatch
from node.services.metrics import Metrics
from node.services.table import Table
from node.services.voting import Voting
from settlement.ports.clock import VirtualClock
from settlement.ports.memory_chain import MemoryChain
from settlement.ports.store import MemoryStore
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import ZERO_HASH, Address, Hash, Signature, keccak

DOMAIN = Domain.of(31_337, Address(b"h" * 20))
ANCHOR, AIRLINE, STRANGER = (SigningKey(keccak(name)) for name in (b"anchor", b"air", b"stranger"))
NODES = [SigningKey(keccak(b"node %d" % number)) for number in range(3)]
NOW = 1_700_000_000_000
PLACEMENT = Placement(
    token=keccak(b"token"),
    token_class=keccak(b"class"),
    number=1,
    activation_block=5,
    seed=keccak(b"seed"),
    holders=tuple(key.address for key in NODES),
    version=1,
)


class OneRecord:
    """A table with one token."""

    async def lookup(self, _token: Hash) -> PlacementAnnounce:
        return PlacementAnnounce(
            placement=PLACEMENT, anchor=ANCHOR.address, signature=Signature(bytes(65))
        )


class Booth:
    """An anchor's voting, where the class's script hears the airline's flights."""

    def __init__(self) -> None:
        self.engine = Engine(MemoryStore(), VirtualClock(NOW))
        self.dispatch = Dispatch()
        self.voting = Voting(
            key=ANCHOR,
            domain=DOMAIN,
            engine=self.engine,
            chain=MemoryChain(),
            table=cast("Table", OneRecord()),
            timing=Timing(),
            metrics=Metrics("anchor"),
            heard=self._heard,
        )
        self.voting.register(self.dispatch)

    async def _heard(self, token_class: Hash, attester: Address, topic: str) -> bool:
        return (token_class, attester, topic) == (
            PLACEMENT.token_class,
            AIRLINE.address,
            "flights",
        )

    async def said(self, by: SigningKey, topic: str) -> FeedEntry:
        entry = FeedEntry(
            attester=by.address,
            topic=topic,
            epoch=0,
            sequence=0,
            previous=ZERO_HASH,
            body_hash=keccak(b""),
            tags=(),
            time=NOW,
        )
        push = FeedPush(entry=entry, signature=by.sign(DOMAIN, entry), body=b"")
        await self.voting.remember(push)
        return entry

    async def ask(self, asker: Address, entry: FeedEntry, version: int = 1) -> VoteReply:
        head = commit(version - 1) if version > 1 else None
        seals = tuple((k.address, k.sign(DOMAIN, head)) for k in NODES) if head else ()
        request = VoteRequest(
            token=PLACEMENT.token,
            version=version,
            attempt=0,
            trigger=entry_trigger(entry),
            trigger_time=entry.time,
            head=head,
            head_signatures=seals,
        )
        reply = await self.dispatch(asker, request)
        assert isinstance(reply, VoteReply)
        return reply


def commit(version: int) -> JournalEntry:
    return JournalEntry(
        token=PLACEMENT.token,
        version=version,
        lease_version=1,
        attempt=0,
        executor=NODES[0].address,
        previous=ZERO_HASH,
        input_hash=ZERO_HASH,
        state_root=ZERO_HASH,
        output_hash=ZERO_HASH,
        time=NOW,
    )


@pytest.mark.parametrize(("by", "topic"), [(STRANGER, "flights"), (AIRLINE, "weather")])
async def test_an_entry_that_the_tokens_script_does_not_hear_elects_nobody(
    by: SigningKey, topic: str
) -> None:
    booth = Booth()
    strange = await booth.said(by, topic)
    elected = winner(PLACEMENT, 1, 0)
    with pytest.raises(TriggerUnknown):
        await booth.ask(elected, strange)
    heard = await booth.said(AIRLINE, "flights")
    assert (await booth.ask(elected, heard)).vote.executor == elected


async def test_what_a_refused_request_has_proven_is_remembered() -> None:
    booth = Booth()
    heard = await booth.said(AIRLINE, "flights")
    lead = winner(PLACEMENT, 30, 0)
    loser = next(name for name in PLACEMENT.holders if name != lead)
    with pytest.raises(NotElected):
        await booth.ask(loser, heard, version=30)
    assert (await booth.engine.state(VOTER, PLACEMENT.token.hex())).head == 29
    old = next(v for v in range(2, 30) if winner(PLACEMENT, v, 0) == loser)
    with pytest.raises(VersionUnproven):
        await booth.ask(loser, heard, version=old)
    assert (await booth.ask(lead, heard, version=30)).vote.version == 30
