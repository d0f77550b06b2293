"""Token scripts on disk, under the hash that the chain names; verified whenever they are read."""

import asyncio
import os
import tempfile
from pathlib import Path

from settlement.types import Hash, keccak


class ScriptCache:
    """A folder of files named by the keccak256 of their bytes. Safe to share between processes.

    A file is written beside its place and renamed into it, so that a reader sees all of it or
    nothing; a damaged one counts as absent and is removed. Methods raise OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, script_hash: Hash) -> bytes | None:
        """The script's bytes, or None when they are not here."""
        return await asyncio.to_thread(self._read, script_hash)

    async def put(self, script: bytes) -> Hash:
        """Keep a script durably and return its hash."""
        return await asyncio.to_thread(self._write, script)

    def _path(self, script_hash: Hash) -> Path:
        return self._folder / f"{script_hash.hex()}.tsml"

    def _read(self, script_hash: Hash) -> bytes | None:
        path = self._path(script_hash)
        try:
            script = path.read_bytes()
        except FileNotFoundError:
            return None
        if keccak(script) != script_hash:
            path.unlink(missing_ok=True)
            return None
        return script

    def _write(self, script: bytes) -> Hash:
        script_hash = keccak(script)
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._folder, suffix=".draft")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(script)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path(script_hash))
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        self._sync_folder()
        return script_hash

    def _sync_folder(self) -> None:
        # The rename itself lies in the folder; without this, a power cut could undo it.
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
