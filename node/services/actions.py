"""The executor's hands: makes the calls that committed runs asked for, and has anchors make them
when its own fail.

Every try asks the journal first whether the call is still this node's to make. Whatever comes of
it becomes an input of the token: an outcome, or a failure that f + 1 anchors attest.
"""

import asyncio

import msgspec
import structlog

from node.core.actions import guard
from node.core.election import Timing
from node.core.failure import FailureWord, gather_words, needed_words, verify_word
from node.core.inputs import Failure, Outcome, encode_input
from node.core.journal import (
    ActionAttemptFailed,
    PerformHttp,
    ReceiveFailureAttestations,
    RunKept,
    SendRouteCall,
    runs_stream,
)
from node.core.placement import coordinator
from node.errors import (
    ActionUnknown,
    InputInvalid,
    InputStale,
    LeaseMissing,
    PeerUnreachable,
)
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind, OutgoingHttp
from node.ports.network import Network
from node.protocol.frames import RouteCall, RouteReply
from node.protocol.messages import FailureAttestation, ObservedResponse
from node.services.calling import ActionCall, action_call, perform, proven
from node.services.instances import Instance, Instances
from node.services.replication import Replication
from settlement.errors import PeerError, SmartLayerError
from settlement.protocol.signing import SigningKey, require_signer
from settlement.protocol.typed_data import Domain
from settlement.services.engine import Effect, Engine, Performer
from settlement.types import Address, Hash, Signature, keccak

ROUTE_GRACE_MS = 4_000
"""What an anchor needs beside the call itself: checks, a fetch of the script, its disk."""


class Actions:
    """Performs PerformHttp and SendRouteCall for the tokens that this node executes."""

    def __init__(
        self,
        *,
        key: SigningKey,
        domain: Domain,
        engine: Engine,
        network: Network,
        http: OutgoingHttp,
        instances: Instances,
        replication: Replication,
        timing: Timing,
    ) -> None:
        self._key = key
        self._domain = domain
        self._engine = engine
        self._network = network
        self._http = http
        self._instances = instances
        self._replication = replication
        self._timing = timing
        self._log = structlog.get_logger("actions")

    def performers(self) -> dict[type, Performer]:
        """The journal's effects that go outside."""
        return {PerformHttp: self._perform, SendRouteCall: self._route}

    # Own calls

    async def _perform(self, effect: Effect) -> None:
        request = effect.request
        assert isinstance(request, PerformHttp)
        for _ in range(request.attempts):
            instance = await self._instances.instance(request.token)
            if not self._still_ours(instance, request):
                return
            call = action_call(instance.script, request.effect, request.key)
            outcome = await perform(call, self._http, self._engine.clock)
            succeeded, attestation = proven(call.action, outcome, self._domain.chain_id)
            if succeeded:
                await self._succeeded(request, call, outcome, attestation)
                return
            await self._failed(request, outcome)

    def _still_ours(self, instance: Instance, request: PerformHttp | SendRouteCall) -> bool:
        now_ms = self._engine.clock.now_ms()
        try:
            guard(instance.state, request, self._timing, now_ms)
        except (ActionUnknown, LeaseMissing) as error:
            self._log.info("call_dropped", action=request.action, reason=str(error))
            return False
        return True

    async def _failed(self, request: PerformHttp, outcome: HttpOutcome) -> None:
        self._log.info(
            "attempt_failed",
            token=request.token.hex(),
            action=request.action,
            outcome=outcome.kind.value,
            status=outcome.status,
        )
        event = ActionAttemptFailed(key=request.key, count=1)
        await self._replication.apply(request.token, event)

    async def _succeeded(
        self,
        request: PerformHttp,
        call: ActionCall,
        outcome: HttpOutcome,
        attestation: bytes | None,
    ) -> None:
        observed = ObservedResponse(
            token=request.token,
            action=request.action,
            version=request.fence.version,
            attempt=request.fence.attempt,
            request_hash=call.http.request_hash,
            status=outcome.status,
            body_hash=keccak(outcome.body),
            time=outcome.ended_ms,
        )
        await self._settle(
            request.key,
            observed,
            self._key.address,
            self._key.sign(self._domain, observed),
            outcome.body,
            attestation,
        )

    async def _settle(
        self,
        key: Hash,
        observed: ObservedResponse,
        witness: Address,
        signature: Signature,
        body: bytes,
        attestation: bytes | None,
    ) -> None:
        outcome = Outcome(
            key=key,
            response=observed,
            witness=witness,
            signature=signature,
            body=body,
            attestation=attestation,
        )
        await self._replication.receive(observed.token, encode_input(outcome))

    # Routed calls

    async def _route(self, effect: Effect) -> None:
        """Ask anchors in the token's order, the first alone, then as many as a failure needs."""
        request = effect.request
        assert isinstance(request, SendRouteCall)
        instance = await self._instances.instance(request.token)
        if not self._still_ours(instance, request):
            return
        asked = await self._route_call(request)
        call = action_call(instance.script, asked.effects[request.index], request.key)
        anchors = coordinator(request.token, self._instances.anchors)
        words: list[FailureWord] = []
        waiting = list(anchors)
        while waiting:
            count = 1 if not words else max(1, needed_words(len(anchors)) - len(words))
            now, waiting = waiting[:count], waiting[count:]
            replies = await asyncio.gather(*(self._ask(anchor, asked, call.http) for anchor in now))
            for reply in filter(None, replies):
                try:
                    if reply.response is not None:
                        success = self._success(request, call, reply)
                        await self._replication.receive(request.token, encode_input(success))
                        return
                    words.append(self._word(request, call, reply, anchors))
                except InputStale:
                    return  # settled in the meantime
                except PeerError as error:
                    if error.retryable:
                        raise
                    self._log.warning("anchor_lied", anchor=reply.anchor.hex(), error=str(error))
            if (enough := gather_words(words, anchors)) is not None:
                await self._attested(request, enough)
                return
        raise PeerUnreachable(peer=b"", problem="too few anchors could make the call")

    async def _route_call(self, request: SendRouteCall) -> RouteCall:
        commit = (await self._replication.commits(request.token, request.version, 1))[0]
        stream = runs_stream(request.token)
        record = (await self._engine.store.read_log(stream, request.version, 1))[0]
        kept = msgspec.json.decode(record.body, type=RunKept)
        return RouteCall(
            token=request.token,
            index=request.index,
            commit=commit,
            effects=kept.effects,
            output=kept.output,
            lease=request.lease,
        )

    async def _ask(self, anchor: Address, asked: RouteCall, call: HttpCall) -> RouteReply | None:
        try:
            timeout_ms = call.timeout_ms + ROUTE_GRACE_MS
            reply = await self._network.request(anchor, asked, timeout_ms)
        except SmartLayerError as error:
            self._log.warning("anchor_did_not_route", anchor=anchor.hex(), error=str(error))
            return None
        return reply if isinstance(reply, RouteReply) and reply.anchor == anchor else None

    def _success(self, request: SendRouteCall, call: ActionCall, reply: RouteReply) -> Outcome:
        """An anchor's success as an input; raises unless it is of this call, and proves it."""
        response = reply.response
        assert response is not None, "the caller has looked"
        require_signer(self._domain, response, reply.signature, reply.anchor)
        _require_of(request, call, response)
        outcome = HttpOutcome(
            kind=HttpOutcomeKind.ANSWERED,
            status=response.status,
            body=reply.body,
            ended_ms=response.time,
        )
        succeeded, attestation = proven(call.action, outcome, self._domain.chain_id)
        if not succeeded:
            raise InputInvalid(problem="the answer does not prove what the action asks for")
        return Outcome(
            key=request.key,
            response=response,
            witness=reply.anchor,
            signature=reply.signature,
            body=reply.body,
            attestation=attestation,
        )

    def _word(
        self,
        request: SendRouteCall,
        call: ActionCall,
        reply: RouteReply,
        anchors: tuple[Address, ...],
    ) -> FailureWord:
        """An anchor's attested failure; raises unless it is of this call, and well signed."""
        if reply.failure is None:
            raise InputInvalid(problem="it says neither what came back nor that nothing did")
        _require_of(request, call, reply.failure)
        word = FailureWord(
            anchor=reply.anchor,
            attestation=reply.failure,
            signature=reply.signature,
            outcomes=reply.outcomes,
        )
        verify_word(self._domain, word, anchors)
        return word

    async def _attested(self, request: SendRouteCall, words: tuple[FailureWord, ...]) -> None:
        event = ReceiveFailureAttestations(
            failure=Failure(key=request.key, words=words),
            anchors=self._instances.anchors,
            domain=self._domain,
        )
        await self._replication.apply(request.token, event)


def _require_of(
    request: SendRouteCall, call: ActionCall, said: ObservedResponse | FailureAttestation
) -> None:
    """An anchor's word must be about the very call that it was asked to make."""
    found = (said.token, said.action, said.version, said.attempt, said.request_hash)
    fence = request.fence
    asked = (request.token, request.action, fence.version, fence.attempt, call.http.request_hash)
    if found != asked:
        raise InputInvalid(problem="it is about another call")
