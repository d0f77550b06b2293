"""Errors over HTTP: RFC 9457 problem documents with our codes.

A problem says what rule was broken (``code``, ``title``), what to do (``hint``), whether the same
request may succeed later (``retryable``) and whether anything was charged (``charged``).
"""

import json
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from node.errors import (
    AccessError,
    FeedError,
    FeedFrozen,
    InterfaceUnknown,
    NetworkError,
    PaymentMissing,
    ReadFailed,
    TokenUnknown,
)
from settlement.core.refusals import RequestIdReused
from settlement.errors import (
    ChainError,
    InputError,
    OurError,
    PaymentError,
    SignatureInvalid,
    SmartLayerError,
)
from settlement.protocol.wire import error_to_json
from settlement.store.errors import StoreFull

RETRY_AFTER_S = "1"
Responder = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS: tuple[tuple[type[SmartLayerError], int], ...] = (
    (InputError, 400),
    (SignatureInvalid, 401),
    (TokenUnknown, 404),
    (InterfaceUnknown, 404),
    (PaymentMissing, 402),
    (ReadFailed, 422),
    (RequestIdReused, 409),
    (PaymentError, 402),
    (AccessError, 403),
    (FeedFrozen, 409),
    (FeedError, 422),
    (NetworkError, 503),
    (ChainError, 503),
    (StoreFull, 507),
    (OurError, 503),
)


def status_of(error: SmartLayerError) -> int:
    """The HTTP status of a typed error; 422 for one that no rule above names."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 422)


def problem(error: SmartLayerError) -> web.Response:
    """The problem document of a typed error. Nothing was charged whenever one is sent."""
    status = status_of(error)
    advice = error.advice()
    body = {**error_to_json(error), "status": status, "hint": advice, "charged": "no"}
    headers = {"Retry-After": RETRY_AFTER_S} if error.retryable else {}
    return _document(body, status, headers)


def _document(body: Mapping[str, object], status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/problem+json",
        headers=headers,
    )


@web.middleware
async def problems(request: web.Request, handler: Responder) -> web.StreamResponse:
    """Turn typed errors into problem documents; a bug is logged once and answered with 500."""
    try:
        return await handler(request)
    except SmartLayerError as error:
        return problem(error)
    except web.HTTPException as error:
        return _document(
            {
                "type": "about:blank",
                "title": error.reason,
                "status": error.status,
                "code": "SL-1003",
                "hint": "See the API description for paths, methods and limits.",
                "retryable": False,
                "charged": "no",
            },
            error.status,
            {k: v for k, v in error.headers.items() if k in ("Allow", "Retry-After")},
        )
    except Exception:  # noqa: BLE001 - the edge: a bug becomes an answer and is logged once
        structlog.get_logger("api").exception("request_failed", path=request.path)
        return _document(
            {
                "type": "/errors/SL-9001",
                "title": "This node failed",
                "status": 500,
                "code": "SL-9001",
                "hint": "Retry with the same request id, here or at another replica.",
                "retryable": True,
                "charged": "pending",
            },
            500,
            {},
        )
