"""A PostgreSQL of a test's or benchmark's own: made in a temporary folder, reached over its
socket, removed.

::

    with cluster() as server:                          # raises PostgresMissing; on disk
        async with PostgresStore(server.target(await server.database())) as store: ...

initdb refuses to run as root, so that root's clusters belong to an account without rights.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from settlement.store.postgres_session import Target

NOBODY = 65_534
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/*/bin")
MEMORY = Path("/dev/shm")
ROOM = 1 << 30
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_senders": "4",
    "fsync": "on",
    "logging_collector": "off",
}


def binaries() -> Path | None:
    """The folder of initdb and postgres, or None."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    for place in PLACES:
        for folder in sorted(Path("/").glob(place.removeprefix("/")), reverse=True):
            if (folder / "initdb").exists():
                return folder
    return None


class PostgresMissing(Exception):
    """There is no PostgreSQL on this machine."""


@dataclass(slots=True, kw_only=True)
class Cluster:
    """One server and its folder. ``port`` only names the socket: nothing listens on a network."""

    binaries: Path
    folder: Path
    password: str
    port: int = 5_432
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def target(self, database: str = "postgres", *others: "Cluster") -> Target:
        """Where a store finds a database, here or at one of the others."""
        hosts = [self, *others]
        where = ",".join(quote(str(each.folder), safe="") for each in hosts)
        ports = ",".join(str(each.port) for each in hosts)
        url = f"postgresql://smartlayer@/{database}?host={where}&port={ports}"
        return Target(url=url, password=self.password)

    def initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        self.own(secret)
        self.run(
            "initdb",
            f"--pgdata={self.data}",
            "--username=smartlayer",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **self.settings}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, f"--port={self.port}", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                **as_nobody(),
            )
        deadline = time.monotonic() + 30
        ready = [str(self.binaries / "pg_isready"), "-q", f"-h{self.folder}", f"-p{self.port}"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    @contextmanager
    def standby(self) -> Iterator["Cluster"]:
        """A second server that every commit of this one waits for; gone afterwards."""
        with cluster_folder(self.folder.parent) as folder:
            follows = f"host={self.folder} port={self.port} user=smartlayer "
            made = Cluster(
                binaries=self.binaries,
                folder=folder,
                password=self.password,
                settings={
                    **self.settings,
                    "primary_conninfo": f"{follows} password={self.password} "
                    "application_name=standby",
                },
            )
            made.own(folder)
            made.run(
                "pg_basebackup",
                f"--pgdata={made.data}",
                f"--host={self.folder}",
                f"--port={self.port}",
                "--checkpoint=fast",
                "--no-sync",
            )
            (made.data / "standby.signal").touch()
            made.own(made.data / "standby.signal")
            try:
                made.start()
                yield made
            finally:
                made.stop()

    async def wait_for_standby(self) -> None:
        """Make every commit wait for the standby from now on."""
        await self.execute(
            "ALTER SYSTEM SET synchronous_standby_names = 'standby'",
            "SELECT pg_reload_conf()",
        )
        state = "SELECT sync_state FROM pg_stat_replication"
        for _ in range(600):
            if await self.execute(state) == "sync":
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the standby does not follow")

    def promote(self) -> None:
        """Make a standby the server that takes writes."""
        self.run("pg_ctl", "promote", f"--pgdata={self.data}", "--no-wait")

    def kill(self) -> None:
        """kill -9 of the whole server, as a lost machine."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Stop at once, without a checkpoint."""
        self._signal(signal.SIGQUIT)

    def _signal(self, number: int) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
            self.process.wait(20)
            self.process = None

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the cluster's owner."""
        done = subprocess.run(
            [self.binaries / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": self.password, "PGUSER": "smartlayer"},
            **as_nobody(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)

    async def execute(self, *statements: str, database: str = "postgres") -> Any:
        """Run statements one by one; the last one's first value."""
        connection = await asyncpg.connect(self.target(database).url, password=self.password)
        try:
            for statement in statements:
                found = await connection.fetchval(statement)
        finally:
            await connection.close()
        return found

    async def database(self) -> str:
        """Make a new, empty database and return its name."""
        name = f"store_{secrets.token_hex(6)}"
        await self.execute(f"CREATE DATABASE {name}")
        return name


def as_nobody() -> dict[str, Any]:
    """How a child of root runs as somebody without rights."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def cluster(*, in_memory: bool = False, **settings: str) -> Iterator[Cluster]:
    """A running cluster, gone with its folder afterwards; where there is room, ``in_memory``
    spares the disk its syncs (a killed process loses nothing by that). Raises PostgresMissing.
    """
    found = binaries()
    if found is None:
        raise PostgresMissing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with cluster_folder(MEMORY if in_memory else None) as folder:
        made = Cluster(
            binaries=found, folder=folder, password=secrets.token_hex(8), settings=settings
        )
        made.own(folder)
        made.initialise()
        try:
            made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def cluster_folder(wanted: Path | None) -> Iterator[Path]:
    """A folder with a name short enough for a socket in it."""
    roomy = wanted is not None and wanted.is_dir() and shutil.disk_usage(wanted).free > ROOM
    with tempfile.TemporaryDirectory(
        prefix="slpg-", dir=wanted if roomy else None, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)
