"""Connections to PostgreSQL: where it is, who may write, and what durable means there."""

import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import sqlalchemy as sa

from settlement.errors import InputError, StoreFailed
from settlement.store.errors import StoreOwned, StoreUnopened
from settlement.store.lease import this_process

CONNECT_S = 3
OWNER_WAIT_MS = 1_000
"""How long an opening waits for the process before it to end."""
_STORE_LOCK = 0x534C
_WORKER_LOCK = 0x534D
_NOT_DURABLE = {"off", "local", "remote_write"}

LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what an operation gets that a loss has interrupted
    asyncpg.LockNotAvailableError,  # a connection of ours that the server believes alive
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.TooManyConnectionsError,
)
"""What says that this connection, or this server, is of no use; another may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A database: ``postgresql://user@host[,host…]/name``, and the password of its user.

    Of several hosts the one that takes writes is used. A password in the URL is refused, since
    URLs are shown; without one here, PGPASSFILE and its like are asked.
    """

    url: str
    password: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise InputError(where="the database", problem="expected postgresql://…")
        if parts.password is not None or "password" in parse_qs(parts.query):
            problem = "its URL holds a password; put that into a file of its own"
            raise InputError(where="the database", problem=problem)

    async def connect(self) -> Any:
        """A connection to the host that takes writes, with durable commits.

        Raises what is in :data:`LOST`, and other errors of asyncpg.
        """
        connection = await asyncpg.connect(
            self.url,
            password=self.password,
            timeout=CONNECT_S,
            target_session_attrs="read-write",
            server_settings={
                "application_name": f"smartlayer, {this_process()}",
                "idle_in_transaction_session_timeout": "60s",
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
            },
        )
        await _make_durable(connection)
        return connection

    async def connect_to_write(self, worker: str | None) -> Any:
        """A connection that has the store's lock: alone, or beside other workers of other names.

        The server drops the lock with the connection. Raises asyncpg.LockNotAvailableError where
        another holds it, and what :meth:`connect` raises.
        """
        connection = await self.connect()
        try:
            await connection.execute(f"SET lock_timeout = {OWNER_WAIT_MS}")
            for lock, *key in _locks(worker):
                await connection.execute(f"SELECT {lock}($1, $2)", *key)
            await connection.execute("SET lock_timeout = 0")
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def open_to_write(self, worker: str | None) -> Any:
        """:meth:`connect_to_write` for a start: raises StoreOwned and StoreUnopened."""
        try:
            return await self.connect_to_write(worker)
        except asyncpg.LockNotAvailableError as error:
            raise StoreOwned(database=self.url, holder=await self._holder()) from error
        except (*LOST, asyncpg.PostgresError) as error:
            raise StoreUnopened(database=self.url, problem=told(error)) from error

    async def _holder(self) -> str:
        connection = await self.connect()
        try:
            row = await connection.fetchval(_HOLDER, _STORE_LOCK)
            return str(row or "unknown")
        finally:
            await connection.close()


_HOLDER = """
SELECT string_agg(application_name, '; ') FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = $1::int AND granted
"""


def _locks(worker: str | None) -> list[tuple[str, int, int]]:
    if worker is None:
        return [("pg_advisory_lock", _STORE_LOCK, 0)]
    name = zlib.crc32(worker.encode()) - (1 << 31)
    return [
        ("pg_advisory_lock_shared", _STORE_LOCK, 0),
        ("pg_advisory_lock", _WORKER_LOCK, name),
    ]


async def _make_durable(connection: Any) -> None:
    if await connection.fetchval("SELECT current_setting('fsync')") == "off":
        await connection.close()
        raise StoreFailed(problem="this server does not sync its commits (fsync = off)")
    if await connection.fetchval("SELECT current_setting('synchronous_commit')") in _NOT_DURABLE:
        await connection.execute("SET synchronous_commit = on")


def told(error: BaseException) -> str:
    """An error of the driver in words; some have no text of their own."""
    if isinstance(error, sa.exc.DBAPIError) and error.orig is not None:
        error = error.orig  # without the statement
    return f"{type(error).__name__}: {error}".removesuffix(": ")
