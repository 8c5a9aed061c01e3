"""The errors of all operations: one tree, each with a reason code, the rule, what was found and the next step."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ErrorBody(BaseModel):
    """An error as every door shows it: what rule, what was found, what to do next, under a stable reason code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    reason: str = Field(max_length=100)
    rule: str = Field(max_length=2_000)
    found: str = Field(max_length=2_000)
    next_step: str = Field(max_length=2_000)
    field: str | None = Field(default=None, max_length=200)


class OperationError(Exception):
    """An operation could not do what was asked.

    Parameters
    ----------
    reason
        Stable snake_case code, such as ``target_missing``; part of the public contract.
    rule, found, next_step
        What must hold, what was found instead, what the reader can do about it. One sentence each.
    field
        The parameter, form field or column that it is about, if it is about one.
    """

    kind = "operation_error"

    def __init__(self, reason: str, *, rule: str, found: str, next_step: str, field: str | None = None) -> None:
        super().__init__(f"{rule} Found: {found} Next: {next_step} [{reason}]")
        self.body = ErrorBody(
            kind=self.kind,
            reason=reason,
            rule=rule[:2_000],
            found=found[:2_000],
            next_step=next_step[:2_000],
            field=field[:200] if field else None,
        )


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
    """The process was told to end before the work was done; trying again goes on. Of a kind that the App tries again."""

    kind = "crash"
