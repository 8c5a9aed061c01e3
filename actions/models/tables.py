"""An evaluation's and a comparison's figures as rows of texts: what Markdown, HTML and card show alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from actions.models.comparison import Comparison, Difference
from actions.models.evaluation import ClassifierEvaluation, Evaluation, Interval
from actions.text.formatting import figure
from actions.text.markdown import inline, table

_MOST_ROWS = 60
_SHOWN_OF_A_SLICE = {
    "classification": ("accuracy", "f1", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}


class Table(NamedTuple):
    """A table of plain texts, none of them escaped."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables_of(evaluation: Evaluation) -> list[Table]:
    """Return all tables of an evaluation."""
    found = [make(evaluation) for make in (per_class, residuals, slices, importances)]
    return [metrics(evaluation), *(shown for shown in found if shown is not None)]


def metrics(evaluation: Evaluation) -> Table:
    """Return each metric with its interval."""
    rows = [
        (name, figure(value), between(evaluation.intervals.get(name))) for name, value in evaluation.metrics.items()
    ]
    return Table("Metrics", ("Metric", "Value", f"{evaluation.confidence:.0%} interval"), rows)


def per_class(evaluation: Evaluation) -> Table | None:
    """Return the figures of each class; None where there are no classes."""
    if not isinstance(evaluation, ClassifierEvaluation):
        return None
    names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = [
        (one.label, str(one.rows), *(with_interval(getattr(one, name), one.intervals.get(name)) for name in names))
        for one in evaluation.per_class[:_MOST_ROWS]
    ]
    return Table("Per class", ("Class", "Rows", *names), rows, _more(len(evaluation.per_class)))


def slices(evaluation: Evaluation) -> Table | None:
    """Return the figures of each slice; None where rows were not told apart."""
    if not evaluation.slices:
        return None
    names = [name for name in _SHOWN_OF_A_SLICE[evaluation.task] if name in evaluation.metrics]
    rows = [
        (
            one.column,
            one.value,
            str(one.rows),
            *(with_interval(one.metrics.get(name), one.intervals.get(name)) for name in names),
        )
        for one in evaluation.slices[:_MOST_ROWS]
    ]
    return Table("Per slice", ("Column", "Value", "Rows", *names), rows, _more(len(evaluation.slices)))


def importances(evaluation: Evaluation) -> Table | None:
    """Return the permutation importances; None where there are none."""
    if not evaluation.importances:
        return None
    rows = [(one.column, f"{one.mean:.4f} ± {one.standard_deviation:.4f}") for one in evaluation.importances[:15]]
    header = ("Column", f"Loss of {evaluation.importance_of} when it is shuffled")
    more = len(evaluation.importances) - len(rows)
    return Table("Permutation importances", header, rows, f"{more} more columns." if more else "")


def residuals(evaluation: Evaluation) -> Table | None:
    """Return what predictions are beside the truth; None for a classifier."""
    if isinstance(evaluation, ClassifierEvaluation):
        return None
    found = evaluation.residuals
    rows = [("mean", figure(found.mean)), ("standard deviation", figure(found.standard_deviation))]
    rows += [(f"quantile {share}", figure(value)) for share, value in found.quantiles.items()]
    return Table("Residuals (predicted minus true)", ("", "Value"), rows)


def compared(comparison: Comparison) -> list[Table]:
    """Return the tables of a comparison: metrics, and slices where there are any."""
    header = ("Metric", "This model", "Champion", "Difference", f"Bounds, alpha {comparison.alpha:g} each")
    rows = [(name, *_difference(found)) for name, found in comparison.metrics.items()]
    tables = [Table("Against the champion", header, rows, comparison.explanation)]
    if comparison.slices:
        shown = sorted(comparison.slices, key=lambda one: not one.regressed)[:_MOST_ROWS]
        of_slices = [
            (one.column, one.value, str(one.rows), *_difference(one), "worse" if one.regressed else "") for one in shown
        ]
        columns = ("Column", "Value", "Rows", *header[1:], "")
        title = f"Against the champion, {comparison.metric} per slice"
        tables.append(Table(title, columns, of_slices, _more(len(comparison.slices))))
    return tables


def _difference(found: Difference) -> tuple[str, str, str, str]:
    change = "" if found.difference is None else f"{found.difference:+.4g}"
    bounds = "" if found.low is None or found.high is None else f"{found.low:+.4g} to {found.high:+.4g}"
    return figure(found.challenger), figure(found.champion), change, bounds


def between(interval: Interval | None) -> str:
    """Write an interval; nothing where there is none."""
    return "" if interval is None else f"{figure(interval.low)} to {figure(interval.high)}"


def with_interval(value: float | None, interval: Interval | None) -> str:
    """Write a figure with its interval behind it."""
    return figure(value) if interval is None else f"{figure(value)} ({between(interval)})"


def as_markdown(shown: Table) -> str:
    """Return a table as GitHub's Markdown, with every text escaped."""
    cells = [[inline(cell, 200) for cell in row] for row in shown.rows]
    return table([inline(name) for name in shown.header], cells)


def metrics_table(evaluation: Evaluation) -> str:
    """Return the metrics as Markdown."""
    return as_markdown(metrics(evaluation))


def slices_table(evaluation: Evaluation) -> str:
    """Return the slices as Markdown; nothing where there are none."""
    found = slices(evaluation)
    return as_markdown(found) if found else ""


def _more(number: int) -> str:
    return f"{number - _MOST_ROWS} more." if number > _MOST_ROWS else ""
