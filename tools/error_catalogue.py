"""Write docs/errors.md: every error of both packages with its meaning and its fix.

``python tools/error_catalogue.py`` writes it; ``--check`` says whether it is up to date (exit 1 if
not).
"""

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import node  # noqa: E402 - the tree's own packages, wherever this is called from
import settlement  # noqa: E402
from settlement.errors import Party, SmartLayerError  # noqa: E402

CATALOGUE = ROOT / "docs" / "errors.md"
GROUPS = (
    ("SL-1", "Input and signatures"),
    ("SL-2", "Payments"),
    ("SL-3", "Access"),
    ("SL-4", "Scripts and attestations"),
    ("SL-5", "The network"),
    ("SL-6", "Sandbox and effects"),
    ("SL-7", "The chain"),
    ("SL-8", "This process"),
    ("SL-9", "This process, beyond its own doing"),
)
WHO = {
    Party.CALLER: "the caller",
    Party.PEER: "a peer",
    Party.CHAIN: "the chain",
    Party.US: "this process",
}
HEAD = """# Errors

Every error that leaves Smart Layer has a code that stays the same, a title, and a sentence that
says what to do. Over HTTP it is a problem document (`code`, `title`, `hint`, `retryable`,
`charged`); on the command line one sentence and an exit code; in Python an exception with fields.
Names in braces are fields that the sentence is filled with. “Retry” says whether the same request
may succeed later.

This page is made by `tools/error_catalogue.py` from the errors themselves; a test compares them.
"""


def errors() -> list[type[SmartLayerError]]:
    """Every error of both packages, by code."""
    for package in (settlement, node):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Alembic alone can run its versions; a module called __main__ starts a program.
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return sorted(_below(SmartLayerError), key=lambda error: error.code)


def _below(error: type[SmartLayerError]) -> set[type[SmartLayerError]]:
    ours = {e for e in error.__subclasses__() if e.__module__.startswith(("node.", "settlement."))}
    return {error} | {each for child in ours for each in _below(child)}


def render() -> str:
    """The whole page."""
    found = errors()
    parts = [HEAD]
    for prefix, title in GROUPS:
        members = [error for error in found if error.code.startswith(prefix)]
        if members:
            parts.append(f"\n## {prefix}xxx: {title}\n\n" + "\n".join(map(_entry, members)))
    return "".join(parts)


def _entry(error: type[SmartLayerError]) -> str:
    meaning = " ".join((inspect.getdoc(error) or "").split("\n\n")[0].split())
    retry = "yes" if error.retryable else "no"
    return (
        f"### {error.code}\n"
        f"**{error.title}.** {meaning}\n\n"
        f"- Do: {error.fix}\n"
        f"- Broken by {WHO[error.party]}. Retry: {retry}. "
        f"`{error.__module__}.{error.__qualname__}`\n"
    )


def main() -> int:
    """Write the page, or with ``--check`` compare it."""
    page = render()
    if "--check" in sys.argv[1:]:
        same = CATALOGUE.exists() and CATALOGUE.read_text() == page
        if not same:
            print("docs/errors.md is not up to date: run python tools/error_catalogue.py")
        return 0 if same else 1
    CATALOGUE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
