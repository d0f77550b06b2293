"""``./dev coverage``: which lines and branches of the contracts forge's tests take.

Runs ``forge coverage`` and shows a row for each contract, then each branch and line that no test
took. Exit 1 where a branch of a contract that holds or moves value is missed: that is every
contract but the examples. ``--report FILE`` reads an lcov file instead of running forge;
``--missing FILE`` writes what is missed there as well.

What forge calls a branch is each side of an ``if``; the sides of ``?:`` and ``&&`` count as lines.
The gas tests stay out: coverage compiles without the optimizer.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".build" / "coverage"
REPORT = BUILD / "lcov.info"
FREE = ("contracts/examples/",)
"""What may have branches without a test: it holds nobody's value."""
FORGE = ("forge", "coverage", "--no-match-path", "tests/contracts/Gas*.t.sol", "--report", "lcov")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One source file: line numbers, and (line, side) of branches, with how often each was met."""

    path: str
    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def must_be_whole(self) -> bool:
        return not self.path.startswith(FREE)

    @property
    def missed_lines(self) -> list[int]:
        return sorted(line for line, hits in self.lines.items() if hits == 0)

    @property
    def missed_branches(self) -> list[int]:
        return sorted(line for (line, _), hits in self.branches.items() if hits == 0)


def read_report(text: str) -> Iterator[Coverage]:
    """The contracts of an lcov report, in its order."""
    found: Coverage | None = None
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            found = Coverage(path=rest)
        elif found is None:
            continue
        elif kind == "DA":
            number, hits = rest.split(",")[:2]
            found.lines[int(number)] = int(hits)
        elif kind == "BRDA":
            number, block, side, taken = rest.split(",")
            # "-" where the whole branch was never reached
            hits = "0" if taken == "-" else taken
            found.branches[int(number), f"{block}.{side}"] = int(hits)
        elif kind == "end_of_record":
            if found.path.startswith("contracts/") and found.lines:
                yield found
            found = None


def measured() -> str:
    """The report of a fresh run; its build lies apart, for it is another compilation."""
    BUILD.mkdir(parents=True, exist_ok=True)
    apart = {"FOUNDRY_OUT": str(BUILD / "out"), "FOUNDRY_CACHE_PATH": str(BUILD / "cache")}
    done = subprocess.run(
        [*FORGE, "--report-file", str(REPORT)],
        check=False,
        cwd=ROOT,
        env={**os.environ, **apart},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_200,
    )
    if done.returncode:
        failures = [line for line in done.stdout.splitlines() if "[FAIL" in line]
        told = failures or done.stdout.splitlines()[-15:]
        raise SystemExit("\n".join(["✗ a test fails under coverage:", *dict.fromkeys(told)]))
    return REPORT.read_text()


def table(contracts: list[Coverage]) -> Iterator[str]:
    """A row for each contract, and the sum."""
    yield f"{'contract':<46} {'lines':>11} {'branches':>11}"
    whole = Coverage(path="all")
    for each in contracts:
        yield _row(each.path, each)
        whole.lines.update({len(whole.lines) + i: n for i, n in enumerate(each.lines.values())})
        sides = enumerate(each.branches.values(), len(whole.branches))
        whole.branches.update({(i, ""): hits for i, hits in sides})
    yield _row("all", whole)


def _row(name: str, each: Coverage) -> str:
    lines = f"{len(each.lines) - len(each.missed_lines)}/{len(each.lines)}"
    branches = f"{len(each.branches) - len(each.missed_branches)}/{len(each.branches)}"
    return f"{name:<46} {lines:>11} {branches:>11}"


def missing(contracts: list[Coverage]) -> Iterator[str]:
    """Each missed branch, then each missed line, with its source."""
    for what in ("branch", "line"):
        for each in contracts:
            source = (ROOT / each.path).read_text().splitlines()
            numbers = each.missed_branches if what == "branch" else each.missed_lines
            for number in numbers:
                yield f"{what} {each.path}:{number}: {source[number - 1].strip()}"


def main() -> int:
    """1 where a branch is missed that may not be."""
    parser = argparse.ArgumentParser(prog="./dev coverage", description=__doc__)
    parser.add_argument("--report", type=Path, help="read this lcov file instead of running forge")
    parser.add_argument("--missing", type=Path, help="write what is missed to this file too")
    asked = parser.parse_args()
    text = asked.report.read_text() if asked.report else measured()
    contracts = sorted(read_report(text), key=lambda each: each.path)
    missed = list(missing(contracts))
    print("\n".join(table(contracts)), *missed, sep="\n")
    if asked.missing:
        asked.missing.write_text("".join(f"{line}\n" for line in missed))
    short = [each.path for each in contracts if each.must_be_whole and each.missed_branches]
    if short:
        print(f"✗ branches without a test in {', '.join(short)}", file=sys.stderr)
        print("  fix: add a test in tests/contracts that takes each of them", file=sys.stderr)
        return 1
    print("✓ every branch of every contract that holds or moves value is taken by a test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
