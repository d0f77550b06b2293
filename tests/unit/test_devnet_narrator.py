"""The narrator: what it says on the terminal stands in the report, and the other way round."""

import io

import pytest
from rich.console import Console

from node.devnet.narrator import Narrator
from node.devnet.report import Moment, PayoutSeen, StoryReport


@pytest.fixture
def stage() -> tuple[Narrator, StoryReport, io.StringIO]:
    """A narrator, its report and what it has printed."""
    out, report = io.StringIO(), StoryReport()
    console = Console(file=out, width=200, force_terminal=False, color_system=None)
    return Narrator(console, report), report, out


def test_a_step_is_told_with_its_time_when_it_is_over(
    stage: tuple[Narrator, StoryReport, io.StringIO],
) -> None:
    narrator, _, out = stage

    with narrator.step("The airline issues two tickets"):
        narrator.progress("ticket 1 has a route: not yet")
        assert "✓" not in out.getvalue()

    assert "✓ The airline issues two tickets 0.0 s" in out.getvalue()


def test_a_step_that_fails_is_not_told_as_done(
    stage: tuple[Narrator, StoryReport, io.StringIO],
) -> None:
    narrator, _, out = stage

    with pytest.raises(TimeoutError), narrator.step("A month passes"):
        raise TimeoutError("not within 30 s")
    narrator.progress("nobody listens any more")

    assert "✓" not in out.getvalue()


def test_a_moment_is_told_and_kept_with_its_lane_and_signature(
    stage: tuple[Narrator, StoryReport, io.StringIO],
) -> None:
    narrator, report, out = stage

    narrator.moment("airline", "airline", "attests a delay", "EAS attestation")
    narrator.moment("chain", "chain", "a month passes")

    first, second = report.moments
    assert isinstance(first, Moment)
    assert (first.lane, first.actor, first.signature) == ("airline", "airline", "EAS attestation")
    assert 0 <= first.at_ms <= second.at_ms
    assert "airline attests a delay signs EAS attestation" in out.getvalue()
    assert "chain a month passes\n" in out.getvalue()


def test_only_a_claim_that_does_not_hold_is_said_aloud(
    stage: tuple[Narrator, StoryReport, io.StringIO],
) -> None:
    narrator, report, out = stage

    narrator.check("the first booking was moved", held=True)
    assert report.held
    narrator.check("the second is in its failure state", held=False)

    assert not report.held
    assert "✗ the second is in its failure state" in out.getvalue()
    assert "the first booking" not in out.getvalue()


def test_a_story_without_checks_has_not_held() -> None:
    assert not StoryReport().held


def test_the_summary_shows_the_money_its_difference_and_the_verdict(
    stage: tuple[Narrator, StoryReport, io.StringIO],
) -> None:
    narrator, report, out = stage
    report.payouts.append(
        PayoutSeen(name="node-1", role="service node", account="0x1", computed=10**18, on_chain=3)
    )
    narrator.check("all is well", held=True)

    narrator.summary()

    shown = out.getvalue()
    assert "node-1" in shown
    assert str(3 - 10**18) in shown
    assert "1 of 1 checks, all held" in shown


@pytest.mark.parametrize("deed", ["pays [bold red]nothing[/]", "opens [link=x]", "says [/]"])
def test_what_somebody_is_called_is_not_taken_for_markup(
    stage: tuple[Narrator, StoryReport, io.StringIO], deed: str
) -> None:
    narrator, _, out = stage

    narrator.moment("chain", deed, deed, deed)
    narrator.check(deed, held=False)

    assert out.getvalue().count(deed) == 4
