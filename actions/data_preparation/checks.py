"""The rules that data must satisfy before a model is trained on it; each rule is one function of a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.columns import Column, is_truth_values, looks_like_dates, stray_text
from actions.data_preparation.leaks import AlikeRows, Leaks, repeated_from
from actions.errors import InvalidInput
from actions.operation import Result
from actions.text.suggestions import nearest_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MIN_ROWS = 10
MAX_CATEGORIES = 100
"""One-hot encoding tells this many categories of a column apart; the rarest beyond that are merged into one."""
_MAX_CLASSES = 20
_MIN_ROWS_PER_CLASS = 10
_SHOWN_ROWS = 10


class Check(Result):
    """The outcome of one check."""

    name: str = Field(description="stable code, such as target_missing")
    status: Literal["passed", "warning", "failed"]
    column: str | None = None
    rule: str
    found: str
    next_step: str = ""
    rows: list[int] = Field(default_factory=list, description="numbers of the rows concerned, from 1; at most ten")
    count: int = Field(default=0, ge=0, description="how many rows are concerned, if the check is about rows")

    def error(self) -> InvalidInput:
        return InvalidInput(
            self.name,
            rule=self.rule,
            found=self.found,
            next_step=self.next_step or "Correct the data.",
            field=self.column,
        )


def require(checks: Sequence[Check]) -> list[str]:
    """Raise the first failed check as an error, or else return the warnings as sentences."""
    for check in checks:
        if check.status == "failed":
            raise check.error()
    return [f"{check.found} {check.next_step}".strip() for check in checks if check.status == "warning"]


def target_checks(frame: pd.DataFrame, target: str, task: SupervisedTask) -> list[Check]:
    """Check that the target column exists, fits the task and can be learned."""
    exists = _target_exists(frame, target)
    if exists.status == "failed":
        return [exists]
    values = frame[target]
    checks = [exists, _target_missing_values(values), _row_count(values)]
    if any(check.status == "failed" for check in checks):
        return checks
    present = values.dropna()
    kind = _classes(present) if task == "classification" else _numbers(present)
    checks.append(kind)
    if kind.status == "failed":
        return checks
    checks.append(_varies(present))
    if task == "classification":
        checks += [_class_sizes(present), _balance(present)]
    return checks


def feature_checks(frame: pd.DataFrame, columns: Sequence[Column], target: str | None) -> list[Check]:
    """Check the columns that a model learns from: content, types, infinities, identifiers, leaks and repeated rows."""
    features = [column for column in columns if column.name != target]
    checks = _usable(features)
    leaks = Leaks(frame, target) if target is not None and target in frame else None
    for column in features:
        series = frame[column.name]
        checks += [
            check
            for check in (_stray_text(series), _finite(series, column), _hint(series, column), _gaps(series, column))
            if check
        ]
        if leaks is not None and (leak := leaks.describe(column)):
            checks.append(_leak(column, leak))
    alike = AlikeRows(frame, target)
    checks.append(_repeated_rows(alike.repeated(), len(frame)))
    contradicting = alike.contradicting()
    if target is not None and len(contradicting):
        checks.append(_contradicting_rows(contradicting, len(frame), target))
    return checks


def overlap_check(frame: pd.DataFrame, columns: Sequence[Column], reference: pd.DataFrame) -> Check:
    """Warn if rows also occur in other data, such as the training rows."""
    import numpy as np

    same = repeated_from(frame, columns, reference)
    rule = "Test rows must not be among the training rows."
    if not same.any():
        return Check(name="overlap", status="passed", rule=rule, found="no row that is also in the reference.")
    return Check(
        name="overlap",
        status="warning",
        rule=rule,
        found=f"{int(same.sum())} of {len(frame)} rows are also in the reference.",
        next_step="Remove them from one of the two, or split by groups.",
        rows=row_numbers(np.flatnonzero(same)),
        count=int(same.sum()),
    )


# --- the target ------------------------------------------------------------------------------------------------------


def _target_exists(frame: pd.DataFrame, target: str) -> Check:
    names = [str(name) for name in frame.columns]
    rule = "The target must be a column of the data."
    if target in names:
        return Check(name="target_missing", status="passed", column=target, rule=rule, found=f"column {target!r}.")
    return Check(
        name="target_missing",
        status="failed",
        column="target",
        rule=rule,
        found=f"no column {target!r}.",
        next_step=f"Choose a column, most similar first: {nearest_first(target, names)}.",
    )


def _target_missing_values(values: pd.Series[Any]) -> Check:
    missing = values.isna()
    rule = "Each row must have a target; rows without one cannot be used."
    if not missing.any():
        return _passed("target_has_missing_values", values, rule, "a target in each row.")
    count = int(missing.sum())
    if count == len(values):
        return _failed("target_empty", "target", rule, f"no value in column {values.name!r}.", "Choose another column.")
    return Check(
        name="target_has_missing_values",
        status="warning",
        column=str(values.name),
        rule=rule,
        found=f"{count} of {len(values)} rows have no target {values.name!r}.",
        next_step="These rows are left out.",
        rows=_rows(missing),
        count=count,
    )


def _row_count(values: pd.Series[Any]) -> Check:
    count = int(values.notna().sum())
    rule = f"At least {MIN_ROWS} rows must have a target, so that some can be used to train and some to test."
    if count >= MIN_ROWS or count == 0:
        return _passed("too_few_rows", values, rule, f"{count} rows.")
    return _failed("too_few_rows", "data", rule, f"{count} row{'s' if count != 1 else ''}.", "Add data.")


def _classes(present: pd.Series[Any]) -> Check:
    """Fail if the values are measurements, dates or free text rather than classes."""
    import pandas as pd

    rule = "For classification, the target must consist of a few classes with several rows each."
    distinct = int(present.nunique())
    found = ""
    if pd.api.types.is_datetime64_any_dtype(present):
        found = "dates"
    elif pd.api.types.is_float_dtype(present) and (present % 1 != 0).any():
        found = f"numbers with fractions, such as {present[present % 1 != 0].iloc[0]!r}, {distinct} different ones"
    elif distinct > max(_MAX_CLASSES, len(present) / _MIN_ROWS_PER_CLASS):
        what = "numbers" if pd.api.types.is_numeric_dtype(present) else "texts"
        found = f"{distinct} different {what} in {len(present)} rows, such as {present.iloc[0]!r}"
    if not found:
        return _passed("target_wrong_kind", present, rule, f"{distinct} classes.")
    next_step = (
        "Choose a column of classes, or the task regression." if "number" in found else "Choose a column of classes."
    )
    return _failed("target_wrong_kind", "target", rule, f"column {present.name!r} contains {found}.", next_step)


def _numbers(present: pd.Series[Any]) -> Check:
    import numpy as np
    import pandas as pd

    rule = "For regression, the target must be a finite number in each row."
    found = ""
    if is_truth_values(present):
        found = "truth values"
    elif pd.api.types.is_datetime64_any_dtype(present):
        found = "dates"
    elif not pd.api.types.is_numeric_dtype(present):
        texts = present[pd.to_numeric(present, errors="coerce").isna()]
        row = int(present.index.get_indexer(texts.index[:1])[0]) + 1 if len(texts) else 1
        found = f"text, such as {str(texts.iloc[0] if len(texts) else present.iloc[0])[:100]!r} in row {row}"
    elif np.isinf(present.to_numpy(dtype=float)).any():
        found = "infinity"
    if found:
        next_step = "Choose a column of numbers, or the task classification."
        return _failed("target_wrong_kind", "target", rule, f"column {present.name!r} contains {found}.", next_step)
    return _passed("target_wrong_kind", present, rule, f"numbers from {present.min():g} to {present.max():g}.")


def _varies(present: pd.Series[Any]) -> Check:
    rule = "The target must have at least two different values."
    distinct = int(present.nunique())
    if distinct > 1:
        return _passed("target_constant", present, rule, f"{distinct} different values.")
    value = str(present.iloc[0])[:100]
    found = f"column {present.name!r} is {value!r} in each row."
    return _failed(
        "target_constant", "target", rule, found, "Choose another target, or data in which the target varies."
    )


def _class_sizes(present: pd.Series[Any]) -> Check:
    counts = present.value_counts()
    single = sorted(str(label) for label in counts.index[counts == 1])
    rule = "Each class must have at least two rows: one to train on and one to test on."
    if not single:
        return _passed("single_row_class", present, rule, f"at least {int(counts.min())} rows per class.")
    found = f"a single row for {', '.join(repr(label) for label in single[:10])} in column {present.name!r}."
    return _failed(
        "single_row_class", "target", rule, found, "Add rows of these classes, or merge or remove the classes."
    )


def _balance(present: pd.Series[Any]) -> Check:
    shares = present.value_counts(normalize=True)
    rule = "The classes should be roughly balanced."
    rarest = f"class {str(shares.index[-1])[:100]!r} is {shares.iloc[-1]:.1%} of the rows."
    if shares.iloc[-1] >= 0.1 / len(shares):
        return _passed("class_imbalance", present, rule, rarest)
    next_step = "Use balanced_accuracy, f1 or pr_auc as the metric instead of accuracy."
    return Check(
        name="class_imbalance", status="warning", column=str(present.name), rule=rule, found=rarest, next_step=next_step
    )


# --- the features ----------------------------------------------------------------------------------------------------


def _usable(features: Sequence[Column]) -> list[Check]:
    """Fail if no column has a value, or list the columns that have none."""
    rule = "At least one column besides the target must contain values."
    usable = [column.name for column in features if column.kind != "ignored"]
    if not usable:
        return [_failed("no_features", "data", rule, "none.", "Add columns to the data.")]
    rule = "Each column must have a value in at least one row."
    empty = [column.name for column in features if column.kind == "ignored"]
    if empty:
        next_step = "Remove the column, or fill it."
        return [_failed("empty_column", name, rule, f"no value in column {name!r}.", next_step) for name in empty]
    return [Check(name="no_features", status="passed", rule=rule, found=f"{len(usable)} columns.")]


def _stray_text(series: pd.Series[Any]) -> Check | None:
    stray = stray_text(series)
    if stray is None:
        return None
    row, value = stray
    return _failed(
        "mixed_types",
        str(series.name),
        "A column must contain either numbers or text, not both.",
        f"column {series.name!r} contains numbers, but {value[:100]!r} in row {row}.",
        "Correct that value or leave it empty.",
        [row],
        1,
    )


def _finite(series: pd.Series[Any], column: Column) -> Check | None:
    import numpy as np
    import pandas as pd

    if column.kind != "number" or not pd.api.types.is_float_dtype(series):
        return None
    infinite = np.isinf(series.to_numpy())
    if not infinite.any():
        return None
    found = (
        f"infinity in {int(infinite.sum())} rows of column {column.name!r}, first in row {int(infinite.argmax()) + 1}."
    )
    next_step = "Leave such values empty, or clip them."
    rows = np.flatnonzero(infinite)
    return _failed(
        "infinite_values", column.name, "Numbers must be finite.", found, next_step, row_numbers(rows), len(rows)
    )


def _hint(series: pd.Series[Any], column: Column) -> Check | None:
    """Warn if a column is constant or looks like an identifier."""
    rule = "A column should carry information about more than one row."
    if column.distinct == 1 and not column.missing:
        found = f"column {column.name!r} has the same value in each row."
    elif column.kind == "category" and column.distinct == len(series) > _MAX_CLASSES:
        found = f"column {column.name!r} has a different text in each row, like an identifier."
    else:
        return None
    return Check(name="uninformative_column", status="warning", column=column.name, rule=rule, found=found)


def _gaps(series: pd.Series[Any], column: Column) -> Check | None:
    """Warn if a column is mostly missing, may contain dates that were read as text, or has too many categories."""
    import numpy as np

    if column.kind != "ignored" and column.missing > len(series) / 2:
        return Check(
            name="mostly_missing",
            status="warning",
            column=column.name,
            rule="A column should have a value in most rows.",
            found=f"{column.missing} of {len(series)} rows have no value in column {column.name!r}.",
            next_step="Gaps are filled with the median, or become a category; remove the column if that makes no sense.",
            rows=row_numbers(np.flatnonzero(series.isna().to_numpy()[: 100 * _SHOWN_ROWS])),
            count=column.missing,
        )
    if column.kind == "category" and (date := looks_like_dates(series)):
        return Check(
            name="unclear_dates",
            status="warning",
            column=column.name,
            rule="Dates must start with the year, as in 2024-12-31 (ISO 8601); any other order is ambiguous.",
            found=f"column {column.name!r} contains {date[:100]!r}, which is read as text.",
            next_step="Write dates like 2024-12-31, so that features can be made of their parts.",
        )
    if column.kind == "category" and MAX_CATEGORIES < column.distinct < len(series):
        return Check(
            name="many_categories",
            status="warning",
            column=column.name,
            rule=f"A column should have at most {MAX_CATEGORIES} categories.",
            found=f"column {column.name!r} has {column.distinct}.",
            next_step="The rarest are merged into one; feature_engineering can encode by target or by frequency instead.",
        )
    return None


def _leak(column: Column, source: str) -> Check:
    return Check(
        name="target_leak",
        status="warning",
        column=column.name,
        rule="A feature must be known before the target is.",
        found=f"{source} reveals the target.",
        next_step="Remove it if it is not known when predictions are made.",
    )


def _repeated_rows(repeated: np.ndarray[Any, Any], rows: int) -> Check:
    rule = "Rows should not repeat: a row in both training and test makes the model look better than it is."
    count = len(repeated)
    if not count:
        return Check(name="repeated_rows", status="passed", rule=rule, found="no repeated row.")
    found = f"{count} of {rows} rows repeat an earlier one."
    shown = row_numbers(repeated)
    return Check(name="repeated_rows", status="warning", rule=rule, found=found, rows=shown, count=count)


def _contradicting_rows(contradicting: np.ndarray[Any, Any], rows: int, target: str) -> Check:
    return Check(
        name="contradicting_rows",
        status="warning",
        column=target,
        rule="Rows that agree in all other columns should have the same target.",
        found=f"{len(contradicting)} of {rows} rows agree with another row that has a different target.",
        next_step="No model can tell them apart: check whether a column is missing.",
        rows=row_numbers(contradicting),
        count=len(contradicting),
    )


# --- helpers ---------------------------------------------------------------------------------------------------------


def _passed(name: str, values: pd.Series[Any], rule: str, found: str) -> Check:
    return Check(name=name, status="passed", column=str(values.name), rule=rule, found=found)


def _failed(
    name: str, column: str, rule: str, found: str, next_step: str, rows: Sequence[int] = (), count: int = 0
) -> Check:
    return Check(
        name=name,
        status="failed",
        column=column,
        rule=rule,
        found=found,
        next_step=next_step,
        rows=list(rows),
        count=count,
    )


def row_numbers(rows: Iterable[int]) -> list[int]:
    """Return the numbers of the first ten rows, counted from 1."""
    return [int(row) + 1 for row in islice(rows, _SHOWN_ROWS)]


def _rows(mask: pd.Series[bool]) -> list[int]:
    import numpy as np

    return row_numbers(np.flatnonzero(mask.to_numpy()))
