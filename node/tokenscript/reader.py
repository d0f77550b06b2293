"""Typed access to the elements of a script, with errors that say where.

Elements are known by namespace URI and local name. In messages and in allowed lists they carry
the customary prefixes (``ts:contract``, ``ethereum:call``, ``sl:service``), whatever the file
itself calls them.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from lxml import etree
from lxml.etree import _Element

from node.errors import FilterInvalid, ScriptInvalid
from node.tokenscript.canonical import load
from node.tokenscript.positions import SIGNATURE_NAMESPACE, Position, positions_of
from settlement.errors import InputError
from settlement.types import Address, Hash, parse_address, parse_hash

T = TypeVar("T")

ETHEREUM_NAMESPACE = "urn:ethereum:constantinople"
ASNX_NAMESPACE = "urn:ietf:params:xml:ns:asnx"
SERVICE_NAMESPACE = "urn:smartlayer:service:1"
XHTML_NAMESPACE = "http://www.w3.org/1999/xhtml"
MAX_WARNINGS = 200
"""Breaches that an edition is forgiven before it is refused after all."""
_XML_NAMESPACE = "{http://www.w3.org/XML/1998/namespace}"
_NCNAME = re.compile(r"[^\W\d][\w.\-]*")
_PREFIXES = {
    ETHEREUM_NAMESPACE: "ethereum",
    ASNX_NAMESPACE: "asnx",
    SERVICE_NAMESPACE: "sl",
    SIGNATURE_NAMESPACE: "ds",
    XHTML_NAMESPACE: "xhtml",
}


class Source:
    """A script being read: its canonical tree, its original bytes, what was forgiven so far."""

    def __init__(self, canonical: bytes, original: bytes, *, namespaces: dict[str, bool]) -> None:
        """``namespaces`` are the language's editions, each with whether it is forgiven much."""
        self._original = original
        self._tree = load(canonical)
        self._positions: dict[_Element, Position] = {}
        self.warnings: list[str] = []
        element = self._tree.getroot()
        self.namespace = str(etree.QName(element).namespace or "")
        self.lenient = namespaces.get(self.namespace, False)
        self.root = Node(element, self)
        if self.namespace not in namespaces:
            raise self.root.fail(f"the namespace {self.namespace!r} is not an edition that is read")

    def short(self, name: str) -> str:
        """``{namespace}local`` with the customary prefix."""
        qualified = etree.QName(name)
        namespace = str(qualified.namespace or "")
        prefix = "ts" if namespace == self.namespace else _PREFIXES.get(namespace)
        if prefix is None:
            return name if namespace else qualified.localname
        return f"{prefix}:{qualified.localname}"

    def fail(self, element: _Element, where: str, problem: str) -> ScriptInvalid:
        """The error for an element, with its place in the original file."""
        if not self._positions:
            elements = list(self._tree.getroot().iter("*"))
            found = positions_of(self._original)
            if len(found) != len(elements):
                return ScriptInvalid(where=where, problem=problem, line=0, column=0)
            self._positions = dict(zip(elements, found, strict=True))
        position = self._positions[element]
        return ScriptInvalid(
            where=where, problem=problem, line=position.line, column=position.column
        )


class Node:
    """An element of the script."""

    __slots__ = ("_element", "_source", "tag")

    def __init__(self, element: _Element, source: Source) -> None:
        self._element = element
        self._source = source
        self.tag = source.short(str(element.tag))

    @property
    def namespace(self) -> str:
        """The namespace of the script's edition."""
        return self._source.namespace

    @property
    def where(self) -> str:
        """The element's tag and name, for people."""
        name = self._element.get("name")
        return f"{self.tag} {name!r}" if name else self.tag

    def fail(self, problem: str) -> ScriptInvalid:
        """The error to raise for this element."""
        return self._source.fail(self._element, self.where, problem)

    def complain(self, problem: str) -> None:
        """Raise, or note a warning in an edition that is forgiven."""
        error = self.fail(problem)
        if not self._source.lenient or len(self._source.warnings) >= MAX_WARNINGS:
            raise error
        self._source.warnings.append(f"line {error.line}: {self.where}: {problem}")

    # --- attributes --------------------------------------------------------------------------

    def only(self, *names: str) -> None:
        """Complain about attributes other than these (and those of other namespaces)."""
        for name in self._element.attrib:
            if not str(name).startswith("{") and name not in names:
                self.complain(f"the attribute {name!r} is not known")

    def get(self, name: str) -> str | None:
        """An attribute's value."""
        return self._element.get(name)

    def qualified(self, namespace: str, name: str) -> str | None:
        """The value of an attribute with a namespace."""
        return self._element.get(f"{{{namespace}}}{name}")

    @property
    def language(self) -> str:
        """xml:lang, or nothing."""
        return self._element.get(f"{_XML_NAMESPACE}lang") or ""

    def required(self, name: str) -> str:
        """An attribute that must be there and not be empty."""
        value = (self.get(name) or "").strip()
        if not value:
            raise self.fail(f"the attribute {name!r} is missing")
        return value

    def name(self, attribute: str = "name") -> str:
        """A required attribute that is an XML name without colon."""
        return self.as_name(self.required(attribute))

    def optional_name(self, attribute: str) -> str | None:
        """An attribute that is an XML name, if there is one."""
        return None if self.get(attribute) is None else self.name(attribute)

    def as_name(self, value: str) -> str:
        """Check that a value is an XML name without colon."""
        if _NCNAME.fullmatch(value) is None or len(value) > 128:
            raise self.fail(f"{value[:40]!r} is not a name")
        return value

    def names(self, attribute: str) -> tuple[str, ...]:
        """A list of names separated by space."""
        return tuple(self.as_name(one) for one in (self.get(attribute) or "").split())

    def integer(self, attribute: str, low: int, high: int) -> int:
        """A required attribute that is a decimal integer in a range."""
        return self.as_integer(self.required(attribute), low, high, attribute)

    def as_integer(self, value: str, low: int, high: int, what: str) -> int:
        """Read a decimal integer in a range."""
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 78:
            raise self.fail(f"{what} is not an integer: {value[:40]!r}")
        if not low <= int(value) <= high:
            raise self.fail(f"{what} is {value[:40]}, outside {low} to {high}")
        return int(value)

    def address(self, attribute: str) -> Address:
        """A required attribute that is an address."""
        return self.reading(lambda: parse_address(self.required(attribute), attribute))

    def hash(self, attribute: str) -> Hash:
        """A required attribute that is 32 bytes in hexadecimal."""
        return self.reading(lambda: parse_hash(self.required(attribute), attribute))

    def reading(self, read: Callable[[], T]) -> T:
        """Run a reader of text and give its error this element's place."""
        try:
            return read()
        except InputError as error:
            raise self.fail(f"{error.where}: {error.problem}") from error
        except FilterInvalid as error:
            raise self.fail(f"the filter at position {error.position}: {error.problem}") from error

    # --- content -----------------------------------------------------------------------------

    def leaf(self, *attributes: str) -> str:
        """The text of an element that holds nothing else and has only these attributes."""
        self.only(*attributes)
        return self.text()

    def text(self) -> str:
        """The text of an element that may hold nothing else, stripped."""
        if len(self._element):
            raise self.fail("only text may stand here")
        return (self._element.text or "").strip()

    def children(self, *tags: str) -> "list[Node]":
        """The elements inside; complains about others than these, and about stray text."""
        nodes = self.elements()
        stray = [self._element.text, *(child.tail for child in self._element)]
        if any(text and text.strip() for text in stray):
            self.complain("text may not stand here")
        for node in nodes:
            if node.tag not in tags:
                node.complain(f"the element is not known in {self.tag}")
        return [node for node in nodes if node.tag in tags]

    def sequence(self, *tags: str) -> "list[Node]":
        """As :meth:`children`, and they must come in the order in which the tags are given."""
        nodes = self.children(*tags)
        for before, after in pairwise(nodes):
            if tags.index(before.tag) > tags.index(after.tag):
                after.complain(f"it must stand before {before.tag}")
        return nodes

    def elements(self) -> "list[Node]":
        """The elements inside, whatever they are."""
        return [Node(child, self._source) for child in self._element.iterchildren("*")]

    def below(self, namespace: str, name: str) -> "list[Node]":
        """Every element of that name at any depth."""
        found = self._element.iter(f"{{{namespace}}}{name}")
        return [Node(one, self._source) for one in found]

    def at(self, *path: str) -> "list[Node]":
        """The elements reached by following tags downwards."""
        nodes = [self]
        for tag in path:
            nodes = [child for node in nodes for child in node.elements() if child.tag == tag]
        return nodes

    def one_of(self, nodes: "list[Node]", tag: str) -> "Node | None":
        """The only child with a tag among ``nodes``, or None; raises for a second one."""
        found = [node for node in nodes if node.tag == tag]
        if len(found) > 1:
            raise found[1].fail(f"{tag} may stand once in {self.tag}")
        return found[0] if found else None
