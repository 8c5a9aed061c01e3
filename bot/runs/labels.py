"""The labels that the App sets: at most one of ``STATE_LABELS`` stands on an issue."""

from __future__ import annotations

from bot.github.models import LabelDefinition

ASKS = "mlops:train"
"""Set by the form: this issue asks for a training run."""
AT_ONCE = 20.0
"""Seconds for which the labels of many repositories are made in one go: the App writes about once a second."""

_STATES = {
    "queued": ("c5def5", "Waits until another run of the same model is done"),
    "running": ("1d76db", "Modelyard works on it"),
    "waiting": ("fbca04", "A person has to answer /approve or /reject"),
    "passed": ("0e8a16", "The model was good enough and is registered"),
    "failed": ("b60205", "The run ended without a registered model"),
    "cancelled": ("6a737d", "Somebody stopped the run"),
    "invalid": ("d93f0b", "The request has to be corrected; the comment says how"),
}


def state_label(state: str) -> str:
    """Return the name of a state's label."""
    if state not in _STATES:
        raise ValueError(f"no label for {state!r}")
    return f"mlops:{state}"


STATE_LABELS = tuple(state_label(state) for state in _STATES)


def definitions() -> list[LabelDefinition]:
    """Return all labels that the App uses."""
    asks = LabelDefinition(ASKS, "5319e7", "Asks Modelyard to train a model")
    return [asks, *(LabelDefinition(state_label(state), colour, text) for state, (colour, text) in _STATES.items())]
