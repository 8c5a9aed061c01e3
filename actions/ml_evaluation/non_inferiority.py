"""Decides whether a new model is no worse than the champion, from a confidence interval of their difference.

This is a non-inferiority test. A new model passes if the data show, with a risk of at most ``alpha``, that it is not
worse by more than a margin. It fails if the data show in the same way that it is. If they show neither, there are too
few rows to tell; the result says so, and the model does not pass.

References
----------
.. [1] G. Piaggio et al.: Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 308, 2012.
"""

from __future__ import annotations

from actions.contracts.results import Outcome


def decide(low: float | None, high: float | None, allowed: float) -> Outcome:
    """Decide from the one-sided bounds of a difference that is positive if the new model is better.

    Parameters
    ----------
    low, high
        The lower and the upper bound, each with a risk of alpha; None if unknown.
    allowed
        How much worse the new model may be, in the unit of the difference; at least 0.

    Examples
    --------
    >>> decide(-0.01, 0.03, 0.02), decide(-0.09, -0.03, 0.02), decide(-0.04, 0.03, 0.02)
    ('accepted', 'rejected', 'too_close_to_tell')
    """
    if low is None or high is None:
        return "too_close_to_tell"
    if low >= -allowed:
        return "accepted"
    return "rejected" if high < -allowed else "too_close_to_tell"


def explain(outcome: Outcome, metric: str, low: float | None, high: float | None, allowed: float, rows: int) -> str:
    """Return the reason for a decision in a sentence or two."""
    margin = f"by more than {allowed:.4g}" if allowed else "at all"
    if low is None or high is None:
        return f"The difference in {metric} cannot be estimated: too few of the {rows} rows are informative."
    interval = f"the difference in {metric} is between {low:+.4g} and {high:+.4g}"
    if outcome == "accepted":
        return f"It is better: {interval}." if low > 0 else f"It is not worse {margin}: {interval}."
    if outcome == "rejected":
        return f"It is worse {margin}: {interval}."
    return f"{rows} rows are too few to tell whether it is worse {margin}: {interval}. Test on more rows."
