"""Machines, logs and the outbox.

A migration is frozen once it has shipped, so it spells the tables out and does not import them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INTEGER_63 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.LargeBinary(), "postgresql")


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "machine",
        sa.Column("kind", NAME, primary_key=True),
        sa.Column("key", NAME, primary_key=True),
        sa.Column("revision", INTEGER_63, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "log_record",
        sa.Column("stream", NAME, primary_key=True),
        sa.Column("position", INTEGER_63, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", INTEGER_63, primary_key=True),
        sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("due_ms", INTEGER_63, nullable=False),
        sa.Column("attempts", INTEGER_63, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("outbox_by_due", "outbox", ["due_ms", "sequence"])
