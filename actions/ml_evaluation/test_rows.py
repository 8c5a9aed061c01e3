"""Which rows a run kept for testing its model: they lie beside the model in storage."""

from __future__ import annotations

from actions.context import Context
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.errors import NotFound

TEST_FILE = "test.parquet"


def kept_test_rows(model: StorageUri, context: Context) -> DataUri:
    """Return the URI of the test rows of the run that made a model.

    A model lies in ``models/<run>/<attempt>/``, its rows in ``processed/<run>/<attempt>/``: those of the same attempt, or
    of the latest one before it that split the data, whose work later attempts take over.

    Parameters
    ----------
    model
        The model file under the storage root.
    context
        Gives the storage root.

    Raises
    ------
    NotFound
        ``test_rows_not_found`` where no run's folder holds the model, or the rows are not there any more.
    """
    path = storage_path(model, context, "model")
    area, attempt = path.parent.parent.parent, path.parent.name
    if area.name == "models" and attempt.isascii() and attempt.isdecimal():
        of_run = area.with_name("processed") / path.parent.parent.name
        for number in range(int(attempt[:9]), 0, -1):
            rows = of_run / str(number) / TEST_FILE
            if rows.is_file():
                return context.storage.uri(rows)
    raise NotFound(
        "test_rows_not_found",
        rule=f"A run keeps the rows that its model is tested on: processed/<run>/<attempt>/{TEST_FILE}.",
        found=f"none for {model}.",
        next_step="Name the rows: the argument data takes a URI.",
        field="data",
    )
