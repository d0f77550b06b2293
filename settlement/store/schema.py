"""The three tables of a store, and the revision of the migrations that make them.

``machine`` keeps the newest revision of each machine, ``log_record`` the append-only logs (stored
in order of stream and position, so that reading a stream is one scan), ``outbox`` the effects that
are committed and not yet known to be performed; its ``sequence`` keeps entries of one due time in
the order of their commits.
"""

import sqlalchemy as sa

REVISION = "0001"
"""The newest migration. A database at this revision starts without loading alembic."""

INTEGER_63 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A signed integer of 64 bits; SQLite spells it INTEGER."""

metadata = sa.MetaData()

machine = sa.Table(
    "machine",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("revision", INTEGER_63, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
)

log_record = sa.Table(
    "log_record",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("position", INTEGER_63, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", INTEGER_63, primary_key=True),
    sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("due_ms", INTEGER_63, nullable=False),
    sa.Column("attempts", INTEGER_63, nullable=False),
    sa.Index("outbox_by_due", "due_ms", "sequence"),
    sqlite_strict=True,
)
