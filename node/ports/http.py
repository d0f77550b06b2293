"""The outgoing HTTP port: one guarded call to the outside, made for a token script's effect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import rfc8785

from settlement.types import Hash, keccak


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """What to send. ``allow`` are the URL patterns of the signed script (``*`` within and at the
    end of a path); ``idempotency_key`` is the same in all attempts by all nodes."""

    method: str
    url: str
    body: bytes
    allow: tuple[str, ...]
    idempotency_key: Hash
    timeout_ms: int

    @property
    def request_hash(self) -> Hash:
        """Binds method, URL, body and key; what a failure attestation refers to."""
        shown = [self.method, self.url, self.body.hex(), self.idempotency_key.hex()]
        return keccak(rfc8785.dumps(shown))


class HttpOutcomeKind(StrEnum):
    """ANSWERED is any complete HTTP response. UNKNOWN: sent, and no answer was seen."""

    ANSWERED = "answered"
    REFUSED_BY_GUARD = "refused_by_guard"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOutcome:
    """What came of one attempt. ``status`` and ``body`` only when ANSWERED."""

    kind: HttpOutcomeKind
    status: int = 0
    body: bytes = b""
    detail: str = ""
    started_ms: int = 0
    ended_ms: int = 0

    @property
    def succeeded(self) -> bool:
        """A 2xx answer."""
        return self.kind is HttpOutcomeKind.ANSWERED and 200 <= self.status < 300


class OutgoingHttp(Protocol):
    """Makes one call under the guard and reports its outcome; never raises for a bad server."""

    async def call(self, call: HttpCall) -> HttpOutcome:
        """Try once, within ``call.timeout_ms``."""
        ...


@dataclass(slots=True)
class MemoryHttp:
    """The fake: a function answers, and every call is kept."""

    answer: Callable[[HttpCall], HttpOutcome]
    calls: list[HttpCall] = field(default_factory=list)

    async def call(self, call: HttpCall) -> HttpOutcome:
        self.calls.append(call)
        return self.answer(call)
