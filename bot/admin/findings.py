"""What is said of one thing that was looked at, by ``modelyard doctor`` and by ``/setup/check``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from actions.errors import Problem

Level = Literal["ok", "warning", "error"]


class Finding(BaseModel):
    """One thing that was looked at: the rule that it should keep, what was found, and the cure where it does not."""

    model_config = ConfigDict(frozen=True)

    level: Level
    what: str
    rule: str
    found: str
    cure: str = ""


def well(what: str, rule: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(level="ok", what=what, rule=rule, found=found)


def ill(what: str, rule: str, found: str, cure: str) -> Finding:
    """Return a finding that stops something."""
    return Finding(level="error", what=what, rule=rule, found=found, cure=cure)


def odd(what: str, rule: str, found: str, cure: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(level="warning", what=what, rule=rule, found=found, cure=cure)


def of_error(what: str, body: Problem) -> Finding:
    """Return an error of ours as a finding."""
    return ill(what, body.rule, body.found, body.next_step)
