"""Whether a new model is no worse than the champion: a pure decision on an interval of their difference.

A test of non-inferiority: the new model is let through where the data say, with a risk of ``alpha`` at most, that it is
not worse by more than a margin. That it is worse has to be shown in the same way. Where neither is shown, the rows are too
few to tell; that is said as such, and lets nothing through.

References
----------
.. [1] G. Piaggio et al.: Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 308, 2012.
"""

from __future__ import annotations

from actions.contracts.results import Outcome


def outcome_of(low: float | None, high: float | None, allowed: float) -> Outcome:
    """Decide on the one-sided bounds of the difference (above zero: the new model is better).

    Parameters
    ----------
    low, high
        The difference is above the one and below the other, each but for a risk of alpha; None where that is unknown.
    allowed
        How much worse the new model may be, in the unit of the difference; not below zero.

    Examples
    --------
    >>> outcome_of(-0.01, 0.03, 0.02), outcome_of(-0.09, -0.03, 0.02), outcome_of(-0.04, 0.03, 0.02)
    ('accepted', 'rejected', 'too_close_to_tell')
    """
    if low is None or high is None:
        return "too_close_to_tell"
    if low >= -allowed:
        return "accepted"
    return "rejected" if high < -allowed else "too_close_to_tell"


def explained(outcome: Outcome, metric: str, low: float | None, high: float | None, allowed: float, rows: int) -> str:
    """Return the reason in a sentence or two of plain English."""
    margin = f"by more than {allowed:.4g}" if allowed else "at all"
    if low is None or high is None:
        return f"The {rows} rows do not show how far the two differ in {metric}: too few of them say anything about it."
    between = f"the difference in {metric} is between {low:+.4g} and {high:+.4g}"
    if outcome == "accepted":
        return f"It is better: {between}." if low > 0 else f"It is not worse {margin}: {between}."
    if outcome == "rejected":
        return f"It is worse {margin}: {between}."
    return f"Too close to tell on {rows} rows whether it is worse {margin}: {between}. More test rows would tell."
