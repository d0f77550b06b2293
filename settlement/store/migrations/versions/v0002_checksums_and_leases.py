"""A checksum beside each row, and the table of leases.

The checksums of the rows that are there already are counted here, by a copy of the rule: a
migration is frozen once it has shipped.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INTEGER_63 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.LargeBinary(), "postgresql")
ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    """Add the columns, fill them, make the table."""
    nothing = sa.text("X''" if op.get_bind().dialect.name == "sqlite" else "''")
    for table, place, of in RULES:
        column = sa.Column("checksum", sa.LargeBinary, nullable=False, server_default=nothing)
        op.add_column(table, column)
        _fill(table, place, of)
    op.create_table(
        "lease",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("holder", NAME, nullable=False),
        sa.Column("fence", INTEGER_63, nullable=False),
        sa.Column("position", INTEGER_63, nullable=False),
        sqlite_strict=True,
    )


def _fill(table: str, place: tuple[str, ...], of: Callable[[Any], bytes]) -> None:
    connection = op.get_bind()
    where = " AND ".join(f"{name} = :at_{name}" for name in place)
    update = sa.text(f"UPDATE {table} SET checksum = :checksum WHERE {where}")  # noqa: S608 - ours
    rows = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()  # noqa: S608
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = [
            {"checksum": of(row), **{f"at_{name}": row[name] for name in place}}
            for row in rows[start : start + ROWS_AT_ONCE]
        ]
        connection.execute(update, some)


def _checksum(content: bytes, *place: Any) -> bytes:
    digest = blake2b(content, digest_size=16)
    digest.update(b"\n%d\n" % len(content))
    digest.update(b"\n".join(_bytes(part) for part in place))
    return digest.digest()


def _bytes(part: Any) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()


RULES: tuple[tuple[str, tuple[str, ...], Callable[[Any], bytes]], ...] = (
    (
        "machine",
        ("kind", "key"),
        lambda row: _checksum(row["state"], row["revision"], row["kind"], row["key"]),
    ),
    (
        "log_record",
        ("stream", "position"),
        lambda row: _checksum(row["body"], row["position"], row["stream"]),
    ),
    ("outbox", ("id",), lambda row: _checksum(row["id"] + row["body"], row["kind"], row["key"])),
)
