"""What a metric's figures mean, for any task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """A metric: which direction is better, its bounds, and when it is undefined.

    Attributes
    ----------
    higher_is_better
        False for errors and losses: they pass at or below the threshold.
    lowest, highest
        Its bounds; None where it has none.
    undefined_when
        Why it can be undefined on test data, for the verdict's explanation.
    """

    higher_is_better: bool
    lowest: float | None = None
    highest: float | None = None
    undefined_when: str = "there are too few cases in the test rows"

    def meets(self, value: float, threshold: float) -> bool:
        """Return whether a value passes: at or above the threshold, for errors and losses at or below it."""
        return value >= threshold if self.higher_is_better else value <= threshold

    def can_be(self, value: float) -> bool:
        """Return whether a value is within the metric's bounds."""
        return (self.lowest is None or value >= self.lowest) and (self.highest is None or value <= self.highest)

    @property
    def bounds(self) -> str:
        """The bounds in words, to follow "must be"."""
        if self.lowest is None:
            return f"at most {self.highest:g}" if self.highest is not None else "any number"
        return f"at least {self.lowest:g}" if self.highest is None else f"between {self.lowest:g} and {self.highest:g}"


def metric_help(metrics: Mapping[str, Metric]) -> str:
    """Return the description of the form's metric field."""
    below = [name for name, metric in metrics.items() if not metric.higher_is_better]
    if not below:
        return "The metric that decides the verdict. A model passes at or above the threshold."
    return f"The metric that decides the verdict. A model passes at or above the threshold; for {', '.join(below)}, at or below it."
