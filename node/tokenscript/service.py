"""The service part of a script: what the network runs for a token.

A foreign-namespace element in a named ``ts:viewContent``: wallets ignore it, the same signature
covers it. Source: whitepaper, "Smart Tokens".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from settlement.errors import InputError
from settlement.types import Address, Hash

_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_RUN = re.compile(r"[A-Za-z0-9._~\-]+")
_PATH = re.compile(r"/[A-Za-z0-9._~\-/*]*")
_QUERY = re.compile(r"[A-Za-z0-9._~\-=&*]*")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2_048


class Access(StrEnum):
    """Who may call an interface."""

    PUBLIC = "public"
    GRANTED = "granted"
    PRICED = "priced"
    ALLOW_LIST = "allow-list"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSchema:
    """The JSON Schema of the soft state, as canonical JSON text, and its version."""

    version: int
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Attestations of a topic reach those tokens whose attribute ``key`` equals their field."""

    topic: str
    attester: Address
    schema: Hash
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """An event of a contract of the script that is handed to ``onEvent``."""

    contract: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """An interface of another token's service that this one may send messages to."""

    name: str
    contract: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An interface that answers from the state; ``price`` names a price in the node's table."""

    name: str
    price: str | None
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRule:
    """One allowed kind of outgoing call. ``*`` in ``path`` or ``query`` is one piece of it."""

    scheme: str
    host: str
    port: int
    path: str
    query: str
    method: str

    @property
    def pattern(self) -> str:
        """The rule's URL pattern as one text, its port always shown."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.host}:{self.port}{self.path}{query}"

    def allows(self, url: str, method: str) -> bool:
        """Whether a call is of this kind. A URL that two readers could read differently is not."""
        try:
            scheme, host, port, path, query = split_url(url)
        except InputError:
            return False
        return (
            (scheme, host, port, method) == (self.scheme, self.host, self.port, self.method)
            and fits(self.path, path)
            and fits(self.query, query)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The attestation that tells an action's outcome; ``attester`` None stands for any."""

    schema: Hash
    attester: Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that one elected executor does outside; ``timeout_ms`` is per attempt."""

    name: str
    price: str | None
    attempts: int
    timeout_ms: int
    rules: tuple[HttpRule, ...]
    success: Evidence | None
    failure: Evidence | None

    def allows(self, url: str, method: str) -> bool:
        """Whether the action may make this call."""
        return any(rule.allows(url, method) for rule in self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """What the issuer asks of the nodes that run its tokens."""

    availability_ppm: int
    latency_ms: int
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The JavaScript source and the names that it exports, in order."""

    source: str
    handlers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service part as a whole."""

    state: StateSchema
    subscriptions: tuple[Subscription, ...]
    watches: tuple[Watch, ...]
    dependencies: tuple[Dependency, ...]
    reads: tuple[Read, ...]
    actions: tuple[Action, ...]
    level: ServiceLevel | None
    script: Script

    def read(self, name: str) -> Read | None:
        """A read by name."""
        return next((one for one in self.reads if one.name == name), None)

    def action(self, name: str) -> Action | None:
        """An action by name."""
        return next((one for one in self.actions if one.name == name), None)


def http_rule(pattern: str, method: str) -> HttpRule:
    """Read an allowed pattern such as ``https://hotel.example/bookings/*``; or InputError.

    The host is literal, without wildcard; ``*`` stands in path and query for one run of
    unreserved characters, never for a slash, so it cannot leave its segment.
    """
    if method not in _METHODS:
        raise InputError(where="method", problem=f"expected one of {', '.join(_METHODS)}")
    scheme, host, port, path, query = split_url(pattern)
    return HttpRule(scheme=scheme, host=host, port=port, path=path, query=query, method=method)


def split_url(url: str) -> tuple[str, str, int, str, str]:
    """Scheme, host, port, path and query of a plain URL; InputError for anything else."""
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable():
        raise InputError(where="URL", problem="it is too long or not plain ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(where="URL", problem="it cannot be read") from error
    host = parts.hostname or ""
    # rebuilt and compared, so that no user name, fragment or odd spelling is overlooked
    authority = host if port is None else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    if f"{parts.scheme}://{authority}{parts.path}{query}" != url or not _HOST.fullmatch(host):
        raise InputError(where="URL", problem="expected scheme://host[:port]/path[?query]")
    if parts.scheme not in _DEFAULT_PORTS or port == 0:
        raise InputError(where="URL", problem="expected http or https")
    if not _PATH.fullmatch(parts.path) or not _QUERY.fullmatch(parts.query):
        raise InputError(where="URL", problem="path or query have reserved characters")
    if any(segment in {".", ".."} for segment in parts.path.split("/")):
        raise InputError(where="URL", problem="the path has dot segments")
    return parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], parts.path, parts.query


def fits(pattern: str, text: str) -> bool:
    """Match ``*`` with one or more unreserved characters, in linear time: patterns come from
    strangers. The leftmost place of each piece will do, since runs cannot hold reserved ones."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == first
    if not text.startswith(first) or "*" in text:
        return False
    position = len(first)
    for piece in rest[:-1]:
        found = text.find(piece, position + 1)
        if found < 0 or not _RUN.fullmatch(text, position, found):
            return False
        position = found + len(piece)
    end = len(text) - len(rest[-1])
    return (
        text.endswith(rest[-1]) and _RUN.fullmatch(text, position, max(position, end)) is not None
    )
