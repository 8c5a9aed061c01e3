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


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Progress(_Value):
    """``progress.json``: replaced atomically by a running stage, read by the App as untrusted input (64 KiB at most)."""

    stage: Stage
    step: str = Field(max_length=200)
    done: int | None = None
    total: int | None = None
    eta_seconds: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="how much longer this step takes at most, by its rounds so far",
    )
    metrics: dict[str, float] = Field(default_factory=dict, max_length=50)
    updated: str = Field(max_length=40, description="ISO 8601, UTC")
    error: Problem | None = None


HEARTBEAT_FILE = "heartbeat.json"


class Heartbeat(_Value):
    """``heartbeat.json``: replaced every few seconds by a stage as long as its process lives."""

    stage: Stage
    workflow_run: int = Field(description="GitHub's id of the workflow run; 0 where the stage does not know it")
    at: str = Field(max_length=40, description="ISO 8601, UTC, by the runner's clock")


class Published(_Value):
    """``published.json`` in the attempt's evaluations folder: which commit publish pushed."""

    ref: str = Field(pattern=rf"^refs/modelyard/{RUN_ID}/[0-9]+$")
    sha: GitSha


Outcome = Literal["accepted", "rejected", "too_close_to_tell"]
"""Of a comparison: no worse than the champion beyond the margin; worse beyond it; the rows do not show which."""


Label = Annotated[str, Field(max_length=1_000), AfterValidator(lambda text: masked(text)[:100])]
"""A name or a value out of somebody's data, as far as it is shown."""


class Regression(_Value):
    """Rows that share a value of a column, on which the new model is worse than the champion."""

    column: Label
    value: Label
    rows: int = Field(ge=1)
    difference: float = Field(description="in the metric's unit, below zero")


class ComparisonFigures(_Value):
    """How the model compares with the champion, row by row."""

    outcome: Outcome
    alpha: float
    margin: float
    allowed: float = Field(ge=0, description="the margin in the metric's unit")
    difference: float = Field(description="in the metric's unit; above zero this model is better")
    low: float | None = Field(description="the difference is above it, but for a risk of alpha")
    high: float | None = Field(description="the difference is below it, but for a risk of alpha")
    rows: int = Field(ge=1)
    resamples: int = Field(ge=1)
    regressions: list[Regression] = Field(default_factory=list, max_length=10, description="the worst first")

    @property
    def is_accepted(self) -> bool:
        """Tell whether the figures themselves say that the model is no worse beyond the margin."""
        return self.outcome == "accepted" and self.low is not None and self.low >= -self.allowed


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
    rows: int = Field(ge=0)
    columns: int = Field(ge=0)
    train_rows: int = Field(ge=0)
    validation_rows: int = Field(ge=0)
    test_rows: int = Field(ge=0)
    warnings: list[str] = Field(default_factory=list, max_length=50)


class ModelFacts(_Value):
    """The model file that a run made."""

    uri: str = Field(max_length=1_000)
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    format: str = Field(default="skops", max_length=50)


Name = Annotated[str, Field(max_length=200)]


class SearchFacts(_Value):
    """What a search for hyperparameters came to; its figures are of the rows that chose the best of many."""

    metric: str = Field(max_length=50)
    value: float = Field(description="with what the model was trained with")
    as_given: float | None = Field(
        default=None,
        description="with the request's own hyperparameters alone; where no trial was better, it is the value",
    )
    folds: int | None = Field(default=None, ge=2, description="of the training rows; None: compared on validation rows")
    completed: int = Field(ge=0)
    pruned: int = Field(ge=0)
    failed: int = Field(ge=0)
    stopped_by: Literal["trials", "time"]
    seconds: float = Field(ge=0)
    hyperparameters: dict[Name, Scalar] = Field(max_length=100, description="that the model was trained with")
    importances: dict[Name, float] = Field(
        default_factory=dict, max_length=50, description="shares of the figure's variance"
    )

    @property
    def trials(self) -> int:
        return self.completed + self.pruned + self.failed

    @property
    def is_better(self) -> bool:
        """Tell whether a trial came to a better figure than what was given."""
        return self.as_given is None or self.value != self.as_given

    @property
    def rows(self) -> str:
        """What trials were compared on."""
        return "validation rows" if self.folds is None else f"{self.folds} folds of the training rows"


class EnvironmentFacts(_Value):
    """What the stages ran on."""

    python: str = Field(max_length=50)
    platform: str = Field(max_length=200)
    lock_sha256: Sha256 | None
    packages: dict[str, str] = Field(max_length=50, description="the versions of the libraries that decide the result")
