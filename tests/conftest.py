"""Fixtures that all test folders share: chains, and a PostgreSQL.

``anvil_chain`` and ``embedded_chain`` are fresh local chains; ``local_chain`` runs a test on both.
``postgres_cluster`` is one server for the whole run; ask it for a database of the test's own.
Tests that need what is not installed skip, with the reason.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from postgres import Cluster, PostgresMissing, cluster

from settlement.chain.local import LocalChain, find_anvil

ROOT = Path(__file__).resolve().parent.parent


def local_chain_of(kind: str) -> LocalChain:
    """A local chain that is not started yet, or a skip."""
    if kind == "anvil" and find_anvil(ROOT) is None:
        pytest.skip("anvil is not installed (npm ci)")
    return LocalChain(root=ROOT, kind="anvil" if kind == "anvil" else "embedded")


@pytest_asyncio.fixture
async def anvil_chain() -> AsyncIterator[LocalChain]:
    """A fresh anvil."""
    async with local_chain_of("anvil") as chain:
        yield chain


@pytest_asyncio.fixture
async def embedded_chain() -> AsyncIterator[LocalChain]:
    """A fresh embedded chain in its own process."""
    async with local_chain_of("embedded") as chain:
        yield chain


@pytest_asyncio.fixture(
    params=[pytest.param("anvil", marks=pytest.mark.anvil), pytest.param("embedded")]
)
async def local_chain(request: pytest.FixtureRequest) -> AsyncIterator[LocalChain]:
    """A fresh chain of each kind."""
    async with local_chain_of(request.param) as chain:
        yield chain


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this run's own."""
    try:
        with cluster(in_memory=True) as running:
            yield running
    except PostgresMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
