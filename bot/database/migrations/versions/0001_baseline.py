"""The first databases: inbox, runs, locks, counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("action", sa.String),
        sa.Column("repository", sa.String, nullable=False),
        sa.Column("installation", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received", sa.Float, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("error", sa.String),
    )
    op.create_index("inbox_waiting", "inbox", ["status", "due"])
    op.create_table(
        "runs",
        sa.Column("repository", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("issue", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("workflow_run", sa.Integer),
        sa.Column("due", sa.Float),
        sa.Column("poked", sa.Boolean, nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("runs_issue", "runs", ["repository", "issue"])
    op.create_index("runs_due", "runs", ["due"])
    op.create_table(
        "locks",
        sa.Column("repository", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("run", sa.String, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("repository", sa.String, primary_key=True),
        sa.Column("last_run", sa.Integer, nullable=False),
    )
