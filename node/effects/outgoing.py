"""The outgoing HTTP port over aiohttp: one guarded try, whose outcome is always a value."""

from dataclasses import dataclass

from node.effects.errors import GuardRefused, NoAnswer, NotConnected
from node.effects.exchange import Answer, Exchanger, Outgoing
from node.effects.guard import check_call
from node.ports.http import HttpCall, HttpOutcome, HttpOutcomeKind
from settlement.ports.clock import Clock
from settlement.types import hex_text

BODY_LIMIT = 1_048_576
LONGEST_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    kind: HttpOutcomeKind
    status: int = 0
    body: bytes = b""
    detail: str = ""


class GuardedHttp:
    """Implements :class:`node.ports.http.OutgoingHttp`.

    An answer whose body is too long, broken off or undecodable is UNKNOWN: the server may have
    acted. An answer of a type that scripts do not read (neither JSON nor text) is ANSWERED with
    an empty body. A redirect is an answer like any other.
    """

    def __init__(self, exchanger: Exchanger, clock: Clock) -> None:
        self._exchanger = exchanger
        self._clock = clock

    async def call(self, call: HttpCall) -> HttpOutcome:
        """Try once, within ``call.timeout_ms`` and at most ten seconds."""
        started_ms = self._clock.now_ms()
        seen = await self._try(call)
        return HttpOutcome(
            kind=seen.kind,
            status=seen.status,
            body=seen.body,
            detail=seen.detail,
            started_ms=started_ms,
            ended_ms=self._clock.now_ms(),
        )

    async def _try(self, call: HttpCall) -> _Seen:
        headers = {
            "Accept": "application/json, text/plain;q=0.5",
            "Idempotency-Key": hex_text(call.idempotency_key),
        }
        if call.body:
            headers["Content-Type"] = "application/json"
        try:
            target = check_call(call.method, call.url, call.allow, self._exchanger.private_hosts)
            outgoing = Outgoing(
                method=call.method,
                target=target,
                headers=headers,
                body=call.body,
                timeout_ms=min(call.timeout_ms, LONGEST_MS),
                body_limit=BODY_LIMIT,
            )
            return _answered(await self._exchanger.exchange(outgoing))
        except GuardRefused as error:
            return _Seen(kind=HttpOutcomeKind.REFUSED_BY_GUARD, detail=error.problem)
        except NotConnected as error:
            return _Seen(kind=HttpOutcomeKind.UNREACHABLE, detail=error.problem)
        except NoAnswer as error:
            return _Seen(kind=HttpOutcomeKind.UNKNOWN, detail=error.problem)


def _answered(answer: Answer) -> _Seen:
    kind = HttpOutcomeKind.ANSWERED
    if answer.body and not _readable(answer.media_type):
        detail = f"the body, of type {answer.media_type[:100] or 'unknown'}, is left out"
        return _Seen(kind=kind, status=answer.status, detail=detail)
    return _Seen(kind=kind, status=answer.status, body=answer.body)


def _readable(media_type: str) -> bool:
    media_type = media_type.strip()
    return (
        media_type == "application/json"
        or media_type.startswith("text/")
        or (media_type.startswith("application/") and media_type.endswith("+json"))
    )
