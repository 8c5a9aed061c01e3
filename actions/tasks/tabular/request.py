"""The fields of a request for a model of tables, and the rules between them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_serializer

from actions.contracts.algorithms import AlgorithmName
from actions.contracts.features import RequestedFeatures
from actions.contracts.request import BaseRequest, Rule
from actions.contracts.supervised import MetricName, SupervisedTask


def _search_rule(request: TabularRequest) -> str | None:
    if request.search_minutes is None or request.search_minutes < request.timeout_minutes:
        return None
    return f"A search must take fewer minutes than the training stage has, here fewer than {request.timeout_minutes}."


def _split_column_rule(request: TabularRequest) -> str | None:
    by_column = request.split in ("group", "time")
    if by_column and request.split_column is None:
        return f"A split by {request.split} must name a split column."
    if not by_column and request.split_column is not None:
        return f"A split column must be given for the splits group and time only; the split is {request.split}."
    return None


def _target_rule(request: TabularRequest) -> str | None:
    is_target = request.split_column is not None and request.split_column == request.target
    return "The split column must not be the target." if is_target else None


def _group_feature_rule(request: TabularRequest) -> str | None:
    using = [name for name, columns in request.features.columns.items() if request.split_column in columns]
    if request.split != "group" or not using:
        return None
    return f"The column that separates groups must not be used as a feature; {using[0]} names it."


Split = Literal["auto", "random", "stratified", "group", "time"]

_SPLIT_STEP = "Name a column for the splits group and time; leave it empty for the others."


class TabularRequest(BaseRequest):
    """A request to learn one column of a table from the others."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *BaseRequest.rules,
        Rule(
            ("search_minutes", "timeout_minutes"), _search_rule,
            "Give the search fewer minutes, or set a longer time-out.",
        ),
        Rule(("split_column", "split"), _split_column_rule, _SPLIT_STEP),
        Rule(("split_column", "target"), _target_rule, _SPLIT_STEP),
        Rule(
            ("features", "split", "split_column"), _group_feature_rule,
            "Remove the column there, or choose another split.",
        ),
    )  # fmt: skip

    search_fields: ClassVar[tuple[str, ...]] = ("search_trials", "search_minutes")

    task: SupervisedTask = Field(title="Task", description="What the target is: a class, or a number.")
    algorithm: AlgorithmName = Field(title="Algorithm", description="The algorithm that trains the model.")
    metric: MetricName = Field(title="Metric", description="The metric that decides the verdict.")
    data: str = Field(
        title="Data",
        description="`sklearn://NAME`; the path of a file in this repository's `datasets/` folder in the storage root or in an "
        "allowed data root; or `s3://bucket/key` below an allowed data root. The file can be Parquet, or CSV, TSV or JSON "
        "Lines, also gzipped (`.csv.gz`).",
        examples=["sklearn://breast_cancer"],
        min_length=1,
        max_length=1_000,
    )
    target: str = Field(
        title="Target column",
        description="The column to predict. In scikit-learn's data sets it is called `target`.",
        examples=["target"],
        min_length=1,
        max_length=200,
    )
    split: Split = Field(default="auto", title="Split", description="How the test rows are chosen.")
    split_column: str | None = Field(
        default=None, min_length=1, max_length=200, title="Split column",
        description="Only for group (such as a customer id, which is then not used as a feature) and time (dates or numbers).",
    )  # fmt: skip
    features: RequestedFeatures = Field(
        default=RequestedFeatures(), title="Features",
        description="Features to derive in addition to the columns themselves, one `name: value` per line: "
        "polynomial, interactions, bins, date_parts, target_encoding, frequency_encoding, selection.",
        examples=["interactions: [age, bmi]"],
    )  # fmt: skip
    search_trials: int | None = Field(
        default=None, ge=2, le=1_000, title="Search trials",
        description="How many sets of hyperparameters to try. Hyperparameters that the request sets stay fixed; the model is "
        "trained with the best set.",
        examples=["30"],
    )  # fmt: skip
    search_minutes: int | None = Field(
        default=None, ge=1, le=1_440, title="Search minutes",
        description="Time limit for the search. It must leave time for the training itself.",
        examples=["10"], json_schema_extra={"unit": "min"},
    )  # fmt: skip

    @property
    def is_searched(self) -> bool:
        """Whether hyperparameters are to be searched for, within a budget of trials, of minutes, or of both."""
        return self.search_trials is not None or self.search_minutes is not None

    @property
    def data_uris(self) -> tuple[str, ...]:
        return (self.data,)

    @field_serializer("features")
    def _only_requested(self, features: RequestedFeatures) -> dict[str, Any]:
        return features.model_dump(mode="json", exclude_defaults=True)
