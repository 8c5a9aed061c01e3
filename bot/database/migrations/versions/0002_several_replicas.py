"""Replicas and their leases, schedules, and an index of runs by workflow run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("process", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("beat", sa.Float, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("repository", sa.String, primary_key=True),
        sa.Column("work", sa.String, primary_key=True),
        sa.Column("replica", sa.String, nullable=False),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("cron", sa.String, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
    )
    op.create_index("runs_workflow_run", "runs", ["workflow_run"])
