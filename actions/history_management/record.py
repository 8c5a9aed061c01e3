"""The record of one finished run: everything that its history files contain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from actions.contracts.person import Person
from actions.contracts.request import Repository
from actions.contracts.results import Verdict
from actions.contracts.run_id import RunId, number_of
from actions.contracts.scalar import Scalar
from actions.errors import Problem
from actions.tasks.exchange import PublishedResult
from actions.tasks.registry import RecordedRequest

RecordStatus = Literal["passed", "rejected", "failed", "cancelled"]
Attempt = Annotated[int, Field(ge=1)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordedDecision(_Value):
    """What a person decided about the run."""

    who: Person
    what: str = Field(max_length=50, description="approve, reject, cancel, promote, rollback")
    when: AwareDatetime
    attempt: Attempt = 1
    sha256: str = Field(default="", max_length=64, description="SHA-256 of the model file that was decided on, if any")
    reason: str = Field(default="", max_length=2_000)
    overrides: dict[str, Scalar] = Field(default_factory=dict, max_length=100)
    comment: int = Field(default=0, ge=0, description="id of the comment that contains the decision; 0 if unknown")


class RecordedError(_Value):
    """Why the run ended without a verdict."""

    stage: str = Field(max_length=50, description="the stage that failed, or the App's state")
    step: str = Field(default="", max_length=200)
    problem: Problem | None = None
    log_tail: str = Field(default="", max_length=20_000, description="the last lines of the job's log")


class RecordedVerdict(_Value):
    """The verdict of one attempt."""

    attempt: Attempt
    verdict: Verdict


class Stay(_Value):
    """How long the run was in one state, in total."""

    state: str = Field(max_length=50)
    seconds: float = Field(ge=0)


class Links(_Value):
    """URIs of the run on the hub."""

    issue: str = Field(default="", max_length=500)
    workflow_runs: tuple[str, ...] = Field(default=(), max_length=100)


class RunRecord(_Value):
    """One finished run, as stored in ``training_history/<run>.json``."""

    schema_version: Literal[1] = 1
    run: RunId
    attempt: Attempt = Field(default=1, description="the last attempt")
    attempts_allowed: Attempt = 1
    repository: Repository
    issue: int = Field(ge=1)
    requester: Person
    contributors: tuple[Person, ...] = Field(
        default=(), max_length=100, description="others who wrote or changed the request"
    )
    request: RecordedRequest
    status: RecordStatus
    why: str = Field(default="", max_length=2_000, description="one sentence; the verdict's explanation by default")
    created: AwareDatetime
    finished: AwareDatetime
    result: PublishedResult | None = None
    version: int | None = Field(default=None, description="the registered version; set when the record is committed")
    promoted: bool = Field(default=False, description="whether the version became champion with this commit")
    verdicts: tuple[RecordedVerdict, ...] = ()
    decisions: tuple[RecordedDecision, ...] = ()
    error: RecordedError | None = None
    stays: tuple[Stay, ...] = ()
    links: Links = Links()

    @property
    def requesters(self) -> tuple[Person, ...]:
        """Everyone who requested it."""
        return (self.requester, *self.contributors)

    @property
    def number(self) -> int:
        """The run's number, counted per repository."""
        return number_of(self.run)

    @property
    def reason(self) -> str:
        """Why the run ended as it did, in one sentence."""
        if self.why:
            return self.why
        if self.error is not None and self.error.problem is not None:
            return f"{self.error.problem.rule} Found: {self.error.problem.found}"
        if self.error is not None:
            return f"The {self.error.stage} stage failed."
        return self.result.verdict.explanation if self.result is not None else ""


def utc(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    from datetime import UTC

    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
