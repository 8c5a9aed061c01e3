"""The plots of a study: the best value over the trials, and the hyperparameters that matter most.

Imports matplotlib: import this module inside functions only.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actions.models.plot_style import BLACK, BLUE, DPI, HEIGHT, RED, WIDTH


class Point(NamedTuple):
    """A trial as a point; the value is None if it was pruned or failed."""

    number: int
    value: float | None


def study_plots(
    points: Sequence[Point],
    shares: Mapping[str, float],
    metric: str,
    baseline_score: float | None = None,
    *,
    higher_is_better: bool,
) -> dict[str, bytes]:
    """Return the plots as PNG by file name; importances only where there are some."""
    drawn = {"optimization_history.png": _png(partial(_history, points, metric, baseline_score, higher_is_better))}
    if shares:
        drawn["parameter_importances.png"] = _png(partial(_importances, shares, metric))
    return drawn


def _png(draw: Callable[[Any], None]) -> bytes:
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=11)
    draw(axes)
    file = io.BytesIO()
    canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


def _history(
    points: Sequence[Point],
    metric: str,
    baseline_score: float | None,
    higher_is_better: bool,  # noqa: FBT001  # bound by partial
    axes: Any,
) -> None:
    known = [(point.number, point.value) for point in points if point.value is not None]
    numbers = [number for number, _ in known]
    values = np.asarray([value for _, value in known], dtype=float)
    best = np.maximum.accumulate(values) if higher_is_better else np.minimum.accumulate(values)
    axes.scatter(numbers, values, color=BLUE, s=28, label="trial")
    axes.step(numbers, best, where="post", color=RED, linewidth=2, linestyle="--", label="best so far")
    if baseline_score is not None:
        axes.axhline(baseline_score, color=BLACK, linewidth=1.5, linestyle=":", label="baseline")
    ended = [point.number for point in points if point.value is None]
    if ended:
        foot = [0.02] * len(ended)
        axes.scatter(
            ended, foot, transform=axes.get_xaxis_transform(), color="grey", marker="x", s=24, label="pruned or failed"
        )
    # Marks at the bottom do not widen the axis.
    axes.set_xlim(points[0].number - 0.5, points[-1].number + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    known_best = [best[-1]] if baseline_score is None else [best[-1], baseline_score]
    top = max(known_best) if higher_is_better else min(known_best)
    axes.set_title(f"{len(points)} trials, best {metric} {top:.4g}", fontsize=14)
    axes.set_xlabel("trial", fontsize=12)
    axes.set_ylabel(f"{metric} on held-out rows", fontsize=12)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=11)


def _importances(shares: Mapping[str, float], metric: str, axes: Any) -> None:
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=BLUE)
    for place, (_, share) in enumerate(ordered):
        axes.annotate(f"{share:.2f}", (share, place), (4, 0), textcoords="offset points", va="center", fontsize=11)
    axes.set_xlim(0, max(shares.values()) * 1.12)
    axes.set_title("Importance of hyperparameters", fontsize=14)
    axes.set_xlabel(f"share of the variance of {metric}", fontsize=12)
    axes.grid(alpha=0.3, axis="x")
