"""The documents with a whole request in them that App and jobs exchange."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from actions.contracts.order import OrderFacts
from actions.contracts.request import ModelName, Repository
from actions.contracts.results import DataFacts, EnvironmentFacts, ModelFacts, SearchFacts, Verdict
from actions.contracts.run_id import RunId
from actions.contracts.scalar import Scalar
from actions.tasks.registry import RecordedRequest, TrainingRequest


class WorkOrder(OrderFacts):
    """What the App hands to the jobs of one attempt, as one JSON text (workflow input ``order``)."""

    request: TrainingRequest


class PublishedResult(BaseModel):
    """``result.json`` of the published commit. Beside it: ``plots/*.png``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: RunId
    attempt: int = Field(ge=1)
    repository: Repository
    issue: int = Field(ge=1)
    model_name: ModelName
    request: RecordedRequest
    training_seed: int
    git_sha: str = Field(
        pattern=r"^([0-9a-f]{40})?$", description="the caller repository's commit that the jobs ran on"
    )
    modelyard_sha: str = Field(pattern=r"^([0-9a-f]{40})?$")
    data: DataFacts | None = Field(default=None, description="None where the task reads no data")
    model: ModelFacts
    search: SearchFacts | None = None
    details: dict[str, Scalar] = Field(default_factory=dict, max_length=50, description="further facts, by the task")
    metrics: dict[str, float | None] = Field(max_length=100)
    intervals: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        max_length=100,
        description="95 % intervals of the metrics, by bootstrap of the test rows",
    )
    champion_metrics: dict[str, float | None] | None = Field(default=None, max_length=100)
    verdict: Verdict
    environment: EnvironmentFacts
    durations: dict[str, float] = Field(max_length=20, description="seconds per stage")
    plots: list[str] = Field(max_length=30, description="file names under plots/")
