"""Reading TSML bytes safely, and their canonical form.

Whatever comes from outside passes :func:`load` first. It refuses what could cost more than its
size is worth (too many bytes, nodes, levels, attributes or namespace declarations) and what
could bring in text from elsewhere (DOCTYPE, entities, XInclude, build-time includes), in time
linear in the size. Comments never reach the tree: Canonical XML without comments leaves them
unsigned, and one inside ``<ts:address>`` would otherwise split its text in two.

Sources: XML 1.0 (5th edition) sections 2.8 and 4; Canonical XML 1.0; Exclusive Canonical XML 1.0.
"""

import re
from typing import Any

from lxml import etree
from lxml.etree import _Element, _ElementTree

from node.errors import ScriptInvalid, ScriptUnsafe

MAX_BYTES = 2 * 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 128
MAX_ATTRIBUTES = 256
"""Attributes on one element; canonical form sorts them by insertion, in quadratic time."""
MAX_NAMESPACES = 2_000
"""Namespace declarations in the file, counted by the word before anything is parsed."""
MAX_CANONICAL_WORK = 10_000_000
"""Elements by prefixes by declarations: inclusive canonical form looks each prefix in scope up
again at each element (4 ns per unit measured, so 40 ms)."""

XINCLUDE = "http://www.w3.org/2001/XInclude"
_PLACEHOLDER = b"$tst{"
_DECLARATION = re.compile(
    rb"""<\?xml\s+version\s*=\s*(["'])1\.0\1(\s+encoding\s*=\s*(["'])(utf-8)\3)?"""
    rb"""(\s+standalone\s*=\s*(["'])(yes|no)\6)?\s*\?>""",
    re.IGNORECASE,
)
_BOM = b"\xef\xbb\xbf"
_TOO_DEEP = f"boolean({'/*' * (MAX_DEPTH + 1)})"
_ATTRIBUTES = "count(//@*)"
_TOO_WIDE = f"boolean(//*[count(@*) > {MAX_ATTRIBUTES}])"


def load(xml: bytes) -> _ElementTree:
    """Parse TSML bytes into a tree without comments.

    Raises :class:`ScriptUnsafe` for what is refused unread and :class:`ScriptInvalid` (with line
    and column) for XML that is not well-formed.
    """
    _refuse_by_bytes(xml)
    tree = _parse(xml)
    _refuse_by_tree(tree)
    return tree


def canonical_bytes(tree: _ElementTree | _Element, *, exclusive: bool) -> bytes:
    """Canonical XML 1.0 without comments of a document, or of an element in its context.

    Raises ScriptInvalid where there is none: a relative namespace name.
    """
    try:
        return etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=False)
    except etree.C14NError as error:
        raise ScriptInvalid(
            where="a namespace", problem="its name is a relative URI", line=1, column=1
        ) from error


def _parse(xml: bytes) -> _ElementTree:
    # A parser of its own per document: lxml's parsers carry state and are shared by no one here.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        return etree.fromstring(xml, parser).getroottree()
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise ScriptInvalid(
            where="the XML", problem=str(error.msg), line=line or 1, column=column or 1
        ) from error


def _refuse_by_bytes(xml: bytes) -> None:
    if len(xml) > MAX_BYTES:
        raise ScriptUnsafe(problem=f"the file has {len(xml)} bytes, at most {MAX_BYTES} are read")
    if _PLACEHOLDER in xml:
        line, column = _position(xml, xml.index(_PLACEHOLDER))
        raise ScriptUnsafe(problem="a $tst{} placeholder was not built", line=line, column=column)
    # An element costs two angle brackets, or one when it is empty; text and views have few more.
    if xml.count(b"<") > 2 * MAX_NODES:
        raise ScriptUnsafe(problem=f"the file has more than {MAX_NODES} nodes")
    if xml.count(b"xmlns") > MAX_NAMESPACES:
        raise ScriptUnsafe(problem=f"more than {MAX_NAMESPACES} namespaces are declared")
    _refuse_prolog(xml)


def _refuse_prolog(xml: bytes) -> None:
    """Walk to the root element; a DOCTYPE can stand nowhere else."""
    at = len(_BOM) if xml.startswith(_BOM) else 0
    if xml.startswith(b"<?xml", at):
        declaration = _DECLARATION.match(xml, at)
        if declaration is None:
            raise ScriptUnsafe(problem="the file is not XML 1.0 in UTF-8", line=1, column=1)
        at = declaration.end()
    while True:
        at = _skip_space(xml, at)
        if xml.startswith(b"<!--", at):
            at = _after(xml, b"-->", at)
        elif xml.startswith(b"<?", at):
            at = _after(xml, b"?>", at)
        elif xml.startswith(b"<!", at):
            line, column = _position(xml, at)
            raise ScriptUnsafe(problem="a DOCTYPE is not accepted", line=line, column=column)
        else:
            return


def _skip_space(xml: bytes, at: int) -> int:
    while at < len(xml) and xml[at] in b" \t\r\n":
        at += 1
    return at


def _after(xml: bytes, end: bytes, at: int) -> int:
    found = xml.find(end, at)
    if found < 0:
        line, column = _position(xml, at)
        raise ScriptInvalid(
            where="the XML", problem="a comment or instruction never ends", line=line, column=column
        )
    return found + len(end)


def _position(xml: bytes, at: int) -> tuple[int, int]:
    """Line and column, from 1, of a byte."""
    return xml.count(b"\n", 0, at) + 1, at - xml.rfind(b"\n", 0, at)


def _refuse_by_tree(tree: _ElementTree) -> None:
    document: Any = tree.docinfo  # its stub lacks the attribute
    if document.internalDTD is not None:
        raise ScriptUnsafe(problem="a DOCTYPE is not accepted")
    root = tree.getroot()
    if root.xpath(_TOO_DEEP):
        raise ScriptUnsafe(problem=f"elements are nested deeper than {MAX_DEPTH}")
    if root.xpath(_TOO_WIDE):
        raise ScriptUnsafe(problem=f"an element has more than {MAX_ATTRIBUTES} attributes")
    attributes: Any = root.xpath(_ATTRIBUTES)
    count, elements = int(attributes), 0
    for element in root.iter("*"):
        elements += 1
        count += 1 + bool(element.text) + bool(element.tail)
        if element.tag.startswith(f"{{{XINCLUDE}}}"):
            raise ScriptUnsafe(problem="XInclude is not accepted")
    if count > MAX_NODES:
        raise ScriptUnsafe(problem=f"the file has more than {MAX_NODES} nodes")
    _refuse_namespaces(tree, elements)


def _refuse_namespaces(tree: _ElementTree, elements: int) -> None:
    declared = [prefix for _, (prefix, _uri) in etree.iterwalk(tree, events=("start-ns",))]
    prefixes = sum(1 for prefix in declared if prefix)
    if elements * prefixes * len(declared) > MAX_CANONICAL_WORK:
        raise ScriptUnsafe(problem="too many namespace prefixes for so many elements")
