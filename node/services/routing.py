"""An anchor makes a failing call itself and attests what it saw.

The executor proves that it may ask: its lease, the commit whose run asked for the call, and that
the call is that run's. The anchor recomputes the call from the signed script, so it can be sent
nowhere else; it makes one call for each fence and repeats its signed reply to whoever asks again.
"""

import msgspec
import structlog

from node.core.actions import action_key
from node.core.canonical import object_from_bytes, to_bytes
from node.core.commits import verify_signatures
from node.core.election import fence_of, verify_lease
from node.core.placement import ANCHOR
from node.core.routed import (
    ROUTED,
    SERVICE_RECORD,
    ActionBegin,
    ActionConclude,
    RoutedCallMade,
    ServiceRecord,
)
from node.errors import CertificateInvalid, EffectRefused, TokenUnknown
from node.ports.http import HttpCall, HttpOutcome, OutgoingHttp
from node.ports.sandbox import effects_belong
from node.protocol.frames import AnyBody, RouteCall, RouteReply
from node.protocol.messages import FailureAttestation, ObservedResponse, Placement
from node.services.calling import ActionCall, action_call, perform, proven, shown
from node.services.chain_view import ChainView, TokenView
from node.services.dispatch import Dispatch
from node.services.metrics import Metrics
from node.services.script_library import ScriptLibrary
from node.services.table import Table
from settlement.protocol.signing import SigningKey
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Engine
from settlement.types import Address, Hash, keccak


class Routing:
    """Answers RouteCall."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        engine: Engine,
        view: ChainView,
        scripts: ScriptLibrary,
        table: Table,
        http: OutgoingHttp,
        metrics: Metrics,
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = engine
        self._view = view
        self._scripts = scripts
        self._table = table
        self._http = http
        self._metrics = metrics
        self._log = structlog.get_logger("routing")

    def register(self, dispatch: Dispatch) -> None:
        """Answer for routed calls."""
        dispatch.on(RouteCall, self._on_call)

    async def service_record(self, executor: Address) -> ServiceRecord:
        """What this anchor has seen of an executor."""
        return await self._engine.state(SERVICE_RECORD, executor.hex())

    async def _on_call(self, peer: Address, asked: RouteCall) -> AnyBody:
        placement = await self._placement(asked.token)
        self._require_entitled(peer, asked, placement)
        call = await self._call(asked)
        key, fence = call.http.idempotency_key.hex(), fence_of(asked.lease.vote)
        begun = await self._engine.apply(ROUTED, key, ActionBegin(fence=fence))
        if begun.state.reply:
            return msgspec.json.decode(begun.state.reply, type=RouteReply)
        outcome = await perform(call, self._http, self._engine.clock)
        reply = self._reply(asked, call, outcome)
        conclusion = ActionConclude(fence=fence, reply=msgspec.json.encode(reply))
        await self._engine.apply(ROUTED, key, conclusion)
        answered = reply.response is not None
        await self._engine.apply(SERVICE_RECORD, peer.hex(), RoutedCallMade(answered=answered))
        self._metrics.routed.labels(outcome="success" if answered else "failure").inc()
        self._log.info(
            "routed", token=asked.token.hex(), executor=peer.hex(), outcome=outcome.kind.value
        )
        return reply

    async def _placement(self, token: Hash) -> Placement:
        record = await self._table.lookup(token)
        if record is None:
            raise TokenUnknown(token="0x" + token.hex(), problem="it has no placement")
        return record.placement

    def _require_entitled(self, peer: Address, asked: RouteCall, placement: Placement) -> None:
        """The asker holds the token's lease, and a majority committed the run that asks."""
        vote, entry = asked.lease.vote, asked.commit.entry
        anchors = tuple(member.key for member in self._view.members.active(ANCHOR))
        if vote.token != asked.token or vote.executor != peer or entry.token != asked.token:
            raise CertificateInvalid(problem="it is not the asker's lease of this token")
        if self._engine.clock.now_ms() > vote.window_end:
            raise CertificateInvalid(problem="its window has closed")
        verify_lease(self._domain, asked.lease, anchors)
        verify_signatures(self._domain, entry, asked.commit.signatures, placement.holders)
        if not effects_belong(asked.effects, asked.output, entry.output_hash):
            raise EffectRefused(problem="the effects are not those of the committed run")
        if not 0 <= asked.index < len(asked.effects):
            raise EffectRefused(problem="the run has no effect of this number")

    async def _call(self, asked: RouteCall) -> ActionCall:
        effect = asked.effects[asked.index]
        name = object_from_bytes(effect).get("action")
        key = action_key(asked.token, asked.commit.entry.version, asked.index, str(name))
        script = await self._scripts.of_token(self._view_of(asked.token))
        return action_call(script, effect, key)

    def _view_of(self, token: Hash) -> TokenView:
        view = self._view.tokens.get(token)
        if view is None:
            raise TokenUnknown(token="0x" + token.hex(), problem="the chain does not show it")
        return view

    def _reply(self, asked: RouteCall, call: ActionCall, outcome: HttpOutcome) -> RouteReply:
        succeeded, _ = proven(call.action, outcome, self._domain.chain_id)
        vote = asked.lease.vote
        if succeeded:
            observed = ObservedResponse(
                token=asked.token,
                action=call.action.name,
                version=vote.version,
                attempt=vote.attempt,
                request_hash=call.http.request_hash,
                status=outcome.status,
                body_hash=keccak(outcome.body),
                time=outcome.ended_ms,
            )
            return RouteReply(
                anchor=self._key.address,
                signature=self._key.sign(self._domain, observed),
                failure=None,
                outcomes=b"",
                response=observed,
                body=outcome.body,
            )
        outcomes = to_bytes([shown(outcome)])
        failure = self._failure(asked, call.action.name, call.http, outcome, outcomes)
        return RouteReply(
            anchor=self._key.address,
            signature=self._key.sign(self._domain, failure),
            failure=failure,
            outcomes=outcomes,
            response=None,
            body=b"",
        )

    def _failure(
        self,
        asked: RouteCall,
        action: str,
        call: HttpCall,
        outcome: HttpOutcome,
        outcomes: bytes,
    ) -> FailureAttestation:
        vote = asked.lease.vote
        return FailureAttestation(
            token=asked.token,
            action=action,
            version=vote.version,
            attempt=vote.attempt,
            method=call.method,
            request_hash=call.request_hash,
            outcomes_hash=keccak(outcomes),
            started=outcome.started_ms,
            ended=outcome.ended_ms,
        )
