"""Schemas: rules for columns, written as YAML or JSON or inferred from data, and checked by pandera."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from actions.context import Context
from actions.contracts.request import Repository
from actions.contracts.scalar import Scalar
from actions.data_preparation.checks import Check, row_numbers
from actions.data_preparation.columns import Column, Kind, conformed
from actions.data_preparation.sources import existing_file
from actions.errors import InvalidInput
from actions.optional import require_library
from actions.text import safe_yaml
from actions.text.validation import invalid_argument

if TYPE_CHECKING:
    import pandas as pd

_MAX_BYTES = 4 << 20
_MAX_CATEGORIES = 100


class ColumnRule(BaseModel):
    """What a schema requires of one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = None
    required: bool = True
    may_be_missing: bool = True
    unique: bool = False
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    allowed: list[Scalar] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> ColumnRule:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is greater than maximum {self.maximum:g}")
        if self.kind not in {None, "number"} and not (self.minimum is None and self.maximum is None):
            raise ValueError(f"minimum and maximum apply to numbers, not to a {self.kind}")
        return self


Schema = dict[str, ColumnRule]


def inferred_schema(frame: pd.DataFrame, columns: list[Column]) -> Schema:
    """Return the schema that a frame conforms to; categories are listed if a column has at most a hundred."""
    schema = {}
    for column in columns:
        is_listed = column.kind == "category" and column.distinct <= _MAX_CATEGORIES
        values = conformed(frame[column.name], "category").dropna().unique() if is_listed else None
        schema[column.name] = _rule_of(column, sorted(values) if values is not None else None)
    return schema


def read_schema(uri: str, context: Context, repository: Repository | None) -> Schema:
    """Read a schema file.

    Parameters
    ----------
    uri
        A ``.yaml``, ``.yml`` or ``.json`` file, in a place where data may be: for each column, a mapping with the
        fields of ``ColumnRule``. The ``.schema.json`` that ``save_processed_data`` writes is also accepted.
    context, repository
        As for data.
        As for data.

    Raises
    ------
    InvalidInput
        ``unsupported_format``, ``invalid_yaml``, ``invalid_json``, ``invalid_argument``; also those of
        ``existing_file``.
    """
    path = existing_file(uri, context, repository, "schema")
    value = _parsed(path, uri)
    if isinstance(value, dict) and isinstance(value.get("columns"), list):
        try:
            columns = TypeAdapter(list[Column]).validate_python(value["columns"])
        except ValidationError as error:
            raise invalid_argument(error, known=Column.model_fields) from None
        return {column.name: _rule_of(column, None) for column in columns}
    try:
        return TypeAdapter(Schema).validate_python(value or {})
    except ValidationError as error:
        raise invalid_argument(error, known=ColumnRule.model_fields) from None


def schema_checks(frame: pd.DataFrame, columns: list[Column], schema: Schema, *, given: bool = True) -> list[Check]:
    """Check columns against a schema; returns one check per column, with the rows that break its rule.

    Parameters
    ----------
    frame, columns
        The data and the description of its columns.
    schema
        The rules.
    given
        Whether a person wrote the schema. If it was inferred from other data instead, only a different kind or a
        missing column fails; a number outside the range seen, or a new category, is a warning.
    """
    kinds = {column.name: column.kind for column in columns}
    present = {name: rule for name, rule in schema.items() if name in kinds}
    violations = _violations(frame, kinds, present)
    checks = []
    for name, rule in schema.items():
        if name in present:
            checks.append(_column_check(name, violations.get(name, []), given=given))
        elif rule.required:
            checks.append(
                Check(
                    name="column_missing",
                    status="failed",
                    column=name,
                    rule="The column must exist.",
                    found=f"no column {name!r}.",
                    next_step="Correct the data or the schema.",
                )
            )
    return checks


# --- reading ---------------------------------------------------------------------------------------------------------


def _parsed(path: Path, uri: str) -> Any:
    if path.suffix.lower() in {".yaml", ".yml"}:
        return safe_yaml.load(path.read_bytes(), source=uri, limit=_MAX_BYTES)
    if path.suffix.lower() != ".json":
        raise InvalidInput(
            "unsupported_format",
            rule="A schema must be YAML (.yaml, .yml) or JSON (.json).",
            found=f"{uri}.",
            next_step="Use one of these; each column may have kind, required, may_be_missing, unique, minimum, "
            "maximum, allowed.",
            field="schema",
        )
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "invalid_json",
            rule=f"{uri} must be one JSON object with a member for each column.",
            found=f"{type(error).__name__}: {str(error)[:200]}",
            next_step="Correct the file.",
            field="schema",
        ) from None


def _rule_of(column: Column, categories: list[Any] | None) -> ColumnRule:
    return ColumnRule(
        kind=column.kind if column.kind != "ignored" else None,
        may_be_missing=column.missing > 0,
        minimum=column.minimum,
        maximum=column.maximum,
        allowed=categories,
    )


# --- checking --------------------------------------------------------------------------------------------------------


class _Violation(NamedTuple):
    """One part of a column's rule that is broken: which one, in words, and in which rows (from 0)."""

    part: str
    text: str
    rows: list[int]


def _violations(frame: pd.DataFrame, kinds: dict[str, Kind], schema: Schema) -> dict[str, list[_Violation]]:
    import pandas as pd

    pandera = _pandera()
    typed = {name: _typed(frame[name], kinds[name]) for name in schema}
    columns = {name: _pandera_column(name, rule, kinds[name]) for name, rule in schema.items()}
    violations: dict[str, list[_Violation]] = {}
    try:
        pandera.DataFrameSchema(columns).validate(pd.DataFrame(typed).reset_index(drop=True), lazy=True)
    except pandera.errors.SchemaErrors as errors:
        for (name, part), cases in errors.failure_cases.groupby(["column", "check"], sort=False):
            rows = sorted({int(row) for row in cases["index"] if pd.notna(row)})
            text = _describe(str(part), schema[name], kinds[name], cases["failure_case"].tolist())
            violations.setdefault(name, []).append(_Violation(str(part), text, rows))
    return violations


def _pandera() -> Any:
    require_library("pandera", "A schema", "ml")
    import pandera.pandas as pandera

    return pandera


def _typed(values: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    try:
        return conformed(values, kind)
    except InvalidInput:  # infinite values: pandera reports the rows that are out of bounds
        return values.astype(float)


def _pandera_column(name: str, rule: ColumnRule, kind: Kind) -> Any:
    """Return a rule as a pandera column. If the kind differs, nothing else is checked."""
    pandera = _pandera()
    if rule.kind is not None and kind not in {rule.kind, "ignored"}:
        return pandera.Column(checks=pandera.Check(lambda _: False, error="kind"), nullable=True)
    checks = []
    if rule.minimum is not None and kind == "number":
        checks.append(pandera.Check.ge(rule.minimum, error="minimum"))
    if rule.maximum is not None and kind == "number":
        checks.append(pandera.Check.le(rule.maximum, error="maximum"))
    if rule.allowed is not None:
        checks.append(pandera.Check.isin(_allowed(name, rule.allowed, kind), error="allowed"))
    return pandera.Column(checks=checks, nullable=rule.may_be_missing, unique=rule.unique)


def _allowed(name: str, allowed: list[Scalar], kind: Kind) -> list[Any]:
    """Return the allowed values in the column's own form, because values in YAML are all text."""
    present = [value for value in allowed if value is not None]
    if kind != "number":
        return [str(value) for value in present]
    truths = {"true": 1.0, "false": 0.0}
    try:
        return [truths[str(value).lower()] if str(value).lower() in truths else float(value) for value in present]
    except ValueError:
        raise InvalidInput(
            "schema_contradiction",
            rule=f"Column {name!r} contains numbers, so its allowed values must be numbers.",
            found=", ".join(repr(value) for value in present[:10]),
            next_step="Correct the schema.",
            field=name,
        ) from None


def _describe(check: str, rule: ColumnRule, kind: Kind, cases: list[Any]) -> str:
    if check == "kind":
        return f"a {kind} instead of a {rule.kind}"
    if check == "minimum":
        return f"less than {rule.minimum:g}, down to {min(cases):g}"
    if check == "maximum":
        return f"more than {rule.maximum:g}, up to {max(cases):g}"
    if check == "allowed":
        return f"{str(cases[0])[:100]!r}, which is not allowed"
    return {"not_nullable": "without a value", "field_uniqueness": "repeated values"}.get(check, check)


def _column_check(name: str, violations: list[_Violation], *, given: bool) -> Check:
    rows = sorted({row for violation in violations for row in violation.rows})
    found = "; ".join(
        f"{text} ({len(rows)} row{'s' if len(rows) != 1 else ''})" if rows else text for _, text, rows in violations
    )
    failed = given or any(violation.part == "kind" for violation in violations)
    return Check(
        name="schema",
        status="passed" if not violations else "failed" if failed else "warning",
        column=name,
        rule=f"Column {name!r} {'must conform to the schema' if given else 'should match the reference data'}.",
        found=f"column {name!r}: {found}." if violations else "a column that conforms.",
        next_step=""
        if not violations
        else "Correct the data or the schema."
        if given
        else "Check whether this is intended.",
        rows=row_numbers(rows),
        count=len(rows),
    )
