"""Each form, filled in on the hub's page, opens a run of what it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from bot.parsing.form import form_body
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.repository_config import CONFIG_PATH
from runners.local.demo.hub_user import HubUser, HubUserError
from tests.support.loop import Loop
from tests.support.runs import a_request

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


def fill_in(loop: Loop, form: str, by: str = "writer", **fields: str) -> int:
    user = HubUser(loop.hub.base_url, by, loop.ready.tokens[by], loop.name)
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


@pytest.fixture
def unlabelled(loop: Loop) -> Loop:
    """Take the label of all forms from the repository, as before the App has made it: GitHub then sets none."""
    with loop.person("owner") as client:
        loop.until(lambda: client.get(f"/labels/{REQUEST_LABEL}").is_success, "the App has made its labels")
        client.delete(f"/labels/{REQUEST_LABEL}").raise_for_status()
    return loop


FORM = {**ALL, "algorithm": "xgboost", "metric": "accuracy"}


def test_a_form_whose_label_does_not_exist_is_recognised_by_its_headings(unlabelled: Loop, model: str) -> None:
    issue = fill_in(unlabelled, "classification", model_name=model, **FORM)
    run = unlabelled.until_ended(issue)
    assert (run.requester.login, run.request.model_name) == ("writer", model)
    assert REQUEST_LABEL in {label["name"] for label in unlabelled.issue(issue)["labels"]}


def test_a_form_without_its_label_from_a_person_without_permission_is_refused(unlabelled: Loop, model: str) -> None:
    issue = fill_in(unlabelled, "classification", by="reader", model_name=model, **FORM)
    unlabelled.until(lambda: unlabelled.comments(issue), "the App answers")
    assert "You need `write` permission" in unlabelled.comments(issue)[0]
    assert not unlabelled.has_run(issue)
    assert unlabelled.issue(issue)["labels"] == []
    unlabelled.label(issue)
    assert unlabelled.until_ended(issue).requester.login == "owner"


def test_an_ordinary_issue_without_the_label_is_left_alone(loop: Loop, model: str) -> None:
    with loop.person("writer") as client:
        body = "The form\n\n" + form_body(a_request(model_name=model))
        issue = client.post("/issues", json={"title": "About a form", "body": body}).json()["number"]
    loop.until_idle()
    assert (loop.comments(issue), loop.has_run(issue)) == ([], False)
