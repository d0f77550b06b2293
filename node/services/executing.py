"""Drives the tokens that have work: win the lease, run, propose.

One task looks after each woken token; it does whatever the journal's pure functions say is next
until there is nothing, and looks again when the next attempt window opens.
"""

import asyncio
from collections.abc import Sequence

import structlog

from node.core.actions import due_timers
from node.core.election import Timing, assemble, window_at
from node.core.journal import ActionExecuted, JournalState, Phase, ReceiveInput, ReceiveLease
from node.core.proposing import candidacy, draft, next_order, next_window_ms
from node.errors import TokenUnknown
from node.ports.network import Network
from node.protocol.frames import Lease, VoteReply, VoteRequest
from node.protocol.messages import ElectionVote
from node.services.instances import Instances
from node.services.metrics import Metrics
from node.services.replication import Replication
from node.services.reporting import Reporting
from node.services.running import Runner
from settlement.errors import SmartLayerError
from settlement.ports.clock import Clock
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.types import Address, Hash, Signature

VOTE_TIMEOUT_MS = 2_000
VOTE_PAUSE_MS = 100
"""Pause before asking again for a lease that too few anchors have voted for."""


class Executing:
    """The executor's loop over all tokens held here."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        network: Network,
        clock: Clock,
        instances: Instances,
        replication: Replication,
        runner: Runner,
        timing: Timing,
        metrics: Metrics,
        reporting: Reporting,
    ) -> None:
        self._key = key
        self._domain = domain
        self._network = network
        self._clock = clock
        self._instances = instances
        self._replication = replication
        self._runner = runner
        self._timing = timing
        self._metrics = metrics
        self._reporting = reporting
        self._waiting: asyncio.Queue[Hash] = asyncio.Queue()
        self._queued: set[Hash] = set()
        self._driven: set[Hash] = set()
        self._alarms: dict[Hash, asyncio.Task[None]] = {}
        self._log = structlog.get_logger("executing")
        replication.on_woken(self.wake)

    def wake(self, token: Hash) -> None:
        """Look at this token soon; cheap, and as often as one likes."""
        if token not in self._queued:
            self._queued.add(token)
            self._waiting.put_nowait(token)

    async def run(self) -> None:
        """Drive tokens until cancelled; at first, every token that is held."""
        for token in await self._instances.held():
            self.wake(token)
        async with asyncio.TaskGroup() as group:
            while True:
                token = await self._waiting.get()
                self._queued.discard(token)
                if token in self._driven:
                    self._wake_in(group, token, VOTE_PAUSE_MS)
                else:
                    self._driven.add(token)
                    group.create_task(self._drive(group, token))

    def _wake_in(self, group: asyncio.TaskGroup, token: Hash, delay_ms: int) -> None:
        """Set the token's alarm; it has only one."""
        if (before := self._alarms.pop(token, None)) is not None:
            before.cancel()
        self._alarms[token] = group.create_task(self._wake_after(token, delay_ms))

    async def _wake_after(self, token: Hash, delay_ms: int) -> None:
        await self._clock.sleep_ms(delay_ms)
        self.wake(token)

    async def _drive(self, group: asyncio.TaskGroup, token: Hash) -> None:
        try:
            again_ms = await self._work(token)
        except TokenUnknown as error:
            self._log.warning("token_gone", token=token.hex(), error=str(error))
            again_ms = None
        except SmartLayerError as error:
            self._log.warning("token_stalled", token=token.hex(), error=str(error))
            again_ms = VOTE_PAUSE_MS if error.retryable else self._timing.gap_ms
        finally:
            self._driven.discard(token)
        if again_ms is not None:
            self._wake_in(group, token, again_ms)

    async def _work(self, token: Hash) -> int | None:
        """Do what is next until there is nothing; returns when to look again, in milliseconds."""
        while True:
            state = await self._instances.state(token)
            now_ms = self._clock.now_ms()
            if state.phase is not Phase.ACTIVE:
                return None
            for data in due_timers(state, now_ms):
                await self._replication.apply(token, ReceiveInput(data=data))
            if (asked := candidacy(state, self._timing, now_ms)) is not None:
                if not await self._stand(asked):
                    return VOTE_PAUSE_MS
            elif not await self._execute_next(state, now_ms):
                window_ms = next_window_ms(state, self._timing, now_ms)
                return None if window_ms is None else max(1, window_ms - now_ms)

    async def _stand(self, asked: VoteRequest) -> bool:
        """Ask every anchor for its vote; whether the lease was won."""
        lease = await self._collect(asked, self._instances.anchors)
        if lease is None:
            return False
        event = ReceiveLease(
            lease=lease,
            anchors=self._instances.anchors,
            timing=self._timing,
            domain=self._domain,
        )
        await self._replication.apply(asked.token, event)
        self._metrics.leases.inc()
        return True

    async def _collect(self, asked: VoteRequest, anchors: Sequence[Address]) -> Lease | None:
        window = window_at(asked.trigger_time, self._clock.now_ms(), self._timing)
        vote = ElectionVote(
            token=asked.token,
            version=asked.version,
            attempt=asked.attempt,
            executor=self._key.address,
            trigger=asked.trigger,
            window_end=window.end_ms,
        )
        found: list[tuple[Address, Signature]] = []
        asking = {asyncio.create_task(self._ask(anchor, asked)) for anchor in anchors}
        try:
            while asking:
                done, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                replies = [reply for task in done if (reply := task.result()) is not None]
                for reply in replies:
                    await self._reporting.saw_vote(reply.vote, reply.anchor, reply.signature)
                found += [(r.anchor, r.signature) for r in replies if r.vote == vote]
                lease = assemble(self._domain, vote, found, anchors)
                if lease is not None:
                    return lease
        finally:
            for task in asking:
                task.cancel()
        return None

    async def _ask(self, anchor: Address, asked: VoteRequest) -> VoteReply | None:
        try:
            reply = await self._network.request(anchor, asked, VOTE_TIMEOUT_MS)
        except SmartLayerError as error:
            self._log.info("no_vote", anchor=anchor.hex(), error=str(error))
            return None
        return reply if isinstance(reply, VoteReply) and reply.anchor == anchor else None

    async def _execute_next(self, state: JournalState, now_ms: int) -> bool:
        """Run and propose what is next; whether there was anything."""
        order = next_order(state, self._timing, now_ms)
        if order is None:
            return False
        instance = await self._instances.instance(state.token)
        execution = await self._runner.apply(
            instance.script, instance.base, order.input, order.time
        )
        entry = draft(state, execution)
        event = ActionExecuted(
            execution=execution,
            entry=entry,
            signature=self._key.sign(self._domain, entry),
            timing=self._timing,
            domain=self._domain,
        )
        await self._replication.apply(state.token, event)
        return True
