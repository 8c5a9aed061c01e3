"""Changes of the database's schema, one file each in ``versions``, applied by Alembic when the App opens an older one.

A new one: add ``versions/NNNN_what.py``, change ``bot/database/tables.py`` in the same way (a test compares the two), and name it
in ``bot.database.engine.HEAD``. A migration runs in the transaction that opened the database, so half of one never stays.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from actions.errors import Unavailable
from bot.database import engine as database


def migrate(connection: sa.Connection, present: str) -> None:
    """Bring the schema from its version to the newest."""
    config = Config()
    config.set_main_option("script_location", "bot.database:migrations")
    scripts = ScriptDirectory.from_config(config)
    if present not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable(
            "database_newer",
            rule="The App knows its database's version.",
            found=f"version {present}, while this App's is {database.HEAD}.",
            next_step="Run the newer Modelyard that has changed it, or restore the database from before.",
        )
    if not sa.inspect(connection).has_table("alembic_version"):
        database.stamp(connection, present)

    def upgrade(revision: object, _: object) -> object:
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type] # noqa: SLF001 - as Alembic's own command does

    with EnvironmentContext(config, scripts, fn=upgrade) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
