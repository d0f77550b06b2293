"""The documents name files, functions, tests and checks: every one of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("ARCHITECTURE.md", "README.md", "docs/status.md", "docs/measurements.md")
FOLDERS = (
    *("node", "settlement", "contracts", "scripts", "tests", "bench", "tools", "docs"),
    *("examples", "requirements"),
)
NAMED = re.compile(
    rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)(?:(::|:)([A-Za-z_][\w.]*))?(?: [^`]*)?`", re.ASCII
)
LINKED = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
STORY = re.compile(r"story: “([^”]+)”")


def documents() -> list[Path]:
    tutorials = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
    return [path for name in DOCUMENTS if (path := ROOT / name).exists()] + tutorials


@cache
def python_names(path: Path) -> frozenset[str]:
    """Everything that a Python file defines, with dots for members of classes."""
    names: set[str] = set()

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            match node:
                case ast.ClassDef(name=name):
                    names.add(prefix + name)
                    collect(node.body, f"{prefix}{name}.")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(prefix + name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    names.add(prefix + name)
                case ast.Assign(targets=targets):
                    names.update(prefix + each.id for each in targets if isinstance(each, ast.Name))
                case _:
                    pass

    collect(ast.parse(path.read_text()).body, "")
    return frozenset(names)


def problem(path_text: str, name: str) -> str | None:
    """What is wrong with a reference, or None."""
    path = ROOT / path_text
    if not path.exists():
        return f"{path_text}: no such file"
    if not name:
        return None
    if path.suffix == ".py":
        known = name in python_names(path)
    else:
        known = re.search(rf"\b(?:function|contract|library)\s+{name}\b", path.read_text())
    return None if known else f"{path_text}: no {name} in it"


@cache
def claims() -> frozenset[str]:
    """The checks of the demo, with … for what their texts are filled with."""
    tree = ast.parse((ROOT / "node/devnet/story.py").read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="check"), args=[ast.Constant(value=str(text)), _]
            ):
                found.add(text)
            case ast.Call(func=ast.Attribute(attr="check"), args=[ast.JoinedStr(values=parts), _]):
                found.add("".join(p.value if isinstance(p, ast.Constant) else "…" for p in parts))
            case _:
                pass
    return frozenset(found)


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_file_and_name_that_a_document_gives_exists(document: Path) -> None:
    references = NAMED.findall(document.read_text())
    problems = [found for path, _, name in references if (found := problem(path, name))]
    assert problems == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = LINKED.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_check_of_the_demo_that_a_document_cites_is_made(document: Path) -> None:
    cited = STORY.findall(document.read_text())
    assert [claim for claim in cited if claim not in claims()] == []


def test_the_architecture_names_a_file_for_every_sentence_of_the_story() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    story = text.partition("## The story")[2].partition("## Five flows")[0]
    rows = [row for row in story.splitlines() if row.startswith("| ") and "---" not in row]
    sentences = [row for row in rows if not row.startswith("| sentence")]
    assert len(sentences) > 50
    code = ("`node/", "`settlement/", "`contracts/")
    assert [row for row in sentences if not any(room in row for room in code)] == []


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [
        f"{package}/{path.stem}"
        for package in ("node", "settlement")
        for path in sorted((ROOT / package).iterdir())
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    ]
    missing = [room for room in rooms if f"`{room}" not in text and "__init__" not in room]
    assert missing == []


def test_a_reference_to_nothing_is_found() -> None:
    assert problem("node/nowhere.py", "") is not None
    assert problem("node/cli.py", "no_such_command") is not None
    assert problem("contracts/hub/Settlement.sol", "noSuchFunction") is not None
    assert problem("node/cli.py", "main") is None
