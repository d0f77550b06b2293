"""Members of the network, as the chain's registry names them."""

from dataclasses import dataclass

from yarl import URL

from settlement.errors import InputError
from settlement.types import Address

LINK_PATH = "/link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A registered node: its key and where its links are accepted, ``wss://host:port``."""

    key: Address
    link_url: str


def link_address(url: str) -> URL:
    """Where to dial; raises InputError for what is no ``wss://host:port[/path]``."""
    try:
        parsed = URL(url)
    except ValueError as error:
        raise InputError(where="link URL", problem=str(error)) from error
    extras = parsed.user or parsed.password or parsed.query_string or parsed.fragment
    if parsed.scheme not in ("wss", "https") or not parsed.host or extras:
        raise InputError(where="link URL", problem=f"{url!r} is not wss://host:port")
    return parsed.with_path(LINK_PATH) if parsed.path in ("", "/") else parsed
