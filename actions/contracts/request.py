"""The typed training request: the one declaration behind the issue form, the CLI and the stages."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_serializer,
    model_validator,
)

from actions.contracts.algorithms import AlgorithmName, algorithm_names
from actions.contracts.features import AskedFeatures
from actions.contracts.run_id import RunId
from actions.contracts.scalar import Scalar
from actions.text.masking import masked

Task = Literal["classification", "regression"]
MetricName = Literal[
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss",
    "rmse", "mae", "mape", "r2",
]  # fmt: skip
Split = Literal["auto", "random", "stratified", "group", "time"]
SKLEARN_DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""The data sets that ``sklearn://NAME`` names: those that scikit-learn carries itself."""


class Metric(NamedTuple):
    """What a metric's figures mean: for which task, which way is better, between which bounds (None: unbounded)."""

    task: Task
    higher_is_better: bool
    lowest: float | None
    highest: float | None

    def meets(self, value: float, threshold: float) -> bool:
        """Tell whether a value passes: at or above the threshold; errors and losses at or below it."""
        return value >= threshold if self.higher_is_better else value <= threshold


METRICS: dict[str, Metric] = {
    "accuracy": Metric("classification", True, 0, 1),
    "balanced_accuracy": Metric("classification", True, 0, 1),
    "precision": Metric("classification", True, 0, 1),
    "recall": Metric("classification", True, 0, 1),
    "f1": Metric("classification", True, 0, 1),
    "roc_auc": Metric("classification", True, 0, 1),
    "pr_auc": Metric("classification", True, 0, 1),
    "log_loss": Metric("classification", False, 0, None),
    "rmse": Metric("regression", False, 0, None),
    "mae": Metric("regression", False, 0, None),
    "mape": Metric("regression", False, 0, None),
    "r2": Metric("regression", True, None, 1),
}
ALGORITHMS: dict[Task, tuple[str, ...]] = {task: algorithm_names(task) for task in get_args(Task)}
SPLITS: dict[Task, tuple[str, ...]] = {
    "classification": get_args(Split),
    "regression": tuple(name for name in get_args(Split) if name != "stratified"),
}
"""How rows can be parted: only classes can be in each part by their shares."""

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitSha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Repository = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,97}$")
]


class TrainingRequest(BaseModel):
    """What a person asks for: train this model on that data and accept it if it is good enough.

    Each field's title, description and example are what the issue form shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_name: ModelName = Field(
        title="Model name",
        description="Small letters, digits, `.`, `_` and `-`. Runs of one name are versions of one model.",
        examples=["breast-cancer"],
    )
    task: Task = Field(title="Task", description="What the target is: a class, or a number.")
    algorithm: AlgorithmName = Field(
        title="Algorithm",
        description=" ".join(f"{task.capitalize()}: {', '.join(names)}." for task, names in ALGORITHMS.items()),
    )
    data: str = Field(
        title="Data",
        description="`sklearn://NAME`; the path of a file below this repository's `datasets/` folder in the storage root, or "
        "below an allowed data root; or `s3://bucket/key` below an allowed data root. CSV, TSV and JSON Lines, each also "
        "packed by gzip (`.csv.gz`), or Parquet.",
        examples=["sklearn://breast_cancer"],
        min_length=1,
        max_length=1_000,
    )
    target: str = Field(
        title="Target column",
        description="The column to predict. Data sets of scikit-learn call it `target`.",
        examples=["target"],
        min_length=1,
        max_length=200,
    )
    split: Split = Field(
        default="auto", title="Split",
        description="How the test rows are chosen. auto: for classes as stratified, each class in each part; for numbers as "
        "random. group: rows with one value of the split column stay together. time: the latest rows by the split column.",
    )  # fmt: skip
    split_column: str | None = Field(
        default=None, min_length=1, max_length=200, title="Split column",
        description="For group (such as a customer's id; it is no feature then) and time (dates or numbers) alone.",
    )  # fmt: skip
    features: AskedFeatures = Field(
        default=AskedFeatures(), title="Features",
        description="Features beside what each column gives by itself, one `name: value` a line: "
        "polynomial, interactions, bins, date_parts, target_encoding, frequency_encoding, selection.",
        examples=["interactions: [age, bmi]"],
    )  # fmt: skip
    metric: MetricName = Field(
        title="Metric",
        description="What the verdict is about. Errors and losses (log_loss, rmse, mae, mape) pass at or below the "
        "threshold, all others at or above it.",
    )
    threshold: float = Field(
        title="Threshold",
        description="The figure that the metric has to reach on the test rows.",
        examples=["0.95"],
        allow_inf_nan=False,
    )
    max_retries: int = Field(
        default=2, ge=0, le=10, title="Max retries",
        description="How often a rejected model may be trained again, each time after somebody's approval.",
    )  # fmt: skip
    runner: Label = Field(
        default="self-hosted", title="Runner label", description="The label of the runner that does the work."
    )
    timeout_minutes: int = Field(
        default=60, ge=1, le=1_440, title="Time-out", description="For the training stage, in minutes."
    )
    seed: int = Field(
        default=42, ge=0, le=2**31 - 1, title="Seed", description="The same seed on the same data gives the same model."
    )
    hyperparameters: dict[str, Scalar] = Field(
        default_factory=dict, max_length=50, title="Hyperparameters",
        description="One `name: value` a line, as the library calls them. Empty: the library's defaults.",
        examples=["n_estimators: 200"],
    )  # fmt: skip
    search_trials: int | None = Field(
        default=None, ge=2, le=1_000, title="Search trials",
        description="How many settings of the hyperparameters to try. Those that are given above stay as they are; the "
        "model is trained with the best. Empty, and no minutes either: no search.",
        examples=["30"],
    )  # fmt: skip
    search_minutes: int | None = Field(
        default=None, ge=1, le=1_440, title="Search minutes",
        description="How long to try settings, at most. It has to leave time for the training itself.",
        examples=["10"],
    )  # fmt: skip
    notes: Annotated[str, AfterValidator(masked)] = Field(
        default="", max_length=10_000, title="Notes", description="For people; kept in the history, never interpreted."
    )

    @property
    def is_searched(self) -> bool:
        """Tell whether hyperparameters are to be searched for, within a budget of trials, of minutes, or of both."""
        return self.search_trials is not None or self.search_minutes is not None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Fields must not contradict each other; ``contradictions`` tells all that do."""
        for _, message in self.contradictions():
            raise ValueError(message)
        return self

    def contradictions(self) -> list[tuple[str, str]]:
        """Return each field that contradicts another, with the rule."""
        metric = METRICS[self.metric]
        found = []
        if self.algorithm not in ALGORITHMS[self.task]:
            found.append(("algorithm", f"for {self.task} choose one of {', '.join(ALGORITHMS[self.task])}"))
        if metric.task != self.task:
            fitting = ", ".join(name for name, known in METRICS.items() if known.task == self.task)
            found.append(("metric", f"for {self.task} choose one of {fitting}"))
        too_low = metric.lowest is not None and self.threshold < metric.lowest
        too_high = metric.highest is not None and self.threshold > metric.highest
        if too_low or too_high:
            low = "-infinity" if metric.lowest is None else f"{metric.lowest:g}"
            high = "infinity" if metric.highest is None else f"{metric.highest:g}"
            found.append(("threshold", f"{self.metric} lies between {low} and {high}"))
        if self.search_minutes is not None and self.search_minutes >= self.timeout_minutes:
            rule = f"a search takes fewer minutes than the training stage has, here fewer than {self.timeout_minutes}"
            found.append(("search_minutes", rule))
        return found + self._split_contradictions()

    def _split_contradictions(self) -> list[tuple[str, str]]:
        found = []
        if self.split not in SPLITS[self.task]:
            found.append(("split", f"for {self.task} choose one of {', '.join(SPLITS[self.task])}"))
        by_column = self.split in ("group", "time")
        if by_column and self.split_column is None:
            found.append(("split_column", f"the split by {self.split} needs a column"))
        elif not by_column and self.split_column is not None:
            found.append(("split_column", f"a column is for the splits group and time; the split is {self.split}"))
        elif self.split_column is not None and self.split_column == self.target:
            found.append(("split_column", "rows are parted by another column than the target"))
        used = [name for name, columns in self.features.columns.items() if self.split_column in columns]
        if self.split == "group" and used:
            found.append(("features", f"the column that tells groups apart is no feature; {used[0]} names it"))
        return found

    @field_serializer("features")
    def _only_what_is_asked(self, features: AskedFeatures) -> dict[str, Any]:
        return features.model_dump(mode="json", exclude_defaults=True)


class Gate(BaseModel):
    """How sure one has to be that a new model is no worse than the champion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05, gt=0, le=0.5, allow_inf_nan=False,
        description="the risk of letting a model pass that is worse by more than the margin",
    )  # fmt: skip
    margin: float = Field(
        default=0.02, ge=0, le=1, allow_inf_nan=False,
        description="how much worse it may be: in the metric's own points; of errors and losses, a share of the champion's",
    )  # fmt: skip

    def allowed(self, metric: str, champion: float) -> float:
        """Return the margin in the metric's unit.

        >>> Gate(margin=0.02).allowed("accuracy", 0.9), Gate(margin=0.02).allowed("rmse", 50.0)
        (0.02, 1.0)
        """
        return self.margin if METRICS[metric].higher_is_better else self.margin * abs(champion)


class Champion(BaseModel):
    """The version that production uses now, as the registry names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    run: RunId
    uri: str
    sha256: Sha256
    data_sha256: Sha256 | None = None
    algorithm: AlgorithmName | None = Field(
        default=None, description="determines which libraries a runner needs to open it"
    )


class WorkOrder(BaseModel):
    """What the App hands to the jobs of one attempt, as one JSON text (workflow input ``order``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunId
    attempt: int = Field(ge=1)
    repository: Repository
    issue: int = Field(ge=1)
    request: TrainingRequest
    storage_root: str
    data_roots: tuple[str, ...] = ()
    champion: Champion | None = None
    gate: Gate = Gate()
    training_seed: int = Field(ge=0, description="the request's seed is that of the split")
