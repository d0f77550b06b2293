"""Figures and how they are shown: one JSON object per line, or lines with bars.

A bar shows the measured value against its target; full means reached, whichever direction is good.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from rich.console import Console

BAR_CELLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number beside what the design asks for and what others reach.

    ``name`` is ``area.subject_unit``; ``target`` is the design's number, or None where the figure
    is only told; ``reference`` says in words what to compare with; ``at_most`` turns the target
    into a ceiling.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    reference: str = ""
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def reached(self) -> float:
        """The share of the target that is reached: 1 and more is good."""
        if self.target is None:
            return 0.0
        above, below = (self.target, self.value) if self.at_most else (self.value, self.target)
        return above / below if below else float(above >= below)


def write_json(figure: Figure, out: TextIO = sys.stdout) -> None:
    """One line per figure: name, value, unit, target, reference, met."""
    shown = asdict(figure) | {"met": figure.met}
    del shown["at_most"]
    print(json.dumps(shown), file=out, flush=True)


def show_table(figures: Sequence[Figure], console: Console) -> None:
    """One line per figure, and below it, in dim, what to compare it with."""
    rows = [
        (figure.name, _number(figure.value, figure.unit), _target(figure), _bar(figure))
        for figure in figures
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for figure, (name, measured, target, bar) in zip(figures, rows, strict=True):
        line = f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {target:>{widths[2]}}  {bar}"
        console.print(line, highlight=False, soft_wrap=True)
        if figure.reference:
            console.print(f"    {figure.reference}", style="dim", highlight=False, soft_wrap=True)


def _number(value: float, unit: str) -> str:
    digits = 0 if value == int(value) or abs(value) >= 100 else 2
    return f"{value:,.{digits}f} {unit}"


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"{'≤' if figure.at_most else '≥'} {_number(figure.target, figure.unit)}"


def _bar(figure: Figure) -> str:
    if figure.met is None:
        return ""
    cells = min(BAR_CELLS, int(figure.reached * BAR_CELLS))
    colour = "green" if figure.met else "red"
    return (
        f"[{colour}]{'█' * cells}[/][dim]{'░' * (BAR_CELLS - cells)}[/] {figure.reached:.1f} of it"
    )
