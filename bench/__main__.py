"""``./dev bench [AREA…] [--json]``: measure the areas and show each figure beside its target.

An area is a module of this folder with ``async def measure() -> AsyncIterator[Figure]``. An area
that fails is reported in words, the others still run, and the exit status is 1.
"""

import argparse
import asyncio
import importlib
import sys
import traceback
from pathlib import Path

from rich.console import Console

from bench.report import Figure, show_table, write_json

HARNESS = {"__main__", "report"}


def areas() -> list[str]:
    """The names of all areas, in order."""
    modules = (file.stem for file in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in modules if name not in HARNESS and not name.startswith("_"))


async def measure(area: str, *, as_json: bool, console: Console) -> list[Figure]:
    """Run one area, telling each figure as soon as it is there."""
    figures: list[Figure] = []
    console.print(f"[dim]measuring[/] {area} …")
    async for figure in importlib.import_module(f"bench.{area}").measure():
        figures.append(figure)
        if as_json:
            write_json(figure)
    return figures


def main() -> int:
    """Measure what was asked for; 1 if an area could not be measured, else 0."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(areas())}")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    asked = parser.parse_args()
    if unknown := set(asked.areas) - set(areas()):
        parser.error(f"no area {', '.join(sorted(unknown))}; there are: {', '.join(areas())}")
    progress = Console(stderr=True)
    figures: list[Figure] = []
    failed: list[str] = []
    for area in asked.areas or areas():
        try:
            figures += asyncio.run(measure(area, as_json=asked.json, console=progress))
        except Exception:  # noqa: BLE001 - one area's failure must not hide the others' figures
            traceback.print_exc()
            failed.append(area)
    if not asked.json:
        show_table(figures, Console())
    for area in failed:
        progress.print(f"[red]✗[/] {area} could not be measured; its error is above")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
