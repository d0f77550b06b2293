"""The story: how long a newcomer waits, from nothing to a whole month settled on a live chain.

The set-up is measured on a copy of the tree's committed files, in a folder of its own, with the
machine's package index as it is: with pip, and with uv where it is on PATH. An index that cannot
be reached is told in words, and the figure is left out.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.report import Figure
from settlement.chain.local import find_anvil

ROOT = Path(__file__).resolve().parent.parent
READS = 200
SETUP_S = {"pip": 120, "uv": 60}
LONGEST_SETUP_S = 600
LONGEST_STORY_S = 300
STOP_S = 20


async def measure() -> AsyncIterator[Figure]:
    """The set-up by each installer that is here, then the story itself."""
    for installer, environment in installers().items():
        seconds = await setup_seconds(environment)
        if seconds is not None:
            yield Figure(
                name="story.setup_s" if installer == "pip" else f"story.setup_{installer}_s",
                value=seconds,
                unit="s",
                target=SETUP_S[installer],
                at_most=True,
                reference=f"./dev with {installer}, from nothing to its first command: .venv and "
                "node_modules",
            )
    async for figure in the_story():
        yield figure


# --- the set-up ----------------------------------------------------------------------------------


def installers() -> dict[str, Mapping[str, str]]:
    """The environments to set up in: one that finds no uv, and this one if it has uv."""
    bare = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    folders = [folder for folder in bare.get("PATH", "").split(":") if folder]
    own = str(ROOT / ".venv" / "bin")
    kept = [f for f in folders if f != own and str(ROOT / "node_modules") not in f]
    without_uv = [folder for folder in kept if not (Path(folder) / "uv").exists()]
    found = {"pip": bare | {"PATH": ":".join(without_uv)}}
    if without_uv != kept:
        found["uv"] = bare | {"PATH": ":".join(kept)}
    return found


async def setup_seconds(environment: Mapping[str, str]) -> float | None:
    """How long ``./dev`` takes in a fresh copy of the tree; None, with a word, if it cannot."""
    (ROOT / ".build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".build", prefix="setup-") as name:
        await copy_tree(Path(name))
        began = time.perf_counter()
        code, _, err = await run(
            ("./dev", "bench", "--help"), Path(name), environment, LONGEST_SETUP_S
        )
        seconds = time.perf_counter() - began
    if code == 0:
        return seconds
    print(f"the set-up could not be measured (exit code {code}):\n{err[-600:]}", file=sys.stderr)
    return None


async def copy_tree(to: Path) -> None:
    """What git knows of the tree, as it stands here."""
    _, listed, _ = await run(("git", "ls-files", "-z"), ROOT, os.environ, 30)
    for path in filter(None, listed.split("\0")):
        if (ROOT / path).is_file():
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, to / path)


# --- the story -----------------------------------------------------------------------------------


async def the_story() -> AsyncIterator[Figure]:
    """One whole month by the command that users run."""
    chain = "anvil" if find_anvil(ROOT) else "the embedded chain (there is no anvil here)"
    with tempfile.TemporaryDirectory(dir=ROOT / ".build", prefix="story-") as name:
        command = (
            sys.executable,
            *("-m", "node.cli", "devnet", "--json"),
            *("--reads", str(READS), "--output", name),
        )
        began = time.perf_counter()
        code, out, err = await run(command, ROOT, os.environ, LONGEST_STORY_S)
        seconds = time.perf_counter() - began
    if code != 0:
        raise RuntimeError(f"the story ended with exit code {code}:\n{err[-2_000:]}")
    told: dict[str, Any] = json.loads(out)
    yield Figure(
        name="story.run_s",
        value=seconds,
        unit="s",
        target=60,
        at_most=True,
        reference=f"a month on {chain}, eight nodes in their own processes, {READS} paid reads",
    )
    yield Figure(
        name="story.reads_per_s",
        value=told["reads_per_s"],
        unit="/s",
        reference=f"16 at once, durable, proven and verified; median {told['read_p50_ms']} ms, "
        f"client and all nodes on {os.cpu_count()} processors",
    )
    yield Figure(
        name="story.difference_wei",
        value=told["difference"],
        unit="wei",
        target=0,
        at_most=True,
        reference="credit on chain against a second computation, summed over all accounts",
    )


async def run(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str], longest_s: float
) -> tuple[int, str, str]:
    """A command's exit code and outputs; interrupted, then killed, when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    outputs = asyncio.create_task(process.communicate())
    for number, patience_s in ((signal.SIGINT, longest_s), (signal.SIGKILL, STOP_S)):
        done, _ = await asyncio.wait({outputs}, timeout=patience_s)
        if done:
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    out, err = await outputs
    assert process.returncode is not None, "it has ended"
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
