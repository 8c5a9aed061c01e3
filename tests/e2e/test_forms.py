"""Each form, filled in on the hub's page, opens a run of what it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from bot.parsing.repository_config import CONFIG_PATH
from runners.local.demo.hub_user import HubUser, HubUserError
from tests.support.loop import Loop

ALL = {"data": "sklearn://breast_cancer", "target": "target", "threshold": "0.9"}
FILLED: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "classification": (
        {"algorithm": "logistic_regression", "metric": "accuracy", "hyperparameters": "class_weight: balanced",
         "split": "group", "split_column": "patient", "features": "bins: {mean radius: 5}\nselection: variance"},
        {"task": "classification", "split": "group", "split_column": "patient",
         "features": {"bins": {"mean radius": 5}, "selection": "variance"}},
    ),
    "regression": (
        {"algorithm": "linear_regression", "metric": "rmse", "data": "sklearn://diabetes", "threshold": "60"},
        {"task": "regression", "metric": "rmse", "threshold": 60.0, "split": "auto", "features": {}},
    ),
    "tune": (
        {"algorithm": "xgboost", "metric": "roc_auc", "search_trials": "30", "search_minutes": "10"},
        {"task": "classification", "algorithm": "xgboost", "search_trials": 30, "search_minutes": 10},
    ),
}  # fmt: skip


def fill_in(loop: Loop, form: str, **fields: str) -> int:
    user = HubUser(loop.hub.base_url, "writer", loop.ready.tokens["writer"], loop.name)
    try:
        address = user.open_issue(f"modelyard-{form}.yml", f"Train: {form}", fields)
    finally:
        user.close()
    return int(address.rpartition("/")[2])


@pytest.mark.parametrize(("form", "filled", "asked"), [(form, *both) for form, both in FILLED.items()], ids=FILLED)
def test_a_form_that_is_filled_in_opens_a_run(
    loop: Loop, model: str, form: str, filled: dict[str, str], asked: dict[str, Any]
) -> None:
    loop.values[:] = [0.0]  # an rmse passes so, the others do not: each ends
    issue = fill_in(loop, form, model_name=model, max_retries="0", **{**ALL, **filled})
    run = loop.until_ended(issue)
    request = run.request.model_dump(mode="json")
    assert {name: request[name] for name in asked} == asked
    told = loop.comments(issue)[0]
    assert request["task"] in told
    assert ("mean radius" in told) == bool(request["features"])
    assert (request["split_column"] or "patient") in told or request["split"] == "auto"


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("classification", {"algorithm": "linear_regression", "metric": "accuracy"}),
        ("classification", {"algorithm": "xgboost", "metric": "rmse"}),
        ("regression", {"algorithm": "logistic_regression", "metric": "rmse"}),
        ("regression", {"algorithm": "xgboost", "metric": "rmse", "split": "stratified"}),
        ("tune", {"algorithm": "xgboost", "metric": "accuracy"}),
    ],
    ids=[
        "a regressor for classes",
        "a regressor's metric",
        "a classifier for numbers",
        "strata of numbers",
        "no budget",
    ],
)
def test_a_form_offers_only_what_its_task_has(loop: Loop, form: str, fields: dict[str, str]) -> None:
    with pytest.raises(HubUserError, match="The form was refused"):
        fill_in(loop, form, model_name="never", **{**ALL, **fields})


def test_a_contradictory_form_is_reported_and_can_be_fixed(loop: Loop, model: str) -> None:
    fields = {**ALL, "algorithm": "logistic_regression", "metric": "rmse", "search_trials": "5", "split": "time"}
    issue = fill_in(loop, "tune", model_name=model, **fields)
    loop.until_label(issue, "mlops:invalid")
    (told,) = loop.comments(issue)
    assert "| Algorithm | For regression it must be one of" in told
    assert "| Split column |" in told
    loop.edit(issue, loop.issue(issue)["body"].replace("\nrmse", "\naccuracy").replace("\ntime", "\nauto"))
    assert loop.until_ended(issue).request.task == "classification"


def test_data_in_s3_is_read_only_below_an_allowed_root(loop: Loop, model: str) -> None:
    config = loop.file(CONFIG_PATH)
    assert config is not None
    fields = {**ALL, "algorithm": "xgboost", "metric": "accuracy", "data": "s3://yard/tables/a.csv.gz"}
    issue = fill_in(loop, "classification", model_name=model, **fields)
    loop.until_label(issue, "mlops:invalid")
    assert "data_roots" in loop.comments(issue)[0]
    try:
        loop.write(CONFIG_PATH, config.replace("data_roots: []", "data_roots: ['s3://yard/tables']"))
        near = fill_in(loop, "classification", model_name=model, **fields | {"data": "s3://yard/tables2/a.csv"})
        loop.until_label(near, "mlops:invalid")
        assert "s3://yard/tables." in loop.comments(near)[0]
        loop.edit(issue, loop.issue(issue)["body"] + "\nonce more")
        assert loop.until_ended(issue).request.data_uris == ("s3://yard/tables/a.csv.gz",)
    finally:
        loop.write(CONFIG_PATH, config)
