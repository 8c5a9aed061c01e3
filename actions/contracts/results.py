"""What stages report: their progress while they run, and the result that publish pushes and the App accepts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from actions.contracts.request import GitSha, Sha256
from actions.contracts.run_id import RUN_ID
from actions.contracts.scalar import Scalar
from actions.contracts.stage import Stage
from actions.errors import Problem
from actions.text.masking import masked

Status = Literal["passed", "rejected", "failed"]


MAX_COUNT = 2**53
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
"""How many there are of something. JSON has integers of thousands of digits, which no division or format takes."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Progress(_Value):
    """``progress.json``: replaced atomically by a running stage, read by the App as untrusted input (64 KiB at most)."""

    stage: Stage
    step: str = Field(max_length=200)
    done: Count | None = None
    total: Count | None = None
    eta_seconds: float | None = Field(
        default=None,
        ge=0,
        description="estimated time until the end of the step, at its speed so far",
    )
    metrics: dict[str, float] = Field(default_factory=dict, max_length=50)
    updated: str = Field(max_length=40, description="ISO 8601, UTC")
    error: Problem | None = None


HEARTBEAT_FILE = "heartbeat.json"


class Heartbeat(_Value):
    """``heartbeat.json``: rewritten every few seconds while the stage's process is alive."""

    stage: Stage
    workflow_run: int = Field(description="GitHub's id of the workflow run; 0 if unknown")
    at: str = Field(max_length=40, description="ISO 8601, UTC, by the runner's clock")


class Published(_Value):
    """``published.json`` in the attempt's evaluations folder: the commit that publish pushed."""

    ref: str = Field(pattern=rf"^refs/modelyard/{RUN_ID}/[0-9]+$")
    sha: GitSha


Outcome = Literal["accepted", "rejected", "too_close_to_tell"]
"""Of a comparison: no worse than the champion by more than the margin; worse by more; the data cannot tell."""


_DataText = Annotated[str, Field(max_length=1_000), AfterValidator(lambda text: masked(text)[:100])]
"""A name or a value from a user's data, masked and cut to what is shown."""


class Regression(_Value):
    """A slice, the rows with one value of a column, on which the new model is worse than the champion."""

    column: _DataText
    value: _DataText
    rows: Count = Field(ge=1)
    difference: float = Field(description="in the metric's unit, below zero")


class ComparisonFigures(_Value):
    """How the model compares with the champion, row by row."""

    outcome: Outcome
    alpha: float
    margin: float
    allowed: float = Field(ge=0, description="the margin in the metric's unit")
    difference: float = Field(description="in the metric's unit; above zero this model is better")
    low: float | None = Field(description="lower bound of the difference, with risk alpha")
    high: float | None = Field(description="upper bound of the difference, with risk alpha")
    rows: Count = Field(ge=1)
    resamples: Count = Field(ge=1)
    regressions: list[Regression] = Field(default_factory=list, max_length=10, description="the worst first")


class Verdict(_Value):
    """What judge decided, with the figures behind it."""

    status: Status
    reason: str = Field(
        max_length=100,
        description="stable code: threshold_met, below_threshold, worse_than_champion, too_close_to_tell, ...",
    )
    explanation: str = Field(max_length=2_000)
    metric: str = Field(max_length=50)
    value: float | None
    threshold: float
    champion_value: float | None = None
    champion_version: int | None = None
    champion_may_have_seen_rows: bool = False
    comparison: ComparisonFigures | None = None


class DataFacts(_Value):
    """The data that a run used."""

    uri: str = Field(max_length=1_000)
    sha256: Sha256
    rows: Count
    columns: Count
    train_rows: Count
    validation_rows: Count
    test_rows: Count
    warnings: list[str] = Field(default_factory=list, max_length=50)


class ModelFacts(_Value):
    """The model file that a run made."""

    uri: str = Field(max_length=1_000)
    sha256: Sha256
    size_bytes: Count
    format: str = Field(default="skops", max_length=50)


Name = Annotated[str, Field(max_length=200)]


class SearchFacts(_Value):
    """The outcome of a search for hyperparameters. Its figures are optimistic: they are of the rows that chose the best trial."""

    metric: str = Field(max_length=50)
    value: float = Field(description="of the hyperparameters that the model was trained with")
    baseline_score: float | None = Field(
        default=None,
        description="of the request's own hyperparameters; equal to the value if no trial was better",
    )
    folds: Count | None = Field(
        default=None, ge=2, description="of the training rows; None if trials were compared on validation rows"
    )
    completed: Count
    pruned: Count
    failed: Count
    stopped_by: Literal["trials", "time"]
    seconds: float = Field(ge=0)
    hyperparameters: dict[Name, Scalar] = Field(
        max_length=100, description="the hyperparameters that the model was trained with"
    )
    importances: dict[Name, float] = Field(
        default_factory=dict, max_length=50, description="shares of the variance of the metric"
    )

    @property
    def trials(self) -> int:
        return self.completed + self.pruned + self.failed

    @property
    def is_better(self) -> bool:
        """Whether a trial was better than the request's own hyperparameters."""
        return self.baseline_score is None or self.value != self.baseline_score

    @property
    def rows(self) -> str:
        """What trials were compared on."""
        return "validation rows" if self.folds is None else f"{self.folds} folds of the training rows"


class EnvironmentFacts(_Value):
    """The environment that the stages ran in."""

    python: str = Field(max_length=50)
    platform: str = Field(max_length=200)
    lock_sha256: Sha256 | None
    packages: dict[str, str] = Field(max_length=50, description="versions of the libraries that affect the result")
