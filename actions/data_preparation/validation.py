"""The operation that checks data before anything is trained on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from actions.data_preparation.checks import Check, feature_checks, target_checks
from actions.data_preparation.columns import Column, Kind, describe
from actions.data_preparation.reading import read_frame
from actions.data_preparation.sources import DataUri, resolve
from actions.operation import Context, Result, operation
from actions.request import Repository, Scalar, Task

if TYPE_CHECKING:
    import pandas as pd


class ColumnRule(BaseModel):
    """What a given schema asks of one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = None
    required: bool = True
    may_be_missing: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: list[Scalar] | None = None


class Validation(Result):
    """Whether data can be used, check by check."""

    passed: bool
    rows: int = Field(ge=0)
    columns: list[Column]
    checks: list[Check]


@operation(stage="prepare", where="runner", read_only=True)
def validate_data(
    context: Context,
    data: DataUri,
    target: str | None = None,
    task: Task | None = None,
    schema: dict[str, ColumnRule] | None = None,
    repository: Repository | None = None,
) -> Validation:
    """Check data: types, missing values, repeated rows, class balance, hints of target leakage, and a schema if given.

    Parameters
    ----------
    data
        The data, as ``load_dataset`` takes it.
    target
        The column to predict. Without it, only the columns themselves are checked.
    task
        classification or regression. Without it: regression where the target holds many numbers.
    schema
        For each named column: kind, required, may_be_missing, minimum, maximum, allowed.
    repository
        OWNER/NAME. If given, a path is below this repository's ``datasets/`` folder.
    """
    frame = read_frame(resolve(data, context, repository))
    columns = [describe(frame[name]) for name in frame.columns]
    checks = schema_checks(frame, columns, schema or {})
    if target is not None:
        checks += target_checks(frame, target, task or likely_task(frame, target))
    checks += feature_checks(frame, columns, target)
    passed = all(check.status != "failed" for check in checks)
    return Validation(passed=passed, rows=len(frame), columns=columns, checks=checks)


def likely_task(frame: pd.DataFrame, target: str) -> Task:
    """Return regression for a target that holds more than twenty different numbers, else classification."""
    import pandas as pd

    many = 20
    if target in frame and pd.api.types.is_numeric_dtype(frame[target]) and frame[target].nunique() > many:
        return "regression"
    return "classification"


def schema_checks(frame: pd.DataFrame, columns: list[Column], schema: dict[str, ColumnRule]) -> list[Check]:
    """Check columns against a given schema."""
    known = {column.name: column for column in columns}
    checks = []
    for name, rule in schema.items():
        if name not in known:
            if rule.required:
                checks.append(_schema_check(name, "column_missing", "The column exists.", ["nothing"]))
            continue
        found = _contradictions(frame, known[name], rule)
        checks.append(_schema_check(name, "schema", f"Column {name!r} is as the schema says.", found))
    return checks


def _contradictions(frame: pd.DataFrame, column: Column, rule: ColumnRule) -> list[str]:
    found = []
    if rule.kind is not None and column.kind != rule.kind:
        found.append(f"a {column.kind} instead of a {rule.kind}")
    if not rule.may_be_missing and column.missing:
        found.append(f"{column.missing} rows without a value")
    if rule.minimum is not None and column.minimum is not None and column.minimum < rule.minimum:
        found.append(f"{column.minimum:g}, less than {rule.minimum:g}")
    if rule.maximum is not None and column.maximum is not None and column.maximum > rule.maximum:
        found.append(f"{column.maximum:g}, more than {rule.maximum:g}")
    if rule.allowed is not None:
        present = frame[column.name].dropna()
        strange = present[~present.isin(rule.allowed)]
        if len(strange):
            found.append(f"{str(strange.iloc[0])[:100]!r}, which is not allowed")
    return found


def _schema_check(name: str, code: str, rule: str, found: list[str]) -> Check:
    return Check(
        name=code,
        status="failed" if found else "passed",
        column=name,
        rule=rule,
        found="; ".join(found) + "." if found else "as it should be.",
        next_step="Correct the data or the schema." if found else "",
    )
