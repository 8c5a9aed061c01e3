"""How sure figures are: the bootstrap of Efron (1979), its intervals by percentiles.

Rows are drawn with replacement, as many as there are, and scored again; what 95 % of the resamples lie between is the
interval. BCa intervals would need each figure once more for every row left out, the square of the rows: percentiles do
not.

References
----------
.. [1] B. Efron, R. J. Tibshirani: An Introduction to the Bootstrap, 1993, chapters 13 and 14.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from actions.ml_evaluation.weighted_scores import Figures, Statistic
from actions.models.evaluation import Interval

CONFIDENCE = 0.95
MOST_RESAMPLES, FEWEST_RESAMPLES = 1_000, 200
_WORK = 500_000_000
"""Counts gone through in all, about: with more rows there are fewer resamples, and less need of them."""
_VALUES_AT_ONCE = 100_000
"""So few that they stay in a core's cache, which makes it three times as fast."""
_DEFINED = 0.9
"""Below this share of resamples in which a figure is defined it has no interval."""


def resamples_for(statistic: Statistic, most: int = MOST_RESAMPLES, parts: int = 1) -> int:
    """Return how many resamples are worth their time.

    Parameters
    ----------
    statistic
        What is scored.
    most
        How many there are at most.
    parts
        Among how many statistics that time is shared out.
    """
    return int(np.clip(_WORK // parts // (statistic.rows * statistic.passes), FEWEST_RESAMPLES, most))


def distributions(statistic: Statistic, seed: int, resamples: int) -> Figures:
    """Return each figure in each resample; the same seed on the same rows draws the same resamples.

    Parameters
    ----------
    statistic
        What to score.
    seed
        Of the draws.
    resamples
        How many.
    """
    from scipy.stats import DegenerateDataWarning, bootstrap

    rows = statistic.rows
    names: list[str] = []

    def scored(drawn: Any, axis: int) -> Any:  # noqa: ARG001 - scipy hands it in; it is the last one
        several = np.atleast_2d(drawn)
        places = several + rows * np.arange(len(several))[:, None]
        counts = np.bincount(places.ravel(), minlength=rows * len(several)).reshape(len(several), rows).astype(float)
        found = statistic.figures(counts)
        names[:] = found
        figures = np.stack(list(found.values()))
        return figures if drawn.ndim > 1 else figures[:, 0]

    if rows < 2:  # noqa: PLR2004 - of one row there is one resample: itself
        return {name: np.repeat(values, resamples) for name, values in statistic.figures(np.ones((1, rows))).items()}
    with warnings.catch_warnings():
        # Figures that some resamples leave undefined have no interval of scipy's; ``interval`` below counts them.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        drawn = bootstrap(
            (np.arange(rows),),
            scored,
            n_resamples=resamples,
            batch=max(1, _VALUES_AT_ONCE // rows),
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    return dict(zip(names, drawn, strict=True))


def interval(values: Any, low: float, high: float) -> Interval | None:
    """Return two quantiles of a figure's distribution; None where it is undefined in too many resamples."""
    defined = values[np.isfinite(values)]
    if len(defined) < max(_DEFINED * len(values), 1):
        return None
    return Interval(low=float(np.quantile(defined, low)), high=float(np.quantile(defined, high)))


def intervals(statistic: Statistic, seed: int, parts: int = 1, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """Return the interval of each figure that has one; ``parts`` as in ``resamples_for``."""
    outside = (1 - confidence) / 2
    drawn = distributions(statistic, seed, resamples_for(statistic, parts=parts))
    found = {name: interval(values, outside, 1 - outside) for name, values in drawn.items()}
    return {name: one for name, one in found.items() if one is not None}
