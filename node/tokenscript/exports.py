"""The names that a script exports, read from its source without running it.

A list for people and for early errors. What a script really exports, the sandbox finds out.
"""

import re

# Comments, strings and templates come first, so that an "export" inside one is not taken for a
# word. Possessive and with optional ends: an unterminated one runs to the end, once.
_TOKEN = re.compile(
    r"""
    (?P<skip>
        //[^\n]*+
      | /\*(?:[^*]|\*(?!/))*+(?:\*/)?
      | "(?:\\.|[^"\\\n])*+"?
      | '(?:\\.|[^'\\\n])*+'?
      | `(?:\\.|[^`\\])*+`?
    )
  | \bexport\s++(?:default\s++)?(?:async\s++)?function\s*+\*?\s*+(?P<function>[A-Za-z_$][\w$]*+)
  | \bexport\s++(?:const|let|var|class)\s++(?P<value>[A-Za-z_$][\w$]*+)
  | \bexport\s*+\{(?P<names>[^{}]{0,4096}+)\}
    """,
    re.VERBOSE | re.DOTALL,
)


def exported_names(source: str) -> tuple[str, ...]:
    """Names of exported functions and values, in order of appearance, each once."""
    found: dict[str, None] = {}
    for token in _TOKEN.finditer(source):
        match token.lastgroup:
            case "function" | "value" as kind:
                found[token[kind]] = None
            case "names":
                found.update(dict.fromkeys(_listed(token["names"])))
            case _:
                continue
    return tuple(found)


def _listed(names: str) -> list[str]:
    """``a, b as c`` to a and c."""
    return [item.split()[-1] for item in names.split(",") if item.strip()]
