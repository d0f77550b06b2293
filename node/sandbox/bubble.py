"""Worker processes inside bubblewrap, where it is installed and the kernel lets it work.

A worker in a bubble sees the interpreter, the packages and the engine's cache, and no other file,
process or network from its first instruction on; rlimits and the system-call filter follow when
it has started, bubble or not.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.sandbox.errors import BubblewrapFails

_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
_ROOT: Final = str(Path(__file__).parents[2])
_TRIAL_S: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """The program ``bwrap``, tried out."""

    program: Path

    def around(self, command: list[str], cache: Path) -> list[str]:
        """The command line that runs ``command`` in a bubble which can write ``cache`` only."""
        seen = {*_SYSTEM, _ROOT, sys.prefix, sys.base_prefix, *filter(None, sys.path)}
        shown = [
            part
            for path in sorted(seen)
            if Path(path).exists()
            for part in ("--ro-bind", path, path)
        ]
        return [
            str(self.program),
            *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - inside it
            *shown,
            *("--bind", str(cache), str(cache), "--chdir", "/", "--"),
            *command,
        ]


def find_bubblewrap(program: str = "bwrap") -> Bubblewrap | None:
    """Bubblewrap if it is installed. Raises BubblewrapFails when it is, and does not work."""
    found = shutil.which(program)
    if found is None:
        return None
    bubble = Bubblewrap(program=Path(found))
    cache = Path(sys.prefix)
    command = bubble.around([sys.executable, "-S", "-c", ""], cache)
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own bwrap
            command, capture_output=True, text=True, timeout=_TRIAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BubblewrapFails(program=found, problem=type(error).__name__) from error
    if done.returncode:
        raise BubblewrapFails(program=found, problem=done.stderr.strip()[:200])
    return bubble
