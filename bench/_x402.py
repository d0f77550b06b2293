"""x402's official Python package on this machine, in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WANTED = ("x402[evm]==2.25.0", "coincurve==21.0.0")
"""coincurve is not among x402's own dependencies; with it, the peer is some 20 times faster, since
its account library finds libsecp256k1 instead of arithmetic in Python."""
SLOW = {"ECC_BACKEND_CLASS": "eth_keys.backends.NativeECCBackend"}
"""What the package does as it installs itself."""


def measured(folder: Path, *, as_installed: bool = False) -> dict[str, Any]:
    """The peer's rates. Raises OSError and SubprocessError where it cannot be had."""
    packages = _installed()
    with tempfile.TemporaryDirectory(dir=folder) as files:
        done = subprocess.run(
            [sys.executable, "-S", str(Path(__file__).with_name("_x402_peer.py")), files],
            env=os.environ | {"PYTHONPATH": str(packages)} | (SLOW if as_installed else {}),
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _installed() -> Path:
    """A folder with the packages in it, made on first use."""
    folder = ROOT / ".toolchain" / "peers" / WANTED[0].replace("[evm]", "")
    if not folder.exists():
        part = folder.with_name("x402-part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--only-binary", ":all:", "--target", str(part), *WANTED]
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        if shutil.which("uv"):
            pip = ["uv", "pip", "install", "--python", sys.executable]
        subprocess.run([*pip, *options], check=True, timeout=300, capture_output=True)
        part.rename(folder)
    return folder
