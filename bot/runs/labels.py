"""The labels that the App uses. An issue carries at most one of ``STATE_LABELS``."""

from __future__ import annotations

from bot.github.models import LabelDefinition
from bot.parsing.issue_templates import REQUEST_LABEL

MAX_LABEL_SECONDS = 20.0
"""How long to create labels in many repositories at a time: the App writes about once a second."""

_STATES = {
    "queued": ("c5def5", "Waiting for another run of the same model"),
    "running": ("1d76db", "Modelyard is working on it"),
    "waiting": ("fbca04", "A person must answer with /approve or /reject"),
    "passed": ("0e8a16", "The model passed and is registered"),
    "failed": ("b60205", "The run ended without a registered model"),
    "cancelled": ("6a737d", "The run was cancelled"),
    "invalid": ("d93f0b", "The request must be corrected; the comment explains how"),
}


def state_label(state: str) -> str:
    """Return the full name of a state label."""
    if state not in _STATES:
        raise ValueError(f"no label for {state!r}")
    return f"mlops:{state}"


STATE_LABELS = tuple(state_label(state) for state in _STATES)


def definitions() -> list[LabelDefinition]:
    """Return all labels that the App uses."""
    request = LabelDefinition(REQUEST_LABEL, "5319e7", "Asks Modelyard to train a model")
    return [request, *(LabelDefinition(state_label(state), colour, text) for state, (colour, text) in _STATES.items())]
