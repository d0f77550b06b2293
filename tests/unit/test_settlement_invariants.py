"""The list of invariants names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "invariants.md").read_text()


def test_the_sixteen_invariants_are_listed_in_order() -> None:
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == [str(n) for n in range(1, 17)]


def test_every_python_test_that_is_named_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"\bdef {name}\(|^{name} = ", (TESTS / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_solidity_test_that_is_named_exists() -> None:
    named = re.findall(r"`(\w+\.t\.sol):(\w+)`", PAGE)
    assert len(named) > 10
    missing = [
        f"{file}:{name}"
        for file, name in named
        if f"function {name}(" not in (TESTS / "contracts" / file).read_text()
    ]
    assert missing == []
