"""The neural network: as good as the library's own, in a safe file, behind the same preprocessor as any other."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.models.saved_model import open_model
from tests.support.operating import REPOSITORY, RUN, Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def split(desk: Desk, frame: pd.DataFrame) -> dict[str, str]:
    """Write 60, 20 and 20 % of a frame's rows, shuffled, and return the URIs."""
    shuffled = frame.sample(frac=1, random_state=0)
    ends = [int(0.6 * len(frame)), int(0.8 * len(frame))]
    parts = zip(("data", "validation", "test"), np.split(np.arange(len(frame)), ends), strict=True)
    return {name: desk.data(f"{name}.csv", shuffled.iloc[rows].to_csv(index=False)) for name, rows in parts}


def trained(desk: Desk, kind: str, parts: dict[str, str], target: str, **hyperparameters: Any) -> Any:
    given = {name: uri for name, uri in parts.items() if name != "test"}
    made = desk.call(
        f"train_supervised_{kind}", **given, target=target, destination="out", algorithm="neural_network",
        hyperparameters=hyperparameters,
    )  # fmt: skip
    desk.call("save_model", training="out", destination="out", name="net")
    return made


@pytest.mark.parametrize(("name", "at_least"), [("digits", 0.96), ("wine", 0.97)])
def test_a_classifier_is_as_good_as_scikit_learns_own_network(desk: Desk, name: str, at_least: float) -> None:
    from sklearn import datasets
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    parts = split(desk, frame)
    made = trained(desk, "classifier", parts, "target")
    found = desk.call("evaluate_classifier", model=made.uri, data=parts["test"]).metrics["accuracy"]
    train, test = (pd.read_csv(desk.root / parts[part]) for part in ("data", "test"))
    theirs = make_pipeline(StandardScaler(), MLPClassifier((128, 128), early_stopping=True, random_state=0))
    theirs.fit(train.drop(columns="target"), train["target"])
    assert found >= at_least
    assert found >= theirs.score(test.drop(columns="target"), test["target"]) - 0.01


def test_a_regressor_is_no_worse_than_linear_regression_on_data_that_is_about_linear(desk: Desk) -> None:
    from sklearn.datasets import load_diabetes

    parts = split(desk, load_diabetes(as_frame=True).frame)
    made = trained(desk, "regressor", parts, "target")
    network = desk.call("evaluate_regressor", model=made.uri, data=parts["test"]).metrics["rmse"]
    assert network < 54  # linear regression: 52.9, a random forest: 61, the mean alone: 82.6


def test_the_file_holds_a_state_dict_and_its_shape_and_predicts_what_pytorch_predicts(desk: Desk) -> None:
    import torch

    from actions.ml_training.estimators.mlp import build

    made = trained(desk, "classifier", {"data": desk.data("train.csv", people(120))}, "pays", epochs=30)
    model = open_model(desk.root / made.uri, made.sha256)
    network = model.pipeline[-1]
    assert json.loads(json.dumps(network.shape_)) == network.shape_
    module = build(network.shape_)
    module.load_state_dict(torch.load(io.BytesIO(network.state_), weights_only=True))
    rows = pd.read_csv(desk.root / REPOSITORY / "datasets/train.csv").drop(columns="pays")
    features = torch.tensor(model.pipeline[0].transform(rows), dtype=torch.float32)
    with torch.inference_mode():
        expected = module.eval()(features).softmax(dim=1).numpy()
    assert model.probabilities(rows) == pytest.approx(expected, abs=1e-6)
    assert model.signature.classes == ["no", "yes"]
    loaded = desk.call("load_model", model=made.uri, rows=[{"age": 75, "city": "Bern", "joined": "2024-03-04"}])
    assert loaded.predictions == ["yes"]


def test_the_same_seed_gives_the_same_network_and_another_seed_another(desk: Desk) -> None:
    parts = {"data": desk.data("train.csv", people(90)), "validation": desk.data("validation.csv", people(40))}

    def curves(seed: int) -> Any:
        made = desk.call(
            "train_supervised_classifier", **parts, target="pays", destination=f"out{seed}", seed=seed,
            algorithm="neural_network", hyperparameters={"epochs": 5, "patience": None, "dropout": 0.3},
        )  # fmt: skip
        return json.loads((desk.root / made.training_uri).read_text(encoding="utf-8"))["curves"]

    assert curves(1) == curves(1)
    assert curves(1) != curves(2)


def test_training_stops_when_the_validation_loss_falls_no_more_and_keeps_the_best_epoch(desk: Desk) -> None:
    from sklearn.datasets import load_breast_cancer

    parts = split(desk, load_breast_cancer(as_frame=True).frame)
    made = trained(desk, "classifier", parts, "target", epochs=300, patience=5, learning_rate=0.01)
    curve = json.loads((desk.root / made.training_uri).read_text(encoding="utf-8"))["curves"]["validation"]["log_loss"]
    assert 6 <= len(curve) < 300
    assert made.metrics["validation_log_loss"] == pytest.approx(min(curve), rel=1e-3)
    assert len(curve) - 1 - int(np.argmin(curve)) <= 6


def test_balanced_classes_find_more_of_the_rare_one(desk: Desk) -> None:
    """On two overlapping clouds, nine to one, as each of the classifiers has it."""
    draw = np.random.default_rng(3)
    rare = np.arange(600) % 10 == 0
    frame = pd.DataFrame({"x": draw.normal(size=600) + 1.2 * rare, "z": draw.normal(size=600) + 1.2 * rare})
    uri = desk.data("clouds.csv", frame.assign(y=np.where(rare, "rare", "usual")).to_csv(index=False))

    def recall(algorithm: str, **hyperparameters: Any) -> float:
        made = desk.call("train_supervised_classifier", data=uri, target="y", destination="out", algorithm=algorithm,
                         hyperparameters=hyperparameters)  # fmt: skip
        desk.call("save_model", training="out", destination="out", name="clouds")
        found = desk.call("evaluate_classifier", model=made.uri, data=uri)
        return float(next(one.recall for one in found.per_class if one.label == "rare"))

    small: dict[str, dict[str, Any]] = {
        "neural_network": {"epochs": 20},
        "logistic_regression": {},
        "xgboost": {"n_estimators": 10, "max_depth": 2},
        "random_forest": {"n_estimators": 20, "max_depth": 2},
    }
    for algorithm, given in small.items():
        assert recall(algorithm, **given, class_weight="balanced") > recall(algorithm, **given) + 0.2, algorithm


def test_a_run_of_all_stages_trains_a_network(desk: Desk) -> None:
    from tests.support.stages import run_stage

    order = desk.order(algorithm="neural_network", hyperparameters={"epochs": 60, "patience": 20}, threshold=0.9)
    outcomes = {stage: run_stage(stage, order) for stage in ("prepare", "train", "evaluate", "judge")}
    assert outcomes["judge"].record.result["verdict"]["status"] == "passed"
    assert "torch" in outcomes["train"].record.environment.packages
    left = {path.name for path in (desk.root / f"{REPOSITORY}/models/{RUN}/1").iterdir()}
    assert left == {"MODEL_CARD.md", "model.json", "model.skops", "progress.json", "train.json", "training.json"}


@pytest.mark.parametrize(
    ("given", "reason", "said"),
    [
        ({"epoch": 5}, "unknown_hyperparameter", "epochs"),
        ({"lr": 0.1}, "unknown_hyperparameter", "learning_rate"),
        ({"early_stopping_rounds": 5}, "unknown_hyperparameter", "patience"),
        ({"random_state": 5}, "reserved_hyperparameter", "Seed"),
        ({"learning_rate": 0}, "hyperparameter_refused", "learning_rate"),
        ({"activation": "reul"}, "hyperparameter_refused", "activation"),
        ({"epochs": 10, "patience": 10}, "contradictory_hyperparameters", "patience"),
        ({"hidden_layers": 0, "hidden_units": 5}, "contradictory_hyperparameters", "hidden_units"),
        ({"device": "cpu", "precision": "float16"}, "contradictory_hyperparameters", "GPU"),
        ({"patience": 5}, "no_validation_rows", "patience"),
        ({"learning_rate": 1e30}, "loss_not_finite", "Lower learning_rate"),
    ],
)
def test_an_impossible_training_is_refused_with_advice_and_leaves_nothing(
    desk: Desk, given: dict[str, Any], reason: str, said: str
) -> None:
    uri = desk.data("train.csv", people(60))
    refusal = desk.refusal(
        "train_supervised_classifier", data=uri, target="pays", destination="out", algorithm="neural_network",
        hyperparameters=given,
    )  # fmt: skip
    assert refusal.problem.reason == reason
    assert said in str(refusal)
    assert desk.files() == {}


def test_class_weights_are_for_classifiers(desk: Desk) -> None:
    uri = desk.data("train.csv", "x,y\n1,2\n2,3\n3,4\n")
    refusal = desk.refusal("train_supervised_regressor", data=uri, target="y", destination="out",
                           algorithm="neural_network", hyperparameters={"class_weight": "balanced"})  # fmt: skip
    assert refusal.problem.reason == "unknown_hyperparameter"


def test_bfloat16_trains_on_a_cpu_too(desk: Desk) -> None:
    """The mixed precision that a GPU uses; that a GPU trains so is for a test that has one."""
    from sklearn.datasets import load_wine

    parts = split(desk, load_wine(as_frame=True).frame)
    made = trained(desk, "classifier", parts, "target", precision="bfloat16")
    assert made.metrics["validation_accuracy"] > 0.9


@pytest.mark.gpu
def test_a_gpu_trains_in_mixed_precision_what_the_cpu_trains(desk: Desk) -> None:
    import torch
    from sklearn.datasets import load_digits

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU that PyTorch can use")
    parts = split(desk, load_digits(as_frame=True).frame)
    accuracies = {}
    for device, precision in (("cpu", "float32"), ("cuda", "bfloat16"), ("cuda", "float16")):
        made = trained(desk, "classifier", parts, "target", device=device, precision=precision)
        found = desk.call("evaluate_classifier", model=made.uri, data=parts["test"])
        accuracies[device, precision] = found.metrics["accuracy"]
    assert min(accuracies.values()) > 0.95
