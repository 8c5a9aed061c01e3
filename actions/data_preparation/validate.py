"""The operation that checks data before anything is trained on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from actions.context import Context
from actions.contracts.request import Repository
from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.checks import Check, feature_checks, overlap_check, target_checks
from actions.data_preparation.columns import Column, describe
from actions.data_preparation.readers import read_frame
from actions.data_preparation.schema import ColumnRule, Schema, inferred_schema, read_schema, schema_checks
from actions.data_preparation.sources import DataUri, resolve
from actions.operation import Result, operation

if TYPE_CHECKING:
    import pandas as pd

SchemaUri = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Validation(Result):
    """Whether data can be used, and the outcome of each check."""

    passed: bool
    rows: int = Field(ge=0)
    columns: list[Column]
    checks: list[Check]
    classes: dict[str, int] = Field(description="number of rows of each class, most frequent first; at most a hundred")
    rules: dict[str, ColumnRule] = Field(
        description="the schema that was checked, or else the one inferred from the data; can be passed as schema"
    )


@operation(stage="prepare", where="runner", read_only=True, open_to_agents="It only reads.")
def validate_data(
    context: Context,
    data: DataUri,
    target: str | None = None,
    task: SupervisedTask | None = None,
    schema: dict[str, ColumnRule] | SchemaUri | None = None,
    repository: Repository | None = None,
    reference: DataUri | None = None,
) -> Validation:
    """Check data: types, missing values, repeated rows, class balance, target leakage, overlap with other data, schema.

    Each check that fails or warns names the rows concerned. Without a schema or a reference, the schema inferred from
    the data is returned, to be saved and passed next time.

    Parameters
    ----------
    data
        The data, as for ``load_dataset``.
    target
        The column to predict. Without it, only the other checks are made.
    task
        classification or regression. By default, regression if the target has many different numbers.
    schema
        For each column: kind, required, may_be_missing, unique, minimum, maximum, allowed. Or the path of a YAML or
        JSON file with the same content, such as the ``.schema.json`` that ``save_processed_data`` writes.
    repository
        OWNER/NAME. If given, paths are resolved in this repository's ``datasets/`` folder.
    reference
        Other data, such as the training rows. The data is checked against its inferred schema (values outside the range
        seen are warnings) and searched for rows that are in both.

    Raises
    ------
    InvalidInput
        ``invalid_argument``: a rule of the schema is invalid. ``invalid_json``: the schema file is not a JSON
        object. ``invalid_yaml``: a file is not plain YAML. ``schema_contradiction``: the schema allows text in a
        column of numbers. ``unknown_argument``: a rule of the schema has an unknown field. ``bucket_not_found``,
        ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``, ``duplicate_columns``,
        ``too_many_columns``, ``unknown_dataset``, ``unnamed_column``, ``unsupported_column_type``,
        ``unsupported_format``, ``unsupported_scheme``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> validation = validate_data(Context(Storage(Path())), "sklearn://iris", target="target")
    >>> validation.passed, validation.classes
    (True, {'0': 50, '1': 50, '2': 50})
    >>> [(check.name, check.count) for check in validation.checks if check.status == "warning"]
    [('repeated_rows', 1)]
    """
    frame = read_frame(resolve(data, context, repository))
    other = read_frame(resolve(reference, context, repository)) if reference is not None else None
    given = read_schema(schema, context, repository) if isinstance(schema, str) else schema
    columns = [describe(frame[name]) for name in frame.columns]
    checks, rules = _schema_checks(frame, columns, given, other)
    classes: dict[str, int] = {}
    if target is not None:
        task = task or likely_task(frame, target)
        checks += target_checks(frame, target, task)
        classes = _classes(frame, target) if task == "classification" else {}
    checks += feature_checks(frame, columns, target)
    if other is not None:
        checks.append(overlap_check(frame, columns, other))
    passed = all(check.status != "failed" for check in checks)
    return Validation(passed=passed, rows=len(frame), columns=columns, checks=checks, classes=classes, rules=rules)


def _schema_checks(
    frame: pd.DataFrame, columns: list[Column], given: Schema | None, reference: pd.DataFrame | None
) -> tuple[list[Check], Schema]:
    """Check columns against a given schema and against that of a reference; return the checks and the schema to report."""
    checks = schema_checks(frame, columns, given) if given else []
    if reference is None:
        return checks, given or inferred_schema(frame, columns)
    inferred = inferred_schema(reference, [describe(reference[name]) for name in reference.columns])
    checks += schema_checks(frame, columns, inferred, given=False)
    return checks, given or inferred


def _classes(frame: pd.DataFrame, target: str) -> dict[str, int]:
    if target not in frame:
        return {}
    return {str(label): int(count) for label, count in frame[target].value_counts().head(100).items()}


def likely_task(frame: pd.DataFrame, target: str) -> SupervisedTask:
    """Return regression if the target has more than twenty different numbers, or else classification."""
    import pandas as pd

    max_classes = 20
    if target in frame and pd.api.types.is_numeric_dtype(frame[target]) and frame[target].nunique() > max_classes:
        return "regression"
    return "classification"
