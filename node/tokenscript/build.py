"""Building a script from its template: ``{{name}}`` is replaced by a value, then it is signed.

Our placeholders are unlike the ``$tst{NAME}`` of other tools, so that a file that was built by
neither is refused by both. Values are plain: they cannot bring in markup, quotes or another
placeholder, so the structure of the script is the template's alone.
"""

import re
from collections.abc import Mapping

from node.errors import ScriptUnfinished
from node.tokenscript.parse import parse_unsigned

_PLACEHOLDER = re.compile(rb"\{\{([a-z][a-z0-9_]*)\}\}")
_VALUE = re.compile(r"[A-Za-z0-9 ._~:/?=@%+,;!*()\[\]\-]+")


def placeholders(template: bytes) -> tuple[str, ...]:
    """The names that a template asks for, each once, in order."""
    return tuple(dict.fromkeys(name.decode() for name in _PLACEHOLDER.findall(template)))


def build(template: bytes, values: Mapping[str, str]) -> bytes:
    """Fill in a template; the result has passed the parser and is ready to be signed.

    Raises ScriptUnfinished for a placeholder without value, a value without placeholder or one
    with characters that could change the structure; and what the parser raises.
    """
    wanted = placeholders(template)
    for name in wanted:
        if name not in values:
            raise ScriptUnfinished(placeholder=name, problem="it has no value")
    for name, value in values.items():
        if name not in wanted:
            raise ScriptUnfinished(placeholder=name, problem="the template does not have it")
        if _VALUE.fullmatch(value) is None:
            raise ScriptUnfinished(placeholder=name, problem="its value has special characters")
    built = _PLACEHOLDER.sub(lambda found: values[found[1].decode()].encode(), template)
    parse_unsigned(built)
    return built
