"""Asking a node's API: JSON in, JSON out, problem documents as typed errors."""

from typing import Any

import aiohttp

from node.errors import PeerRefused, PeerUnreachable

MAX_ANSWER_BYTES = 2 * 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=15)


async def expect_json(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """The JSON of a 2xx answer.

    Raises PeerUnreachable (retryable) when nobody answers sensibly, PeerRefused with the problem's
    code and hint otherwise.
    """
    try:
        async with session.request(
            method, url, json=body, headers=headers, timeout=TIMEOUT
        ) as response:
            if (response.content_length or 0) > MAX_ANSWER_BYTES:
                raise PeerUnreachable(peer=b"", problem=f"{url} answers with too much")
            found = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise PeerUnreachable(peer=b"", problem=f"{url}: {type(error).__name__}") from error
    if 200 <= status < 300:
        return found
    if status >= 500 or not isinstance(found, dict):
        raise PeerUnreachable(peer=b"", problem=f"{url} answers with status {status}")
    raise PeerRefused(
        peer=b"",
        refusal=str(found.get("code", status)),
        reason=str(found.get("detail", "")),
        again=found.get("retryable") is True,
    )
