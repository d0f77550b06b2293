"""Where the gas of a run goes, by function.

A run is the same every time, so it can be stopped at any amount of gas: it is run again and again,
each time a little further, and whenever the counter stops it, the engine is entered once more to
say what its stack looks like. The script under the profile gets one export more, on a line of its
own at its end, which says it.

Samples lie at equal distances of gas, so a share is right to about one sample in all, and a
function is seen when the dearest of its calls takes longer than the distance. What the engine
does for a run outside of the script, reading its inputs and writing its output, is told apart.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from node.ports.sandbox import Mode, RunRequest, RunResult, Status
from node.sandbox.runner import Runner
from settlement.types import keccak

INPUTS: Final = "(reading the inputs)"
OUTPUT: Final = "(writing the output)"
UNKNOWN: Final = "(unknown)"
_ENTRY: Final = "stackOfTheRun"
_TELLER: Final = (
    b"\nexport function stackOfTheRun()"
    b" { Error.stackTraceLimit = 1000; return { result: new Error().stack }; }"
)
_OUR_FRAMES: Final = 4
"""The teller itself, and what calls it: apply, begin, step."""
_FRAME: Final = re.compile(r" +at (.*) \((native|missing|guest|script)[:\d]*\)")
_stack: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A function's part of the samples: itself, and with all that it called."""

    function: str
    own: float
    whole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Shares, the largest of their own first. ``samples`` is how many were looked at."""

    samples: int
    shares: tuple[Share, ...]


def profile(runner: Runner, request: RunRequest, gas: int, samples: int = 200) -> Profile:
    """Look ``samples`` times at a run that takes ``gas``."""
    source = request.script + _TELLER
    watched = replace(request, script=source, script_hash=keccak(source))
    teller = replace(
        watched, entry=_ENTRY, mode=Mode.READ, gas_limit=Mode.READ.gas_limit, state=b"{}"
    )
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for index in range(samples):
        told = runner.interrupted(watched, gas * (2 * index + 1) // (2 * samples) or 1, teller)
        if told is None:
            continue  # with its additional export the run came out a little shorter
        frames = _functions(told)
        own[frames[0]] += 1
        whole.update(set(frames))
    total = own.total() or 1
    shares = [
        Share(function=name, own=own[name] / total, whole=count / total)
        for name, count in whole.items()
    ]
    shares.sort(key=lambda share: (-share.own, -share.whole, share.function))
    return Profile(samples=own.total(), shares=tuple(shares))


def _functions(told: RunResult) -> list[str]:
    """The script's functions on the stack, innermost first."""
    if told.status is not Status.OK or not told.result:
        return [UNKNOWN]  # the engine could not be entered where it was stopped
    frames = list(_frames(_stack.decode(told.result)))[_OUR_FRAMES:]
    names = [name for name, place in frames if place == "guest"]
    if names[-2:] == ["begin", "step"] and ("apply", "native") in frames:
        frames = frames[: len(frames) - 1 - frames[::-1].index(("apply", "native"))]
    elif names and not any(place == "script" for _, place in frames):
        return [OUTPUT if "finish" in names else INPUTS]
    found = [
        f"{name} (built in)" if place == "native" else name
        for name, place in frames
        if place != "guest"
    ]
    return found or [INPUTS]


def _frames(stack: str) -> Iterator[tuple[str, str]]:
    for line in stack.splitlines():
        found = _FRAME.fullmatch(line)
        if found is not None:
            yield found[1], found[2]
