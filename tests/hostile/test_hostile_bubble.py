"""Workers inside bubblewrap, where it is installed: the same results, and nothing to look at."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.ports.sandbox import Mode, RunRequest, Status
from node.sandbox.bubble import Bubblewrap, find_bubblewrap
from node.sandbox.errors import BubblewrapFails
from node.sandbox.pool import PoolConfig, SandboxPool
from settlement.types import keccak

SCRIPT = b"""
export function count(state) { return { state: { n: (state.n ?? 0) + 1 } }; }
export function spin() { for (;;); }
"""
LOOK = """
import os, socket
def can(deed):
    try:
        deed()
        return 1
    except OSError:
        return 0
print(can(lambda: open(SECRET)), can(lambda: open(os.path.join(CACHE, "x"), "w")),
      can(lambda: open("/usr/x", "w")), can(lambda: os.kill(PARENT, 0)),
      can(lambda: socket.create_connection(("127.0.0.1", PORT), 1)))
"""


@pytest.fixture(scope="module")
def bubble() -> Bubblewrap:
    try:
        found = find_bubblewrap()
    except BubblewrapFails as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"bubblewrap is installed and does not work: {error.problem}")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("bubblewrap is not installed")
        pytest.skip("bubblewrap is not installed")
    return found


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of somebody who listens on loopback."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_pool_of_bubbles_runs_kills_and_replaces_as_any(
    bubble: Bubblewrap, tmp_path: Path
) -> None:
    config = PoolConfig(workers=1, cache=tmp_path / "engine", bubblewrap=bubble, timeout_ms=2_000)
    async with SandboxPool(config) as pool:
        for entry, status in (("count", Status.OK), ("spin", Status.OUT_OF_GAS)):
            result = await pool.run(
                RunRequest(
                    engine=pool.engine,
                    script=SCRIPT,
                    script_hash=keccak(SCRIPT),
                    entry=entry,
                    mode=Mode.UPDATE,
                    seed=keccak(b"seed"),
                    now=1,
                    gas_limit=10_000_000,
                )
            )
            assert result.status is status


async def test_inside_a_bubble_there_is_no_file_process_or_network(
    bubble: Bubblewrap, tmp_path: Path, port: int
) -> None:
    secret, cache = tmp_path / "secret", tmp_path / "cache"
    secret.write_text("a key")
    cache.mkdir()
    facts = f"SECRET, CACHE, PARENT, PORT = {str(secret)!r}, {str(cache)!r}, {os.getpid()}, {port}"
    program = facts + LOOK
    inside = await told(bubble.around([sys.executable, "-c", program], cache))
    outside = await told([sys.executable, "-c", program.replace("/usr/x", str(tmp_path / "x"))])
    assert (inside, outside) == ("0 1 0 0 0", "1 1 1 1 1")


async def told(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return out.decode().strip()


def test_a_program_that_is_not_there_is_no_bubble() -> None:
    assert find_bubblewrap("no-such-bwrap") is None


def test_one_that_cannot_make_a_bubble_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no namespaces >&2\nexit 1\n")
    broken.chmod(0o700)
    with pytest.raises(BubblewrapFails) as refused:
        find_bubblewrap(str(broken))
    assert refused.value.problem == "no namespaces"
