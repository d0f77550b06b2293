"""The script source port: the bytes behind a script URI."""

from typing import Protocol

from node.errors import PeerUnreachable
from settlement.types import Address


class ScriptSource(Protocol):
    """Fetches a TokenScript file. The caller checks hash and signature."""

    async def fetch(self, uri: str) -> bytes:
        """The file's bytes, at most 2 MiB. Raises PeerUnreachable (retryable)."""
        ...


class MemoryScripts:
    """The fake: a dictionary of files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    async def fetch(self, uri: str) -> bytes:
        if uri not in self.files:
            raise PeerUnreachable(peer=Address(b""), problem=f"nothing at {uri}")
        return self.files[uri]
