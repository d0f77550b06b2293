"""An anchor's votes: one for each window of each token, for the holder that won it.

The anchor holds no token state. It knows triggers from its own logs: feed entries as they were
delivered to it, activations from the chain.
"""

from collections import OrderedDict

from node.core.election import Timing
from node.core.inputs import activation_trigger, entry_trigger
from node.core.voter import VOTER, ReceiveVoteRequest
from node.errors import TokenUnknown
from node.protocol.frames import AnyBody, FeedPush, VoteReply, VoteRequest
from node.protocol.messages import Placement
from node.services.dispatch import Dispatch
from node.services.metrics import Metrics
from node.services.table import Table
from settlement.ports.chain import ChainReader
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import Address, Hash

REMEMBERED_TRIGGERS = 100_000


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
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = engine
        self._chain = chain
        self._table = table
        self._timing = timing
        self._metrics = metrics
        self._triggers: OrderedDict[Hash, int] = OrderedDict()

    def register(self, dispatch: Dispatch) -> None:
        """Answer for vote requests."""
        dispatch.on(VoteRequest, self._on_request)

    async def remember(self, push: FeedPush) -> None:
        """A feed entry was delivered here; it may trigger elections."""
        self._triggers[entry_trigger(push.entry)] = push.entry.time
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
        moved = await self._engine.apply(VOTER, request.token.hex(), event)
        vote = moved.state.vote
        assert vote is not None, "a step that does not refuse has cast a vote"
        self._metrics.votes.inc()
        return VoteReply(
            vote=vote, anchor=self._key.address, signature=self._key.sign(self._domain, vote)
        )

    async def _trigger_time(self, trigger: Hash, placement: Placement) -> int | None:
        if trigger == activation_trigger(placement.token, placement.activation_block):
            block = await self._chain.block(placement.activation_block)
            return block.timestamp * 1_000
        return self._triggers.get(trigger)
