"""What a work order contains besides the request: for whom, where, and the champion to compare with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from actions.contracts.metric import Metric
from actions.contracts.request import Identifier, Repository, Sha256
from actions.contracts.run_id import RunId


class Gate(BaseModel):
    """How certain it must be that a new model is no worse than the champion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05, gt=0, le=0.5, allow_inf_nan=False,
        description="the risk of passing a model that is worse by more than the margin",
    )  # fmt: skip
    margin: float = Field(
        default=0.02, ge=0, le=1, allow_inf_nan=False,
        description="how much worse it may be, in the metric's own units; for errors and losses, as a share of the champion's",
    )  # fmt: skip

    def allowed(self, metric: Metric, champion: float) -> float:
        """Return the margin in the metric's unit.

        >>> accuracy, rmse = Metric(higher_is_better=True), Metric(higher_is_better=False)
        >>> Gate(margin=0.02).allowed(accuracy, 0.9), Gate(margin=0.02).allowed(rmse, 50.0)
        (0.02, 1.0)
        """
        return self.margin if metric.higher_is_better else self.margin * abs(champion)


class Champion(BaseModel):
    """The version that production uses now, as the registry names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    run: RunId
    uri: str
    sha256: Sha256
    data_sha256: Sha256 | None = None
    algorithm: Identifier | None = Field(
        default=None, description="determines which libraries a runner needs to open it"
    )


class OrderFacts(BaseModel):
    """A work order without its request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunId
    attempt: int = Field(ge=1)
    repository: Repository
    issue: int = Field(ge=1)
    storage_root: str
    data_roots: tuple[str, ...] = ()
    champion: Champion | None = None
    gate: Gate = Gate()
    training_seed: int = Field(
        ge=0, description="the seed of this attempt's training; the request's own splits the data"
    )
