"""The tables of a store, on SQLite and on PostgreSQL, and the revision of the migrations that make
them.

``machine`` keeps the newest revision of each machine, ``log_record`` the append-only logs (stored
in order of stream and position, so that reading a stream is one scan), ``outbox`` the effects that
are committed and not yet known to be performed; its ``sequence`` keeps entries of one due time in
the order of their commits. Each row has a checksum. ``lease`` says which processes may write.
"""

from typing import Any

import sqlalchemy as sa

REVISION = "0002"
"""The newest migration. A database at this revision starts without loading alembic."""

INTEGER_63 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A signed integer of 64 bits; SQLite spells it INTEGER."""


class Name(sa.types.TypeDecorator[str]):
    """Text, sorted by code point. PostgreSQL's text holds no NUL and sorts by language, so that
    there it is the UTF-8 bytes (``convert_from(key, 'UTF8')`` shows them)."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        kind = sa.LargeBinary() if dialect.name == "postgresql" else sa.Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return value.encode() if value is not None and dialect.name == "postgresql" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return value.decode() if isinstance(value, bytes) else value


metadata = sa.MetaData()

machine = sa.Table(
    "machine",
    metadata,
    sa.Column("kind", Name, primary_key=True),
    sa.Column("key", Name, primary_key=True),
    sa.Column("revision", INTEGER_63, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("checksum", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
)

log_record = sa.Table(
    "log_record",
    metadata,
    sa.Column("stream", Name, primary_key=True),
    sa.Column("position", INTEGER_63, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("checksum", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", INTEGER_63, primary_key=True),
    sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("kind", Name, nullable=False),
    sa.Column("key", Name, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("due_ms", INTEGER_63, nullable=False),
    sa.Column("attempts", INTEGER_63, nullable=False),
    sa.Column("checksum", sa.LargeBinary, nullable=False),
    sa.Index("outbox_by_due", "due_ms", "sequence"),
    sqlite_strict=True,
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", Name, primary_key=True),
    sa.Column("holder", Name, nullable=False),
    sa.Column("fence", INTEGER_63, nullable=False),
    sa.Column("position", INTEGER_63, nullable=False),
    sqlite_strict=True,
)
"""Who may write: a row for each process, by the name it writes under. ``fence`` grows whenever the
name is taken anew, ``position`` with each of its commits on PostgreSQL."""
