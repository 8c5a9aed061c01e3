"""The errors of all operations: one tree, each with a reason code, the rule, what was found and the next step."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

MAX_TEXT = 2_000
MAX_FIELD = 200


class Problem(BaseModel):
    """What is wrong and what to do about it; comments, result files, check runs and terminals all show this type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(description="branch of the error tree, such as invalid_input; crash where a retry can help")
    reason: str = Field(max_length=100, description="stable snake_case code, such as target_missing")
    rule: str = Field(max_length=MAX_TEXT, description="what must hold")
    found: str = Field(max_length=MAX_TEXT, description="what was found instead")
    next_step: str = Field(max_length=MAX_TEXT, description="what the reader can do about it")
    field: str | None = Field(
        default=None, max_length=MAX_FIELD, description="the parameter, form field, column, key or file concerned"
    )


def invalid_field(field: str, rule: str, found: str, next_step: str, *, reason: str = "invalid_field") -> Problem:
    """Return a problem with one of several fields, where all of them are listed rather than the first one raised."""
    return InvalidInput(reason, rule=rule, found=found, next_step=next_step, field=field).problem


class OperationError(Exception):
    """An operation could not do what was asked; ``problem`` describes it, and the parameters are its fields.

    Texts that are too long are cut.
    """

    kind = "operation_error"

    def __init__(self, reason: str, *, rule: str, found: str, next_step: str, field: str | None = None) -> None:
        super().__init__(f"{rule} Found: {found} Next: {next_step} [{reason}]")
        self.problem = Problem(
            kind=self.kind,
            reason=reason,
            rule=_cut(rule),
            found=_cut(found),
            next_step=_cut(next_step),
            field=_cut(field, MAX_FIELD) if field else None,
        )

    @classmethod
    def from_problem(cls, problem: Problem, **changes: str | None) -> Self:
        """Return an error of this class about a known problem, some fields of which may be replaced."""
        fields: dict[str, Any] = {**problem.model_dump(exclude={"kind"}), **changes}
        return cls(**fields)


def _cut(text: str, limit: int = MAX_TEXT) -> str:
    return text[:limit].encode("utf-8", "replace").decode("utf-8")


class InvalidInput(OperationError):
    """The request or its data is wrong; trying again without a change cannot help."""

    kind = "invalid_input"


class NotFound(OperationError):
    """A named thing (model, version, run, file) does not exist."""

    kind = "not_found"


class Conflict(OperationError):
    """What is there already contradicts the request."""

    kind = "conflict"


class NotAllowed(OperationError):
    """The caller may not do this, or a person has to decide it."""

    kind = "not_allowed"


class Unavailable(OperationError):
    """Something this needs (a library, a service, a setting) is not there."""

    kind = "unavailable"


class Interrupted(OperationError):
    """The process was asked to stop before the work was done. The App tries again, and the work resumes."""

    kind = "crash"
