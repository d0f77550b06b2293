"""Running a token script: the port, its values, and an in-memory stand-in.

A script is one ES module. A run calls one of its exported functions as
``handler(state, event, context)`` with deep-frozen inputs and expects
``{state?, effects?, result?}`` back; a missing ``state`` means that the state is unchanged.
Nothing else is reachable: time is :attr:`RunRequest.now`, chance is :attr:`RunRequest.seed`.

Outcomes are of two kinds. Billable ones are a function of the request alone, so every node
reaches the same one and a receipt may be signed over it. ``timeout`` and ``node_fault`` say
something about this machine only: never signed, never billed, to be tried elsewhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import msgspec
import rfc8785

from settlement.types import Hash, keccak

MAX_SOURCE_BYTES: Final = 192 * 1024
MAX_INPUT_BYTES: Final = 256 * 1024
"""State, event and context together."""
MAX_OUTPUT_BYTES: Final = 256 * 1024
"""State, effects and result together."""
MAX_LOG_BYTES: Final = 8 * 1024
MAX_ERROR_CHARACTERS: Final = 512
MAX_EFFECTS: Final = 64
MAX_NESTING: Final = 128
"""Arrays and objects within each other, in each of state, event, context, effect and result."""
NESTED_INPUT: Final = "the input is nested deeper than 128"
NESTED_OUTPUT: Final = "the output is nested deeper than 128"


class Mode(StrEnum):
    """What a run may do: change state and ask for effects, only answer, or only load."""

    UPDATE = "update"
    READ = "read"
    LOAD = "load"

    @property
    def gas_limit(self) -> int:
        """The most gas that a run in this mode is given."""
        return 20_000_000 if self is Mode.READ else 200_000_000


class Status(StrEnum):
    """How a run ended."""

    OK = "ok"
    ERROR = "error"
    OUT_OF_GAS = "out_of_gas"
    TOO_DEEP = "too_deep"
    TOO_BIG = "too_big"
    TOO_NESTED = "too_nested"
    BAD_OUTPUT = "bad_output"
    TRAP = "trap"
    TIMEOUT = "timeout"
    NODE_FAULT = "node_fault"

    @property
    def billable(self) -> bool:
        """Whether every node reaches this outcome, so that it may be signed and charged."""
        return self not in (Status.TIMEOUT, Status.NODE_FAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run. JSON fields are UTF-8 bytes; ``now`` is seconds since 1970, as agreed in the log.

    ``script_hash`` is keccak256 of ``script``; ``engine`` is the hash of the engine's bytes.
    ``entry`` and the three inputs are ignored in ``LOAD`` mode, whose result is the sorted JSON
    array of the names of exported functions.
    """

    engine: Hash
    script: bytes
    script_hash: Hash
    entry: str
    mode: Mode
    seed: Hash
    now: int
    gas_limit: int
    state: bytes = b"{}"
    event: bytes = b"null"
    context: bytes = b"{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What came out. ``state`` is None when unchanged; JSON is canonical (RFC 8785).

    ``gas`` is that of the run alone: loading costs the same for every node and is charged once,
    on activation, from a run in ``LOAD`` mode. ``pages`` are the 64 KiB pages in use at the end.
    """

    status: Status
    gas: int = 0
    state: bytes | None = None
    effects: tuple[bytes, ...] = ()
    result: bytes | None = None
    logs: tuple[str, ...] = ()
    pages: int = 0
    error: str = ""

    def output(self, engine: Hash) -> bytes:
        """Seven hashes, one a group: status, state, effects, result, logs, error, and what ran it
        at which cost (engine, gas, pages): 224 bytes.

        They let somebody who was not there check one group against :meth:`output_hash` without
        seeing the others; see :func:`effects_belong`.
        """
        groups = (
            (self.status.encode(),),
            () if self.state is None else (self.state,),
            self.effects,
            () if self.result is None else (self.result,),
            tuple(line.encode() for line in self.logs),
            (self.error.encode(),),
            (engine, self.gas.to_bytes(8, "big"), self.pages.to_bytes(4, "big")),
        )
        return b"".join(map(_group_hash, groups))

    def output_hash(self, engine: Hash) -> Hash:
        """keccak256 of :meth:`output`, which a journal entry signs: the same on every node."""
        return keccak(self.output(engine))


_GROUPS = 7
_EFFECTS_GROUP = 2


def effects_belong(effects: tuple[bytes, ...], output: bytes, output_hash: Hash) -> bool:
    """Whether these are the effects of the run with this ``output_hash``."""
    start = 32 * _EFFECTS_GROUP
    return (
        len(output) == 32 * _GROUPS
        and keccak(output) == output_hash
        and output[start : start + 32] == _group_hash(effects)
    )


def _group_hash(items: tuple[bytes, ...]) -> Hash:
    """keccak256 over the number of items and each item after its length, four bytes big-endian,
    so that no two groups share an encoding."""
    parts = [len(items).to_bytes(4, "big")]
    for item in items:
        parts += (len(item).to_bytes(4, "big"), item)
    return keccak(b"".join(parts))


class Sandbox(Protocol):
    """Runs token scripts with bounded time and memory, the same everywhere."""

    @property
    def engine(self) -> Hash:
        """The engine that runs scripts here; part of every receipt."""
        ...

    async def run(self, request: RunRequest) -> RunResult:
        """Run one request to its end. A script's failure is a result; nothing is raised for it.

        Raises :class:`settlement.errors.InputError` when the request itself is wrong: another
        engine, or a hash that is not the script's.
        """
        ...


def nested_too_deep(text: bytes, most: int = MAX_NESTING) -> bool:
    """Whether a JSON text nests arrays and objects deeper than ``most``."""
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > most:
            return True
    return False


_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")

STAND_IN_ENGINE: Final = Hash(b"\x11" * 32)
"""The engine id of the in-memory stand-in; no real engine has it."""

Handler = Callable[[object, object, object], object]
"""A Python stand-in for a handler: (state, event, context) as JSON values, to a JSON value."""


@dataclass(slots=True, kw_only=True)
class TableSandbox:
    """The port in memory: a table of Python callables by entry, under the same rules of output.

    ``gas`` is what every run reports. A callable that raises is a script that throws.
    """

    handlers: Mapping[str, Handler]
    engine: Hash = STAND_IN_ENGINE
    gas: int = 1_000

    async def run(self, request: RunRequest) -> RunResult:
        if request.mode is Mode.LOAD:
            names = rfc8785.dumps(sorted(self.handlers))
            return RunResult(status=Status.OK, gas=self.gas, result=names)
        handler = self.handlers.get(request.entry)
        if handler is None:
            error = f"TypeError: the script exports no function {request.entry}"
            return RunResult(status=Status.ERROR, gas=self.gas, error=error)
        if any(map(nested_too_deep, (request.state, request.event, request.context))):
            return RunResult(status=Status.TOO_NESTED, error=NESTED_INPUT)
        decode = msgspec.json.decode
        state, event, context = (
            decode(part) for part in (request.state, request.event, request.context)
        )
        try:
            answer = handler(state, event, context)
        except Exception as error:  # noqa: BLE001 - the stand-in for "the script threw"
            text = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
            return RunResult(status=Status.ERROR, gas=self.gas, error=text)
        return shaped(request.mode, answer, gas=self.gas)


def shaped(mode: Mode, answer: object, *, gas: int = 0) -> RunResult:
    """Turn what a handler returned, as a JSON value, into a result; the rules of output.

    ``bad_output`` unless it is None or an object with no other keys than ``state`` (an object),
    ``effects`` (at most 64 objects) and ``result``; a read may give ``result`` only.
    ``too_nested`` when a part nests deeper than MAX_NESTING, ``too_big`` when the canonical JSON
    passes 256 KiB.
    """
    problem = _problem(mode, answer)
    if problem:
        return RunResult(status=Status.BAD_OUTPUT, gas=gas, error=problem)
    given = answer if isinstance(answer, dict) else {}
    state = rfc8785.dumps(given["state"]) if "state" in given else None
    effects = tuple(rfc8785.dumps(effect) for effect in given.get("effects", ()))
    result = rfc8785.dumps(given["result"]) if "result" in given else None
    if any(nested_too_deep(part) for part in (state or b"", *effects, result or b"")):
        return RunResult(status=Status.TOO_NESTED, gas=gas, error=NESTED_OUTPUT)
    size = len(state or b"") + sum(map(len, effects)) + len(result or b"")
    if size > MAX_OUTPUT_BYTES:
        return RunResult(status=Status.TOO_BIG, gas=gas, error="the output passes 256 KiB")
    return RunResult(status=Status.OK, gas=gas, state=state, effects=effects, result=result)


def _problem(mode: Mode, answer: object) -> str:
    """The rule of output that an answer breaks, or an empty text."""
    if answer is None:
        return ""
    if not isinstance(answer, dict):
        return "a handler returns an object or nothing"
    if not answer.keys() <= {"state", "effects", "result"}:
        return "a handler returns no other keys than state, effects and result"
    if mode is Mode.READ and ("state" in answer or answer.get("effects")):
        return "a read returns a result only"
    if "state" in answer and not isinstance(answer["state"], dict):
        return "the state is an object"
    effects = answer.get("effects", [])
    if not isinstance(effects, list) or not all(isinstance(item, dict) for item in effects):
        return "effects are an array of objects"
    return f"a run asks for at most {MAX_EFFECTS} effects" if len(effects) > MAX_EFFECTS else ""
