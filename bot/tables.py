"""The tables of the App's database."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

INBOX = sa.Table(
    "inbox",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("action", sa.String),
    sa.Column("repository", sa.String, nullable=False),
    sa.Column("installation", sa.Integer, nullable=False),
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
    sa.Column("issue", sa.Integer, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("workflow_run", sa.Integer),
    sa.Column("due", sa.Float),
    sa.Column("poked", sa.Boolean, nullable=False, default=False),
    sa.Column("row_version", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("runs_issue", "repository", "issue"),
    sa.Index("runs_due", "due"),
    sa.Index("runs_workflow_run", "workflow_run"),
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
