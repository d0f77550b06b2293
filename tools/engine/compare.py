"""Run the hostile scripts on several runtimes and count the differences, which must be none.

    ./dev engine compare                    this wasmtime, its interpreter, and 45.0.0
    ./dev engine compare --other 47.0.0     and that release in its place

Compared are status, gas, pages and output hash of every script, with 20 million gas for each. Other
releases are installed below .toolchain/ on first use. The last line tells the whole.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SUITE: Final = ROOT / "tests" / "hostile"
RELEASES: Final = ROOT / ".toolchain" / "wasmtime"
OTHERS: Final = ("45.0.0",)
GAS: Final = 20_000_000
Verdicts = dict[str, list[str]]


def verdicts(*, interpreted: bool) -> Iterator[tuple[str, list[str]]]:
    """Every script's name, and what came of it in this process."""
    sys.path.insert(0, str(SUITE))
    from test_hostile_scripts import CASES, run

    from node.sandbox.host import HostConfig
    from node.sandbox.runner import Runner

    runner = Runner(HostConfig(interpreted=interpreted))
    for case in CASES:
        result = run(runner, case, GAS)
        told = (result.status, result.gas, result.pages, result.output_hash(runner.engine).hex())
        yield case.name, [str(part) for part in told]


def elsewhere(*, folder: Path | None, interpreted: bool) -> Verdicts:
    """The same in a process of its own, with another wasmtime first on its path."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        paths = [str(path) for path in (folder, ROOT) if path]
        subprocess.run(
            [sys.executable, __file__, "--write", out.name, *["--interpreted"] * interpreted],
            env={**os.environ, "PYTHONPATH": ":".join(paths)},
            check=True,
            timeout=600,
        )
        found: Verdicts = json.loads(Path(out.name).read_text())
        return found


def installed(release: str) -> Path:
    """A folder with another release of wasmtime-py in it, made on first use."""
    folder = RELEASES / release
    if not folder.exists():
        part = folder.with_name(f"{release}-part")
        shutil.rmtree(part, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        if shutil.which("uv"):
            pip = ["uv", "pip", "install", "--python", sys.executable]
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(part)]
        subprocess.run([*pip, *options, f"wasmtime=={release}"], check=True, timeout=300)
        part.rename(folder)
    return folder


def differences(one: Verdicts, other: Verdicts) -> list[str]:
    return [name for name in one if one[name] != other.get(name)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", action="append", help="a release of wasmtime-py")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--interpreted", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        asked.write.write_text(json.dumps(dict(verdicts(interpreted=asked.interpreted))))
        return 0
    one = elsewhere(folder=None, interpreted=False)
    runtimes = {"interpreter": elsewhere(folder=None, interpreted=True)}
    for release in asked.other or OTHERS:
        runtimes[release] = elsewhere(folder=installed(release), interpreted=False)
    total = set[str]()
    for name, other in runtimes.items():
        found = differences(one, other)
        total.update(found)
        print(f"{name}: {len(found)} of {len(one)} differ {found[:5] or ''}")
    print(f"{len(runtimes) + 1} runtimes: {len(total)} of {len(one)} scripts differ")
    return min(len(total), 1)


if __name__ == "__main__":
    sys.exit(main())
