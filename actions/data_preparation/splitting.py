"""The operation that parts rows into those to train on, to watch training by, and to test with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from actions.data_preparation.checks import FEWEST_ROWS, require, target_checks
from actions.data_preparation.files import SavedTable, frame_of, write_frame
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.operation import Context, InvalidInput, Result, operation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Strategy = Literal["random", "stratified", "grouped", "time"]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1

Fraction = Annotated[float, Field(ge=0, le=0.9)]


class SplitDataset(Result):
    """The three parts of a data set, each a Parquet file."""

    train: SavedTable
    validation: SavedTable | None = Field(description="absent where it has no rows")
    test: SavedTable
    strategy: Strategy
    seed: int


@operation(stage="prepare", where="runner", idempotent=True)
def split_dataset(
    context: Context,
    data: DataUri,
    destination: StorageUri,
    strategy: Strategy = "random",
    column: str | None = None,
    test_fraction: Fraction = TEST_FRACTION,
    validation_fraction: Fraction = VALIDATION_FRACTION,
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42,
) -> SplitDataset:
    """Split data into train, validation and test parts; the same seed gives the same parts.

    Parameters
    ----------
    data
        The data, as ``load_dataset`` takes it.
    destination
        The folder under the storage root to write ``train.parquet``, ``validation.parquet`` and ``test.parquet`` to.
    strategy
        random; stratified: each class of ``column`` in each part; grouped: rows with one value of ``column`` stay
        together; time: the latest rows by ``column`` are the test rows.
    column
        What to stratify, group or order by.
    test_fraction, validation_fraction
        Shares of the rows.
    seed
        Of the random choice.
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    labels = split_labels(frame, strategy, column, test_fraction, validation_fraction, seed)
    tables = {
        part: write_frame(frame[labels == part], folder / f"{part}.parquet", context)
        for part in PARTS
        if (labels == part).any()
    }
    return SplitDataset(
        train=tables["train"], validation=tables.get("validation"), test=tables["test"], strategy=strategy, seed=seed
    )


def split_labels(
    frame: pd.DataFrame,
    strategy: Strategy,
    column: str | None,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> np.ndarray[Any, Any]:
    """Return for each row the part that it belongs to."""
    import numpy as np

    if test_fraction + validation_fraction >= 1 or test_fraction == 0:
        raise InvalidInput(
            "fractions_out_of_range",
            rule="Test rows are some of the rows, and test and validation together are less than all.",
            found=f"test {test_fraction:g}, validation {validation_fraction:g}.",
            next_step="Choose smaller shares, such as 0.2 and 0.1.",
            field="test_fraction",
        )
    _require_rows(frame)
    fractions = (test_fraction, validation_fraction)
    generator = np.random.default_rng(seed)
    if strategy == "random":
        labels = _dealt(generator.permutation(len(frame)), fractions)
    else:
        keys = _keys(frame, strategy, column)
        chosen = {"stratified": _stratified, "grouped": _grouped, "time": _by_time}[strategy]
        labels = chosen(keys, fractions, generator)
    _require_parts(labels)
    return labels


def _dealt(order: np.ndarray[Any, Any], fractions: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Label rows in a given order: test rows first, then validation, then training."""
    import numpy as np

    count = len(order)
    test = min(max(1, round(count * fractions[0])), max(count - 1, 0))
    validation = min(round(count * fractions[1]), count - test - 1) if count > test else 0
    labels = np.full(count, "train", dtype="<U10")
    labels[order[:test]] = "test"
    labels[order[test : test + validation]] = "validation"
    return labels


def _stratified(keys: pd.Series[Any], fractions: tuple[float, float], generator: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    require(
        [
            check
            for check in target_checks(keys.to_frame(), str(keys.name), "classification")
            if check.status == "failed"
        ]
    )
    labels = np.full(len(keys), "train", dtype="<U10")
    for value in sorted(keys.dropna().unique(), key=lambda value: (str(type(value)), value)):
        rows = np.flatnonzero((keys == value).to_numpy())
        labels[rows] = _dealt(generator.permutation(len(rows)), fractions)
    return labels


def _grouped(keys: pd.Series[Any], fractions: tuple[float, float], generator: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    groups = np.unique(keys.astype(str).to_numpy(dtype=object))
    parts = dict(zip(groups, _dealt(generator.permutation(len(groups)), fractions), strict=True))
    return np.asarray([parts[key] for key in keys.astype(str)], dtype="<U10")


def _by_time(keys: pd.Series[Any], fractions: tuple[float, float], generator: Any) -> np.ndarray[Any, Any]:  # noqa: ARG001  # one signature for all
    import numpy as np

    latest_first = np.argsort(keys.to_numpy(), kind="stable")[::-1]
    return _dealt(latest_first, fractions)


def _keys(frame: pd.DataFrame, strategy: Strategy, column: str | None) -> pd.Series[Any]:
    if column is None or column not in frame:
        raise InvalidInput(
            "split_column_missing",
            rule=f"The strategy {strategy} goes by one of the data's columns.",
            found=f"{column!r}.",
            next_step=f"Choose one of: {', '.join(str(name) for name in frame.columns[:20])}.",
            field="column",
        )
    return frame[column]


def _require_rows(frame: pd.DataFrame) -> None:
    if len(frame) < FEWEST_ROWS:
        raise InvalidInput(
            "too_few_rows",
            rule=f"At least {FEWEST_ROWS} rows can be split.",
            found=f"{len(frame)}.",
            next_step="Give more data.",
            field="data",
        )


def _require_parts(labels: np.ndarray[Any, Any]) -> None:
    for part in ("train", "test"):
        if not (labels == part).any():
            raise InvalidInput(
                "split_empty",
                rule="There are rows to train on and rows to test with.",
                found=f"no {part} rows.",
                next_step="Choose other shares, or a column with more values.",
                field="column",
            )
