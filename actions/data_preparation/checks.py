"""What must hold of data before a model is trained on it, each rule one function over a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from actions.contracts.request import Task
from actions.data_preparation.columns import Column, is_truth_values, looks_like_dates, stray_text
from actions.data_preparation.leaks import AlikeRows, Leaks, repeated_from
from actions.errors import InvalidInput
from actions.operation import Result
from actions.text.suggestions import nearest_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FEWEST_ROWS = 10
MOST_CATEGORIES = 100
"""Categories of a column that one-hot encoding tells apart; the rarer ones beyond are taken for one."""
_MANY_CLASSES = 20
_FEW_ROWS_A_CLASS = 10
_SHOWN_ROWS = 10


class Check(Result):
    """What one check found."""

    name: str = Field(description="stable code, such as target_missing")
    status: Literal["passed", "warning", "failed"]
    column: str | None = None
    rule: str
    found: str
    next_step: str = ""
    rows: list[int] = Field(default_factory=list, description="row numbers from 1, at most ten")
    count: int = Field(default=0, ge=0, description="rows that it is about, where it is about some")

    def error(self) -> InvalidInput:
        return InvalidInput(
            self.name,
            rule=self.rule,
            found=self.found,
            next_step=self.next_step or "Correct the data.",
            field=self.column,
        )


def require(checks: Sequence[Check]) -> list[str]:
    """Raise the first failed check as an error; else return the warnings as sentences."""
    for check in checks:
        if check.status == "failed":
            raise check.error()
    return [f"{check.found} {check.next_step}".strip() for check in checks if check.status == "warning"]


def target_checks(frame: pd.DataFrame, target: str, task: Task) -> list[Check]:
    """Check that a target column exists, fits the task and can be learnt."""
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
    """Check the columns that a model would learn from: usable at all, types, infinities, identifiers, leaks, repeats."""
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
        if leaks is not None and (leak := leaks.found(column)):
            checks.append(_leak(column, leak))
    alike = AlikeRows(frame, target)
    checks.append(_repeated_rows(alike.repeated(), len(frame)))
    contradicting = alike.contradicting()
    if target is not None and len(contradicting):
        checks.append(_contradicting_rows(contradicting, len(frame), target))
    return checks


def overlap_check(frame: pd.DataFrame, columns: Sequence[Column], reference: pd.DataFrame) -> Check:
    """Warn of rows that stand in other data, such as the training rows, too."""
    import numpy as np

    same = repeated_from(frame, columns, reference)
    rule = "Rows to test with are not among those to train on."
    if not same.any():
        return Check(name="overlap", status="passed", rule=rule, found="no row that the reference has, too.")
    return Check(
        name="overlap",
        status="warning",
        rule=rule,
        found=f"{int(same.sum())} of {len(frame)} rows stand in the reference, too.",
        next_step="Leave them out of one of the two, or split by groups.",
        rows=row_numbers(np.flatnonzero(same)),
        count=int(same.sum()),
    )


# --- the target ------------------------------------------------------------------------------------------------------


def _target_exists(frame: pd.DataFrame, target: str) -> Check:
    names = [str(name) for name in frame.columns]
    rule = "The target is one of the data's columns."
    if target in names:
        return Check(name="target_missing", status="passed", column=target, rule=rule, found=f"column {target!r}.")
    return Check(
        name="target_missing",
        status="failed",
        column="target",
        rule=rule,
        found=f"no column {target!r}.",
        next_step=f"Choose one of the columns, the most likely first: {nearest_first(target, names)}.",
    )


def _target_missing_values(values: pd.Series[Any]) -> Check:
    missing = values.isna()
    rule = "Only rows with a target can be used."
    if not missing.any():
        return _passed("target_has_missing_values", values, rule, "a target in each row.")
    count = int(missing.sum())
    if count == len(values):
        return _failed(
            "target_empty", "target", rule, f"no value at all in column {values.name!r}.", "Choose another column."
        )
    return Check(
        name="target_has_missing_values",
        status="warning",
        column=str(values.name),
        rule=rule,
        found=f"{count} of {len(values)} rows have no target {values.name!r}.",
        next_step="They are left out.",
        rows=_rows(missing),
        count=count,
    )


def _row_count(values: pd.Series[Any]) -> Check:
    count = int(values.notna().sum())
    rule = f"A run needs at least {FEWEST_ROWS} rows with a target, to train on some and test on others."
    if count >= FEWEST_ROWS or count == 0:
        return _passed("too_few_rows", values, rule, f"{count} rows.")
    return _failed("too_few_rows", "data", rule, f"{count} row{'s' if count != 1 else ''}.", "Give more data.")


def _classes(present: pd.Series[Any]) -> Check:
    """Fail where the values are measurements, dates or free text rather than classes."""
    import pandas as pd

    rule = "For classification, the target holds a few classes, each in several rows."
    distinct = int(present.nunique())
    found = ""
    if pd.api.types.is_datetime64_any_dtype(present):
        found = "dates"
    elif pd.api.types.is_float_dtype(present) and (present % 1 != 0).any():
        found = f"numbers with fractions, such as {present[present % 1 != 0].iloc[0]!r}, {distinct} different ones"
    elif distinct > max(_MANY_CLASSES, len(present) / _FEW_ROWS_A_CLASS):
        what = "numbers" if pd.api.types.is_numeric_dtype(present) else "texts"
        found = f"{distinct} different {what} in {len(present)} rows, such as {present.iloc[0]!r}"
    if not found:
        return _passed("target_wrong_kind", present, rule, f"{distinct} classes.")
    next_step = (
        "Choose a column of classes, or the task regression." if "number" in found else "Choose a column of classes."
    )
    return _failed("target_wrong_kind", "target", rule, f"column {present.name!r} holds {found}.", next_step)


def _numbers(present: pd.Series[Any]) -> Check:
    import numpy as np
    import pandas as pd

    rule = "For regression, the target holds a finite number in each row."
    found = ""
    if is_truth_values(present):
        found = "truth values"
    elif pd.api.types.is_datetime64_any_dtype(present):
        found = "dates"
    elif not pd.api.types.is_numeric_dtype(present):
        strange = present[pd.to_numeric(present, errors="coerce").isna()]
        row = int(present.index.get_indexer(strange.index[:1])[0]) + 1 if len(strange) else 1
        found = f"text, such as {str(strange.iloc[0] if len(strange) else present.iloc[0])[:100]!r} in row {row}"
    elif np.isinf(present.to_numpy(dtype=float)).any():
        found = "infinity"
    if found:
        next_step = "Choose a column of numbers, or the task classification."
        return _failed("target_wrong_kind", "target", rule, f"column {present.name!r} holds {found}.", next_step)
    return _passed("target_wrong_kind", present, rule, f"numbers from {present.min():g} to {present.max():g}.")


def _varies(present: pd.Series[Any]) -> Check:
    rule = "The target has at least two different values."
    distinct = int(present.nunique())
    if distinct > 1:
        return _passed("target_constant", present, rule, f"{distinct} different values.")
    only = str(present.iloc[0])[:100]
    found = f"column {present.name!r} is {only!r} in each row."
    return _failed(
        "target_constant", "target", rule, found, "Choose another target, or data that shows more than one case."
    )


def _class_sizes(present: pd.Series[Any]) -> Check:
    counts = present.value_counts()
    single = sorted(str(label) for label in counts.index[counts == 1])
    rule = "Each class has at least two rows: one to train on, one to test on."
    if not single:
        return _passed("single_row_class", present, rule, f"at least {int(counts.min())} rows a class.")
    found = f"one row only for {', '.join(repr(label) for label in single[:10])} in column {present.name!r}."
    return _failed(
        "single_row_class", "target", rule, found, "Add rows of these classes, merge them or leave them out."
    )


def _balance(present: pd.Series[Any]) -> Check:
    shares = present.value_counts(normalize=True)
    rule = "Classes are not far from balanced."
    rarest = f"class {str(shares.index[-1])[:100]!r} makes up {shares.iloc[-1]:.1%} of the rows."
    if shares.iloc[-1] >= 0.1 / len(shares):
        return _passed("class_imbalance", present, rule, rarest)
    next_step = "Judge by balanced_accuracy, f1 or pr_auc rather than by accuracy."
    return Check(
        name="class_imbalance", status="warning", column=str(present.name), rule=rule, found=rarest, next_step=next_step
    )


# --- the features ----------------------------------------------------------------------------------------------------


def _usable(features: Sequence[Column]) -> list[Check]:
    """Fail where no column holds anything, or where one of them holds nothing."""
    rule = "There is at least one column, beside the target, that holds something."
    usable = [column.name for column in features if column.kind != "ignored"]
    if not usable:
        return [_failed("no_features", "data", rule, "none.", "Give data with further columns.")]
    rule = "Each column holds a value in at least one row."
    empty = [column.name for column in features if column.kind == "ignored"]
    if empty:
        next_step = "Leave the column out, or fill it."
        return [
            _failed("empty_column", name, rule, f"no value at all in column {name!r}.", next_step) for name in empty
        ]
    return [Check(name="no_features", status="passed", rule=rule, found=f"{len(usable)} columns.")]


def _stray_text(series: pd.Series[Any]) -> Check | None:
    stray = stray_text(series)
    if stray is None:
        return None
    row, value = stray
    return _failed(
        "mixed_types",
        str(series.name),
        "A column holds numbers, or text, not both.",
        f"column {series.name!r} holds numbers, but {value[:100]!r} in row {row}.",
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
    next_step = "Leave such values empty or clip them."
    rows = np.flatnonzero(infinite)
    return _failed(
        "infinite_values", column.name, "Numbers are finite.", found, next_step, row_numbers(rows), len(rows)
    )


def _hint(series: pd.Series[Any], column: Column) -> Check | None:
    """Warn of a constant column and of one that looks like an identifier."""
    rule = "A column tells something about more than one row."
    if column.distinct == 1 and not column.missing:
        found = f"column {column.name!r} has the same value in each row."
    elif column.kind == "category" and column.distinct == len(series) > _MANY_CLASSES:
        found = f"column {column.name!r} has another text in each row, like an identifier."
    else:
        return None
    return Check(name="uninformative_column", status="warning", column=column.name, rule=rule, found=found)


def _gaps(series: pd.Series[Any], column: Column) -> Check | None:
    """Warn of a column that is mostly missing, of dates that are taken for text, and of too many categories."""
    import numpy as np

    if column.kind != "ignored" and column.missing > len(series) / 2:
        return Check(
            name="mostly_missing",
            status="warning",
            column=column.name,
            rule="A column holds a value in most rows.",
            found=f"{column.missing} of {len(series)} rows have no value in column {column.name!r}.",
            next_step="It is filled with its median, or taken for a category; leave it out if that means nothing.",
            rows=row_numbers(np.flatnonzero(series.isna().to_numpy()[: 100 * _SHOWN_ROWS])),
            count=column.missing,
        )
    if column.kind == "category" and (date := looks_like_dates(series)):
        return Check(
            name="unclear_dates",
            status="warning",
            column=column.name,
            rule="Dates begin with the year, as in 2024-12-31 (ISO 8601): any other order can be read in two ways.",
            found=f"column {column.name!r} holds {date[:100]!r}, which is taken for text.",
            next_step="Write the dates like 2024-12-31, so that their parts become features.",
        )
    if column.kind == "category" and MOST_CATEGORIES < column.distinct < len(series):
        return Check(
            name="many_categories",
            status="warning",
            column=column.name,
            rule=f"A column has at most {MOST_CATEGORIES} categories.",
            found=f"column {column.name!r} has {column.distinct}.",
            next_step="The rarest are taken for one; feature_engineering can encode them by the target or their share.",
        )
    return None


def _leak(column: Column, what: str) -> Check:
    return Check(
        name="target_leak",
        status="warning",
        column=column.name,
        rule="What is known only together with the target is no feature.",
        found=f"{what} gives the target away.",
        next_step="Leave it out if it is not known when predictions are made.",
    )


def _repeated_rows(repeated: np.ndarray[Any, Any], rows: int) -> Check:
    rule = "Rows do not repeat: one in training and in test flatters the model."
    count = len(repeated)
    if not count:
        return Check(name="repeated_rows", status="passed", rule=rule, found="no row twice.")
    found = f"{count} of {rows} rows repeat an earlier one."
    shown = row_numbers(repeated)
    return Check(name="repeated_rows", status="warning", rule=rule, found=found, rows=shown, count=count)


def _contradicting_rows(contradicting: np.ndarray[Any, Any], rows: int, target: str) -> Check:
    return Check(
        name="contradicting_rows",
        status="warning",
        column=target,
        rule="Rows that are the same in each other column have the same target.",
        found=f"{len(contradicting)} of {rows} rows are like another with a different target.",
        next_step="No model can tell them apart: look whether a column is missing.",
        rows=row_numbers(contradicting),
        count=len(contradicting),
    )


# --- small things ----------------------------------------------------------------------------------------------------


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
    """Return the first ten of some rows, counted from 1."""
    return [int(row) + 1 for row in islice(rows, _SHOWN_ROWS)]


def _rows(mask: pd.Series[bool]) -> list[int]:
    import numpy as np

    return row_numbers(np.flatnonzero(mask.to_numpy()))
