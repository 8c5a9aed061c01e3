"""Every algorithm through its form, for real: as good as its library in a plain script on the same rows, and good at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import pytest

from actions.ml_training.registry import every_algorithm
from tests.support.by_hand import GIVEN, by_hand, cars, votes, weather
from tests.support.real_loop import RealLoop

slow = pytest.mark.slow
TABLES: dict[str, Any] = {"cars": cars, "votes": votes, "weather": weather}
"""Those that are no data set of scikit-learn's: with gaps, texts and dates."""
PATIENCE = 900
"""Seconds: all of them are asked for at once, and there are two runners."""


class Case(NamedTuple):
    task: str
    algorithm: str
    data: str
    least: float
    """Accuracy, or R2, that a model has in any case."""

    @property
    def metric(self) -> str:
        return "accuracy" if self.task == "classification" else "r2"


QUICK = Case("classification", "neural_network", "iris", 0.9)
CHOSEN = [
    Case("classification", "logistic_regression", "breast_cancer", 0.95),
    Case("classification", "random_forest", "digits", 0.95),
    Case("classification", "xgboost", "wine", 0.9),
    Case("classification", "neural_network", "digits", 0.95),
    Case("classification", "logistic_regression", "votes", 0.87),
    Case("classification", "xgboost", "weather", 0.72),
    Case("regression", "linear_regression", "diabetes", 0.35),
    Case("regression", "random_forest", "diabetes", 0.35),
    Case("regression", "xgboost", "cars", 0.72),
    Case("regression", "neural_network", "cars", 0.72),
]
USUAL = {"classification": ("wine", 0.9), "regression": ("cars", 0.72)}
CASES = CHOSEN + [
    Case(task, algorithm.name, *USUAL[task])
    for algorithm in every_algorithm()
    for task in algorithm.tasks
    if (task, algorithm.name) not in {case[:2] for case in CHOSEN}
]
"""Each algorithm of the registry for each of its tasks."""


def opened(real: RealLoop, model: str, case: Case) -> int:
    data, target = f"sklearn://{case.data}", "target"
    if case.data in TABLES:
        frame, target = TABLES[case.data]()
        data = real.data(f"{case.data}.csv", frame.dropna(subset=[target]).to_csv(index=False))
    given = [f"{name}: {value}" for name, value in GIVEN.get(case.algorithm, {}).items()]
    return real.open(
        model_name=model, task=case.task, algorithm=case.algorithm, data=data, target=target, metric=case.metric,
        threshold=str(case.least), hyperparameters="\n".join(given),
    )  # fmt: skip


def check(real: RealLoop, issue: int, case: Case) -> None:
    run = real.until_closed(issue, "mlops:passed", PATIENCE)
    lineage = real.history(run)
    found = lineage["result"]["metrics"][case.metric]
    parts = real.storage / "processed" / run / "1"
    train, test = (pd.read_parquet(parts / f"{part}.parquet") for part in ("train", "test"))
    kind = "classifier" if case.task == "classification" else "regressor"
    plain = by_hand(kind, case.algorithm, train, test, lineage["request"]["target"])
    assert found >= max(case.least, plain - 0.03), f"{found} against {plain} of the plain library"


@pytest.fixture(scope="module")
def issues(real: RealLoop) -> dict[Case, int]:
    """The issues, opened one after the other without waiting for any."""
    return {case: opened(real, f"every-{number}", case) for number, case in enumerate(CASES)}


@slow
@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.algorithm} {case.data}")
def test_an_algorithm_is_as_good_as_its_library_in_a_plain_script(
    real: RealLoop, issues: dict[Case, int], case: Case
) -> None:
    check(real, issues[case], case)


@slow
@pytest.mark.timeout(PATIENCE + 60)
def test_a_neural_network_learns_iris(real: RealLoop, model: str) -> None:
    check(real, opened(real, model, QUICK), QUICK)
