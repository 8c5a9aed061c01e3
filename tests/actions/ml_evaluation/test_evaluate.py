"""The figures are those that scikit-learn gives, and the plots are images of a comment's width."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from actions.models.saved_model import open_model
from actions.models.scores import calibration_bins, classification_scores, regression_scores
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def trained(desk: Desk, kind: str, algorithm: str, content: str, target: str) -> str:
    uri = desk.data("train.csv", content)
    made = desk.call(f"train_supervised_{kind}", data=uri, target=target, destination="out", algorithm=algorithm)
    desk.call("save_model", training="out", destination="out", name="people")
    return str(made.uri)


def numbers(rows: int = 60) -> str:
    return "x,z,y\n" + "".join(f"{row},{row * row % 17},{row % 7 * 3 - 4}\n" for row in range(rows))


def test_figures_of_two_classes_are_scikit_learns() -> None:
    generator = np.random.default_rng(3)
    truth = generator.choice(["no", "yes"], 200, p=[0.7, 0.3])
    chance = np.clip((truth == "yes") * 0.3 + generator.random(200) * 0.7, 0.01, 0.99)
    found = classification_scores(truth, np.column_stack([1 - chance, chance]), np.array(["no", "yes"]))
    called = np.where(chance > 0.5, "yes", "no")
    assert found == {
        "accuracy": pytest.approx(reference.accuracy_score(truth, called)),
        "balanced_accuracy": pytest.approx(reference.balanced_accuracy_score(truth, called)),
        "precision": pytest.approx(reference.precision_score(truth, called, pos_label="yes")),
        "recall": pytest.approx(reference.recall_score(truth, called, pos_label="yes")),
        "f1": pytest.approx(reference.f1_score(truth, called, pos_label="yes")),
        "roc_auc": pytest.approx(reference.roc_auc_score(truth, chance)),
        "pr_auc": pytest.approx(reference.average_precision_score(truth == "yes", chance)),
        "log_loss": pytest.approx(reference.log_loss(truth, chance)),
        "calibration_error": pytest.approx(found["calibration_error"]),
    }


def test_figures_of_three_classes_are_scikit_learns_means() -> None:
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, 200)
    chances = generator.dirichlet([1, 1, 1], 200) + np.eye(3)[truth]
    chances /= chances.sum(axis=1, keepdims=True)
    found = classification_scores(truth, chances, np.arange(3))
    called = chances.argmax(axis=1)
    assert found["f1"] == pytest.approx(reference.f1_score(truth, called, average="macro"))
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, chances, multi_class="ovr"))
    assert found["pr_auc"] == pytest.approx(reference.average_precision_score(np.eye(3)[truth], chances))
    assert found["log_loss"] == pytest.approx(reference.log_loss(truth, chances))


def test_perfectly_calibrated_chances_have_no_error_and_overconfident_ones_have() -> None:
    truth = np.array([1, 0, 0, 0, 0] * 20)
    said = np.full(100, 0.2)
    calm = classification_scores(truth, np.column_stack([1 - said, said]), np.arange(2))
    said = np.full(100, 0.9)
    loud = classification_scores(truth, np.column_stack([1 - said, said]), np.arange(2))
    assert calm["calibration_error"] == pytest.approx(0)
    assert loud["calibration_error"] == pytest.approx(0.7)


def test_areas_of_one_class_alone_are_undefined() -> None:
    found = classification_scores(np.ones(5, dtype=int), np.full((5, 2), 0.5), np.arange(2))
    assert (found["roc_auc"], found["pr_auc"]) == (None, None)
    assert found["log_loss"] == pytest.approx(np.log(2))


def test_the_area_over_three_classes_is_undefined_if_one_of_them_has_no_row() -> None:
    found = classification_scores(np.array([0, 1, 0, 1]), np.full((4, 3), 1 / 3), np.arange(3))
    assert (found["roc_auc"], found["pr_auc"]) == (None, None)
    assert found["balanced_accuracy"] == pytest.approx(0.5), "over the classes that have rows"


def test_figures_of_classes_that_are_rare_never_met_or_never_predicted() -> None:
    chances = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    found = classification_scores(np.array([0, 0, 2, 2]), chances, np.arange(3))
    assert found["balanced_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["precision"] == pytest.approx((2 / 3 + 1) / 2)
    found = classification_scores(np.array([2, 2, 2, 1]), chances, np.arange(3))
    assert found["balanced_accuracy"] == pytest.approx((1 / 3 + 0) / 2)
    found = classification_scores(np.array([0, 1, 2, 2]), chances, np.arange(3))
    assert found["precision"] == pytest.approx((1 / 3 + 0 + 1) / 3), "nothing was said to be of class 1"


def test_chances_are_compared_with_shares_in_ten_bins() -> None:
    truth = np.array([1, 0, 0, 0] * 5)
    said = np.array([0.21, 0.29, 0.29, 0.21] * 5)
    found = classification_scores(truth, np.column_stack([1 - said, said]), np.arange(2))
    assert found["calibration_error"] == pytest.approx(0), "both chances are in one bin, which is right on average"
    bins = calibration_bins(np.array([0, 1, 1]), np.array([[1.0, 0.0], [0.05, 0.95], [0.0, 1.0]]))
    assert np.array(bins) == pytest.approx(np.array([(0.0, 0.0, 1), (0.975, 1.0, 2)]))
    assert len(calibration_bins(np.array([1, 1]), np.array([[0.15, 0.85], [0.05, 0.95]]))) == 2


def test_chances_of_three_classes_are_those_of_the_class_that_was_predicted() -> None:
    chances = np.array([[0.7, 0.2, 0.1], [0.1, 0.72, 0.18], [0.1, 0.2, 0.7]])
    bins = calibration_bins(np.array([0, 1, 0]), chances)
    assert np.array(bins) == pytest.approx(np.array([(2.12 / 3, 2 / 3, 3)]))


def test_figures_of_numbers_are_scikit_learns() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(10, 3, 100)
    predicted = truth + generator.normal(0, 1, 100)
    found = regression_scores(truth, predicted)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted))
    assert found["mape"] == pytest.approx(reference.mean_absolute_percentage_error(truth, predicted))
    assert found["r2"] == pytest.approx(reference.r2_score(truth, predicted))


def test_a_share_of_nothing_and_a_spread_of_nothing_are_undefined() -> None:
    found = regression_scores(np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    assert (found["mape"], found["r2"]) == (None, None)


def test_a_share_is_undefined_if_a_single_true_value_is_zero() -> None:
    found = regression_scores(np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0]))
    assert found["mape"] is None
    assert (found["median_absolute_error"], found["max_error"]) == (1.0, 3.0)
    assert found["r2"] == pytest.approx(1 - 10 / 8)
    assert regression_scores(np.array([0.1, 0.3]), np.array([0.1, 0.2]))["r2"] == pytest.approx(0.5)


def test_a_classifier_is_evaluated_over_all_per_class_and_per_slice(desk: Desk) -> None:
    model = trained(desk, "classifier", "random_forest", people(80), "pays")
    test = desk.data("test.csv", people(100))
    found = desk.call("evaluate_classifier", model=model, data=test)
    assert found.rows == 100
    assert found.positive_class == "yes"
    assert sum(map(sum, found.confusion_matrix)) == 100
    right = sum(found.confusion_matrix[place][place] for place in range(2))
    assert found.metrics["accuracy"] == pytest.approx(right / 100)
    assert [figures.label for figures in found.per_class] == ["no", "yes"]
    assert found.per_class[1].recall == pytest.approx(found.metrics["recall"])
    assert {(one.column, one.value) for one in found.slices} == {("city", name) for name in ("Bern", "Lima", "Oslo")}
    assert sum(one.rows for one in found.slices) == 100
    assert sum(one.rows for one in found.calibration) == 100


def test_slices_can_be_chosen_numbers_by_quarters(desk: Desk) -> None:
    model = trained(desk, "regressor", "linear_regression", numbers(), "y")
    found = desk.call("evaluate_regressor", model=model, data=desk.data("test.csv", numbers(100)), slices=["x"])
    assert [one.rows for one in found.slices] == [25, 25, 25, 25]
    assert all(one.metrics["rmse"] is not None for one in found.slices)


def test_a_regressor_is_evaluated_with_its_residuals(desk: Desk) -> None:
    model = trained(desk, "regressor", "linear_regression", numbers(), "y")
    test = desk.data("test.csv", numbers(70))
    found = desk.call("evaluate_regressor", model=model, data=test)
    frame = pd.read_csv(desk.root / test)
    expected = open_model(desk.root / model).predict(frame.drop(columns="y")) - frame["y"]
    assert found.residuals.mean == pytest.approx(expected.mean())
    assert found.residuals.quantiles["0.5"] == pytest.approx(expected.median())
    assert len(found.true) == len(found.predicted) == 70


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("age,city,joined\n1,Oslo,2024-01-01\n", "target_missing"),
        ("age,city,joined,pays\n1,Oslo,2024-01-01,maybe\n", "unknown_class"),
        ("age,city,pays\n1,Oslo,yes\n", "missing_columns"),
    ],
)
def test_rows_that_the_model_cannot_be_judged_by_are_refused(desk: Desk, content: str, reason: str) -> None:
    model = trained(desk, "classifier", "logistic_regression", people(60), "pays")
    refusal = desk.refusal("evaluate_classifier", model=model, data=desk.data("test.csv", content))
    assert refusal.problem.reason == reason


def test_a_model_of_the_other_task_is_refused(desk: Desk) -> None:
    model = trained(desk, "regressor", "linear_regression", numbers(), "y")
    test = desk.data("test.csv", numbers())
    assert desk.refusal("evaluate_classifier", model=model, data=test).problem.reason == "wrong_task"


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize(
    ("kind", "content", "target", "plots"),
    [
        (
            "classifier",
            people(60),
            "pays",
            {"calibration", "confusion_matrix", "precision_recall", "roc", "importances"},
        ),
        ("regressor", numbers(), "y", {"predicted_vs_true", "residuals", "importances"}),
    ],
)
def test_an_evaluation_is_kept_with_its_plots(
    desk: Desk, kind: str, content: str, target: str, plots: set[str]
) -> None:
    model = trained(desk, kind, "random_forest", content, target)
    found: Any = desk.call(f"evaluate_{kind}", model=model, data=desk.data("test.csv", content))
    values = found.model_dump(mode="json")
    saved = desk.call("save_evaluation_results", evaluation=values, destination="kept")
    assert {Path(uri).stem for uri in saved.plots} == plots
    assert json.loads((desk.root / saved.uri).read_text(encoding="utf-8")) == values
    for uri in saved.plots:
        assert size_of((desk.root / uri).read_bytes()) == (800, 550)
    again = desk.call("save_evaluation_results", evaluation=values, destination="again")
    assert sorted(again.plots.values()) == sorted(saved.plots.values())


def test_plots_stand_labels_of_any_kind(desk: Desk) -> None:
    names = ["$x_1", "_hidden", "a" * 80, "<b>", "with space", "%s", "{y}", "\\frac"]
    content = "x,y\n" + "".join(f'{row},"{names[row % len(names)]}"\n' for row in range(160))
    model = trained(desk, "classifier", "random_forest", content, "y")
    found = desk.call("evaluate_classifier", model=model, data=desk.data("test.csv", content))
    assert desk.call("save_evaluation_results", evaluation=found.model_dump(mode="json"), destination="kept").plots
