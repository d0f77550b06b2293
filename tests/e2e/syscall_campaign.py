"""Kill a process at every write and sync that it asks the kernel for: ``./dev crash syscalls``.

strace ends the life of ``write_points_process.py`` at the N-th call of each kind, from the first
byte of a new database on; the next life must end with what an unbroken one would have.
"""

import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PROCESS = Path(__file__).parent / "write_points_process.py"
SYSCALLS = ("fdatasync", "fsync", "ftruncate", "unlink", "pwrite64")


class Wrong(Exception):
    """A life left something else than it should have."""


def traced(database: Path, *options: str) -> str:
    """One life under strace; what it said."""
    # Without --seccomp-bpf: with it, strace injects errors but no signals.
    strace = ["strace", "-f", "-qq", *options]
    command = [*strace, sys.executable, str(PROCESS), str(database)]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    ).stdout


def state_in(said: str) -> str:
    """The hash of what was kept, empty where the life did not come to its end."""
    found = [line for line in said.splitlines() if line.startswith("state ")]
    return found[0] if found else ""


def promised(said: str) -> tuple[int, int]:
    """Revisions and log records that were on disk after the last step that was told."""
    told = [line.split() for line in said.splitlines() if line.startswith("did ")]
    return (int(told[-1][2]), int(told[-1][3])) if told else (0, 0)


def require_sound(database: Path, least: tuple[int, int], where: str) -> None:
    """Raise Wrong unless the database is sound and holds what was promised."""
    connection = sqlite3.connect(database)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    held = (0, 0)
    if "machine" in tables:
        (revisions,) = connection.execute("SELECT total(revision) FROM machine").fetchone()
        (records,) = connection.execute("SELECT count(*) FROM log_record").fetchone()
        held = int(revisions), int(records)
    connection.close()
    if verdict != "ok" or held[0] < least[0] or held[1] < least[1]:
        raise Wrong(f"{where}: {verdict}, holds {held}, promised {least}")


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".build") as name:
        folder, kills = Path(name), 0
        log = folder / "calls"
        whole = state_in(
            traced(folder / "whole.db", "-o", str(log), "-e", f"trace={','.join(SYSCALLS)}")
        )
        if not whole:
            raise Wrong("strace is missing, may not trace, or the life failed")
        for call in SYSCALLS:
            # strace counts for each thread; the first one to make its N-th call ends the life.
            calls = Counter(
                line.split()[0] for line in log.read_text().splitlines() if f"{call}(" in line
            )
            most = max(calls.values(), default=0)
            killed = sum(
                killed_and_repeated(folder, whole, call, number) for number in range(1, most + 1)
            )
            print(f"{call}: killed at {killed} of {most}", flush=True)
            kills += killed
        print(f"{kills} kills at system calls; every next life ended as an unbroken one")
        if not kills:
            raise Wrong("no life was killed")


def killed_and_repeated(folder: Path, whole: str, call: str, number: int) -> bool:
    """Whether the life was killed at this call; it may make fewer of them than the first did."""
    database, where = folder / f"{call}-{number}.db", f"{call} {number}"
    inject = f"inject={call}:signal=KILL:when={number}"
    said = traced(database, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
    if state_in(said):
        _forget(folder, database)
        return False
    if database.exists():
        require_sound(database, promised(said), where)
    again = subprocess.run(
        [sys.executable, str(PROCESS), str(database)], capture_output=True, text=True, check=True
    )
    if state_in(again.stdout) != whole:
        raise Wrong(f"{where}: the next life ended with another state")
    _forget(folder, database)
    return True


def _forget(folder: Path, database: Path) -> None:
    for file in folder.glob(f"{database.name}*"):
        file.unlink()


if __name__ == "__main__":
    main()
