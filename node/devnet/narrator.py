"""Tells the story while it happens: steps on the terminal, moments and checks in the report."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from node.devnet.report import Check, Moment, StoryReport, tokens_text


class Narrator:
    """One voice for the terminal, the timeline and the checks."""

    def __init__(self, console: Console, report: StoryReport) -> None:
        self._console = console
        self._report = report
        self._started = time.perf_counter()
        self._status: Status | None = None

    @property
    def seconds(self) -> float:
        """Time since the story began."""
        return time.perf_counter() - self._started

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A chapter: a spinner while it lasts, a line with its time when it is done."""
        began = self.seconds
        with self._console.status(escape(title)) as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None
        lasted = self.seconds - began
        self._console.print(f"[green]✓[/] {escape(title)} [dim]{lasted:.1f} s[/]", highlight=False)

    def progress(self, text: str) -> None:
        """What is going on inside the step."""
        if self._status is not None:
            self._status.update(escape(text))

    def moment(self, lane: str, actor: str, deed: str, signature: str = "") -> None:
        """A line of the timeline, and of the terminal."""
        at_ms = int(self.seconds * 1_000)
        self._report.moments.append(
            Moment(at_ms=at_ms, lane=lane, actor=actor, deed=deed, signature=signature)
        )
        signed = f" [dim]signs {escape(signature)}[/]" if signature else ""
        self._console.print(f"   [cyan]{escape(actor)}[/] {escape(deed)}{signed}", highlight=False)

    def check(self, claim: str, held: bool) -> None:
        """A claim of the story; one that does not hold makes the command fail."""
        self._report.checks.append(Check(claim=claim, held=held))
        if not held:
            self._console.print(f"   [red]✗ {escape(claim)}[/]", highlight=False)

    def summary(self) -> None:
        """The money beside the chain's own numbers, and the verdict."""
        report = self._report
        table = Table(title="Payouts: recomputed, and on chain", title_justify="left")
        for column in ("account", "role"):
            table.add_column(column)
        for column in ("recomputed", "on chain", "difference"):
            table.add_column(column, justify="right")
        for payout in report.payouts:
            table.add_row(
                escape(payout.name),
                escape(payout.role),
                tokens_text(payout.computed),
                tokens_text(payout.on_chain),
                str(payout.difference),
                style=None if payout.difference == 0 else "red",
            )
        self._console.print(table)
        held = sum(check.held for check in report.checks)
        verdict = "[green]all held[/]" if report.held else "[red]a check failed[/]"
        self._console.print(
            f"{held} of {len(report.checks)} checks, {verdict}; {report.reads} reads, "
            f"{report.reads_per_s:.0f}/s, median {report.percentile(0.5):.1f} ms; "
            f"{report.seconds:.1f} s in all",
            highlight=False,
        )
