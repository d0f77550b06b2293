"""Hostile scripts, each with the one status it must end with.

The scripts stand in ``scripts/*.js``, several to a file; a line ``//= name: status`` begins each,
and ``load`` after the status means that loading alone is asked for.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.ports.sandbox import Mode, RunRequest, RunResult, Status
from node.sandbox.host import HostConfig
from node.sandbox.pool import PoolConfig, SandboxPool
from node.sandbox.runner import Runner
from settlement.types import Hash, keccak

FOLDER = Path(__file__).parent / "scripts"
SHORT_GAS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One script and what must come of it."""

    name: str
    status: Status
    mode: Mode
    source: bytes


def cases() -> Iterator[Case]:
    for file in sorted(FOLDER.glob("*.js")):
        for part in file.read_text().split("//= ")[1:]:
            head, source = part.split("\n", 1)
            name, verdict = head.split(": ")
            status, _, load = verdict.partition(" ")
            yield Case(
                name=f"{file.stem}/{name}",
                status=Status(status),
                mode=Mode.LOAD if load else Mode.UPDATE,
                source=source.encode(),
            )


CASES = tuple(cases())
BY_NAME = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def run(runner: Runner, case: Case, gas_limit: int | None = None) -> RunResult:
    return runner.run(request(runner.engine, case, gas_limit))


def request(engine: Hash, case: Case, gas_limit: int | None = None) -> RunRequest:
    return RunRequest(
        engine=engine,
        script=case.source,
        script_hash=keccak(case.source),
        entry="f",
        mode=case.mode,
        seed=keccak(b"seed"),
        now=1_790_000_000,
        gas_limit=gas_limit or case.mode.gas_limit,
        state=b'{"list":[1,2,3],"n":1}',
        event=b'{"k":"v"}',
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def native(cache: Path) -> Runner:
    return Runner(HostConfig(cache=cache))


@pytest.fixture(scope="module")
def interpreted(cache: Path) -> Runner:
    return Runner(HostConfig(cache=cache, interpreted=True))


def test_there_are_at_least_ninety_cases_with_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 90


@BY_NAME
def test_a_hostile_script_ends_as_it_must(native: Runner, case: Case) -> None:
    result = run(native, case)
    assert result.status is case.status, result.error
    assert result.gas <= case.mode.gas_limit
    assert len(result.error) <= 512


@BY_NAME
def test_the_interpreter_gives_the_same_status_gas_and_output(
    native: Runner, interpreted: Runner, case: Case
) -> None:
    """With little gas: the interpreter is some twenty times slower."""
    one, other = run(native, case, SHORT_GAS), run(interpreted, case, SHORT_GAS)
    assert (one.status, one.gas, one.pages) == (other.status, other.gas, other.pages)
    assert one.output_hash(native.engine) == other.output_hash(interpreted.engine)


@BY_NAME
def test_a_script_ends_the_same_when_it_is_run_again(native: Runner, case: Case) -> None:
    assert run(native, case, SHORT_GAS) == run(native, case, SHORT_GAS)


def test_a_fresh_runner_gives_the_gas_of_one_with_a_warm_cache(native: Runner, cache: Path) -> None:
    fresh = Runner(HostConfig(cache=cache))
    for case in CASES[::7]:
        assert run(fresh, case, SHORT_GAS) == run(native, case, SHORT_GAS)


async def test_confined_workers_side_by_side_give_what_this_process_gives(
    native: Runner, cache: Path
) -> None:
    async with SandboxPool(PoolConfig(workers=2, cache=cache)) as pool:
        asked = [pool.run(request(pool.engine, case, SHORT_GAS)) for case in CASES]
        for case, result in zip(CASES, await asyncio.gather(*asked), strict=True):
            assert result == run(native, case, SHORT_GAS), case.name


def test_less_gas_than_a_run_needs_ends_it_at_the_limit(native: Runner) -> None:
    case = next(case for case in CASES if case.name == "sameness/float-printing")
    enough = run(native, case)
    exactly = run(native, case, enough.gas)
    short = run(native, case, enough.gas // 2)
    assert exactly == enough
    assert (short.status, short.gas) == (Status.OUT_OF_GAS, enough.gas // 2)


def test_the_seed_and_the_time_are_all_that_a_run_can_tell_apart(native: Runner) -> None:
    case = next(case for case in CASES if case.name == "sameness/random-is-seeded")
    request = RunRequest(
        engine=native.engine,
        script=case.source,
        script_hash=keccak(case.source),
        entry="f",
        mode=Mode.READ,
        seed=Hash(b"\x01" * 32),
        now=1,
        gas_limit=Mode.READ.gas_limit,
    )
    assert native.run(request).result != run(native, case).result
