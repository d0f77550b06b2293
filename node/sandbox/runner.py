"""Load scripts and run requests on one engine, in this process.

A loaded script is kept as the difference that loading made to the engine's memory, so a run
starts from the same bytes whether the script was loaded a moment or a month ago, here or
elsewhere: caching cannot change a bill.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from node.ports.sandbox import (
    MAX_INPUT_BYTES,
    MAX_SOURCE_BYTES,
    NESTED_INPUT,
    Mode,
    RunRequest,
    RunResult,
    Status,
    nested_too_deep,
)
from node.sandbox.errors import SandboxBroken
from node.sandbox.host import CHUNK_BYTES, PAGE_BYTES, Host, HostConfig, Instance, Stopped
from node.sandbox.outcome import outcome, request_text
from node.sandbox.pure import pure
from settlement.types import Hash

ENGINE_FILE: Final = Path(__file__).parent / "engine" / "engine.wasm"
MAX_ENTRY_CHARACTERS: Final = 64
MAX_DEPTH: Final = 1024 * 1024
"""The engine's own limit; here only to tell why it stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The most gas that one runner spends on a run, and on loading a script for it. Beyond it the
    run ends as a timeout, which says something about this runner only."""

    run: int
    load: int


BRIEF: Final = Patience(run=4_000_000, load=10_000_000)
"""About one millisecond and two: several times what an ordinary script takes."""

_LOAD, _PERFORM = 0, 1
_KEPT_BYTES: Final = 64 * 1024 * 1024
_NEAR: Final = 4 * CHUNK_BYTES
_HOT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading a script came to: how it ended, and the memory it left when it went well."""

    result: RunResult
    changes: tuple[tuple[int, bytes], ...] = ()
    pages: int = 0
    hot: tuple[tuple[int, int], ...] = ()
    """Parts of memory that a run is likely to write, for this machine's speed alone."""

    @property
    def size(self) -> int:
        return sum(len(data) for _, data in self.changes) + CHUNK_BYTES


class Runner:
    """One engine and the scripts it has loaded. Without ``patience`` only gas bounds a run."""

    def __init__(self, config: HostConfig | None = None, patience: Patience | None = None) -> None:
        try:
            binary = ENGINE_FILE.read_bytes()
        except OSError as error:
            raise SandboxBroken(problem="the engine file is missing") from error
        self.engine = Hash(hashlib.sha256(binary).digest())
        self.host = Host(binary, pure, config or HostConfig())
        self._patience = patience or Patience(run=Mode.UPDATE.gas_limit, load=Mode.LOAD.gas_limit)
        self._loaded: OrderedDict[bytes, Loaded] = OrderedDict()
        self._size = 0

    def run(self, request: RunRequest) -> RunResult:
        """Run one request to its end. Nothing that a script does raises."""
        if len(request.script) > MAX_SOURCE_BYTES:
            return RunResult(status=Status.TOO_BIG, error="the source passes 192 KiB")
        loaded = self._load(request)
        if loaded.result.status is Status.TIMEOUT:
            return loaded.result
        if request.mode is Mode.LOAD:
            return self._as_load(loaded, request.gas_limit)
        if not loaded.changes:
            # it cannot be run, which was billed when it was loaded
            return replace(loaded.result, gas=0)
        parts = (request.state, request.event, request.context)
        if sum(map(len, parts)) > MAX_INPUT_BYTES:
            return RunResult(status=Status.TOO_BIG, error="the input passes 256 KiB")
        if nested_too_deep(b"".join(parts)) and any(map(nested_too_deep, parts)):
            return RunResult(status=Status.TOO_NESTED, error=NESTED_INPUT)
        if len(request.entry) > MAX_ENTRY_CHARACTERS:
            return RunResult(status=Status.TOO_BIG, error="the entry's name passes 64 characters")
        with self._started(loaded) as instance:
            return self._answered(instance, request)

    @contextmanager
    def started(self, request: RunRequest) -> Iterator[Instance]:
        """An instance that stands after it has run a request, to be looked at."""
        with self._started(self._load(request)) as instance:
            self._answered(instance, request)
            yield instance

    def interrupted(self, request: RunRequest, gas: int, then: RunRequest) -> RunResult | None:
        """Run ``request`` until ``gas`` is spent, then ``then`` on top of it in the same instance,
        whose memory stands as it was; None when the first ended before. For development only: an
        interrupted engine may be in the middle of anything."""
        with self._started(self._load(request)) as instance:
            if self._answered(instance, replace(request, gas_limit=gas)).status in _SAID:
                return None
            return self._answered(instance, then)

    @contextmanager
    def _started(self, loaded: Loaded) -> Iterator[Instance]:
        with self.host.instance() as instance:
            if loaded.pages > instance.pages:
                instance.grow(loaded.pages)
            instance.restore(loaded.changes, loaded.hot)
            yield instance

    def _answered(self, instance: Instance, request: RunRequest) -> RunResult:
        text = request_text(
            entry=request.entry,
            mode=request.mode,
            seed=request.seed,
            parts=(request.state, request.event, request.context),
        )
        limit = min(request.gas_limit, self._patience.run)
        result = self._perform(instance, text, mode=request.mode, now=request.now, gas_limit=limit)
        return _IMPATIENT if result.gas >= limit < request.gas_limit else result

    # -- loading ---------------------------------------------------------------------------------

    def _load(self, request: RunRequest) -> Loaded:
        kept = self._loaded.get(request.script_hash)
        if kept is not None:
            self._loaded.move_to_end(request.script_hash)
            return kept
        loaded = self._fresh(request.script)
        if loaded.result.status.billable:
            self._loaded[request.script_hash] = loaded
            self._size += loaded.size
        while self._size > _KEPT_BYTES and len(self._loaded) > 1:
            self._size -= self._loaded.popitem(last=False)[1].size
        return loaded

    def _fresh(self, script: bytes) -> Loaded:
        """Evaluate the module, keep the memory, then ask for its exports in LOAD mode."""
        limit = min(Mode.LOAD.gas_limit, self._patience.load)
        with self.host.instance() as instance:
            self._write_input(instance, script)
            try:
                instance.run(_LOAD, len(script), 0, limit)
            except Stopped as stopped:
                return self._unloaded(_stopped(instance, stopped, limit), limit)
            spent = limit - instance.constant("gas")
            self._write_input(instance, bytes(len(script)))
            changes, pages = tuple(_changes(self.host, instance)), instance.pages
            text = request_text(
                entry="", mode=Mode.LOAD, seed=bytes(32), parts=(b"{}", b"null", b"{}")
            )
            result = self._perform(
                instance, text, mode=Mode.LOAD, now=0, gas_limit=limit, spent=spent
            )
            if result.status is not Status.OK:
                return self._unloaded(result, limit)
            hot = tuple(_hot(self.host, instance))
            return Loaded(result=result, changes=changes, pages=pages, hot=hot)

    def _unloaded(self, result: RunResult, limit: int) -> Loaded:
        spent = result.gas >= limit < Mode.LOAD.gas_limit
        return Loaded(result=_IMPATIENT if spent else result)

    def _as_load(self, loaded: Loaded, gas_limit: int) -> RunResult:
        """Load gas is a constant of the script; a lower limit than it is not enough."""
        if loaded.result.gas > gas_limit:
            return RunResult(
                status=Status.OUT_OF_GAS, gas=gas_limit, error=_WORDS[Status.OUT_OF_GAS]
            )
        return loaded.result

    # -- running ---------------------------------------------------------------------------------

    def _write_input(self, instance: Instance, data: bytes) -> None:
        instance.write(self.host.input_address, data + b"\0")

    def _perform(
        self,
        instance: Instance,
        text: bytes,
        *,
        mode: Mode,
        now: int,
        gas_limit: int,
        spent: int = 0,
    ) -> RunResult:
        self._write_input(instance, text)
        try:
            place = instance.run(_PERFORM, len(text), now, gas_limit - spent)
            words = instance.read(place >> 32, place & 0xFFFFFFFF)
        except Stopped as stopped:
            return _stopped(instance, stopped, gas_limit)
        gas = min(gas_limit, gas_limit - instance.constant("gas"))
        if not place:
            return RunResult(
                status=Status.ERROR,
                gas=gas,
                pages=instance.pages,
                error="InternalError: out of memory",
            )
        return outcome(words, mode=mode, gas=gas, pages=instance.pages)


_WORDS: Final = {
    Status.OUT_OF_GAS: "the run used up its gas",
    Status.TOO_DEEP: "the run nested deeper than the engine allows",
    Status.TRAP: "the engine trapped",
    Status.NODE_FAULT: "the engine stopped for a reason of this machine's",
}


_IMPATIENT: Final = RunResult(status=Status.TIMEOUT, error="longer than this runner's patience")


_SAID: Final = frozenset(
    {Status.OK, Status.ERROR, Status.TOO_BIG, Status.TOO_NESTED, Status.BAD_OUTPUT}
)


def _stopped(instance: Instance, stopped: Stopped, gas_limit: int) -> RunResult:
    """Why a run stopped in the middle, from the engine's own counters."""
    left = instance.constant("gas")
    if instance.constant("fault"):
        status = Status.NODE_FAULT
    elif left < 0:
        status = Status.OUT_OF_GAS
    elif instance.constant("depth") > MAX_DEPTH:
        status = Status.TOO_DEEP
    else:
        status = Status.NODE_FAULT if stopped.ours else Status.TRAP
    return RunResult(
        status=status,
        gas=min(gas_limit, gas_limit - left) if status.billable else 0,
        pages=instance.pages,
        error=_WORDS[status],
    )


def _hot(host: Host, instance: Instance) -> Iterator[tuple[int, int]]:
    """Where memory was written, as few (start, length) as pay; nearby parts are one."""
    start = end = -1
    for at, data in _changes(host, instance):
        if start >= 0 and at - end <= _NEAR:
            end = at + len(data)
            continue
        if start >= 0:
            yield start, end - start
        start, end = at, at + len(data)
    if start >= 0 and end - start <= _HOT_BYTES:
        yield start, end - start


def _changes(host: Host, instance: Instance) -> Iterator[tuple[int, bytes]]:
    """Runs of chunks of live memory that differ from the engine's snapshot."""
    size = instance.pages * PAGE_BYTES
    for low, high in host.live:
        end = min(high, size)
        before = host.blank[low:end].ljust(end - low, b"\0")
        after = instance.read(low, end - low)
        for start, stop in _differing(before, after):
            yield low + start, after[start:stop]


def _differing(before: bytes, after: bytes) -> Iterator[tuple[int, int]]:
    start = -1
    for at in range(0, len(after), CHUNK_BYTES):
        end = at + CHUNK_BYTES
        if before[at:end] != after[at:end]:
            start = at if start < 0 else start
        elif start >= 0:
            yield start, at
            start = -1
    if start >= 0:
        yield start, len(after)
