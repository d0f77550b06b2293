"""Members of the network, as the chain's registry names them."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from settlement.errors import InputError
from settlement.types import Address

LINK_PATH = "/link"
LONGEST_HOST = 253
"""Characters of a host name, at most (RFC 1035, section 2.3.4)."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A registered node: its key and where its links are accepted, ``wss://host:port``."""

    key: Address
    link_url: str


def link_address(url: str) -> URL:
    """Where to dial; raises InputError for what is no ``wss://host:port[/path]``."""
    try:
        parsed = URL(url)
        # yarl decodes a host only when asked, and the codec refuses some with a UnicodeError.
        named = _is_host(parsed.host or "")
    except ValueError as error:
        raise InputError(where="link URL", problem=ascii(error)) from error
    extras = parsed.user or parsed.password or parsed.query_string or parsed.fragment
    if parsed.scheme not in ("wss", "https") or not named or not parsed.port or extras:
        raise InputError(where="link URL", problem=f"{url!a} is not wss://host:port")
    return parsed.with_path(LINK_PATH) if parsed.path in ("", "/") else parsed


def _is_host(host: str) -> bool:
    """Whether this is an IP address or a name that a resolver takes; raises UnicodeError."""
    try:
        ip_address(host)
    except ValueError:
        name = host.encode("idna").decode("ascii").removesuffix(".")
        return len(name) <= LONGEST_HOST and all(map(_LABEL.fullmatch, name.split(".")))
    return True
