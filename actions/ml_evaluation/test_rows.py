"""Finds the rows that a run kept to test its model on."""

from __future__ import annotations

from actions.context import Context
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.errors import NotFound

TEST_FILE = "test.parquet"


def uri_of_test_rows(model: StorageUri, context: Context) -> DataUri:
    """Return the URI of the test rows of the run that trained a model.

    A model is in ``models/<run>/<attempt>/`` and its rows are in ``processed/<run>/<attempt>/``. If that attempt did
    not split the data, it used the rows of an earlier one, so the latest earlier attempt that has rows is taken.

    Parameters
    ----------
    model
        The model file under the storage root.
    context
        Provides the storage root.

    Raises
    ------
    NotFound
        ``test_rows_not_found``: the model is not in a run's folder, or the rows no longer exist.
    """
    path = storage_path(model, context, "model")
    area, attempt = path.parent.parent.parent, path.parent.name
    if area.name == "models" and attempt.isascii() and attempt.isdecimal():
        run_folder = area.with_name("processed") / path.parent.parent.name
        for number in range(int(attempt[:9]), 0, -1):
            rows = run_folder / str(number) / TEST_FILE
            if rows.is_file():
                return context.storage.uri(rows)
    raise NotFound(
        "test_rows_not_found",
        rule=f"The model's run must have kept its test rows in processed/<run>/<attempt>/{TEST_FILE}.",
        found=f"none for {model}.",
        next_step="Pass the URI of rows to test on as data.",
        field="data",
    )
