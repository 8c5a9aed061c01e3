"""The database's schema: created, migrated from an older version, and refused if it is newer."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from actions.errors import Unavailable
from bot.database.engine import Database
from bot.database.schema_version import HEAD, version
from bot.database.store import Store
from bot.database.tables import METADATA
from tests.support.databases import sqlite_url
from tests.support.runs import a_run


def old_database(folder: Path) -> str:
    """Create a database as the first Modelyard did, without a version, and with a run."""
    url = sqlite_url(folder)
    engine = sa.create_engine(url)
    baseline = importlib.import_module("bot.database.migrations.versions.0001_baseline")
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            baseline.upgrade()
        run = a_run()
        row = {
            "repository": run.repository, "id": run.id, "number": 1, "issue": 1, "model": run.model, "state": run.state,
            "poked": False, "row_version": 0, "document": run.model_dump_json(),
        }  # fmt: skip
        connection.execute(METADATA.tables["runs"].insert().values(row))
    engine.dispose()
    return url


def test_an_old_database_is_migrated_to_the_newest_schema_and_keeps_its_runs(tmp_path: Path) -> None:
    store = Store(old_database(tmp_path))
    assert store.runs.get("owner/demo", a_run().id) == a_run()
    with store.database.transaction() as connection:
        assert version(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    store.close()


def test_a_database_of_a_newer_modelyard_is_refused_unchanged(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path))
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(Unavailable) as refused:
        Database(sqlite_url(tmp_path))
    assert refused.value.problem.reason == "database_newer"
