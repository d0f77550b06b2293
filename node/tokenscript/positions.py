"""Where things stand in the original file, found only when somebody must be told.

A script is parsed from its canonical form, which has lost the file's lines. The n-th element of
the one is the n-th element of the other once the Signature is left out of both, so a second
reading of the original gives an element's own line and column. Expat reports them exactly; lxml
knows no columns.
"""

from dataclasses import dataclass
from xml.parsers import expat

from node.errors import ScriptInvalid

SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
_SEPARATOR = " "
_SIGNATURE = f"{SIGNATURE_NAMESPACE}{_SEPARATOR}Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a file; line and column count from 1."""

    line: int
    column: int


class _Finder:
    """Notes the start tags outside the Signature, in document order."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.found: list[Position] = []
        self.root_end = -1
        self._depth = 0
        self._signature_depth = 0

    def read(self, original: bytes) -> None:
        """Raises ScriptInvalid for what lxml reads and expat does not (some encodings, names)."""
        try:
            self.parser.Parse(original, True)  # noqa: FBT003 - expat takes no keywords
        except expat.ExpatError as error:
            raise ScriptInvalid(
                where="the document",
                problem=f"readers disagree about it: {expat.ErrorString(error.code)}",
                line=error.lineno,
                column=error.offset + 1,
            ) from error
        except (ValueError, LookupError) as error:
            raise ScriptInvalid(
                where="the document", problem=f"its encoding: {error}", line=1, column=1
            ) from error

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._signature_depth == 0 and self._depth == 2 and name == _SIGNATURE:
            self._signature_depth = self._depth
        if self._signature_depth:
            return
        parser = self.parser
        self.found.append(
            Position(line=parser.CurrentLineNumber, column=parser.CurrentColumnNumber + 1)
        )

    def _end(self, _name: str) -> None:
        if self._depth == self._signature_depth:
            self._signature_depth = 0
        self._depth -= 1
        if self._depth == 0:
            self.root_end = self.parser.CurrentByteIndex


def positions_of(original: bytes) -> tuple[Position, ...]:
    """Where each element's start tag stands, in document order, the Signature left out.

    ``original`` must have passed :func:`node.tokenscript.canonical.load`. Raises ScriptInvalid.
    """
    finder = _Finder()
    finder.read(original)
    return tuple(finder.found)


def root_end_tag(original: bytes) -> int:
    """The byte at which the root's end tag begins."""
    finder = _Finder()
    finder.read(original)
    return finder.root_end
