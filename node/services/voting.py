"""An anchor's votes: one for each window of each token, for the holder that won it.

The anchor holds no token state. It knows triggers from its own logs: feed entries as they were
delivered to it, activations from the chain.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from node.core.election import Timing
from node.core.inputs import activation_trigger, entry_trigger
from node.core.voter import (
    VOTER,
    NoEffect,
    ReceiveHead,
    ReceiveVoteRequest,
    VoterState,
    proven,
)
from node.errors import ElectionError, TokenUnknown, VersionUnproven
from node.protocol.frames import AnyBody, FeedPush, VoteReply, VoteRequest
from node.protocol.messages import Placement
from node.services.dispatch import Dispatch
from node.services.metrics import Metrics
from node.services.table import Table
from settlement.core.machine import Transition
from settlement.ports.chain import ChainReader
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import Address, Hash

REMEMBERED_TRIGGERS = 100_000

Heard = Callable[[Hash, Address, str], Awaitable[bool]]
"""Whether a class's script subscribes to an attester's topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A delivered feed entry that may cause elections; ``time_ms`` is the entry's own."""

    time_ms: int
    attester: Address
    topic: str


class Voting:
    """Answers vote requests."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        engine: Engine,
        chain: ChainReader,
        table: Table,
        timing: Timing,
        metrics: Metrics,
        heard: Heard,
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = engine
        self._chain = chain
        self._table = table
        self._timing = timing
        self._metrics = metrics
        self._heard = heard
        self._triggers: OrderedDict[Hash, Trigger] = OrderedDict()

    def register(self, dispatch: Dispatch) -> None:
        """Answer for vote requests."""
        dispatch.on(VoteRequest, self._on_request)

    async def remember(self, push: FeedPush) -> None:
        """A feed entry was delivered here; it may trigger elections."""
        entry = push.entry
        self._triggers[entry_trigger(entry)] = Trigger(
            time_ms=entry.time, attester=entry.attester, topic=entry.topic
        )
        while len(self._triggers) > REMEMBERED_TRIGGERS:
            self._triggers.popitem(last=False)

    async def _on_request(self, peer: Address, request: VoteRequest) -> AnyBody:
        record = await self._table.lookup(request.token)
        if record is None:
            problem = "it has no placement"
            raise TokenUnknown(token="0x" + request.token.hex(), problem=problem)
        event = ReceiveVoteRequest(
            request=request,
            asker=peer,
            placement=record.placement,
            trigger_ms=await self._trigger_time(request.trigger, record.placement),
            timing=self._timing,
            domain=self._domain,
        )
        moved = await self._vote(event)
        vote = moved.state.vote
        assert vote is not None, "a step that does not refuse has cast a vote"
        self._metrics.votes.inc()
        return VoteReply(
            vote=vote, anchor=self._key.address, signature=self._key.sign(self._domain, vote)
        )

    async def _vote(self, event: ReceiveVoteRequest) -> Transition[VoterState, NoEffect]:
        key = event.request.token.hex()
        try:
            return await self._engine.apply(VOTER, key, event)
        except VersionUnproven:
            raise
        except ElectionError:
            # Its head is proven all the same; an older one must not elect anybody from now on.
            if proven(event.request) > (await self._engine.state(VOTER, key)).head:
                await self._engine.apply(VOTER, key, ReceiveHead(asked=event))
            raise

    async def _trigger_time(self, trigger: Hash, placement: Placement) -> int | None:
        if trigger == activation_trigger(placement.token, placement.activation_block):
            block = await self._chain.block(placement.activation_block)
            return block.timestamp * 1_000
        found = self._triggers.get(trigger)
        if found is None:
            return None
        # Another class's attester must not choose when, and so who, is elected for this token.
        ours = await self._heard(placement.token_class, found.attester, found.topic)
        return found.time_ms if ours else None
