"""Reading attributes, their origins, and the calls and transactions that take arguments."""

from node.tokenscript.abi import canonical_type
from node.tokenscript.model import (
    Argument,
    As,
    Attribute,
    Call,
    Data,
    Event,
    FromAttribute,
    FromTokenId,
    Generation,
    Label,
    LabelText,
    MappingOption,
    Origin,
    Storage,
    Syntax,
    Transaction,
    UserEntry,
)
from node.tokenscript.reader import Node

_QUANTITIES = ("zero", "one", "two", "few", "many", "other")
_OWN_TYPES = ("struct", "abi")
_MAX_WORD = (1 << 256) - 1


def read_label(node: Node | None) -> Label:
    """``ts:label``, ``ts:denial``: plurals and plain strings by language."""
    texts: list[LabelText] = []
    if node:
        node.only()
    for child in node.sequence("ts:plurals", "ts:string") if node else []:
        if child.tag == "ts:string":
            texts.append(_wording(child, child.language))
        else:
            child.only()
            if not child.language:
                child.complain("xml:lang is missing")
            texts += [_wording(one, child.language) for one in child.children("ts:string")]
    return Label(texts=tuple(texts))


def read_attribute(node: Node) -> Attribute:
    """``ts:attribute`` of a token or a card."""
    node.only("name", "oid", "distinct", "id")
    children = node.sequence("ts:type", "ts:label", "ts:origins")
    origins = node.one_of(children, "ts:origins")
    if origins is None:
        raise node.fail("ts:origins is missing")
    kind = node.one_of(children, "ts:type")
    if kind is None and node.namespace != Generation.G2024_01:
        node.complain("ts:type is missing")
    return Attribute(
        name=node.name(),
        syntax=_syntax(kind),
        label=read_label(node.one_of(children, "ts:label")),
        origins=_origins(origins),
        distinct=node.get("distinct") == "true",
    )


def read_event(node: Node) -> Event:
    """``ethereum:event``."""
    node.only("type", "contract", "filter", "select")
    node.children()
    if node.get("contract") is None:
        node.complain("the attribute 'contract' is missing")
    return Event(
        contract=node.optional_name("contract"),
        type=node.name("type"),
        filter=node.get("filter"),
        select=node.optional_name("select"),
    )


def read_transaction(node: Node) -> Transaction:
    """``ts:transaction`` and the ``ethereum:transaction`` in it."""
    node.only("name")
    inner = node.one_of(node.children("ethereum:transaction"), "ethereum:transaction")
    if inner is None:
        raise node.fail("ethereum:transaction is missing")
    inner.only("as", "contract", "select", "type", "function")
    children = inner.sequence("ts:data", "ts:mapping", "ethereum:to", "ethereum:value")
    return Transaction(
        contract=inner.optional_name("contract"),
        function=inner.optional_name("function"),
        arguments=_arguments(inner.one_of(children, "ts:data")),
        conversion=_conversion(inner),
        value=_typed_argument(inner.one_of(children, "ethereum:value"), "uint256"),
        to=_typed_argument(inner.one_of(children, "ethereum:to"), "address"),
    )


def _wording(node: Node, language: str) -> LabelText:
    node.only("quantity")
    quantity = node.get("quantity")
    if quantity is not None and quantity not in _QUANTITIES:
        raise node.fail(f"{quantity!r} is not a plural category")
    return LabelText(language=node.language or language, quantity=quantity, text=node.text())


def _syntax(node: Node | None) -> Syntax | None:
    if node is None:
        return None
    node.only()
    inner = node.one_of(node.children("ts:syntax"), "ts:syntax")
    if inner is None:
        raise node.fail("ts:syntax is missing")
    text = inner.leaf()
    if text not in set(Syntax):
        raise inner.fail(f"{text!r} is not the OID of a syntax that is known")
    return Syntax(text)


_ORIGINS = (
    "ethereum:call",
    "ethereum:event",
    "ethereum:storage",
    "ts:user-entry",
    "ts:token-id",
    "ts:data",
    "ts:attribute",
)


def _origins(node: Node) -> tuple[Origin, ...]:
    node.only()
    found = tuple(_origin(child) for child in node.children(*_ORIGINS))
    if not found:
        raise node.fail("an origin is missing")
    return found


def _origin(node: Node) -> Origin:
    match node.tag:
        case "ethereum:call":
            return _call(node)
        case "ethereum:event":
            return read_event(node)
        case "ethereum:storage":
            return Storage(
                variable=node.name("variable"),
                index=node.integer("index", 0, _MAX_WORD),
                contract=node.optional_name("contract"),
            )
        case "ts:user-entry":
            node.only("as")
            children = node.children("ts:mapping")
            return UserEntry(conversion=_required_conversion(node), mapping=_mapping(children))
        case "ts:token-id":
            node.only("as", "bitmask")
            return FromTokenId(
                conversion=_required_conversion(node),
                bitmask=_bitmask(node),
                mapping=_mapping(node.children("ts:mapping")),
            )
        case "ts:data":
            return Data(arguments=_arguments(node))
        case _:
            node.only("ref")
            mapping = _mapping(node.children("ts:mapping"))
            return FromAttribute(reference=node.name("ref"), mapping=mapping)


def _call(node: Node) -> Call:
    node.only("as", "contract", "select", "type", "function")
    children = node.sequence("ts:data", "ts:mapping")
    return Call(
        contract=node.optional_name("contract"),
        function=node.name("function"),
        arguments=_arguments(node.one_of(children, "ts:data")),
        conversion=_conversion(node),
        select=node.optional_name("select"),
        mapping=_mapping(children),
    )


def _conversion(node: Node) -> As | None:
    value = node.get("as")
    if value is None:
        return None
    if value not in set(As):
        raise node.fail(f"as={value!r} is not a conversion that is known")
    return As(value)


def _required_conversion(node: Node) -> As:
    node.required("as")
    conversion = _conversion(node)
    assert conversion is not None
    return conversion


def _bitmask(node: Node) -> int | None:
    text = node.get("bitmask")
    if text is None:
        return None
    try:
        mask = int.from_bytes(bytes.fromhex(text), "big")
    except ValueError as error:
        raise node.fail("the bitmask is not hexadecimal") from error
    if not 0 < mask <= _MAX_WORD:
        raise node.fail("the bitmask is empty or wider than a token's number")
    return mask


def _mapping(children: list[Node]) -> tuple[MappingOption, ...]:
    found = [child for child in children if child.tag == "ts:mapping"]
    if len(found) > 1:
        raise found[1].fail("ts:mapping may stand once")
    inner = found[0] if found else None
    if inner:
        inner.only()
    options: dict[str, MappingOption] = {}
    for option in inner.children("ts:option") if inner else []:
        option.only("key")
        key = option.required("key")
        if key in options:
            raise option.fail(f"the key {key!r} stands twice")
        values = tuple(
            LabelText(language=one.language, quantity=None, text=one.leaf())
            for one in option.children("ts:value")
        )
        if not values:
            raise option.fail("ts:value is missing")
        options[key] = MappingOption(key=key, values=values)
    return tuple(options.values())


def _arguments(node: Node | None) -> tuple[Argument, ...]:
    if node is None:
        return ()
    node.only("ref")
    return tuple(_argument(child) for child in node.elements())


def _argument(node: Node) -> Argument:
    prefix, _, local = node.tag.rpartition(":")
    if prefix != "ts":
        raise node.fail("it is not a type of argument")
    name = local if local in _OWN_TYPES else node.reading(lambda: canonical_type(local))
    return _value(node, name)


def _typed_argument(node: Node | None, name: str) -> Argument | None:
    return _value(node, name) if node else None


def _value(node: Node, type_name: str) -> Argument:
    node.only("ref", "local-ref")
    reference, local = node.get("ref"), node.get("local-ref")
    text = node.text()
    if sum(1 for one in (reference, local, text or None) if one is not None) > 1:
        raise node.fail("a reference and a constant exclude each other")
    for path in (reference, local):
        if path is not None:
            node.as_name(path)
    constant = None if reference is not None or local is not None else text
    if constant == "" and type_name not in {"string", "bytes"}:
        raise node.fail("a value or a reference is missing")
    return Argument(type=type_name, constant=constant, reference=reference, local_reference=local)
