"""A task that only tests know: it recommends the item that was chosen most often. No library, no table, no file to predict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from actions.contracts.metric import Metric, metric_help
from actions.contracts.request import BaseRequest, Rule, Sha256
from actions.contracts.results import ModelFacts
from actions.errors import InvalidInput
from actions.storage.folder import sha256_of, write_atomically
from actions.tasks.results import Evaluated, Prepared, Trained
from actions.tasks.task import StageWork, Task, TaskStages

METRICS = {
    "hit_rate": Metric(higher_is_better=True, lowest=0, highest=1),
    "mean_rank": Metric(higher_is_better=False, lowest=1),
}


class RankingRequest(BaseRequest):
    """A request to learn which items to show first."""

    metrics: ClassVar[Mapping[str, Metric]] = METRICS
    rules: ClassVar[tuple[Rule, ...]] = (
        *BaseRequest.rules,
        Rule(
            ("shown", "choices"),
            lambda request: None if request.shown < len(request.choices) else "Fewer items must be shown than chosen.",
            "Show fewer.",
        ),
    )

    task: Literal["ranking"] = Field(title="Task", description="What to show first.")
    algorithm: Literal["popularity", "newest"] = Field(title="Algorithm", description="How items are ranked.")
    metric: Literal["hit_rate", "mean_rank"] = Field(title="Metric", description=metric_help(METRICS))
    choices: str = Field(
        title="Choices", description="The items that people chose, one letter each.", examples=["abcabca"], min_length=4
    )
    shown: int = Field(default=1, ge=1, le=10, title="Items shown", description="How many items people see.")


class Choices(Prepared):
    """The choices, split in two."""

    uri: str
    sha256: Sha256

    def outputs(self) -> dict[str, Sha256]:
        return {self.uri: self.sha256}


def _saved(work: StageWork[RankingRequest], name: str, content: object) -> tuple[Path, str, str]:
    path = work.folder / name
    write_atomically(path, json.dumps(content))
    return path, work.context.storage.uri(path), sha256_of(path)


def prepare(work: StageWork[RankingRequest]) -> Choices:
    choices = work.request.choices
    if not choices.isalpha():
        raise InvalidInput(
            "not_letters", rule="Choices must be letters.", found=choices, next_step="Correct them.", field="choices"
        )
    half = len(choices) // 2
    _, uri, sha256 = _saved(work, "choices.json", {"train": choices[:half], "test": choices[half:]})
    return Choices(uri=uri, sha256=sha256)


def train(work: StageWork[RankingRequest], data: Choices) -> Trained:
    chosen = json.loads(work.context.storage.path(data.uri).read_bytes())["train"]
    work.context.report("counting", len(chosen), len(chosen))
    path, uri, sha256 = _saved(work, "model.json", [item for item, _ in Counter(chosen).most_common()])
    return Trained(model=ModelFacts(uri=uri, sha256=sha256, size_bytes=path.stat().st_size, format="json"))


def evaluate(work: StageWork[RankingRequest], data: Choices, trained: Trained) -> Evaluated:
    ranking = json.loads(work.context.storage.path(trained.model.uri).read_bytes())
    test = json.loads(work.context.storage.path(data.uri).read_bytes())["test"]
    ranks = [ranking.index(item) + 1 if item in ranking else len(ranking) + 1 for item in test]
    metrics = {
        "hit_rate": sum(rank <= work.request.shown for rank in ranks) / len(ranks),
        "mean_rank": sum(ranks) / len(ranks),
    }
    return Evaluated(metrics=metrics, details={"items": len(ranking), "most chosen": ranking[0]})


def _stages() -> TaskStages[RankingRequest, Choices, Trained, Evaluated]:
    return TaskStages(
        prepare=prepare,
        train=train,
        evaluate=evaluate,
        prepared=Choices,
        trained=Trained,
        evaluated=Evaluated,
        data_inputs=lambda request: {"choices": request.choices},
        train_inputs=lambda request: {"algorithm": request.algorithm},
    )


TASK = Task(
    name="ranking",
    request=RankingRequest,
    title="Train a ranking",
    description="Learn which items to show first.",
    stages=_stages,
)
