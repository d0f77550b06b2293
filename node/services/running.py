"""Runs a token's script on an input or for a read, and says what came of it.

The event that a handler sees is made here, from the input alone, so that every replica makes the
same one. A script that fails is an outcome like any other: the version advances, the state stays.
"""

from dataclasses import dataclass, replace
from typing import Any, assert_never

from node.core.canonical import from_bytes, to_bytes
from node.core.inputs import (
    Activation,
    AnyInput,
    Attested,
    ChainEvent,
    Failure,
    Outcome,
    Timer,
    decode_input,
    input_hash,
)
from node.core.journal import Execution
from node.errors import InputInvalid, NotCanonical, RunFailed
from node.ports.sandbox import (
    MAX_NESTING,
    Mode,
    RunRequest,
    RunResult,
    Sandbox,
    Status,
    nested_too_deep,
)
from node.services.prices import PriceBook, Updated
from node.services.script_library import ClassScript
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.strict_json import Json, parse_json
from settlement.errors import InputError
from settlement.types import ZERO_HASH, Hash, TokenId, checksum, hex_text, keccak

MAX_EFFECT_BYTES = 16_384
"""Bytes of all effects of one run, at most. An anchor that is asked to make a call gets them with
the run's input in one frame: in base64 that is 21,846 bytes beside an input's 32,768, which leaves
10 KiB of 64 for the entry, the lease and who signed them."""


EVENT_NESTING = 8
"""Levels of an event that are ours, with some to spare: what comes from outside nests less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a run starts from: a token at a version, with the attributes of its activation."""

    token: TokenId
    version: int
    root: Hash
    state: bytes
    attributes: bytes


class Runner:
    """Runs handlers in the sandbox; ``prices`` hears of each update. Whoever answers a read tells
    it of the read, once that is paid for."""

    def __init__(self, sandbox: Sandbox, prices: PriceBook | None = None) -> None:
        self._sandbox = sandbox
        self._prices = prices

    async def apply(self, script: ClassScript, base: Base, data: bytes, time_ms: int) -> Execution:
        """Run the handler of an input. ``time_ms`` is the journal entry's time.

        A run that fails, or that asks for more than MAX_EFFECT_BYTES, changes nothing and asks for
        nothing. Raises RunFailed (retryable) when this node could not run it, InputInvalid and
        the attestation errors for an input that cannot become an event.
        """
        given = decode_input(data)
        handler, event = handler_and_event(given)
        attributes = base.attributes
        if isinstance(given, Activation):
            attributes = to_bytes(from_bytes(given.attributes))  # raises unless canonical
        execution = Execution(
            input=data,
            time=time_ms,
            base_version=base.version,
            base_root=base.root,
            state=base.state,
        )
        if handler not in script.service.script.handlers:
            await self._tell(script, base, given, None)
            return execution
        context = context_of(base.token, attributes, time_ms, input_hash(given))
        result = await self._run(script, handler, Mode.UPDATE, base.state, event, context)
        await self._tell(script, base, given, result)
        output = result.output(self._sandbox.engine)
        ended = replace(execution, output_hash=keccak(output), output=output)
        # Both depend on the run alone, so that every replica comes to the same.
        if result.status is not Status.OK or sum(map(len, result.effects)) > MAX_EFFECT_BYTES:
            return ended
        state = base.state if result.state is None else result.state
        return replace(ended, state=state, effects=result.effects)

    async def read(
        self, script: ClassScript, base: Base, interface: str, arguments: dict[str, str], now_s: int
    ) -> RunResult:
        """Run a read on a state. Raises RunFailed (retryable) when this node could not run it."""
        event = to_bytes(arguments)
        context = context_of(base.token, base.attributes, now_s * 1_000, base.root)
        return await self._run(script, interface, Mode.READ, base.state, event, context)

    async def _tell(
        self, script: ClassScript, base: Base, given: AnyInput, result: RunResult | None
    ) -> None:
        """Tell the price book what an input's run used; that of an activation, loading too."""
        if self._prices is None:
            return
        update = Updated(token=base.token.id, version=base.version)
        if isinstance(given, Activation):
            nothing = Context(seed=ZERO_HASH, now_s=0, json=b"{}")
            loaded = await self._run(script, "", Mode.LOAD, b"{}", b"null", nothing)
            update = replace(update, load_gas=loaded.gas)
        elif isinstance(given, Outcome):
            update = replace(update, action=script.service.action(given.response.action))
        await self._prices.updated(script.source_hash, update, result)

    async def _run(
        self,
        script: ClassScript,
        entry: str,
        mode: Mode,
        state: bytes,
        event: bytes,
        context: "Context",
    ) -> RunResult:
        request = RunRequest(
            engine=self._sandbox.engine,
            script=script.source,
            script_hash=script.source_hash,
            entry=entry,
            mode=mode,
            seed=context.seed,
            now=context.now_s,
            gas_limit=mode.gas_limit,
            state=state,
            event=event,
            context=context.json,
        )
        result = await self._sandbox.run(request)
        if not result.status.billable:
            raise RunFailed(status=result.status.value, problem=result.error)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler may know beside state and event; all of it agreed."""

    seed: Hash
    now_s: int
    json: bytes


def context_of(token: TokenId, attributes: bytes, time_ms: int, cause: Hash) -> Context:
    """The context of a run: seed = keccak256(token | cause); ``attributes`` are canonical."""
    seed = keccak(token.id + cause)
    now_s = time_ms // 1_000
    # Canonical by construction: the keys are in order, the attributes were canonical before they
    # were committed, and what else there is has one form only.
    text = (
        f',"now":{now_s},"seed":"{hex_text(seed)}","token":{{"chainId":"{token.chain_id}",'
        f'"contract":"{checksum(token.contract)}","tokenId":"{token.number}"}}}}'
    )
    return Context(seed=seed, now_s=now_s, json=b'{"attributes":' + attributes + text.encode())


def handler_and_event(given: AnyInput) -> tuple[str, bytes]:
    """Which exported function hears an input, and the canonical JSON that it hears."""
    handler, event = _handler_and_event(given)
    return handler, to_bytes(event)


def _handler_and_event(given: AnyInput) -> tuple[str, Any]:
    match given:
        case Activation():
            return "onActivate", {"kind": "activation", "block": str(given.block)}
        case Attested():
            return "onAttestation", _attestation_event(given)
        case Outcome():
            return "onAttestation", _outcome_event(given)
        case Failure():
            return "onAttestation", _failure_event(given)
        case ChainEvent():
            arguments = from_bytes(given.arguments)
            return "onEvent", {"kind": "event", "name": given.name, "arguments": arguments}
        case Timer():
            return "onTimer", {"kind": "timer", "name": given.name, "due": given.due}
        case _:
            assert_never(given)


def _attestation_event(given: Attested) -> dict[str, Any]:
    described = DescribedAttestation.from_bytes(given.body)
    attestation = described.attestation
    return {
        "kind": "attestation",
        "topic": given.entry.topic,
        "attester": checksum(attestation.attester),
        "schema": hex_text(attestation.schema),
        "data": described.fields,
        "uid": hex_text(attestation.uid),
        "time": attestation.time,
    }


def _outcome_event(given: Outcome) -> dict[str, Any]:
    shown = None
    if given.attestation is not None:
        described = DescribedAttestation.from_bytes(given.attestation)
        shown = {
            "schema": hex_text(described.attestation.schema),
            "attester": checksum(described.attestation.attester),
            "data": described.fields,
        }
    return {
        "kind": "outcome",
        "action": given.response.action,
        "status": "success",
        "response": {"status": given.response.status, "body": _body_of(given.body)},
        "attestation": shown,
    }


def _failure_event(given: Failure) -> dict[str, Any]:
    if not given.words:
        raise InputInvalid(problem="a failure without words")
    word = given.words[0].attestation
    seen = [from_bytes(each.outcomes) for each in given.words]
    if not all(isinstance(outcomes, list) for outcomes in seen):
        raise InputInvalid(problem="the outcomes are not a list")
    return {
        "kind": "failure",
        "action": word.action,
        "fence": {"version": word.version, "attempt": word.attempt},
        "anchors": [checksum(word.anchor) for word in given.words],
        "outcomes": [outcome for outcomes in seen for outcome in outcomes],
    }


def _body_of(body: bytes) -> Json:
    """A response body as a script sees it: JSON that has a canonical form and fits into an event,
    otherwise text."""
    if nested_too_deep(body, MAX_NESTING - EVENT_NESTING):
        return body.decode("utf-8", "replace")
    try:
        value = parse_json(body, "response")
        to_bytes(value)
    except (InputError, NotCanonical):
        return body.decode("utf-8", "replace")
    return value
