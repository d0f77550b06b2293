"""Other JavaScript engines on the same script, each in an environment of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report import Figure

ROOT = Path(__file__).parents[1]
RIVALS = {"mini-racer": "mini-racer==0.14.1", "quickjs": "quickjs==1.19.4"}
"""Engines that run in the host's process, without gas: what isolation and metering cost."""
MEASURED = (
    ("read_us", "context used again"),
    ("update_us", "context used again"),
    ("fresh_read_us", "context of its own, script compiled anew"),
)


def rivals(
    script: str, calls: list[tuple[str, str]], read: object, update: object
) -> Iterator[Figure]:
    """Times of a read and an update; ``calls`` are their entries and inputs as JSON, ``read`` and
    ``update`` the result and the state that they must give. What cannot be installed is told."""
    work = json.dumps({"script": script, "calls": calls})
    for name, wanted in RIVALS.items():
        try:
            told = _rival(name, _installed(name, wanted), work)
        except (OSError, subprocess.SubprocessError) as error:
            why = f"not measured: {type(error).__name__}"
            yield Figure(name=f"sandbox.{name}", value=0, unit="µs", reference=why)
            continue
        same = told["read"]["result"] == read and told["update"]["state"] == update
        note = f"{wanted}, in process, no gas; {'same answers' if same else 'OTHER ANSWERS'}"
        for what, words in MEASURED:
            yield Figure(
                name=f"sandbox.{name}.{what}",
                value=told[what],
                unit="µs",
                reference=f"{note}; {words}",
            )


def _installed(name: str, wanted: str) -> Path:
    """A folder with one package in it, made on first use."""
    folder = ROOT / ".toolchain" / "rivals" / wanted
    if not folder.exists():
        part = folder.with_name(f"{name}-part")
        shutil.rmtree(part, ignore_errors=True)
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(part), wanted]
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        if shutil.which("uv"):
            pip = ["uv", "pip", "install", "--python", sys.executable]
        subprocess.run([*pip, *options], check=True, timeout=120, capture_output=True)
        part.rename(folder)
    return folder


def _rival(name: str, folder: Path, work: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).with_name("_rival.py")), name],
        env={"PYTHONPATH": str(folder)},
        input=work,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
