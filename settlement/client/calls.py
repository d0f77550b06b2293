"""Paid calls over HTTP, each paid once whatever happens to it on the way.

::

    calls = PaidCalls(channel=channel, session=session, clock=SystemClock())
    offer = Offer(node=key, token_class=class_id, price=10**15, period=7)
    paid = await calls.get(url, offer, request_id, check)

``check`` turns the bytes of an answer into a value and what its receipt says was charged, and
raises for anything that is not the node's signed word about this very request. Until it has passed,
the call is *pending*: it is sent again with the same request id and the same voucher, in this
process or in a later one, and a node charges a request id once. A call is given up, and its promise
taken back, only where it certainly was not charged: it never left, or the first answer to it is a
refusal that says so. Everything else ends in CallPending, which is an answer and not a failure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import aiohttp
import msgspec

from settlement.client.channel import ChannelClient
from settlement.core.purse import PendingCall
from settlement.core.refusals import CallPending
from settlement.errors import PaymentError, PeerError, SmartLayerError
from settlement.ports.clock import Clock
from settlement.protocol.signed import SignedVoucher
from settlement.protocol.wire import signed_to_header
from settlement.types import Address, Hash, hex_text

VOUCHER_HEADER = "SL-Voucher"
REQUEST_ID_HEADER = "SL-Request-Id"
LARGEST_ANSWER = 2 * 1024 * 1024
T = TypeVar("T")
Check = Callable[[bytes], tuple[T, int]]
"""From an answer's bytes to its value and what was charged, in base units. Raises a typed error."""


@dataclass(kw_only=True, eq=False, repr=False)
class NodeNotReached(PeerError):
    """Nobody could be connected to: the call never left and costs nothing."""

    code: ClassVar[str] = "SL-2033"
    title: ClassVar[str] = "The node cannot be reached"
    fix: ClassVar[str] = "Ask another node, or this one later: {problem}."
    retryable: ClassVar[bool] = True

    node: Address
    problem: str


@dataclass(kw_only=True, eq=False, repr=False)
class CallRefused(PaymentError):
    """The node refused the call and says that it charged nothing."""

    code: ClassVar[str] = "SL-2034"
    title: ClassVar[str] = "The node refused the call, uncharged"
    fix: ClassVar[str] = "{reason} The node said {problem_code}, with HTTP {status}."

    node: Address
    status: int
    problem_code: str
    reason: str
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a node quoted for one call."""

    node: Address
    token_class: Hash
    price: int
    period: int
    token: Hash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid(Generic[T]):
    """A call with its receipt."""

    value: T
    charged: int
    request_id: Hash


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A problem document that says ``"charged": "no"``."""

    status: int
    code: str
    reason: str
    again: bool


@dataclass(frozen=True, slots=True)
class _Unknown:
    """``sent``: the request may have reached the node."""

    problem: str
    sent: bool = True


_Outcome = _Answer | _Refusal | _Unknown


class PaidCalls:
    """Makes paid calls for one channel. ``attempts`` are made before a call is left pending."""

    def __init__(
        self,
        *,
        channel: ChannelClient,
        session: aiohttp.ClientSession,
        clock: Clock,
        attempts: int = 3,
        pause_ms: int = 200,
        timeout_s: float = 15.0,
    ) -> None:
        self._channel = channel
        self._session = session
        self._clock = clock
        self._attempts = attempts
        self._pause_ms = pause_ms
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        _watch_sending(session)

    async def get(
        self,
        url: str,
        offer: Offer,
        request_id: Hash,
        check: Check[T],
        headers: Mapping[str, str] | None = None,
    ) -> Paid[T]:
        """Make one call, or go on with a pending one under the same request id.

        Raises NodeNotReached and CallRefused (nothing was charged), CallPending (repeat it),
        BudgetExceeded, CallsPending and StoreFailed (nothing was sent).
        """
        before = (await self._channel.state()).call(request_id, offer.node, offer.token_class)
        voucher = await self._channel.voucher(
            offer.node, offer.token_class, offer.price, offer.period, offer.token, request_id
        )
        call = (await self._channel.state()).call(request_id, offer.node, offer.token_class)
        assert call is not None, "it is pending since the promise"
        asked = {
            **(headers or {}),
            REQUEST_ID_HEADER: hex_text(request_id),
            VOUCHER_HEADER: signed_to_header(voucher),
        }
        # What an earlier process sent is unknown: only a receipt can settle it.
        return await self._repeated(url, call, voucher, asked, check, sent=before is not None)

    async def _repeated(
        self,
        url: str,
        call: PendingCall,
        voucher: SignedVoucher,
        headers: Mapping[str, str],
        check: Check[T],
        *,
        sent: bool,
    ) -> Paid[T]:
        problem, gone = "it was not sent", False
        for attempt in range(self._attempts):
            if attempt:
                await self._clock.sleep_ms(self._pause_ms << (attempt - 1))
            outcome = await self._send(url, headers)
            if isinstance(outcome, _Answer):
                try:
                    value, charged = _checked(outcome.body, call, check)
                except SmartLayerError as error:
                    outcome = _Unknown(f"the answer is no receipt for it: {error.title}")
                else:
                    await self._channel.receipt(call, charged)
                    return Paid(value=value, charged=charged, request_id=call.request_id)
            if isinstance(outcome, _Refusal):
                if not sent:
                    await self._give_back(call, voucher)
                    raise _refused(call, outcome)
                # It is uncharged for all that this answer knows; an earlier one may have been lost.
                problem, gone = f"HTTP {outcome.status}, {outcome.code}", False
                continue
            problem, gone = outcome.problem, not outcome.sent
            sent = sent or outcome.sent
        if sent:
            raise CallPending(
                request_id=call.request_id, node=call.node, problem=problem, gone=gone
            )
        await self._give_back(call, voucher)
        raise NodeNotReached(node=call.node, problem=problem)

    async def _give_back(self, call: PendingCall, voucher: SignedVoucher) -> None:
        await self._channel.release(
            voucher, call.price, call.promised_ms, call.token, call.request_id
        )

    async def _send(self, url: str, headers: Mapping[str, str]) -> _Outcome:
        sending = _Sending()
        try:
            async with self._session.get(
                url,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                trace_request_ctx=sending,
            ) as response:
                body = await _read(response.content)
                outcome = _judged(response.status, response.headers, body)
        except aiohttp.ClientConnectorError as error:
            return _Unknown(type(error).__name__, sent=sending.times > 0)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _Unknown(type(error).__name__)
        if isinstance(outcome, _Refusal) and sending.times > 1:
            return _Unknown(f"HTTP {outcome.status}, {outcome.code}, after a lost answer")
        return outcome


@dataclass(slots=True)
class _Sending:
    """How often a request began to leave. The HTTP library repeats one by itself whose connection
    was closed: an error in connecting does not mean then that nothing was sent, nor a refusal
    that nothing was charged."""

    times: int = 0


class _SendingWatched(aiohttp.TraceConfig):
    """Notes on each call's :class:`_Sending` that its headers left."""

    def __init__(self) -> None:
        super().__init__()
        self.on_request_headers_sent.append(_headers_sent)
        self.freeze()


async def _headers_sent(_session: Any, context: Any, _params: Any) -> None:
    if isinstance(context.trace_request_ctx, _Sending):
        context.trace_request_ctx.times += 1


def _watch_sending(session: aiohttp.ClientSession) -> None:
    if not any(isinstance(each, _SendingWatched) for each in session.trace_configs):
        session.trace_configs.append(_SendingWatched())


def _checked(body: bytes, call: PendingCall, check: Check[T]) -> tuple[T, int]:
    value, charged = check(body)
    if charged > call.price:
        raise ReceiptTooHigh(node=call.node, charged=charged, price=call.price)
    return value, charged


@dataclass(kw_only=True, eq=False, repr=False)
class ReceiptTooHigh(PaymentError):
    """A receipt names more than was promised for the call."""

    code: ClassVar[str] = "SL-2035"
    title: ClassVar[str] = "The receipt charges more than was promised"
    fix: ClassVar[str] = "Do not use this node: it charged {charged}, {price} was promised."

    node: Address
    charged: int
    price: int


def _refused(call: PendingCall, outcome: _Refusal) -> CallRefused:
    return CallRefused(
        node=call.node,
        status=outcome.status,
        problem_code=outcome.code,
        reason=outcome.reason,
        again=outcome.again,
    )


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    """The body, None where it is longer than any answer."""
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            return None
    return b"".join(parts)


def _judged(status: int, headers: Mapping[str, str], body: bytes | None) -> _Outcome:
    if body is None:
        return _Unknown("the answer is too large")
    if status == 200:
        return _Answer(body)
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/problem+json" and 400 <= status < 600:
        problem = _problem(body)
        if problem.get("charged") == "no":
            return _Refusal(
                status=status,
                code=str(problem.get("code", status)),
                reason=str(problem.get("detail", problem.get("hint", "No reason was given."))),
                again=problem.get("retryable") is True,
            )
    return _Unknown(f"HTTP {status}")


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
