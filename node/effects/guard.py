"""What may be called from inside a node: the URL's form, the allow-list, the address behind it.

Scripts are written by strangers, and nodes stand in private networks. A URL is refused unless it
is plain: every form that two parsers could read differently (credentials, dot segments, encoded
separators, numeric hosts in odd bases, non-ASCII) is refused rather than normalised.

Sources: RFC 3986; the IANA IPv4 and IPv6 special-purpose address registries.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from node.effects.errors import GuardRefused
from node.tokenscript.service import fits, http_rule
from settlement.errors import InputError

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
LONGEST_URL = 2_048

_SHAPE = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Encoded control characters, dot, slash and backslash: each can change where a path leads.
_UNSAFE_ESCAPE = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff]|2[EeFf]|5[Cc])")
_DEFAULT_PORTS = {"https": 443, "http": 80}

_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # a cloud's metadata service under a public address
    )
)  # fmt: skip
# Everything outside global unicast is closed: mapped, NAT64, ULA, link-local, multicast.
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL of plain form, in its parts. ``path`` begins with a slash, ``query`` with ``?``."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """``host:port``, as the operator lists private hosts."""
        return f"{self.host}:{self.port}"


def parse_target(url: str) -> Target:
    """Read a URL; raises GuardRefused for any form that is not plain."""
    head, separator, rest = url[:LONGEST_URL].partition("://")
    authority, slash, tail = rest.partition("/")
    lowered = f"{head.lower()}{separator}{authority.lower()}{slash}{tail}"
    found = _SHAPE.fullmatch(lowered)
    if found is None or len(url) > LONGEST_URL:
        raise GuardRefused(url=url, problem="the URL is not of a plain form")
    scheme, host, path = found["scheme"], found["host"], found["path"] or "/"
    if scheme not in _DEFAULT_PORTS:
        raise GuardRefused(url=url, problem=f"the scheme is {scheme}")
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if port > 65_535:
        raise GuardRefused(url=url, problem=f"there is no port {port}")
    _check_host(url, host)
    _check_path(url, path, found["query"] or "")
    return Target(
        url=lowered, scheme=scheme, host=host, port=port, path=path, query=found["query"] or ""
    )


def check_url(url: str, private_hosts: frozenset[str]) -> Target:
    """The URL's target, if a node may call it at all; raises GuardRefused.

    ``private_hosts`` are the ``host:port`` that the operator opened: only they may be spoken to
    in plain http, and have a name of one label.
    """
    target = parse_target(url)
    if target.authority not in private_hosts:
        if target.scheme != "https":
            raise GuardRefused(url=url, problem="only https leaves this node")
        if "." not in target.host and not target.host.startswith("["):
            raise GuardRefused(url=url, problem="the host's name has one label only")
    return target


def check_call(
    method: str, url: str, allow: Iterable[str], private_hosts: frozenset[str]
) -> Target:
    """The call's target, if the signed allow-list covers it too; raises GuardRefused."""
    if method not in METHODS:
        raise GuardRefused(url=url, problem=f"the method is {method}")
    target = check_url(url, private_hosts)
    if not any(covers(pattern, method, target) for pattern in allow):
        raise GuardRefused(url=url, problem="it is not on the signed allow-list")
    return target


def covers(pattern: str, method: str, target: Target) -> bool:
    """Whether a pattern of the allow-list covers the target.

    The pattern is read as :func:`node.tokenscript.service.http_rule` reads it: scheme, host and
    port are literal; ``*`` in path and query stands for one run of unreserved characters.
    """
    try:
        rule = http_rule(pattern, method)
    except InputError:
        return False
    return (
        (rule.scheme, rule.host, rule.port) == (target.scheme, target.host, target.port)
        and fits(rule.path or "/", target.path)
        and fits(rule.query, target.query)
    )


def closed_address(text: str) -> bool:
    """Whether an address is private, local, special or otherwise not of the public internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in block for block in _CLOSED_V4)
    return address not in _OPEN_V6 or any(address in block for block in _CLOSED_V6)


def _check_host(url: str, host: str) -> None:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
            return
        labels = host.split(".")
        # What ends in a number is an address to some resolvers, in any base and any length.
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            ipaddress.IPv4Address(host)
            return
    except ValueError as error:
        raise GuardRefused(url=url, problem=f"the host is no plain address: {error}") from error
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise GuardRefused(url=url, problem="the host is no plain name")


def _check_path(url: str, path: str, query: str) -> None:
    if _ESCAPE.search(path + query):
        raise GuardRefused(url=url, problem="a percent sign escapes nothing")
    if _UNSAFE_ESCAPE.search(path):
        raise GuardRefused(url=url, problem="the path hides a separator or a control character")
    if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
        raise GuardRefused(url=url, problem="the path has dot segments")
