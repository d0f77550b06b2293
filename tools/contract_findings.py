"""``./dev slither``: analyse the contracts, and ask for the explanation of each finding.

Explanations are the tables of docs/security/slither.md: a detector, the places that it names
(``Contract.function``, perhaps with ``*``), and why nothing needs to be changed there. Exit 1 where
a finding has no explanation, or an explanation no finding. ``--report FILE`` reads slither's JSON
instead of running it.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".build" / "slither"
REPORT = BUILD / "report.json"
EXPLAINED = ROOT / "docs" / "security" / "slither.md"
SLITHER = ROOT / ".toolchain" / "slither" / "bin" / "slither"
OUTSIDE = "node_modules|contracts/examples|tests/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a detector said, and of what."""

    detector: str
    impact: str
    place: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why what a detector says of a place needs no change; ``place`` may hold ``*``."""

    detector: str
    place: str

    def covers(self, finding: Finding) -> bool:
        return self.detector == finding.detector and fnmatchcase(finding.place, self.place)


def analyse() -> str:
    """Slither's report on a fresh build of the contracts alone, which lies apart."""
    BUILD.mkdir(parents=True, exist_ok=True)
    REPORT.unlink(missing_ok=True)
    apart = {"FOUNDRY_OUT": str(BUILD / "out"), "FOUNDRY_CACHE_PATH": str(BUILD / "cache")}
    information = str(BUILD / "information")
    skip = ("--skip", "tests/**", "--skip", "contracts/examples/**")
    build = ("forge", "build", "--force", "--build-info", "--build-info-path", information, *skip)
    _run(build, apart)
    look = (
        *(str(SLITHER), ".", "--ignore-compile", "--foundry-build-info-directory", information),
        *("--foundry-out-directory", str(BUILD / "out"), "--filter-paths", OUTSIDE),
        *("--fail-none", "--json", str(REPORT)),
    )
    _run(look, apart)
    return REPORT.read_text()


def _run(command: tuple[str, ...], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    if done.returncode:
        told = "\n".join(done.stdout.splitlines()[-15:])
        raise SystemExit(f"✗ {command[0]} failed:\n{told}")


def findings(report: str) -> list[Finding]:
    """What slither found, by detector and place."""
    found = {
        Finding(
            detector=each["check"],
            impact=each["impact"],
            place=_place(each["elements"][0]),
            words=" ".join(each["description"].split())[:300],
        )
        for each in json.loads(report)["results"].get("detectors", [])
    }
    return sorted(found, key=lambda each: (each.detector, each.place, each.words))


def _place(element: dict[str, Any]) -> str:
    """``Contract.function.variable``, as far as the element is one."""
    parent = element.get("type_specific_fields", {}).get("parent")
    name = str(element["name"])
    return name if parent is None else f"{_place(parent)}.{name}"


def explanations(text: str) -> list[Explanation]:
    """The rows ``| detector | place, place | why |`` of the document's tables."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or cells[0] in ("detector", "") or set(cells[0]) <= {"-"}:
            continue
        places = [place.strip().strip("`") for place in cells[1].split(",")]
        found += [Explanation(detector=cells[0], place=place) for place in places]
    return found


def main() -> int:
    """1 where findings and explanations do not match."""
    parser = argparse.ArgumentParser(prog="./dev slither", description=__doc__)
    parser.add_argument("--report", type=Path, help="read this report instead of running slither")
    asked = parser.parse_args()
    found = findings(asked.report.read_text() if asked.report else analyse())
    known = explanations(EXPLAINED.read_text())
    new = [each for each in found if not any(one.covers(each) for one in known)]
    stale = [one for one in known if not any(one.covers(each) for each in found)]
    for each in new:
        print(f"✗ {each.impact} {each.detector} {each.place}: {each.words}")
    for one in stale:
        print(f"✗ explained, but not found any more: {one.detector} {one.place}")
    print(
        f"{len(found)} findings, {len(new)} without an explanation, {len(stale)} explained in vain"
    )
    if new or stale:
        where = EXPLAINED.relative_to(ROOT)
        print(f"  fix: change the contract, or tell in {where} why it is right", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
