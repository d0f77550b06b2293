"""The error tree: each error has a code and a title of its own, and advice that its fields fill."""

import dataclasses
import importlib
import pkgutil
import re
import string
from collections import Counter
from functools import cache

import pytest

import node
import settlement
from settlement.errors import Party, SmartLayerError

MIGRATIONS = "settlement.store.migrations."


@cache
def errors() -> tuple[type[SmartLayerError], ...]:
    """Every error of both packages, once all their modules are imported."""
    for package in (settlement, node):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Alembic alone can run these; __main__ modules would start a program.
            if not module.name.startswith(MIGRATIONS) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return tuple(sorted(below(SmartLayerError), key=lambda error: error.code))


def below(error: type[SmartLayerError]) -> set[type[SmartLayerError]]:
    children = set(error.__subclasses__())
    ours = {child for child in children if child.__module__.split(".")[0] in ("settlement", "node")}
    return {error} | ours | {each for child in ours for each in below(child)}


def named(error: type[SmartLayerError]) -> str:
    return f"{error.__module__}.{error.__qualname__}"


def test_there_are_errors_to_look_at() -> None:
    assert len(errors()) > 20


def test_every_error_has_a_code_of_its_own() -> None:
    inherited = [named(error) for error in errors() if "code" not in vars(error)]
    uses = Counter(error.code for error in errors())
    twice = [f"{e.code} {named(e)}" for e in errors() if uses[e.code] > 1 and "code" in vars(e)]
    malformed = [named(error) for error in errors() if not re.fullmatch(r"SL-\d{4}", error.code)]
    assert (inherited, twice, malformed) == ([], [], [])


def test_every_error_has_a_title_of_its_own() -> None:
    inherited = [named(error) for error in errors() if "title" not in vars(error)]
    uses = Counter(error.title for error in errors())
    assert inherited == []
    assert [f"{e.title}: {named(e)}" for e in errors() if uses[e.title] > 1] == []


def test_the_advice_of_every_error_is_a_sentence_that_its_fields_fill() -> None:
    wrong = []
    for error in errors():
        asked = {name for _, name, _, _ in string.Formatter().parse(error.fix) if name is not None}
        held = {field.name for field in dataclasses.fields(error)}
        if not asked <= held or not error.fix.endswith((".", "}")):
            wrong.append(f"{named(error)}: {error.fix!r} of {sorted(held)}")
    assert wrong == []


def test_every_error_says_who_broke_the_rule() -> None:
    assert [named(error) for error in errors() if not isinstance(error.party, Party)] == []


def test_no_error_is_a_value_error() -> None:
    assert [named(error) for error in errors() if issubclass(error, ValueError)] == []


@pytest.mark.parametrize("retryable", [True, False])
def test_some_errors_can_be_retried_and_some_cannot(retryable: bool) -> None:
    assert any(error.retryable is retryable for error in errors())
