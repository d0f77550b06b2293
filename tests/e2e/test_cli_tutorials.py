"""Every command of the tutorials is run, in their order, on one network with free ports.

A block of shell that says ``background=PORT`` runs beside the others from then on; the next one
waits until something listens on that port. Blocks that say ``setup`` are the reader's own machine.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = ("operator", "issuer", "integration", "stake-holder")
PORTS = ("8545", "8600", "8601", "8700")
BLOCK = re.compile(r"^```sh *([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WAIT_FOR = (
    "for i in $(seq 300); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; "
    "sleep 0.1; done"
)
WAIT_FOR_CHAIN = (
    "for i in $(seq 300); do grep -q 'http://' background-{port}.log && break; sleep 0.1; done"
)
"""A chain listens before it has given the accounts their coins; then it says where it is."""
CHAIN = "8545"
LONGEST_S = 800


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return found


def script_of(name: str) -> str:
    """A tutorial's commands as one bash script."""
    lines = [f"echo '## {name}'"]
    for info, commands in BLOCK.findall((ROOT / "docs" / "tutorials" / f"{name}.md").read_text()):
        if info == "setup":
            continue
        background = re.fullmatch(r"background=(\d+)", info)
        if background is None:
            lines.append(commands)
        else:
            lines.append(f"{{\n{commands}}} > background-{background[1]}.log 2>&1 &")
            wait = WAIT_FOR_CHAIN if background[1] == CHAIN else WAIT_FOR
            lines.append(wait.format(port=background[1]))
    return "\n".join(lines)


def run_all(folder: Path) -> str:
    """Run all tutorials in ``folder``; their output. Everything started is stopped."""
    script = "set -eu\n" + "\n".join(script_of(name) for name in TUTORIALS) + "\necho '## done'\n"
    for known, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        script = script.replace(known, free)
        for example in (ROOT / "examples" / "boarding_pass").iterdir():
            copy = folder / "example" / example.name
            source = copy if copy.exists() else example
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(source.read_text().replace(known, free))
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("SMARTLAYER_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EXAMPLE": str(folder / "example"),
    }
    anvil = ROOT / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin"
    environment["PATH"] = f"{anvil}:{environment['PATH']}"
    with (folder / "output.txt").open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            shell.wait(LONGEST_S)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait(10)
    return (folder / "output.txt").read_text()


@pytest.mark.slow
@pytest.mark.timeout(LONGEST_S + 40)
def test_every_command_of_the_tutorials_does_what_they_say(tmp_path: Path) -> None:
    told = run_all(tmp_path)
    assert told.rstrip().endswith("## done"), told[-3_000:]
    assert '"ready": false' in told
    assert '"ready": true' in told
    assert "replicas: 1" in told
    assert "{'flight': 'SL7', 'gate': 'B42'} proven: ('flight', 'gate')" in told
    assert "signed for 1000000000000000 base units in 1 lanes" in told
    assert told.count("base units: 1000000000000000") == 3, "saved, verified, compared"
    assert "is registered already" not in told
    assert told.count("exit code 3") == 2, "both refusals of the stake holder's tutorial"
