"""The version of a database's schema, stored where Alembic looks for it."""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0003"
"""The newest migration in ``bot/database/migrations/versions``: it produces what ``bot.database.tables`` describes."""
BASELINE = "0001"
"""The version of databases that were created before versions were stored."""

_VERSION = sa.table("alembic_version", sa.column("version_num"))


def version(connection: sa.Connection) -> str | None:
    """Return the schema's version; None if there are no tables yet."""
    inspector = sa.inspect(connection)
    if inspector.has_table("alembic_version"):
        return str(connection.execute(sa.select(_VERSION.c.version_num)).scalar_one())
    return BASELINE if inspector.has_table("inbox") else None


def stamp(connection: sa.Connection, revision: str) -> None:
    """Store the schema's version where Alembic looks for it."""
    connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
    connection.execute(_VERSION.insert().values(version_num=revision))
