"""A replica's part of the journal: accept and co-sign proposals, learn commits, catch up.

The replica runs every input itself before it signs anything; the sandbox is asked outside the
journal's machine, and a step refuses a run whose base has moved in the meantime, so the run is
repeated on the newer base.
"""

from collections.abc import Callable

import msgspec
import structlog

from node.core.commits import verify_signatures
from node.core.election import Timing, fence_of, verify_lease
from node.core.inputs import decode_input, input_hash
from node.core.instance import JOURNAL, journal_key
from node.core.journal import (
    ActionActivate,
    Execution,
    JournalEffect,
    JournalEvent,
    JournalState,
    ReceiveCommit,
    ReceiveCosignature,
    ReceiveGathered,
    ReceiveInput,
    ReceiveProposal,
    ReceiveQuery,
    SendCommit,
    SendProposal,
    SendQuery,
    journal_stream,
)
from node.core.replicating import needs_run, reply_to_query, require_accepted, require_active
from node.errors import (
    BaseMoved,
    CertificateInvalid,
    InputInvalid,
    JournalBehind,
    PeerRefused,
    PeerUnreachable,
    SignerUnknown,
)
from node.ports.network import Network
from node.protocol.frames import (
    AnyBody,
    Commit,
    Cosigned,
    Done,
    JournalQuery,
    JournalReply,
    PlacementAnnounce,
    Proposal,
)
from node.services.dispatch import Dispatch
from node.services.instances import Instances
from node.services.judging import Judge
from node.services.metrics import Metrics
from node.services.reporting import Reporting
from node.services.running import Runner
from settlement.core.machine import Transition
from settlement.protocol.signing import SigningKey, require_signer
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Hash

REPLY_TIMEOUT_MS = 5_000
PAGE = 16
PAGE_BYTES = 40_000
COMMIT_TRIES = 5
"""A replica that was away longer asks for what it missed by itself."""
BASE_TRIES = 8

Woken = Callable[[Hash], None]


class Replication:
    """Serves the journal of every token held here. ``woken`` is told whenever one has moved."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        engine: Engine,
        network: Network,
        instances: Instances,
        judge: Judge,
        runner: Runner,
        timing: Timing,
        metrics: Metrics,
        reporting: Reporting,
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = engine
        self._network = network
        self._instances = instances
        self._judge = judge
        self._runner = runner
        self._timing = timing
        self._metrics = metrics
        self._reporting = reporting
        self._woken: Woken = lambda _token: None
        self._begun: Woken = lambda _token: None
        self._log = structlog.get_logger("replication")

    def on_woken(self, woken: Woken) -> None:
        """Tell ``woken`` of every token that may have work now."""
        self._woken = woken

    def on_begun(self, begun: Woken) -> None:
        """Tell ``begun`` of every token whose activation has just been committed."""
        self._begun = begun

    def register(self, dispatch: Dispatch) -> None:
        """Answer for the journal's frames."""
        dispatch.on(Proposal, self._on_proposal)
        dispatch.on(Commit, self._on_commit)
        dispatch.on(JournalQuery, self._on_query)

    def performers(self) -> dict[type, Performer]:
        """The journal's effects that go to other replicas."""
        return {
            SendQuery: self._send_query,
            SendProposal: self._send_proposal,
            SendCommit: self._send_commit,
        }

    async def activate(self, record: PlacementAnnounce) -> None:
        """Begin to hold a token whose placement, already judged, names this node."""
        placement = record.placement
        if self._key.address not in placement.holders:
            return
        view = self._instances.view(placement.token)
        event = ActionActivate(
            placement=placement,
            node=self._key.address,
            attempt_limits=await self._instances.attempt_limits(view),
            activation=await self._instances.activation(view),
        )
        await self.apply(placement.token, event)
        self._metrics.instances.set(len(await self._instances.held()))

    async def apply(
        self, token: Hash, event: JournalEvent
    ) -> Transition[JournalState, JournalEffect]:
        """Step a token's journal and wake whoever drives it."""
        before = await self._instances.state(token)
        moved = await self._engine.apply(JOURNAL, journal_key(token), event)
        if moved.state.version != before.version:
            self._metrics.commits.inc(moved.state.version - before.version)
            if before.version == 0:
                self._begun(token)
        for record in moved.records:
            await self._reporting.saw_evidence(record.body)
        self._woken(token)
        return moved

    async def receive(self, token: Hash, data: bytes) -> None:
        """Judge an input and let it wait its turn. Raises what judging and queueing refuse."""
        instance = await self._instances.instance(token)
        await self._judge.require(instance, data)
        await self.apply(token, ReceiveInput(data=data))

    async def commits(self, token: Hash, first: int, limit: int) -> tuple[Commit, ...]:
        """Committed entries from version ``first`` on, as many as fit a page."""
        records = await self._engine.store.read_log(journal_stream(token), first, limit)
        kept: list[Commit] = []
        room = PAGE_BYTES
        for record in records:
            room -= len(record.body)
            if room < 0 and kept:
                break
            kept.append(msgspec.json.decode(record.body, type=Commit))
        return tuple(kept)

    async def catch_up(self, token: Hash, peer: Address) -> None:
        """Learn from ``peer`` every commit that it has and we have not."""
        version = -1
        while (state := await self._instances.state(token)).version > version:
            version = state.version
            require_holder(state, peer)
            reply = await self._ask(peer, token, version + 1, None)
            if reply.version <= version:
                return
            for commit in reply.commits:
                await self._learn(token, commit)

    # Frames

    async def _on_proposal(self, peer: Address, proposal: Proposal) -> AnyBody:
        entry = proposal.entry
        try:
            state = await self._accept(proposal)
        except JournalBehind:
            await self.catch_up(entry.token, peer)
            state = await self._accept(proposal)
        require_accepted(state, entry)
        return Cosigned(node=self._key.address, signature=self._key.sign(self._domain, entry))

    async def _accept(self, proposal: Proposal) -> JournalState:
        token = proposal.entry.token
        for _ in range(BASE_TRIES):
            instance = await self._instances.instance(token)
            self._require_executors(instance.state, proposal)
            await self._reporting.saw_lease(proposal.lease)
            await self._judge.require(instance, proposal.input)
            execution = await self._run(token, proposal.input, proposal)
            event = ReceiveProposal(
                proposal=proposal,
                execution=execution,
                anchors=self._instances.anchors,
                timing=self._timing,
                domain=self._domain,
            )
            try:
                return (await self.apply(token, event)).state
            except BaseMoved:
                continue
        raise BaseMoved(version=proposal.entry.version)

    def _require_executors(self, state: JournalState, proposal: Proposal) -> None:
        """Nothing is run for a peer that does not hold the lease which it shows."""
        entry, vote = proposal.entry, proposal.lease.vote
        require_holder(state, entry.executor)
        if (vote.token, vote.executor) != (entry.token, entry.executor):
            raise CertificateInvalid(problem="it is not the executor's lease of this token")
        if state.seen != proposal.lease:
            verify_lease(self._domain, proposal.lease, self._instances.anchors)
        require_signer(self._domain, entry, proposal.signature, entry.executor)

    async def _on_commit(self, peer: Address, commit: Commit) -> AnyBody:
        try:
            await self._learn(commit.entry.token, commit)
        except JournalBehind:
            await self.catch_up(commit.entry.token, peer)
        return Done()

    async def _learn(self, token: Hash, commit: Commit) -> None:
        """Apply a commit; nothing is run before a majority's signatures are seen."""
        state = await self._instances.state(token)
        require_active(state)
        if commit.entry.version < state.version:
            return
        verify_signatures(self._domain, commit.entry, commit.signatures, state.holders)
        if commit.entry.input_hash != input_hash(decode_input(commit.input)):
            raise InputInvalid(problem="it is not the input of this commit")
        held = state.accepted
        await self._reporting.saw_commit(held.proposal if held else None, commit)
        for _ in range(BASE_TRIES):
            event = ReceiveCommit(
                commit=commit,
                execution=await self._run(token, commit.input, commit),
                timing=self._timing,
                domain=self._domain,
            )
            try:
                await self.apply(token, event)
            except BaseMoved:
                continue
            return
        raise BaseMoved(version=commit.entry.version)

    async def _run(self, token: Hash, data: bytes, source: Proposal | Commit) -> Execution | None:
        """This replica's own run of an entry's input; None where it has run it already, or where
        the entry is not the next one, which the step will refuse."""
        instance = await self._instances.instance(token)
        entry = source.entry
        if not needs_run(instance.state, entry) or entry.version != instance.state.version + 1:
            return None
        return await self._runner.apply(instance.script, instance.base, data, entry.time)

    async def _on_query(self, peer: Address, query: JournalQuery) -> AnyBody:
        """A token's journal is for its replicas: inputs are as private as the state."""
        require_holder(await self._instances.state(query.token), peer)
        if query.lease is not None:
            event = ReceiveQuery(
                asker=peer,
                lease=query.lease,
                anchors=self._instances.anchors,
                timing=self._timing,
                domain=self._domain,
            )
            await self.apply(query.token, event)
            await self._reporting.saw_lease(query.lease)
        commits = await self.commits(query.token, query.first, min(query.limit, PAGE))
        state = await self._instances.state(query.token)
        return reply_to_query(state, commits, PAGE)

    # Effects

    async def _send_query(self, effect: Effect) -> None:
        query = effect.request
        assert isinstance(query, SendQuery)
        token, fence = query.lease.vote.token, fence_of(query.lease.vote)
        state = await self._instances.state(token)
        if state.tenure is None or fence_of(state.tenure.lease.vote) != fence:
            return
        if self._engine.clock.now_ms() > query.lease.vote.window_end:
            return
        reply = await self._ask(query.peer, token, query.first, query)
        for commit in reply.commits:
            await self._learn(token, commit)
        if reply.version > (await self._instances.state(token)).version:
            await self.catch_up(token, query.peer)
        event = ReceiveGathered(
            peer=query.peer,
            fence=fence,
            reply=reply,
            anchors=self._instances.anchors,
            timing=self._timing,
            domain=self._domain,
        )
        await self.apply(token, event)

    async def _send_proposal(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, SendProposal)
        entry = request.proposal.entry
        state = await self._instances.state(entry.token)
        held = state.accepted
        if held is None or held.proposal.entry != entry:
            return  # committed, or another executor has taken over
        reply = await self._request(request.peer, request.proposal)
        if not isinstance(reply, Cosigned):
            raise PeerUnreachable(peer=request.peer, problem="no co-signature in its reply")
        event = ReceiveCosignature(
            entry=entry,
            node=reply.node,
            signature=reply.signature,
            timing=self._timing,
            domain=self._domain,
        )
        await self.apply(entry.token, event)

    async def _send_commit(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, SendCommit)
        if effect.attempts < COMMIT_TRIES:
            await self._request(request.peer, request.commit)

    async def _ask(
        self, peer: Address, token: Hash, first: int, query: SendQuery | None
    ) -> JournalReply:
        lease = query.lease if query else None
        body = JournalQuery(token=token, first=first, limit=PAGE, lease=lease)
        reply = await self._request(peer, body)
        if not isinstance(reply, JournalReply):
            raise PeerUnreachable(peer=peer, problem="no journal in its reply")
        return reply

    async def _request(self, peer: Address, body: AnyBody) -> AnyBody:
        """Ask a replica. A refusal is tried again: what it refuses for (not yet placed, behind,
        a fence it has promised) passes, and every effect knows when it is no longer wanted."""
        try:
            return await self._network.request(peer, body, REPLY_TIMEOUT_MS)
        except PeerRefused as error:
            self._log.info(
                "replica_refused",
                peer=peer.hex(),
                body=type(body).__name__,
                code=error.refusal,
                reason=error.reason,
            )
            problem = f"it refuses: {error.refusal} {error.reason}"
            raise PeerUnreachable(peer=peer, problem=problem) from error


def require_holder(state: JournalState, peer: Address) -> None:
    """Raise SignerUnknown unless ``peer`` is one of the token's replicas."""
    if peer not in state.holders:
        raise SignerUnknown(signer=peer, role="holder")
