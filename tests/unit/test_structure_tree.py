"""The tree keeps to its own rules: sizes, names, and nothing that holds on one machine only."""

import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import node
import settlement

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 500
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
CORPUS_BRIDGE = Path(".ci/run")
ATTACKS = Path("tests/hostile")

# Written in pieces, so that this file is not its own finding.
ROOT_FOLDERS = "|".join(["ho" + "me", "ro" + "ot", "Us" + "ers", "wo" + "rk", "tm" + "p"])
MACHINE_PATHS = re.compile(rf"(?<![\w.~$}}])/(?:{ROOT_FOLDERS})/\w")
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "python" + r"hosted\.", r"registry\." + r"\w+\.(?:org|com)"])
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file under version control that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data[:8192] else data.decode()


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        for match in pattern.finditer(text_of(path))
    ]


def test_the_package_called_node_is_ours() -> None:
    assert node.__file__ is not None
    assert Path(node.__file__).is_relative_to(ROOT)
    assert settlement.__file__ is not None
    assert Path(settlement.__file__).is_relative_to(ROOT)


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    # What an attacker would try to reach is no path that we rely on.
    assert [line for line in found(MACHINE_PATHS) if not line.startswith(str(ATTACKS))] == []


@pytest.mark.parametrize("path", ["/ho" + "me/ann/x", "see /tm" + "p/run.log", '"/wo' + 'rk/main"'])
def test_the_search_for_machine_paths_can_find_one(path: str) -> None:
    assert MACHINE_PATHS.search(path)


def test_no_tracked_file_names_a_package_registry() -> None:
    assert found(REGISTRY_HOSTS) == []


def test_only_the_ci_script_knows_the_folder_beside_the_tree() -> None:
    outside = re.compile(r"\.\./" + "shared")
    assert [line for line in found(outside) if not line.startswith(str(CORPUS_BRIDGE))] == []


def test_deeply_nested_json_is_an_error_in_every_process_of_ours() -> None:
    importlib.import_module("settlement.chain.embedded_chain")
    assert sys.getrecursionlimit() <= 12_000, "a library has raised it: the C stack would overflow"
    with pytest.raises(RecursionError):
        json.loads("[" * 200_000)


def test_every_python_file_fits_in_a_head() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in tracked()
        if path.suffix == ".py"
    }
    assert {name: count for name, count in lengths.items() if count > LONGEST_FILE} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    python = [path.relative_to(ROOT) for path in tracked() if path.suffix == ".py"]
    assert [
        path for path in python if VAGUE & {part.removesuffix(".py") for part in path.parts}
    ] == []


def test_test_files_have_names_of_their_own_and_are_no_packages() -> None:
    tests = [path for path in tracked() if path.is_relative_to(ROOT / "tests")]
    names = Counter(path.name for path in tests if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []
    assert [path for path in tests if path.name == "__init__.py"] == []


def test_the_first_commands_of_the_readme_are_its_two() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    commands = next(block for block in blocks if "./dev" in block)
    lines = [line.partition("#")[0].strip() for line in commands.splitlines()]
    assert [line for line in lines if line] == ["./dev demo", "./dev test"]
