"""The tables of the App's database, for both SQLite and PostgreSQL. A change here needs a migration (`bot/database/migrations`).

Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

# GitHub's ids exceed 32 bits, but SQLite numbers rows automatically only in a column of type INTEGER.
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

INBOX = sa.Table(
    "inbox",
    METADATA,
    sa.Column("number", ID, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("action", sa.String),
    sa.Column("repository", sa.String, nullable=False),
    sa.Column("installation", ID, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("received", sa.Float, nullable=False),
    sa.Column("status", sa.String, nullable=False, default="new"),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("error", sa.String),
    sa.Index("inbox_waiting", "status", "due"),
)
RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("repository", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("issue", ID, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("workflow_run", ID),
    sa.Column("due", sa.Float),
    sa.Column("poked", sa.Boolean, nullable=False, default=False),
    sa.Column("row_version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("runs_issue", "repository", "issue"),
    sa.Index("runs_due", "due"),
    sa.Index("runs_workflow_run", "workflow_run"),
)
REPOSITORIES = sa.Table(
    "repositories",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String, nullable=False, unique=True),
)
LOCKS = sa.Table(
    "locks",
    METADATA,
    sa.Column("repository", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("run", sa.String, nullable=False),
)
COUNTERS = sa.Table(
    "counters",
    METADATA,
    sa.Column("repository", sa.String, primary_key=True),
    sa.Column("last_run", sa.Integer, nullable=False),
)
REPLICAS = sa.Table(
    "replicas",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("process", ID, nullable=False),
    sa.Column("beat", sa.Float, nullable=False),
)
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("repository", sa.String, primary_key=True),
    sa.Column("work", sa.String, primary_key=True),
    sa.Column("replica", sa.String, nullable=False),
)
SCHEDULES = sa.Table(
    "schedules",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("cron", sa.String, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
)
