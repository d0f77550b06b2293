"""The devnet's child processes: ready when they say so, explained when they die, always stopped."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from node.devnet import processes
from node.devnet.processes import ChildFailed, Children, tell_ready

READY = (
    "import json,pathlib,sys,time;"
    "file=pathlib.Path(sys.argv[sys.argv.index('--ready-file')+1]);"
    "file.with_suffix('.part').write_text(json.dumps({'url':'here'}));"
    "file.with_suffix('.part').rename(file);"
)


def gone(pid: int) -> bool:
    """Whether no process with this id runs any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pid_in(file: Path) -> int:
    """The process id that a child's child has written down."""
    return int(file.read_text())


async def test_a_child_tells_its_facts_when_it_is_ready(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start("one", "-c", READY + "time.sleep(60)")
        assert await child.ready() == {"url": "here"}
        assert child.running
        children.check()
    assert not child.running


async def test_a_child_that_dies_early_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        script = "print('x' * 5000); raise SystemExit('the disk is full')"
        child = await children.start("one", "-c", script)
        with pytest.raises(ChildFailed) as raised:
            await child.ready()

    assert raised.value.name == "one"
    assert raised.value.tail.rstrip().endswith("the disk is full")
    assert len(raised.value.tail) <= 2_000
    assert raised.value.log == str(tmp_path / "one" / "log.jsonl")
    assert "the disk is full" in raised.value.advice()


async def test_a_child_that_dies_later_is_noticed_by_the_next_check(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        child = await children.start("one", "-c", READY + "raise SystemExit('later')")
        await child.ready()
        for _ in range(200):
            if not child.running:
                break
            await asyncio.sleep(0.02)
        with pytest.raises(ChildFailed, match="later"):
            children.check()


async def test_a_child_that_is_never_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "READY_TIMEOUT_S", 0.2)
    async with Children(tmp_path) as children:
        child = await children.start("one", "-c", "import time; time.sleep(60)")
        with pytest.raises(ChildFailed):
            await child.ready()
    assert not child.running


async def test_the_facts_of_an_earlier_life_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    tell_ready(tmp_path / "one" / "ready.json", {"url": "old"})
    async with Children(tmp_path) as children:
        child = await children.start("one", "-c", READY + "time.sleep(60)")
        assert await child.ready() == {"url": "here"}


async def test_children_are_stopped_whatever_happens_in_the_block(tmp_path: Path) -> None:
    async def story() -> None:
        async with Children(tmp_path) as children:
            for name in ("one", "two"):
                await (await children.start(name, "-c", READY + "time.sleep(60)")).ready()
            started.extend(children.all)
            raise TimeoutError("the story stalls")

    started: list[processes.Child] = []
    with pytest.raises(TimeoutError, match="the story stalls"):
        await story()

    assert len(started) == 2
    assert not any(child.running for child in started)


async def test_a_child_that_ignores_the_request_to_end_is_killed_with_its_own_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 0.3)
    pid_file = tmp_path / "pid"
    grandchild = (
        "import signal,subprocess;signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']);"
        f"pathlib.Path({str(pid_file)!r}).write_text(f'{{p.pid}}\\n');"
    )
    script = "import sys,pathlib;" + grandchild + READY + "time.sleep(60)"
    began = time.monotonic()
    async with Children(tmp_path) as children:
        child = await children.start("stubborn", "-c", script)
        await child.ready()
        pid = pid_in(pid_file)
    assert time.monotonic() - began < 10
    assert not child.running
    for _ in range(100):
        if gone(pid):
            break
        await asyncio.sleep(0.02)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the child's child is still there")


def test_facts_appear_in_one_piece(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    tell_ready(file, {"url": "http://127.0.0.1:1"})

    assert file.read_text() == '{"url": "http://127.0.0.1:1"}'
    assert list(tmp_path.iterdir()) == [file]
