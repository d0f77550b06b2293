"""The catalogue of errors says what the errors say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "tools/error_catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_catalogue_is_made_of_the_errors_as_they_are(catalogue: ModuleType) -> None:
    written = (ROOT / "docs" / "errors.md").read_text()
    assert written == catalogue.render(), "run: python tools/error_catalogue.py"


def test_every_error_is_in_the_catalogue_once(catalogue: ModuleType) -> None:
    page = catalogue.render()
    missing = [error.code for error in catalogue.errors() if f"### {error.code}\n" not in page]
    assert missing == []
    codes = [line for line in page.splitlines() if line.startswith("### ")]
    assert len(codes) == len(set(codes))


def test_every_error_says_what_it_means_and_what_to_do(catalogue: ModuleType) -> None:
    silent = [error.code for error in catalogue.errors() if not error.__doc__ or not error.fix]
    assert silent == []
