"""Confidence intervals of metrics by Efron's bootstrap (percentile method).

Rows are drawn with replacement, as many as there are, and scored again. The interval contains the middle 95 % of the
resamples' scores. BCa intervals would need a score for every row left out in turn, which takes time quadratic in the
number of rows; percentiles do not.

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
MAX_RESAMPLES, MIN_RESAMPLES = 1_000, 200
_MAX_COUNTS = 500_000_000
"""Counts to process in all, approximately. With more rows there are fewer resamples, and fewer are needed."""
_BATCH = 100_000
"""Values to process at a time: few enough to stay in a core's cache, which is three times as fast."""
_MIN_DEFINED = 0.9
"""A metric has no interval if fewer of its resamples than this share define it."""


def resample_count(statistic: Statistic, most: int = MAX_RESAMPLES, parts: int = 1) -> int:
    """Return the number of resamples that are worth their time.

    Parameters
    ----------
    statistic
        What is scored.
    most
        The maximum number.
    parts
        The number of statistics that share the time.
    """
    return int(np.clip(_MAX_COUNTS // parts // (statistic.rows * statistic.passes), MIN_RESAMPLES, most))


def distributions(statistic: Statistic, seed: int, resamples: int) -> Figures:
    """Return each metric's value in each resample; the same seed and number of rows always draw the same resamples.

    Parameters
    ----------
    statistic
        What to score.
    seed
        Seed of the draws.
    resamples
        The number of resamples.

    Returns
    -------
    dict of str to array of shape (resamples,)
        NaN where a metric is undefined.
    """
    from scipy.stats import DegenerateDataWarning, bootstrap

    rows = statistic.rows
    names: list[str] = []

    def score(drawn: Any, axis: int) -> Any:  # noqa: ARG001 - scipy passes it; it is always the last axis
        batch = np.atleast_2d(drawn)
        positions = batch + rows * np.arange(len(batch))[:, None]
        counts = np.bincount(positions.ravel(), minlength=rows * len(batch)).reshape(len(batch), rows).astype(float)
        by_name = statistic.figures(counts)
        names[:] = by_name
        figures = np.stack(list(by_name.values()))
        return figures if drawn.ndim > 1 else figures[:, 0]

    if rows < 2:  # noqa: PLR2004 - the only resample of one row is the row itself
        return {name: np.repeat(values, resamples) for name, values in statistic.figures(np.ones((1, rows))).items()}
    with warnings.catch_warnings():
        # scipy warns about metrics that some resamples leave undefined; ``interval`` below handles them.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        distribution = bootstrap(
            (np.arange(rows),),
            score,
            n_resamples=resamples,
            batch=max(1, _BATCH // rows),
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    return dict(zip(names, distribution, strict=True))


def interval(values: Any, low: float, high: float) -> Interval | None:
    """Return two quantiles of a distribution, or None if the metric is undefined in too many resamples."""
    defined = values[np.isfinite(values)]
    if len(defined) < max(_MIN_DEFINED * len(values), 1):
        return None
    return Interval(low=float(np.quantile(defined, low)), high=float(np.quantile(defined, high)))


def intervals(statistic: Statistic, seed: int, parts: int = 1, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """Return the interval of each metric that has one; ``parts`` as in ``resample_count``."""
    outside = (1 - confidence) / 2
    by_name = distributions(statistic, seed, resample_count(statistic, parts=parts))
    candidates = {name: interval(values, outside, 1 - outside) for name, values in by_name.items()}
    return {name: candidate for name, candidate in candidates.items() if candidate is not None}
