"""The committed artifacts are what the compiler makes of the contracts today."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "settlement" / "abi"
LARGEST_CONTRACT = 24_576


def compiler_is_installed() -> bool:
    solc = ROOT / "node_modules" / "solc" / "package.json"
    return shutil.which("node") is not None and solc.exists()


@pytest.mark.timeout(120)
def test_committed_artifacts_equal_a_fresh_compile() -> None:
    if not compiler_is_installed():
        if os.environ.get("CI"):
            pytest.fail("CI must compare the artifacts: node and `npm ci` are missing")
        pytest.skip("node or node_modules/solc is missing: artifacts not compared")
    check = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "compile.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in ARTIFACTS.glob("*.json")))
def test_every_contract_fits_on_a_chain(name: str) -> None:
    deployed = json.loads((ARTIFACTS / f"{name}.json").read_text())["deployedBytecode"]
    assert 0 < (len(deployed) - 2) // 2 <= LARGEST_CONTRACT


LAYOUTS = ROOT / "tests" / "contracts" / "snapshots" / "storage.txt"


def test_the_hub_and_its_extensions_keep_their_state_in_the_same_places() -> None:
    # The hub delegates to its extensions, which run on the hub's storage.
    blocks = [block.strip().splitlines() for block in LAYOUTS.read_text().split("\n\n")]
    layouts = {lines[0]: lines[1:] for lines in blocks}
    assert layouts["ChannelHub"]
    assert layouts["ChannelHub"] == layouts["HubExtension"] == layouts["HubClaims"]
