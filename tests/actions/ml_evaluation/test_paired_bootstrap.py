"""A challenger against a champion: what the rows show is said, and what they do not show is said as well."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from actions.contracts.order import Gate
from actions.contracts.supervised import METRICS
from actions.errors import NotFound
from actions.ml_evaluation.bootstrap import distributions, interval
from actions.ml_evaluation.non_inferiority import decide
from actions.ml_evaluation.weighted_scores import classification_statistic
from actions.models.saved_model import open_model
from actions.operation import find_operation
from runners.job import main
from tests.support.operating import REPOSITORY, RUN, Desk, people

CANCER = {"data": "sklearn://breast_cancer", "strategy": "stratified", "column": "target"}
STUMP = {"n_estimators": 1, "max_depth": 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Models of breast cancer, trained on the same rows; ``s/test.parquet`` has those that they have not seen."""
    desk = Desk(tmp_path_factory.mktemp("models"))
    desk.call("split_dataset", **CANCER, destination="s", seed=42)
    for name, algorithm, settings in (
        ("champion", "logistic_regression", {}),
        ("as_good", "logistic_regression", {"C": 5}),
        ("unclear", "random_forest", {"n_estimators": 30}),
        ("stump", "xgboost", STUMP),
    ):
        trained(desk, name, "s/train.parquet", algorithm, settings)
    return desk


def trained(desk: Desk, name: str, data: str, algorithm: str, settings: Any = None, target: str = "target") -> str:
    kind = "regressor" if algorithm == "linear_regression" else "classifier"
    asked = {"data": data, "target": target, "destination": name, "algorithm": algorithm}
    desk.call(f"train_supervised_{kind}", **asked, hyperparameters=settings or {})
    return str(desk.call("save_model", training=name, destination=name, name=name.replace("_", "-")).uri)


def compared(desk: Desk, challenger: str, champion: str = "champion", **asked: Any) -> Any:
    uris = {"challenger": f"{challenger}/model.skops", "champion": f"{champion}/model.skops"}
    return desk.call("compare_models", **uris, **{"data": "s/test.parquet", **asked})


@pytest.mark.parametrize(
    ("challenger", "verdict", "reason"),
    [
        ("as_good", "accepted", "not_worse"),
        ("stump", "rejected", "worse"),
        ("unclear", "too_close_to_tell", "too_close_to_tell"),
    ],
)
def test_the_rows_of_breast_cancer_show_one_verdict_of_each_kind(
    shared: Desk, challenger: str, verdict: str, reason: str
) -> None:
    found = compared(shared, challenger)
    assert (found.verdict, found.reason, found.metric, found.rows) == (verdict, reason, "accuracy", 113)
    low, high, allowed = found.compared.low, found.compared.high, found.allowed
    assert {
        "accepted": low >= -allowed,
        "rejected": high < -allowed,
        "too_close_to_tell": low < -allowed <= high,
    }[verdict]
    assert f"{low:+.4g} and {high:+.4g}" in found.explanation


def test_the_other_way_round_the_stump_s_champion_is_better(shared: Desk) -> None:
    found = compared(shared, "champion", "stump")
    assert (found.verdict, found.reason) == ("accepted", "better")
    assert found.compared.low > 0


def test_both_models_figures_are_those_of_their_evaluations(shared: Desk) -> None:
    found = compared(shared, "unclear")
    for role, name in (("challenger", "unclear"), ("champion", "champion")):
        alone = shared.call("evaluate_classifier", model=f"{name}/model.skops", data="s/test.parquet").metrics
        assert {metric: getattr(one, role) for metric, one in found.metrics.items()} == {
            metric: alone[metric] for metric in found.metrics
        }
    losses = found.metrics["log_loss"]
    assert losses.difference == pytest.approx(losses.champion - losses.challenger), (
        "above zero is better, of losses too"
    )
    assert all(one.low <= one.difference <= one.high for one in found.metrics.values())


def test_a_model_is_as_good_as_itself_without_any_margin(shared: Desk) -> None:
    found = compared(shared, "champion", margin=0)
    assert (found.verdict, found.compared.low, found.compared.high) == ("accepted", 0, 0)


def test_paired_rows_show_more_than_two_separate_intervals(shared: Desk) -> None:
    found = compared(shared, "unclear", alpha=0.025)
    widths = []
    for name in ("unclear", "champion"):
        alone = shared.call("evaluate_classifier", model=f"{name}/model.skops", data="s/test.parquet").intervals[
            "accuracy"
        ]
        widths.append(alone.high - alone.low)
    # Independent figures would add up their variances.
    assert found.compared.high - found.compared.low < 0.75 * math.hypot(*widths)


def test_margin_and_alpha_decide(shared: Desk) -> None:
    assert compared(shared, "unclear", margin=0.1).verdict == "accepted"
    assert compared(shared, "stump", margin=0.3).verdict == "accepted"
    strict, lax = compared(shared, "unclear", alpha=0.01), compared(shared, "unclear", alpha=0.3)
    assert strict.compared.low < lax.compared.low
    assert strict.compared.high >= lax.compared.high


def test_the_margin_of_an_error_is_a_share_of_the_champions(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    diabetes = load_diabetes(as_frame=True).frame
    part = desk.data("part.csv", diabetes.iloc[:40].to_csv(index=False))
    trained(desk, "worse", part, "linear_regression")
    trained(desk, "better", "sklearn://diabetes", "linear_regression")
    found = compared(desk, "worse", "better", data="sklearn://diabetes", margin=0.1)
    assert found.compared.challenger > 1.1 * found.compared.champion
    assert found.metric == "rmse"
    assert found.allowed == pytest.approx(0.1 * found.compared.champion)
    assert set(found.metrics) == {"rmse", "mae", "mape", "r2"}


def test_slices_on_which_the_challenger_is_worse_are_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    generator = np.random.default_rng(0)
    x, city = generator.normal(0, 1, 600), generator.choice(["Oslo", "Lima", "Bern"], 600)
    pays = np.where(city == "Bern", x < 0, x > 0)
    frame = pd.DataFrame({"x": x, "city": city, "pays": np.where(pays, "yes", "no")})
    both = desk.data("both.csv", frame.to_csv(index=False))
    # Knows no rows of Bern, where things are the other way round.
    part = desk.data("part.csv", frame[frame["city"] != "Bern"].to_csv(index=False))
    trained(desk, "whole", both, "random_forest", target="pays")
    trained(desk, "partial", part, "random_forest", target="pays")
    found = compared(desk, "partial", "whole", data=both)
    assert found.verdict == "rejected"
    assert [(one.column, one.value) for one in found.regressions] == [("city", "Bern")]
    assert found.regressions[0].difference < -0.8
    assert {one.value: one.regressed for one in found.slices} == {"Bern": True, "Oslo": False, "Lima": False}
    lenient = compared(desk, "partial", "whole", data=both, margin=1)
    assert [one.value for one in lenient.slices if one.regressed] == [], "the margin holds on slices too"
    quarters = compared(desk, "partial", "whole", data=both, slices=["x"]).slices
    assert [one.rows for one in quarters] == [150] * 4


def test_without_data_the_newer_models_test_rows_are_used(shared: Desk, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for attempt, name in enumerate(("champion", "as_good", "unclear"), start=1):
        shutil.copytree(shared.root / name, desk.root / f"{REPOSITORY}/models/{RUN}/{attempt}")
    kept = desk.root / f"{REPOSITORY}/processed/{RUN}/2/test.parquet"
    kept.parent.mkdir(parents=True)
    shutil.copy(shared.root / "s/test.parquet", kept)

    def uri(attempt: int) -> str:
        return f"{REPOSITORY}/models/{RUN}/{attempt}/model.skops"

    assert desk.call("compare_models", challenger=uri(3), champion=uri(1)).rows == 113
    assert desk.call("evaluate_classifier", model=uri(2)).rows == 113
    with pytest.raises(NotFound) as caught:
        desk.call("compare_models", challenger=uri(1), champion=uri(3))
    assert caught.value.problem.reason == "test_rows_not_found"
    with pytest.raises(NotFound):
        shared.call("evaluate_classifier", model="champion/model.skops")


@pytest.mark.parametrize(
    ("asked", "reason", "field"),
    [
        ({"metric": "rmse"}, "wrong_metric", "metric"),
        ({"slices": ["mean radios"]}, "slice_column_missing", "slices"),
        ({"champion_sha256": "0" * 64}, "digest_mismatch", "model"),
        ({"alpha": 0}, "invalid_argument", "alpha"),
        ({"margin": -1}, "invalid_argument", "margin"),
        ({"data": "sklearn://iris"}, "unknown_class", "data"),
        ({"challenger": "../model.skops"}, "outside_storage", "challenger"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(
    shared: Desk, asked: dict[str, Any], reason: str, field: str
) -> None:
    uris = {"challenger": "as_good/model.skops", "champion": "champion/model.skops", "data": "s/test.parquet"}
    problem = shared.refusal("compare_models", **{**uris, **asked}).problem
    assert (problem.reason, problem.field) == (reason, field)


def test_models_with_different_targets_are_not_compared(shared: Desk) -> None:
    shared_data = shared.data("people.csv", people(60))
    trained(shared, "of_people", shared_data, "logistic_regression", target="pays")
    body = shared.refusal(
        "compare_models", challenger="of_people/model.skops", champion="champion/model.skops", data=shared_data
    ).problem
    assert body.reason == "not_comparable"
    assert "target" in body.found


def test_a_metric_that_is_undefined_on_the_rows_is_reported(shared: Desk, tmp_path: Path) -> None:
    frame = pd.read_parquet(shared.root / "s/test.parquet")
    ones = shared.data("ones.csv", frame[frame["target"] == 1].to_csv(index=False))
    uris = {"challenger": "as_good/model.skops", "champion": "champion/model.skops"}
    assert shared.refusal("compare_models", **uris, data=ones, metric="roc_auc").problem.reason == "metric_undefined"


def test_comparing_writes_nothing(shared: Desk) -> None:
    before = shared.files()
    compared(shared, "as_good")
    assert shared.files() == before
    assert find_operation("compare_models").read_only


# --- the decision itself -----------------------------------------------------------------------------------------------


def test_a_model_that_is_worse_by_just_the_margin_passes_no_more_often_than_alpha_says() -> None:
    generator = np.random.default_rng(11)
    rows, tries, margin, alpha = 300, 250, 0.05, 0.1
    passed = 0
    for _ in range(tries):
        codes = generator.integers(0, 2, rows)
        both = [np.where(generator.random(rows) < right, codes, 1 - codes) for right in (0.80, 0.85)]
        new, old = (
            distributions(classification_statistic(codes, np.column_stack([1 - c, c]) * 0.8 + 0.1), 0, 400)["accuracy"]
            for c in both
        )
        found = interval(new - old, alpha, 1 - alpha)
        assert found is not None
        passed += decide(found.low, found.high, margin) == "accepted"
    assert 0.05 <= passed / tries <= 0.15


def test_a_margin_is_in_points_or_a_share_of_an_error() -> None:
    gate = Gate(margin=0.05)
    assert [gate.allowed(METRICS[name], 8.0) for name in ("accuracy", "r2", "rmse", "log_loss")] == [
        0.05,
        0.05,
        0.4,
        0.4,
    ]


def test_predictions_of_both_models_are_taken_on_the_very_same_rows(shared: Desk) -> None:
    frame = pd.read_parquet(shared.root / "s/test.parquet")
    right = {
        name: open_model(shared.root / name / "model.skops").predict(frame.drop(columns="target")) == frame["target"]
        for name in ("champion", "unclear")
    }
    found = compared(shared, "unclear").compared
    assert found.difference == pytest.approx((right["unclear"].astype(int) - right["champion"].astype(int)).mean())


# --- at the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_answers_with_json_and_a_job_gets_the_tables(
    shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.delenv("MODELYARD_INPUT", raising=False)
    models = ["--challenger", "stump/model.skops", "--champion", "champion/model.skops"]
    rows = ["--data", "s/test.parquet", "--margin", "0.01", "--slices", "mean radius", "--slices", "mean area"]
    assert main(["compare_models", *models, *rows, "--storage-root", str(shared.root)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["margin"]) == ("rejected", 0.01)
    assert {one["column"] for one in found["slices"]} == {"mean radius", "mean area"}
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("### Rejected")
    assert "#### Against the champion, accuracy per slice" in text
