"""The operation that splits rows into a training, a validation and a test part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from actions.context import Context
from actions.data_preparation.checks import MIN_ROWS, require, target_checks
from actions.data_preparation.columns import conformed, kind_of
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import SavedTable, frame_of, write_frame
from actions.errors import InvalidInput
from actions.operation import Result, operation
from actions.text.suggestions import nearest_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Strategy = Literal["random", "stratified", "group", "time"]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1

_MAX_CLASSES = 100

Fraction = Annotated[float, Field(ge=0, le=0.9)]


class SplitDataset(Result):
    """The parts of a data set, each a Parquet file."""

    train: SavedTable
    validation: SavedTable | None = Field(description="null if it has no rows")
    test: SavedTable
    strategy: Strategy
    seed: int
    classes: dict[Part, dict[str, int]] = Field(
        default_factory=dict,
        description="number of rows of each class in each part; empty without a target, or if it has over 100 values",
    )


@operation(
    stage="prepare",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def split_dataset(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    destination: StorageUri,
    *,
    strategy: Strategy = "random",
    column: str | None = None,
    test_fraction: Fraction = TEST_FRACTION,
    validation_fraction: Fraction = VALIDATION_FRACTION,
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42,
    target: str | None = None,
) -> SplitDataset:
    """Split data into train, validation and test parts; the same seed always gives the same parts.

    Parameters
    ----------
    data
        The data, as for ``load_dataset``.
    destination
        The folder under the storage root that ``train.parquet``, ``validation.parquet`` and ``test.parquet`` are
        written to.
    strategy
        random; stratified keeps the shares of the classes in ``column``; group keeps rows with the same value in
        ``column`` together (the fractions are of groups); time makes the latest rows by ``column`` (dates or numbers)
        the test rows.
    column
        The column to stratify, group or order by.
    test_fraction, validation_fraction
        Shares of the rows.
    seed
        Seed of the random choice.
    target
        The column to predict. If given, the training and the test part must each contain at least two of its values.

    Raises
    ------
    InvalidInput
        ``fractions_out_of_range``: no rows would be left to train or to test on. ``one_class_in_part``: the
        training or the test rows have a single value of the target. ``single_row_class``: a class has only one row.
        ``split_column_has_missing_values``: a row has no value to group or order by. ``split_column_missing``: the
        strategy needs a column of the data. ``split_column_wrong_kind``: the column contains neither dates nor
        numbers. ``split_empty``: a part would have no rows. ``target_constant``: the target has a single value.
        ``target_empty``: the target column has no values. ``target_missing``: there is no target column.
        ``target_wrong_kind``: the target does not fit the task. ``too_few_rows``: there are too few rows.
        ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``,
        ``duplicate_columns``, ``infinite_values``, ``object_too_large``, ``outside_storage``, ``too_many_columns``,
        ``unknown_dataset``, ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``,
        ``unsupported_scheme``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")))
    >>> split = split_dataset(
    ...     context, "sklearn://iris", "flowers", strategy="stratified", column="target", target="target"
    ... )
    >>> split.train.rows, split.validation.rows, split.test.rows
    (105, 15, 30)
    >>> split.classes["test"]
    {'0': 10, '1': 10, '2': 10}
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    labels = split_labels(frame, strategy, column, test_fraction, validation_fraction, seed)
    classes = part_classes(frame, labels, target) if target is not None else {}
    tables = {
        part: write_frame(frame[labels == part], folder / f"{part}.parquet", context)
        for part in PARTS
        if (labels == part).any()
    }
    return SplitDataset(
        train=tables["train"],
        validation=tables.get("validation"),
        test=tables["test"],
        strategy=strategy,
        seed=seed,
        classes=classes,
    )


def split_labels(
    frame: pd.DataFrame,
    strategy: Strategy,
    column: str | None,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> np.ndarray[Any, Any]:
    """Return, for each row, the part that it belongs to."""
    import numpy as np

    if test_fraction + validation_fraction >= 1 or test_fraction == 0:
        raise InvalidInput(
            "fractions_out_of_range",
            rule="There must be test rows, and test and validation rows together must leave some to train on.",
            found=f"test {test_fraction:g}, validation {validation_fraction:g}.",
            next_step="Choose smaller fractions, such as 0.2 and 0.1.",
            field="test_fraction",
        )
    _require_rows(frame)
    fractions = (test_fraction, validation_fraction)
    generator = np.random.default_rng(seed)
    if strategy == "random":
        labels = _assign(generator.permutation(len(frame)), fractions)
    else:
        keys = _keys(frame, strategy, column)
        split = {"stratified": _stratified, "group": _by_group, "time": _by_time}[strategy]
        labels = split(keys, fractions, generator)
    _require_test_rows(labels)
    return labels


def part_classes(frame: pd.DataFrame, labels: np.ndarray[Any, Any], target: str) -> dict[Part, dict[str, int]]:
    """Return the number of rows of each class in each part; empty if the target has more than a hundred values.

    Raises
    ------
    InvalidInput
        ``target_missing``; ``one_class_in_part`` if the training or the test rows contain a single value of the target.
    """
    if target not in frame:
        raise InvalidInput(
            "target_missing",
            rule="The target must be a column of the data.",
            found=f"no column {target!r}.",
            next_step=f"Choose a column, most similar first: {nearest_first(target, list(frame.columns))}.",
            field="target",
        )
    counts = {part: frame.loc[labels == part, target].value_counts() for part in PARTS}
    for part in ("train", "test"):
        if len(counts[part]) == 1:
            raise InvalidInput(
                "one_class_in_part",
                rule="The training rows and the test rows must each contain at least two values of the target.",
                found=f"column {target!r} is {str(counts[part].index[0])[:100]!r} in each of the "
                f"{int(counts[part].iloc[0])} {part} rows.",
                next_step="Split stratified by the target, choose larger fractions, or split by another column.",
                field=target,
            )
    if max(len(count) for count in counts.values()) > _MAX_CLASSES:
        return {}
    return {part: {str(value): int(rows) for value, rows in counts[part].sort_index().items()} for part in PARTS}


def _assign(order: np.ndarray[Any, Any], fractions: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Assign rows in a given order to parts: the first ones to test, then validation, then training."""
    import numpy as np

    count = len(order)
    test = min(max(1, round(count * fractions[0])), count - 1)
    validation = min(round(count * fractions[1]), count - test - 1)
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
        labels[rows] = _assign(generator.permutation(len(rows)), fractions)
    return labels


def _by_group(keys: pd.Series[Any], fractions: tuple[float, float], generator: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    groups = np.unique(keys.astype(str).to_numpy(dtype=object))
    parts = dict(zip(groups, _assign(generator.permutation(len(groups)), fractions), strict=True))
    return np.asarray([parts[key] for key in keys.astype(str)], dtype="<U10")


def _by_time(keys: pd.Series[Any], fractions: tuple[float, float], generator: Any) -> np.ndarray[Any, Any]:  # noqa: ARG001  # all three have the same signature
    import numpy as np

    latest_first = np.argsort(keys.to_numpy(), kind="stable")[::-1]
    return _assign(latest_first, fractions)


def _keys(frame: pd.DataFrame, strategy: Strategy, column: str | None) -> pd.Series[Any]:
    import numpy as np

    if column is None or column not in frame:
        raise InvalidInput(
            "split_column_missing",
            rule=f"The strategy {strategy} must be given a column of the data.",
            found=f"{column!r}.",
            next_step=f"Choose a column: {nearest_first(column or '', [str(name) for name in frame.columns], 20)}.",
            field="column",
        )
    keys = frame[column]
    if strategy == "stratified":
        return keys
    missing = np.flatnonzero(keys.isna().to_numpy())
    if len(missing):
        raise InvalidInput(
            "split_column_has_missing_values",
            rule=f"To split by {strategy}, each row must have a value in {column!r}.",
            found=f"{len(missing)} of {len(keys)} rows without one, the first in row {int(missing[0]) + 1}.",
            next_step="Fill the column, remove these rows, or split by another column.",
            field=column,
        )
    return _moments(keys) if strategy == "time" else keys


def _moments(keys: pd.Series[Any]) -> pd.Series[Any]:
    """Return values that can be put in order of time: dates, or numbers such as years."""
    kind = kind_of(keys)
    if kind not in {"date", "number"}:
        raise InvalidInput(
            "split_column_wrong_kind",
            rule="A column to split by time must contain ISO 8601 dates (2024-12-31) or numbers.",
            found=f"{str(keys.iloc[0])[:100]!r} in column {keys.name!r}.",
            next_step="Write dates like 2024-12-31, or choose another column.",
            field=str(keys.name),
        )
    return conformed(keys, kind)


def _require_rows(frame: pd.DataFrame) -> None:
    if len(frame) < MIN_ROWS:
        raise InvalidInput(
            "too_few_rows",
            rule=f"There must be at least {MIN_ROWS} rows to split.",
            found=f"{len(frame)}.",
            next_step="Add data.",
            field="data",
        )


def _require_test_rows(labels: np.ndarray[Any, Any]) -> None:
    if not (labels == "test").any():
        raise InvalidInput(
            "split_empty",
            rule="There must be rows to train on and rows to test on.",
            found="no test rows.",
            next_step="Choose a column with more values.",
            field="column",
        )
