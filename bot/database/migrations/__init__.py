"""Changes to the database's schema, one file each in ``versions``. Alembic applies them when the App opens an older database.

To add one, write ``versions/NNNN_what.py``, change ``bot/database/tables.py`` accordingly (a test compares the two), and set
``bot.database.schema_version.HEAD``. Migrations run in the transaction that opens the database, so none is ever half applied.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from actions.errors import Unavailable
from bot.database.schema_version import HEAD, stamp


def migrate(connection: sa.Connection, present: str) -> None:
    """Migrate the schema from its present version to the newest."""
    config = Config()
    config.set_main_option("script_location", "bot.database:migrations")
    scripts = ScriptDirectory.from_config(config)
    if present not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable(
            "database_newer",
            rule="The database must not be newer than the App.",
            found=f"It has version {present}, while this App supports up to {HEAD}.",
            next_step="Run the newer Modelyard that migrated it, or restore a backup from before.",
        )
    if not sa.inspect(connection).has_table("alembic_version"):
        stamp(connection, present)

    def upgrade(revision: object, _: object) -> object:
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type] # noqa: SLF001 - as Alembic's own command does

    with EnvironmentContext(config, scripts, fn=upgrade) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
