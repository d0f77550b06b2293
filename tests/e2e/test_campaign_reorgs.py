"""Random reorganisations of a real chain: once they have healed, the database equals the chain.

Ten by default; ``./dev campaign reorgs 200`` asks for two hundred. They reach 1 to 64 blocks deep,
empty the blocks, keep a part of them or leave a shorter chain, while channels are opened, topped
up, settled, asked back and rotated, nodes slashed and their keys rotated.
"""

import os
import random
import time
from pathlib import Path

import pytest
from reorg_world import ANVIL_OPTIONS, ReorgWorld

from settlement.chain.local import LocalChain, find_anvil

ROOT = Path(__file__).resolve().parents[2]
REORGS = int(os.environ.get("SMARTLAYER_CAMPAIGN", "10"))
LONGEST_DEEDS = 6


@pytest.mark.anvil
@pytest.mark.timeout(60 + 5 * REORGS)
async def test_after_every_reorganisation_the_database_equals_the_chain() -> None:
    if find_anvil(ROOT) is None:
        pytest.skip("anvil is not installed (npm ci)")
    async with LocalChain(root=ROOT, kind="anvil", anvil_options=ANVIL_OPTIONS) as chain:
        await campaign(chain)


async def campaign(chain: LocalChain) -> None:
    seed = int(os.environ.get("SMARTLAYER_SEED", random.SystemRandom().randrange(2**32)))
    world = ReorgWorld(chain, seed)
    print(f"seed {seed}")
    await world.found()
    began, deepest = time.monotonic(), 0
    for reorg in range(REORGS):
        for _ in range(world.chance.randint(1, LONGEST_DEEDS)):
            await world.act()
            await chain.rpc.once("anvil_mine", hex(world.chance.randint(1, 12)))
            if world.chance.random() < 0.5:
                await world.database.drain(world.chance)
        deepest = max(deepest, await world.reorganise())
        if world.chance.random() < 0.5:
            await world.database.drain(world.chance)
        if world.chance.random() < 0.7:
            await world.heal()
            assert await world.differences() == [], f"reorganisation {reorg}, seed {seed}"
    await world.heal()
    assert await world.differences() == [], f"the end, seed {seed}"
    assert world.database.replaced > 0
    print(
        f"{REORGS} reorganisations, the deepest of {deepest} blocks, in "
        f"{time.monotonic() - began:.0f} s; {world.database.replaced} reached what was shown; "
        f"{len(world.database.seen)} events; {dict(sorted(world.done.items()))}; seed {seed}"
    )
