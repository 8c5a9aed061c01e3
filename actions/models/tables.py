"""The figures of evaluations and comparisons as tables of text, for Markdown, HTML and model cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from actions.models.comparison import Comparison, Difference
from actions.models.evaluation import ClassifierEvaluation, Evaluation, Interval
from actions.text.formatting import figure
from actions.text.markdown import inline, table

_MAX_ROWS = 60
_MAX_IMPORTANCES = 15
_SLICE_METRICS = {
    "classification": ("accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}


class Table(NamedTuple):
    """A table of plain text, not escaped."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return all tables of an evaluation."""
    optional = [make(evaluation) for make in (per_class, residuals, slices, importances)]
    return [metrics(evaluation), *(shown for shown in optional if shown is not None)]


def metrics(evaluation: Evaluation) -> Table:
    """Return each metric with its interval."""
    rows = [
        (name, figure(value), between(evaluation.intervals.get(name))) for name, value in evaluation.metrics.items()
    ]
    return Table("Metrics", ("Metric", "Value", f"{evaluation.confidence:.0%} interval"), rows)


def per_class(evaluation: Evaluation) -> Table | None:
    """Return the metrics of each class, or None for a regressor."""
    if not isinstance(evaluation, ClassifierEvaluation):
        return None
    names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = [
        (
            figures.label,
            str(figures.rows),
            *(with_interval(getattr(figures, name), figures.intervals.get(name)) for name in names),
        )
        for figures in evaluation.per_class[:_MAX_ROWS]
    ]
    return Table("Per class", ("Class", "Rows", *names), rows, _more(len(evaluation.per_class)))


def slices(evaluation: Evaluation) -> Table | None:
    """Return the metrics of each slice, or None if there are no slices."""
    if not evaluation.slices:
        return None
    names = [name for name in _SLICE_METRICS[evaluation.task] if name in evaluation.metrics]
    rows = [
        (
            part.column,
            part.value,
            str(part.rows),
            *(with_interval(part.metrics.get(name), part.intervals.get(name)) for name in names),
        )
        for part in evaluation.slices[:_MAX_ROWS]
    ]
    return Table("Per slice", ("Column", "Value", "Rows", *names), rows, _more(len(evaluation.slices)))


def importances(evaluation: Evaluation) -> Table | None:
    """Return the permutation importances, or None if there are none."""
    if not evaluation.importances:
        return None
    rows = [
        (importance.column, f"{importance.mean:.4f} ± {importance.standard_deviation:.4f}")
        for importance in evaluation.importances[:_MAX_IMPORTANCES]
    ]
    header = ("Column", f"Loss of {evaluation.importance_of} when shuffled")
    more = len(evaluation.importances) - len(rows)
    return Table("Permutation importances", header, rows, f"{more} more columns." if more else "")


def residuals(evaluation: Evaluation) -> Table | None:
    """Return the distribution of the residuals, or None for a classifier."""
    if isinstance(evaluation, ClassifierEvaluation):
        return None
    summary = evaluation.residuals
    rows = [("mean", figure(summary.mean)), ("standard deviation", figure(summary.standard_deviation))]
    rows += [(f"quantile {share}", figure(value)) for share, value in summary.quantiles.items()]
    return Table("Residuals (predicted minus true)", ("", "Value"), rows)


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Return the tables of a comparison: metrics, and slices if there are any."""
    header = ("Metric", "This model", "Champion", "Difference", f"Bounds, alpha {comparison.alpha:g} each")
    rows = [(name, *_difference_cells(difference)) for name, difference in comparison.metrics.items()]
    tables = [Table("Against the champion", header, rows, comparison.explanation)]
    if comparison.slices:
        regressed_first = sorted(comparison.slices, key=lambda part: not part.regressed)[:_MAX_ROWS]
        slice_rows = [
            (part.column, part.value, str(part.rows), *_difference_cells(part), "worse" if part.regressed else "")
            for part in regressed_first
        ]
        columns = ("Column", "Value", "Rows", *header[1:], "")
        title = f"Against the champion, {comparison.metric} per slice"
        tables.append(Table(title, columns, slice_rows, _more(len(comparison.slices))))
    return tables


def _difference_cells(values: Difference) -> tuple[str, str, str, str]:
    change = "" if values.difference is None else f"{values.difference:+.4g}"
    bounds = "" if values.low is None or values.high is None else f"{values.low:+.4g} to {values.high:+.4g}"
    return figure(values.challenger), figure(values.champion), change, bounds


def between(interval: Interval | None) -> str:
    """Return an interval as text; empty if there is none."""
    return "" if interval is None else f"{figure(interval.low)} to {figure(interval.high)}"


def with_interval(value: float | None, interval: Interval | None) -> str:
    """Return a figure with its interval in parentheses."""
    return figure(value) if interval is None else f"{figure(value)} ({between(interval)})"


def as_markdown(shown: Table) -> str:
    """Return a table in GitHub's Markdown, with all text escaped."""
    cells = [[inline(cell, 200) for cell in row] for row in shown.rows]
    return table([inline(name) for name in shown.header], cells)


def metrics_table(evaluation: Evaluation) -> str:
    """Return the metrics in Markdown."""
    return as_markdown(metrics(evaluation))


def slices_table(evaluation: Evaluation) -> str:
    """Return the slices in Markdown; empty if there are none."""
    shown = slices(evaluation)
    return as_markdown(shown) if shown else ""


def _more(number: int) -> str:
    return f"{number - _MAX_ROWS} more." if number > _MAX_ROWS else ""
