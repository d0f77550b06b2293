"""An integration's HTTP client for its anchor: fetch a draft, send the signed Statement.

::

    async with AnchorClient("https://anchor.example") as anchor:
        spent = (await channel.state()).spent(period)
        draft = await anchor.draft_covering(channel.signer, period, spent)
        await anchor.send_statement(await channel.statement(draft, anchor_key))
"""

import asyncio
import json
import zlib
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

import aiohttp

from settlement.core.draft_json import draft_from_json
from settlement.core.statements import StatementDraft
from settlement.errors import PaymentError, PeerError
from settlement.protocol.signed import SignedStatement
from settlement.protocol.wire import signed_to_json
from settlement.types import Address, hex_text

LARGEST_ANSWER = 16 * 1024 * 1024

# The address is the anchor's own word: what a codec or the resolver says of it (ValueError) means
# no more than that nobody is there.
_UNREACHABLE = (aiohttp.ClientError, OSError, ValueError, zlib.error)
LONGEST_REASON = 1_000
"""Characters kept of what an anchor says about its refusal."""

POLL_S = 0.25
"""Between two looks at a draft that does not cover yet what was spent."""


@dataclass(kw_only=True, eq=False, repr=False)
class AnchorApiUnreachable(PeerError):
    """The anchor's HTTP API did not answer. Whether it took what was sent is unknown; both
    requests may be repeated as they are."""

    code: ClassVar[str] = "SL-2031"
    title: ClassVar[str] = "The anchor's API cannot be reached"
    fix: ClassVar[str] = "Repeat the request, or ask another anchor of the channel: {problem}."
    retryable: ClassVar[bool] = True

    url: str
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class AnchorApiRefused(PaymentError):
    """The anchor answered with a problem document."""

    code: ClassVar[str] = "SL-2032"
    title: ClassVar[str] = "The anchor refused"
    fix: ClassVar[str] = "{reason} The anchor said {problem_code}, with HTTP {status}."

    status: int
    problem_code: str
    reason: str


class AnchorClient:
    """Talks to one anchor; an async context manager round one HTTP session."""

    def __init__(self, base_url: str, *, timeout_s: float = 10.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def draft(self, signer: Address, period: int) -> StatementDraft:
        """What the anchor asks the channel of ``signer`` to sign for ``period``; not judged yet.

        Raises AnchorApiUnreachable, AnchorApiRefused, InputError (the answer cannot be read).
        """
        path = f"/channels/{hex_text(signer)}/periods/{period}/draft"
        return draft_from_json(await self._ask("GET", path, None))

    async def draft_covering(
        self, signer: Address, period: int, amount: int, *, patience_s: float = 30.0
    ) -> StatementDraft:
        """The first draft of at least ``amount`` base units, or the last one that the anchor shows
        within ``patience_s`` seconds.

        Service nodes bring their vouchers to the anchor every few seconds, so a draft that is asked
        for right after a call may leave that call out. Raises what :meth:`draft` raises.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while True:
            draft = await self.draft(signer, period)
            if draft.amount >= amount or loop.time() >= until:
                return draft
            await asyncio.sleep(POLL_S)

    async def send_statement(self, statement: SignedStatement) -> None:
        """Hand a signed Statement over; repeating it is harmless.

        Raises AnchorApiUnreachable, AnchorApiRefused.
        """
        await self._ask("POST", "/statements", signed_to_json(statement))

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        assert self._session is not None, "use the client as an async context manager"
        url = self._base_url + path
        try:
            async with self._session.request(
                method, url, json=body, allow_redirects=False
            ) as response:
                raw = await _read(url, response.content)
                status = response.status
        except _UNREACHABLE as error:
            raise AnchorApiUnreachable(url=url, problem=type(error).__name__) from error
        return _judged(url, status, raw)


async def _read(url: str, content: aiohttp.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise AnchorApiUnreachable(url=url, problem="the answer is too large")
    return b"".join(parts)


def _judged(url: str, status: int, raw: bytes) -> Any:
    try:
        value = json.loads(raw) if raw else {}
    except (ValueError, RecursionError) as error:
        raise AnchorApiUnreachable(url=url, problem=f"HTTP {status}, no JSON") from error
    if 200 <= status < 300:
        return value
    if status >= 500 or status == 429:
        raise AnchorApiUnreachable(url=url, problem=f"HTTP {status}")
    problem = value if isinstance(value, dict) else {}
    raise AnchorApiRefused(
        status=status,
        problem_code=_text(problem.get("code"), "unknown"),
        reason=_text(problem.get("detail"), "The anchor gave no reason."),
    )


def _text(value: Any, otherwise: str) -> str:
    """What the anchor wrote, as text that can be stored and shown: JSON lets it write halves of
    characters, lists, and megabytes."""
    if not isinstance(value, str):
        return otherwise
    return value[:LONGEST_REASON].encode("utf-8", "replace").decode()
