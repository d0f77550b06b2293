"""What a call of a script's action is: made from the committed effect and the signed script.

The executor and the anchors make it alike, so that a request's hash is the same whoever sends it.
"""

from dataclasses import dataclass

from node.core.canonical import object_from_bytes, to_bytes
from node.errors import AttestationWrongSchema, EffectRefused, InputInvalid
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind, OutgoingHttp
from node.services.script_library import ClassScript
from node.tokenscript.described import DescribedAttestation
from node.tokenscript.service import Action
from node.tokenscript.strict_json import parse_json
from settlement.errors import InputError, SmartLayerError
from settlement.ports.clock import Clock
from settlement.types import ZERO_HASH, Hash

CLOCK_SLACK_S = 60
"""How far the outside's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionCall:
    """One call and the action that it is made for. ``refusal`` says why nobody may make it; it
    fails for everybody alike then, so that the token can go on."""

    action: Action
    http: HttpCall
    refusal: str = ""


def action_call(script: ClassScript, effect: bytes, key: Hash) -> ActionCall:
    """The call that an effect asks for. Raises EffectRefused for an action that the script does
    not declare; the journal opens no such action."""
    asked = object_from_bytes(effect)
    name, url, method = (str(asked.get(field, "")) for field in ("action", "url", "method"))
    action = script.service.action(name)
    if action is None:
        raise EffectRefused(problem=f"the script declares no action {name}")
    allowed = action.allows(url, method)
    http = HttpCall(
        method=method,
        url=url,
        body=to_bytes(asked["body"]) if "body" in asked else b"",
        allow=tuple(rule.pattern for rule in action.rules if rule.method == method),
        idempotency_key=key,
        timeout_ms=action.timeout_ms,
    )
    refusal = "" if allowed else f"{method} {url} is not on the list of {name}"
    return ActionCall(action=action, http=http, refusal=refusal)


async def perform(call: ActionCall, http: OutgoingHttp, clock: Clock) -> HttpOutcome:
    """Make the call, unless the script's own list forbids it."""
    if not call.refusal:
        return await http.call(call.http)
    now_ms = clock.now_ms()
    return HttpOutcome(
        kind=HttpOutcomeKind.REFUSED_BY_GUARD,
        detail=call.refusal,
        started_ms=now_ms,
        ended_ms=now_ms,
    )


def attestation_in(action: Action, outcome: HttpOutcome) -> bytes | None:
    """The attestation in an answer's ``attestation`` field, in its canonical form; None where
    the action asks for none. Raises the attestation errors and InputError."""
    if action.success is None:
        return None
    body = parse_json(outcome.body, "response")
    if not isinstance(body, dict) or "attestation" not in body:
        raise InputError(where="response", problem="there is no attestation in it")
    return DescribedAttestation.from_bytes(to_bytes(body["attestation"])).to_bytes()


def proven(action: Action, outcome: HttpOutcome, chain_id: int) -> tuple[bool, bytes | None]:
    """Whether an outcome is a success that every replica would accept, and its attestation.

    A 2xx answer without the attestation that the action asks for is a failure: the outside has
    not proved anything.
    """
    if not outcome.succeeded:
        return False, None
    try:
        attestation = attestation_in(action, outcome)
        require_evidence(action, attestation, outcome.ended_ms, chain_id)
    except SmartLayerError:
        return False, None
    return True, attestation


def require_evidence(
    action: Action, attestation: bytes | None, observed_ms: int, chain_id: int
) -> None:
    """Raise unless this attestation is what the script asks of a success of its action.

    ``observed_ms`` is when the answer was seen, by the clock of whoever saw it. Raises
    InputInvalid and the attestation errors.
    """
    if action.success is None:
        return
    if attestation is None:
        raise AttestationWrongSchema(found=ZERO_HASH, expected=action.success.schema)
    described = DescribedAttestation.from_bytes(attestation)
    require_chain(described, chain_id)
    described.attestation.require(
        schema=action.success.schema,
        attester=action.success.attester or described.attestation.attester,
        now=observed_ms // 1_000 + CLOCK_SLACK_S,
    )


def require_chain(described: DescribedAttestation, chain_id: int) -> None:
    """An attestation made for another chain is a replay."""
    found = described.attestation.domain.chain_id
    if found != chain_id:
        raise InputInvalid(problem=f"its attestation is of chain {found}, not {chain_id}")


def shown(outcome: HttpOutcome) -> dict[str, str | int]:
    """An outcome as a failure attestation lists it; times are in the attestation itself."""
    return {"kind": outcome.kind.value, "status": outcome.status, "detail": outcome.detail[:200]}
