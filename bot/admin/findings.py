"""The findings of ``modelyard doctor`` and of ``/setup/check``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from actions.errors import Problem

Level = Literal["ok", "warning", "error"]


class Finding(BaseModel):
    """The result of one check: the rule, what was found and, if the rule is broken, the cure."""

    model_config = ConfigDict(frozen=True)

    level: Level
    what: str
    rule: str
    found: str
    cure: str = ""

    @classmethod
    def ok(cls, what: str, rule: str, found: str) -> Self:
        """Return the finding of a check that passed."""
        return cls(level="ok", what=what, rule=rule, found=found)

    @classmethod
    def warning(cls, what: str, rule: str, found: str, cure: str) -> Self:
        """Return a finding that someone should look at."""
        return cls(level="warning", what=what, rule=rule, found=found, cure=cure)

    @classmethod
    def error(cls, what: str, rule: str, found: str, cure: str) -> Self:
        """Return a finding that keeps something from working."""
        return cls(level="error", what=what, rule=rule, found=found, cure=cure)

    @classmethod
    def from_problem(cls, what: str, problem: Problem) -> Self:
        """Return a problem as a finding."""
        return cls.error(what, problem.rule, problem.found, problem.next_step)
