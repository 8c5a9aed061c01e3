"""What goes wrong while a model is trained is told as what it is, with what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.errors import InvalidInput, OperationError, Unavailable
from actions.operation import find_operation
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def failure(
    desk: Desk, algorithm: str, content: str, target: str, kind: str = "classifier", **more: Any
) -> OperationError:
    arguments = {
        "data": desk.data("train.csv", content),
        "target": target,
        "destination": "out",
        "algorithm": algorithm,
    }
    with pytest.raises(OperationError) as caught:
        find_operation(f"train_supervised_{kind}").call(arguments | more, desk.context)
    assert desk.files() == {}
    return caught.value


def test_memory_that_is_used_up_is_told_with_what_to_lower(desk: Desk, limited: Any) -> None:
    given = {"hidden_units": 65_536, "hidden_layers": 2, "epochs": 2, "patience": None}
    error = failure(desk, "neural_network", people(60), "pays", hyperparameters=given)
    assert isinstance(error, Unavailable)
    assert error.problem.reason == "out_of_memory"
    assert "neural_network ran out of memory on 60 rows by" in error.problem.found
    assert "batch_size" in error.problem.next_step


@pytest.fixture
def limited() -> Any:
    """Let this process have hardly more address space than it has already, as a small runner would."""
    import resource

    import sklearn.ensemble
    import torch

    assert sklearn.ensemble
    assert torch
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30 // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried to allocate 2.00 GiB.", "std::bad_alloc"])
def test_what_gpu_and_xgboost_say_of_memory_is_understood(message: str) -> None:
    import torch
    from xgboost.core import XGBoostError

    from actions.ml_training.errors import is_out_of_memory

    assert is_out_of_memory(torch.OutOfMemoryError(message))
    assert is_out_of_memory(XGBoostError(message))
    assert not is_out_of_memory(XGBoostError("Check failed: preds.Size() == info.labels.Size()"))


def test_a_loss_that_is_no_number_ends_boosting_with_advice(desk: Desk) -> None:
    content = "x,y\n" + "".join(f"{row},{1e20 * (row % 7)}\n" for row in range(60))
    error = failure(desk, "xgboost", content, "y", "regressor", hyperparameters={"n_estimators": 3})
    assert isinstance(error, InvalidInput)
    assert error.problem.reason == "loss_not_finite"
    assert "rmse" in error.problem.found


@pytest.mark.parametrize(
    ("kind", "reason", "said"), [("classifier", "target_constant", "'yes'"), ("regressor", "target_constant", "'3'")]
)
def test_a_constant_target_is_told(desk: Desk, kind: str, reason: str, said: str) -> None:
    value = "yes" if kind == "classifier" else "3"
    content = "x,y\n" + "".join(f"{row},{value}\n" for row in range(40))
    error = failure(desk, "random_forest", content, "y", kind)
    assert (error.problem.reason, error.problem.field) == (reason, "target")
    assert said in error.problem.found


def test_training_rows_of_one_class_are_told_where_another_part_has_the_other(desk: Desk) -> None:
    """As a split by time makes them: the stage train gets parts that were checked as a whole."""
    from tests.support.stages import run_stage

    order = desk.order()
    run_stage("prepare", order)
    import pandas as pd

    path = desk.root / "owner/demo/processed/train-20261122-001/1/train.parquet"
    frame = pd.read_parquet(path)
    frame.assign(target=0).to_parquet(path, index=False)
    with pytest.raises(InvalidInput) as caught:
        run_stage("train", order)
    assert caught.value.problem.reason == "one_class_in_training"
    assert "in all " in caught.value.problem.found
    assert not (desk.root / "owner/demo/models/train-20261122-001/1/model.skops").exists()


@pytest.mark.parametrize("algorithm", ["random_forest", "xgboost", "neural_network", "logistic_regression"])
def test_validation_rows_of_unknown_classes_and_of_one_class_are_said(desk: Desk, algorithm: str) -> None:
    train = "x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(40))
    validation = desk.data("validation.csv", "x,y\n" + "".join(f"{row},{'ac'[row % 2]}\n" for row in range(10)))
    made = desk.call("train_supervised_classifier", data=desk.data("train.csv", train), target="y", destination="out",
                     algorithm=algorithm, validation=validation)  # fmt: skip
    assert "5 validation rows have a class that no training row has: 'c'." in made.warnings
    assert any("of class 'a'" in warning for warning in made.warnings)
    assert "validation_accuracy" in made.metrics


@pytest.mark.parametrize(
    ("algorithm", "given", "named"),
    [
        ("xgboost", {"class_weight": "balanced", "scale_pos_weight": 3}, "scale_pos_weight: 3"),
        ("xgboost", {"n_estimators": 10, "early_stopping_rounds": 10}, "early_stopping_rounds: 10"),
        ("xgboost", {"booster": "gblinear", "max_depth": 3}, "max_depth: 3"),
        ("random_forest", {"bootstrap": False, "max_samples": 0.5}, "max_samples: 0.5"),
        ("random_forest", {"bootstrap": False, "oob_score": True}, "oob_score: True"),
    ],
)
def test_hyperparameters_that_contradict_each_other_are_refused(
    desk: Desk, algorithm: str, given: dict[str, Any], named: str
) -> None:
    error = failure(desk, algorithm, people(60), "pays", hyperparameters=given)
    assert (error.problem.reason, error.problem.field) == ("contradictory_hyperparameters", "hyperparameters")
    assert named in error.problem.found


def test_early_stopping_without_validation_rows_is_refused(desk: Desk) -> None:
    error = failure(desk, "xgboost", people(60), "pays", hyperparameters={"early_stopping_rounds": 5})
    assert error.problem.reason == "no_validation_rows"


@pytest.mark.parametrize("stage", ["prepare", "train"])
def test_a_library_that_the_runner_lacks_is_named_with_its_extra(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stage: Any
) -> None:
    from tests.support.stages import run_stage

    order = desk.order(algorithm="neural_network")
    if stage == "train":
        run_stage("prepare", order)
    monkeypatch.setattr("actions.optional.find_spec", lambda _: None)
    with pytest.raises(Unavailable) as caught:
        run_stage(stage, order)
    assert caught.value.problem.reason == "library_missing"
    assert "'torch'" in caught.value.problem.next_step


def test_a_library_without_its_system_library_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.stages import run_stage

    def fail(module: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("actions.optional.import_module", fail)
    with pytest.raises(Unavailable) as caught:
        run_stage("prepare", desk.order())
    assert caught.value.problem.reason == "library_unusable"
    assert "libgomp.so.1" in caught.value.problem.found
    assert "libgomp1" in caught.value.problem.next_step
