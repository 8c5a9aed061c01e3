"""The plots of an evaluation, legible at the width of a comment and distinguishable without colour.

Imports heavy libraries; import it inside functions only. It draws on Agg's canvas without pyplot, so nothing is global
and the import is cheap.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from actions.models.comparison import Comparison
from actions.models.evaluation import ClassifierEvaluation, Curve, Evaluation, RegressorEvaluation
from actions.models.plot_style import BLACK, BLUE, DPI, GREEN, HEIGHT, ORANGE, PURPLE, RED, SKY, WIDTH, YELLOW

_LINES = ((BLUE, "-"), (RED, "--"), (GREEN, "-."), (PURPLE, ":"), (ORANGE, "-"), (SKY, "--"), (BLACK, "-."))
_MAX_LABEL = 20
_MAX_LABELLED_CLASSES = 20
_MAX_BARS = 15

Draw = Callable[[Any], None]


def plots_of(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the plots of an evaluation: PNG contents by file name."""
    drawn: dict[str, bytes] = {}
    if isinstance(evaluation, RegressorEvaluation):
        drawn["predicted_vs_true.png"] = _png(partial(_predicted_vs_true, evaluation))
        drawn["residuals.png"] = _png(partial(_residuals, evaluation))
        return drawn | _plots_of_any(evaluation)
    drawn["confusion_matrix.png"] = _png(partial(_confusion_matrix, evaluation))
    if evaluation.roc_curves:
        drawn["roc.png"] = _png(partial(_roc, evaluation))
        drawn["precision_recall.png"] = _png(partial(_precision_recall, evaluation))
    drawn["calibration.png"] = _png(partial(_calibration, evaluation))
    return drawn | _plots_of_any(evaluation)


def comparison_plot(comparison: Comparison) -> bytes:
    """Return the plot of a comparison as PNG: the resampled differences with their bounds and the margin."""
    return _png(partial(_comparison, comparison))


def _plots_of_any(evaluation: Evaluation) -> dict[str, bytes]:
    drawn = {}
    if evaluation.importances:
        drawn["importances.png"] = _png(partial(_importances, evaluation))
    if evaluation.learning_curves:
        drawn["learning_curves.png"] = _png(partial(_learning_curves, evaluation))
    return drawn


def _png(draw: Draw) -> bytes:
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=11)
    draw(axes)
    file = io.BytesIO()
    # Without matplotlib's version in the metadata, equal figures are equal files.
    canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def _titled(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=14)
    axes.set_xlabel(x, fontsize=12)
    axes.set_ylabel(y, fontsize=12)


def _label(text: str) -> str:
    """Return a label for a plot: short, and without anything that matplotlib would render as mathematics."""
    short = text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 1] + "…"
    return short.replace("$", r"\$").lstrip("_")


def _confusion_matrix(evaluation: ClassifierEvaluation, axes: Any) -> None:
    counts = np.asarray(evaluation.confusion_matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    axes.figure.colorbar(image, ax=axes, label="share of the true class")
    labels = [_label(label) for label in evaluation.classes]
    if len(labels) <= _MAX_LABELLED_CLASSES:
        axes.set_xticks(range(len(labels)), labels, rotation=45 if max(map(len, labels)) > 4 else 0)  # noqa: PLR2004
        axes.set_yticks(range(len(labels)), labels)
        for row, column in np.ndindex(*counts.shape):
            colour = "black" if shares[row, column] > 0.55 else "white"  # noqa: PLR2004  # cividis turns light there
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=13)
    _titled(axes, f"Confusion matrix, {evaluation.rows} rows", "predicted class", "true class")


def _roc(evaluation: ClassifierEvaluation, axes: Any) -> None:
    _curves(axes, evaluation.roc_curves)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1.2, label="chance")
    _unit_axes(axes)
    area = evaluation.metrics["roc_auc"]
    _titled(
        axes, "ROC" + (f", area {area:.3f}" if area is not None else ""), "false positive rate", "true positive rate"
    )
    axes.legend(loc="lower right", fontsize=11)


def _precision_recall(evaluation: ClassifierEvaluation, axes: Any) -> None:
    _curves(axes, evaluation.pr_curves)
    _unit_axes(axes)
    area = evaluation.metrics["pr_auc"]
    precision = f", average precision {area:.3f}" if area is not None else ""
    _titled(axes, f"Precision and recall{precision}", "recall", "precision")
    axes.legend(loc="lower left", fontsize=11)


def _curves(axes: Any, curves: Sequence[Curve]) -> None:
    """Draw one line per class; if there are too many to tell apart, draw all of them thin and in one colour."""
    if len(curves) > len(_LINES):
        for index, curve in enumerate(curves):
            label = f"each of {len(curves)} classes" if index == 0 else None
            axes.plot(curve.x, curve.y, color=BLUE, linewidth=1, alpha=0.6, label=label)
        return
    for curve, (colour, style) in zip(curves, _LINES, strict=False):
        axes.plot(curve.x, curve.y, color=colour, linestyle=style, linewidth=2, label=f"class {_label(curve.label)}")


def _calibration(evaluation: ClassifierEvaluation, axes: Any) -> None:
    bins = evaluation.calibration
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1.2, label="ideal")
    axes.plot(
        [one.predicted for one in bins],
        [one.observed for one in bins],
        color=BLUE,
        marker="o",
        linewidth=2,
        label="model",
    )
    for one in bins:
        # Towards the middle, so that no number covers the frame.
        point, offset = (one.predicted, one.observed), (6, 6 if one.observed < 0.5 else -16)  # noqa: PLR2004
        axes.annotate(f"{one.rows}", point, offset, textcoords="offset points", ha="center", fontsize=9)
    _unit_axes(axes)
    positive = evaluation.positive_class
    event = f"class {_label(positive)}" if positive is not None else "the predicted class"
    error = evaluation.metrics["calibration_error"]
    shown_error = f", error {error:.3f}" if error is not None else ""
    title = f"Calibration{shown_error} (numbers of rows at the points)"
    _titled(axes, title, f"predicted probability of {event}", "observed share")
    axes.legend(loc="upper left", fontsize=11)


def _predicted_vs_true(evaluation: RegressorEvaluation, axes: Any) -> None:
    ends = [min(*evaluation.true, *evaluation.predicted), max(*evaluation.true, *evaluation.predicted)]
    axes.plot(ends, ends, color="grey", linestyle=":", linewidth=1.5, label="ideal")
    axes.scatter(
        evaluation.true, evaluation.predicted, color=BLUE, s=18, alpha=0.6, edgecolors="none", label="test rows"
    )
    r2 = evaluation.metrics["r2"]
    target = _label(evaluation.target)
    _titled(
        axes,
        "Predicted and true" + (f", R2 {r2:.3f}" if r2 is not None else ""),
        f"true {target}",
        f"predicted {target}",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=11)


def _residuals(evaluation: RegressorEvaluation, axes: Any) -> None:
    residuals = np.asarray(evaluation.predicted) - np.asarray(evaluation.true)
    axes.axhline(0, color="grey", linestyle=":", linewidth=1.5)
    axes.scatter(evaluation.predicted, residuals, color=RED, s=18, alpha=0.6, edgecolors="none")
    rmse = evaluation.metrics["rmse"]
    target = _label(evaluation.target)
    error = f", RMSE {rmse:.4g}" if rmse is not None else ""
    _titled(axes, f"Residuals{error}", f"predicted {target}", "predicted minus true")
    axes.grid(alpha=0.3)


def _importances(evaluation: Evaluation, axes: Any) -> None:
    shown = evaluation.importances[:_MAX_BARS][::-1]
    positions = np.arange(len(shown))
    axes.barh(
        positions,
        [importance.mean for importance in shown],
        xerr=[importance.standard_deviation for importance in shown],
        color=SKY,
        edgecolor=BLACK,
        linewidth=0.6,
        error_kw={"ecolor": BLACK, "capsize": 2, "elinewidth": 1},
    )
    axes.set_yticks(positions, [_label(importance.column) for importance in shown])
    axes.axvline(0, color="grey", linestyle=":", linewidth=1.5)
    more = len(evaluation.importances) - len(shown)
    title = "Permutation importances" + (f", {len(shown)} of {len(evaluation.importances)} columns" if more else "")
    _titled(axes, title, f"loss of {evaluation.importance_of} when shuffled", "")
    axes.grid(axis="x", alpha=0.3)


def _learning_curves(evaluation: Evaluation, axes: Any) -> None:
    curves = evaluation.learning_curves[: len(_LINES)]
    for curve, (colour, style) in zip(curves, _LINES, strict=False):
        mark = "o" if len(curve.x) == 1 else None
        axes.plot(curve.x, curve.y, color=colour, linestyle=style, linewidth=2, marker=mark, label=_label(curve.label))
    _titled(axes, "Learning curves", "round", "loss")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=11)


def _comparison(comparison: Comparison, axes: Any) -> None:
    edges, judged = np.asarray(comparison.histogram_edges), comparison.compared
    if len(edges):
        varies = np.ptp(edges) > 0 and len(comparison.histogram) > 1
        width = np.diff(edges) if varies else max(comparison.allowed, 1e-3) / 4
        middle = (edges[:-1] + edges[1:]) / 2
        shares = np.asarray(comparison.histogram) / comparison.resamples
        axes.bar(middle, shares, width=width, color=SKY, edgecolor=BLUE, linewidth=0.4)
    if judged.low is not None and judged.high is not None:
        label = f"{judged.low:+.4g} to {judged.high:+.4g}, alpha {comparison.alpha:g} per side"
        axes.axvspan(judged.low, judged.high, color=YELLOW, alpha=0.25, zorder=0, label=label)
    axes.axvline(0, color=BLACK, linestyle="-", linewidth=1.5, label="no difference")
    axes.axvline(
        -comparison.allowed, color=RED, linestyle="--", linewidth=2, label=f"margin, {-comparison.allowed:.4g}"
    )
    if judged.difference is not None:
        axes.axvline(
            judged.difference, color=BLUE, linestyle="-.", linewidth=2, label=f"difference, {judged.difference:+.4g}"
        )
    verdict = comparison.verdict.replace("_", " ")
    x = f"difference in {comparison.metric} (positive: this model is better)"
    _titled(axes, f"This model and the champion: {verdict}", x, "share of resamples")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=11)


def _unit_axes(axes: Any) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
