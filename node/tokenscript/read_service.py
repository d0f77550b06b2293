"""Reading ``sl:service``: strict, since it is ours; nothing unknown is passed over."""

import re
from decimal import Decimal, InvalidOperation

from node.tokenscript.exports import exported_names
from node.tokenscript.reader import SERVICE_NAMESPACE, Node
from node.tokenscript.service import (
    Access,
    Action,
    Dependency,
    Evidence,
    HttpRule,
    Read,
    Script,
    Service,
    ServiceLevel,
    StateSchema,
    Subscription,
    Watch,
    http_rule,
)
from node.tokenscript.strict_json import canonical_json, parse_json

PLACE = ("ts:cards", "ts:viewContent", "sl:service")
VIEW_NAME = "service"
MAX_SOURCE_BYTES = 192 * 1024
MAX_ATTEMPTS = 10
MAX_TIMEOUT_MS = 10 * 60_000
MAX_REPLICAS = 64
_MAX_VERSION = (1 << 32) - 1
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|min|h)")
_UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
_TOPIC = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}")


def find_service(root: Node) -> Node | None:
    """The only ``sl:service``, in ``ts:cards/ts:viewContent[@name='service']``, or None."""
    everywhere = root.below(SERVICE_NAMESPACE, "service")
    if not everywhere:
        return None
    if len(everywhere) > 1:
        raise everywhere[1].fail("sl:service may stand once")
    views = [view for view in root.at(*PLACE[:2]) if view.get("name") == VIEW_NAME]
    placed = [inner for view in views for inner in view.at("sl:service")]
    if not placed:
        raise everywhere[0].fail("it must stand in ts:cards/ts:viewContent named 'service'")
    return placed[0]


def read_service(node: Node, contracts: frozenset[str], attributes: frozenset[str]) -> Service:
    """Read the service part; names of contracts and attributes must be those of the script."""
    node.only()
    children = node.children(
        "sl:state",
        "sl:subscribe",
        "sl:watch",
        "sl:depends",
        "sl:read",
        "sl:action",
        "sl:sla",
        "sl:script",
    )

    def each(tag: str) -> list[Node]:
        return [child for child in children if child.tag == tag]

    level = node.one_of(children, "sl:sla")
    service = Service(
        state=_state(_one(node, children, "sl:state")),
        subscriptions=tuple(_subscription(one, attributes) for one in each("sl:subscribe")),
        watches=tuple(_watch(one, contracts) for one in each("sl:watch")),
        dependencies=tuple(_dependency(one, contracts) for one in each("sl:depends")),
        reads=tuple(_read(one) for one in each("sl:read")),
        actions=tuple(_action(one) for one in each("sl:action")),
        level=_level(level) if level else None,
        script=_script(_one(node, children, "sl:script")),
    )
    _refuse_twins(each("sl:read") + each("sl:action"), "name")
    _refuse_twins(each("sl:depends"), "name")
    _require_handlers(node, service)
    return service


def _one(node: Node, children: list[Node], tag: str) -> Node:
    found = node.one_of(children, tag)
    if found is None:
        raise node.fail(f"{tag} is missing")
    return found


def _refuse_twins(nodes: list[Node], attribute: str) -> None:
    seen: set[str] = set()
    for node in nodes:
        value = node.required(attribute)
        if value in seen:
            raise node.fail(f"the name {value!r} is taken already")
        seen.add(value)


def _require_handlers(node: Node, service: Service) -> None:
    handlers = set(service.script.handlers)
    needed = {read.name for read in service.reads}
    if service.subscriptions or service.actions:
        needed.add("onAttestation")
    if service.watches:
        needed.add("onEvent")
    missing = sorted(needed - handlers)
    if missing:
        raise node.fail(f"the script exports no function {', '.join(missing)}")


def _state(node: Node) -> StateSchema:
    node.only("version")
    schema = node.reading(lambda: parse_json(node.text(), "the state's schema"))
    if not isinstance(schema, dict):
        raise node.fail("the state's schema is not a JSON object")
    canonical = node.reading(lambda: canonical_json(schema, "the state's schema"))
    return StateSchema(version=node.integer("version", 1, _MAX_VERSION), schema=canonical.decode())


def _subscription(node: Node, attributes: frozenset[str]) -> Subscription:
    node.only("topic", "attester", "schema", "key")
    node.children()
    topic, key = node.required("topic"), node.name("key")
    if _TOPIC.fullmatch(topic) is None:
        raise node.fail(f"{topic[:40]!r} is not a topic")
    if key not in attributes:
        raise node.fail(f"the key {key!r} is not an attribute of the token")
    return Subscription(
        topic=topic, attester=node.address("attester"), schema=node.hash("schema"), key=key
    )


def _watch(node: Node, contracts: frozenset[str]) -> Watch:
    node.only("contract", "event")
    node.children()
    return Watch(contract=_contract(node, contracts), event=node.name("event"))


def _dependency(node: Node, contracts: frozenset[str]) -> Dependency:
    node.only("name", "contract", "interface")
    node.children()
    return Dependency(
        name=node.name(), contract=_contract(node, contracts), interface=node.name("interface")
    )


def _contract(node: Node, contracts: frozenset[str]) -> str:
    name = node.name("contract")
    if name not in contracts:
        raise node.fail(f"the contract {name!r} is not declared")
    return name


def _read(node: Node) -> Read:
    node.only("name", "price", "access")
    node.children()
    access = node.get("access") or Access.GRANTED
    if access not in set(Access):
        raise node.fail(f"access={access!r} is none of {', '.join(Access)}")
    return Read(name=node.name(), price=node.optional_name("price"), access=Access(access))


def _action(node: Node) -> Action:
    node.only("name", "price", "attempts", "timeout")
    children = node.children("sl:http", "sl:success", "sl:failure")
    timeout = _duration(node, "timeout")
    if not 0 < timeout <= MAX_TIMEOUT_MS:
        raise node.fail(f"the timeout is outside 1 ms to {MAX_TIMEOUT_MS} ms")
    return Action(
        name=node.name(),
        price=node.optional_name("price"),
        attempts=node.integer("attempts", 1, MAX_ATTEMPTS),
        timeout_ms=timeout,
        rules=tuple(_rule(one) for one in children if one.tag == "sl:http"),
        success=_evidence(node.one_of(children, "sl:success")),
        failure=_evidence(node.one_of(children, "sl:failure")),
    )


def _rule(node: Node) -> HttpRule:
    node.only("allow", "method")
    node.children()
    return node.reading(lambda: http_rule(node.required("allow"), node.required("method")))


def _evidence(node: Node | None) -> Evidence | None:
    if node is None:
        return None
    node.only("schema", "attester")
    node.children()
    attester = None if node.get("attester") is None else node.address("attester")
    return Evidence(schema=node.hash("schema"), attester=attester)


def _level(node: Node) -> ServiceLevel:
    node.only("availability", "latency", "replicas")
    node.children()
    return ServiceLevel(
        availability_ppm=_availability(node),
        latency_ms=_duration(node, "latency"),
        replicas=node.integer("replicas", 1, MAX_REPLICAS),
    )


def _availability(node: Node) -> int:
    """A percentage with up to four decimals, in parts per million."""
    text = node.required("availability")
    try:
        parts = Decimal(text) * 10_000
    except InvalidOperation as error:
        raise node.fail("availability is not a percentage") from error
    if not (parts.is_finite() and 0 < parts <= 1_000_000) or parts != int(parts):
        raise node.fail("availability is a percentage up to 100 with at most four decimals")
    return int(parts)


def _duration(node: Node, attribute: str) -> int:
    found = _DURATION.fullmatch(node.required(attribute))
    if found is None:
        raise node.fail(f"{attribute} is not a duration such as 200ms, 5s, 2min or 1h")
    return int(found[1]) * _UNITS[found[2]]


def _script(node: Node) -> Script:
    node.only()
    source = node.text()
    if not source:
        raise node.fail("the script is empty")
    if len(source.encode()) > MAX_SOURCE_BYTES:
        raise node.fail(f"the script has more than {MAX_SOURCE_BYTES} bytes")
    return Script(source=source, handlers=exported_names(source))
