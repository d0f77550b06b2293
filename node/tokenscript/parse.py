"""From verified bytes to a :class:`~node.tokenscript.model.TokenScript`.

The editions of 2022/09 and 2024/01 are read as one language, strictly: what their schemas refuse
in structure (unknown elements and attributes, missing ones, duplicate names, references to
nothing, another order) is refused here, with line and column of the original file; the HTML of
views is not checked. The edition of 2020/06 is forgiven with warnings. Older
editions can be verified, not parsed.
"""

from dataclasses import replace
from functools import partial

from node.tokenscript.abi import canonical_type, parse_abi
from node.tokenscript.canonical import canonical_bytes, load
from node.tokenscript.filters import parse_filter
from node.tokenscript.model import (
    Card,
    CardKind,
    Contract,
    ContractAddress,
    Event,
    EventField,
    EventType,
    Generation,
    Selection,
    TokenScript,
)
from node.tokenscript.read_attestations import read_attestation
from node.tokenscript.read_attributes import (
    read_attribute,
    read_event,
    read_label,
    read_transaction,
)
from node.tokenscript.read_service import find_service, read_service
from node.tokenscript.reader import ETHEREUM_NAMESPACE, Node, Source
from node.tokenscript.service import Service
from node.tokenscript.signature import VerifiedScript
from node.tokenscript.xmldsig import DS, detach
from settlement.types import parse_address

_NAMESPACES = {edition.value: edition is Generation.G2020_06 for edition in Generation}
MAX_TOKEN_ATTRIBUTES = 128
_MAX_CHAIN_ID = (1 << 256) - 1
_TOKEN_CHILDREN = (
    "asnx:module",
    "ts:label",
    "ts:meta",
    "ts:contract",
    "ts:attestation",
    "ts:origins",
    "ts:selection",
    "ts:style",
    "ts:cards",
    "ts:grouping",
    "ts:ordering",
    "ts:attribute",
    "ts:transaction",
)
_META_CHILDREN = (
    "ts:description",
    "ts:aboutUrl",
    "ts:iconUrl",
    "ts:imageUrl",
    "ts:backgroundImageUrl",
    "ts:env",
)
_ETHEREUM_ATTRIBUTES = ("as", "bitmask", "contract", "function", "event", "filter", "select")
_CARD_CHILDREN = (
    "ts:label",
    "ts:origins",
    "ts:attribute",
    "ts:selection",
    "ts:input",
    "ts:output",
    "ts:transaction",
    "ts:guide-view",
    "ts:item-view",
    "ts:view",
)


def parse_signed(script: VerifiedScript) -> TokenScript:
    """Parse the bytes that were verified; raises ScriptInvalid or ScriptUnsafe."""
    return _parse(script.canonical, script.original)


def parse_unsigned(xml: bytes) -> TokenScript:
    """Parse a file whatever its signature: for an author's tools, never for a node."""
    tree = load(xml)
    for signature in tree.getroot().findall(f"{DS}Signature"):
        detach(signature)
    return _parse(canonical_bytes(tree, exclusive=True), xml)


def _parse(canonical: bytes, original: bytes) -> TokenScript:
    source = Source(canonical, original, namespaces=_NAMESPACES)
    return _Parser(source).token()


class _Parser:
    """Reads one script top down, then checks what refers to what."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root = source.root
        if self.root.tag != "ts:token":
            raise self.root.fail("the root is not ts:token")
        self.root.only("name", "custodian")
        self.nodes = self.root.sequence(*_TOKEN_CHILDREN)

    def each(self, tag: str) -> list[Node]:
        return [node for node in self.nodes if node.tag == tag]

    def one(self, tag: str) -> Node | None:
        return self.root.one_of(self.nodes, tag)

    def token(self) -> TokenScript:
        name = self.root.optional_name("name")
        if name is None:
            self.root.complain("the attribute 'name' is missing")
        contracts = tuple(_contract(node) for node in self.each("ts:contract"))
        attestations = tuple(read_attestation(node) for node in self.each("ts:attestation"))
        attributes = tuple(read_attribute(node) for node in self.each("ts:attribute"))
        if len(attributes) > MAX_TOKEN_ATTRIBUTES:
            raise self.root.fail(f"it has more than {MAX_TOKEN_ATTRIBUTES} attributes")
        modules = self.each("asnx:module")
        events = tuple(event for node in modules for event in _events(node))
        _refuse_twins([named for node in modules for named in node.elements()])
        _check_meta(self.one("ts:meta"))
        self._names_once()
        known = frozenset(one.name for one in contracts)
        self._contract_references(known, frozenset(one.name for one in events))
        script = TokenScript(
            generation=Generation(self.source.namespace),
            name=name,
            label=read_label(self.one("ts:label")),
            contracts=contracts,
            attestations=attestations,
            origins=self._origins(known, frozenset(one.name for one in attestations)),
            selections=tuple(_selection(node) for node in self.each("ts:selection")),
            cards=self._cards(),
            attributes=attributes,
            transactions=tuple(
                (node.name(), read_transaction(node)) for node in self.each("ts:transaction")
            ),
            events=events,
            service=self._service(known, frozenset(one.name for one in attributes)),
            warnings=(),
        )
        self._card_references(script)
        return replace(script, warnings=tuple(self.source.warnings))

    def _service(self, contracts: frozenset[str], attributes: frozenset[str]) -> Service | None:
        node = find_service(self.root)
        return read_service(node, contracts, attributes) if node else None

    def _names_once(self) -> None:
        """Contracts and attestations share one set of names (xs:ID); the others have their own."""
        for tags in (
            ("ts:contract", "ts:attestation"),
            ("ts:selection",),
            ("ts:attribute",),
            ("ts:transaction",),
        ):
            _refuse_twins([node for node in self.nodes if node.tag in tags])
        cards = self.one("ts:cards")
        if cards is None:
            self.root.complain("ts:cards is missing")
            return
        cards.only()
        children = cards.sequence("ts:viewContent", "ts:card")
        for view in children:
            if view.tag == "ts:viewContent":
                view.only("name")
                view.required("name")
        if not cards.at("ts:card"):
            cards.complain("ts:card is missing")
        for tag in ("ts:viewContent", "ts:card"):
            _refuse_twins([node for node in children if node.tag == tag])

    def _contract_references(self, contracts: frozenset[str], events: frozenset[str]) -> None:
        for name in ("call", "event", "transaction", "storage"):
            for node in self.root.below(ETHEREUM_NAMESPACE, name):
                contract = node.get("contract")
                if contract is not None and contract not in contracts:
                    node.complain(f"the contract {contract!r} is not declared")
                if name == "event" and node.get("type") not in events:
                    node.complain(f"the event {node.get('type')!r} is not declared")

    def _origins(self, contracts: frozenset[str], attestations: frozenset[str]) -> tuple[str, ...]:
        origins = self.one("ts:origins")
        found: list[str] = []
        if origins:
            origins.only()
        for node in origins.sequence("ts:ethereum", "ts:attestation") if origins else []:
            attribute = "contract" if node.tag == "ts:ethereum" else "name"
            node.only(*(_ETHEREUM_ATTRIBUTES if node.tag == "ts:ethereum" else ("name",)))
            name = node.name(attribute)
            if name not in (contracts if node.tag == "ts:ethereum" else attestations):
                raise node.fail(f"{name!r} is not declared")
            found.append(name)
        return tuple(found)

    def _cards(self) -> tuple[Card, ...]:
        return tuple(self._card(node) for node in self.root.at("ts:cards", "ts:card"))

    def _card(self, node: Node) -> Card:
        node.only("type", "buttonClass", "exclude", "origins", "name")
        if node.get("name") is None:
            node.complain("the attribute 'name' is missing")
        kind = node.required("type")
        if kind not in set(CardKind):
            raise node.fail(f"type={kind!r} is not a kind of card")
        children = node.sequence(*_CARD_CHILDREN)

        def each(tag: str) -> list[Node]:
            return [child for child in children if child.tag == tag]

        for view in each("ts:view") + each("ts:item-view") + each("ts:guide-view"):
            view.only("url", "urlFragment", "uiButton", "fullScreen")
        transaction = each("ts:transaction")
        if len(transaction) > 1:
            raise transaction[1].fail("ts:transaction may stand once in ts:card")
        _refuse_twins(each("ts:attribute"))
        return Card(
            name=node.optional_name("name"),
            kind=CardKind(kind),
            label=read_label(node.one_of(children, "ts:label")),
            origins=node.names("origins"),
            exclude=node.names("exclude"),
            events=_card_events(node.one_of(children, "ts:origins")),
            attributes=tuple(read_attribute(one) for one in each("ts:attribute")),
            selections=tuple(_selection(one) for one in each("ts:selection")),
            transaction=read_transaction(transaction[0]) if transaction else None,
        )

    def _card_references(self, script: TokenScript) -> None:
        """Cards name selections to exclude and origins to be shown for; both must exist."""
        origins = {one.name for one in script.contracts} | {one.name for one in script.attestations}
        for node, card in zip(self.root.at("ts:cards", "ts:card"), script.cards, strict=True):
            selections = {one.name for one in (*script.selections, *card.selections)}
            for name in card.exclude:
                if name not in selections:
                    node.complain(f"the selection {name!r} is not declared")
            for name in card.origins:
                if name not in origins:
                    node.complain(f"the origin {name!r} is not declared")


def _card_events(origins: Node | None) -> tuple[Event, ...]:
    if origins is None:
        return ()
    origins.only()
    events = tuple(read_event(one) for one in origins.children("ethereum:event"))
    if not events:
        origins.complain("an origin is missing")
    return events


def _check_meta(node: Node | None) -> None:
    """Descriptions and addresses for people; they are not kept, but they are checked."""
    if node is None:
        return
    node.only()
    for child in node.children(*_META_CHILDREN):
        child.leaf("quantity", "name")


def _refuse_twins(nodes: list[Node]) -> None:
    seen: set[str] = set()
    for node in nodes:
        name = node.get("name")
        if name is not None and name in seen:
            raise node.fail(f"the name {name!r} is taken already")
        seen.add(name or "")


def _contract(node: Node) -> Contract:
    node.only("name", "interface", "id")
    children = node.sequence("ts:address", "ts:interface", "ts:abi")
    addresses: dict[int, ContractAddress] = {}
    for child in children:
        if child.tag != "ts:address":
            continue
        child.only("network")
        chain_id = child.integer("network", 1, _MAX_CHAIN_ID)
        if chain_id in addresses:
            raise child.fail(f"the chain {chain_id} has an address already")
        address = child.reading(partial(parse_address, child.text()))
        addresses[chain_id] = ContractAddress(chain_id=chain_id, address=address)
    if not addresses:
        node.complain("ts:address is missing")
    abi = node.one_of(children, "ts:abi")
    return Contract(
        name=node.name(),
        interface=node.optional_name("interface"),
        addresses=tuple(addresses.values()),
        functions=abi.reading(lambda: parse_abi(abi.leaf())) if abi else (),
    )


def _selection(node: Node) -> Selection:
    node.only("name", "filter")
    children = node.sequence("ts:label", "ts:denial")
    text = node.required("filter")
    return Selection(
        name=node.name(),
        filter=node.reading(lambda: parse_filter(text)),
        label=read_label(node.one_of(children, "ts:label")),
        denial=read_label(node.one_of(children, "ts:denial")),
    )


def _events(module: Node) -> list[EventType]:
    module.only("name")
    return [_event_type(node) for node in module.children("namedType")]


def _event_type(node: Node) -> EventType:
    """``<type><sequence><element .../></sequence></type>``; the steps have no attributes."""
    node.only("name")
    step = node
    for tag in ("type", "sequence"):
        inner = step.one_of(step.children(tag), tag)
        if inner is None:
            raise step.fail(f"{tag} is missing")
        inner.only()
        step = inner
    fields = tuple(_event_field(one) for one in step.children("element"))
    if not fields:
        node.complain("the event declares no fields")
    return EventType(name=node.name(), fields=fields)


def _event_field(node: Node) -> EventField:
    node.only("name", "type")
    node.children()
    kind = node.qualified(ETHEREUM_NAMESPACE, "type") or ""
    return EventField(
        name=node.name(),
        type=node.reading(lambda: canonical_type(kind)),
        indexed=node.qualified(ETHEREUM_NAMESPACE, "indexed") == "true",
    )
