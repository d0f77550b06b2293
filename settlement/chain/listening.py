"""Who listens on a loopback port: before a process is started there, and after.

Source: proc(5), ``/proc/net/tcp`` and ``/proc/[pid]/fd``. Where there is no such file system, a
port that answers while our process lives is taken for ours.
"""

import socket
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_STATE, _INODE = 3, 9


def free_port() -> int:
    """A port of the loopback address that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def listens(process: int, port: int) -> bool:
    """Whether the listener on the port is this process or one that it started."""
    if not (_PROC / "net/tcp").exists():
        return True
    inodes = _listeners(port)
    return any(_descends(owner, process) for owner in _owners(inodes))


def _listeners(port: int) -> set[str]:
    found: set[str] = set()
    for name in ("net/tcp", "net/tcp6"):
        table = _PROC / name
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[_STATE] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[_INODE]}]")
    return found


def _owners(inodes: set[str]) -> list[int]:
    owners: list[int] = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                owners.append(int(folder.name))
        except OSError:
            continue  # it has ended, or is not ours to look at
    return owners


def _descends(process: int, ancestor: int) -> bool:
    while process > 1:
        if process == ancestor:
            return True
        try:
            # The name before the fields is in brackets and may hold anything.
            fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        process = int(fields[1])
    return False
