"""A local chain is the one that was started, not another one that happens to listen there."""

import asyncio
import socket

import pytest

from settlement.chain import local
from settlement.chain.listening import free_port, is_taken, listens
from settlement.chain.local import LocalChain, LocalChainFailed
from settlement.chain.reader import latest_block

pytestmark = pytest.mark.anvil


async def test_a_chain_on_a_taken_port_is_refused(anvil_chain: LocalChain) -> None:
    await anvil_chain.mine(3)
    with pytest.raises(LocalChainFailed) as error:
        async with LocalChain(kind="anvil", port=anvil_chain.port):
            pytest.fail("it talks to the other chain")
    assert f"port {anvil_chain.port} is taken" in error.value.advice()
    assert (await latest_block(anvil_chain.rpc)).number == 3


async def test_another_port_is_taken_where_somebody_was_faster(
    anvil_chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anvil_chain.mine(3)
    offered = iter([anvil_chain.port, free_port()])
    monkeypatch.setattr(local, "free_port", lambda: next(offered))
    async with LocalChain(kind="anvil") as chain:
        assert chain.port != anvil_chain.port
        assert (await latest_block(chain.rpc)).number == 0


async def test_a_process_that_lost_the_race_for_its_port_is_noticed(
    anvil_chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anvil_chain.mine(3)
    ports = iter([anvil_chain.port, free_port()])
    monkeypatch.setattr(local, "free_port", lambda: next(ports))
    looks = iter([False])  # the port looked free before our process was started

    def seen(port: int) -> bool:
        return next(looks, None) is not False and is_taken(port)

    monkeypatch.setattr(local, "is_taken", seen)
    async with LocalChain(kind="anvil") as chain:
        assert (await latest_block(chain.rpc)).number == 0


async def test_a_listener_is_known_by_its_process(anvil_chain: LocalChain) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "30")
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        port = ours.getsockname()[1]
        assert is_taken(port)
        assert not listens(process.pid, port)
        assert not listens(process.pid, anvil_chain.port)
    assert not is_taken(port)
    process.kill()
    await process.wait()
