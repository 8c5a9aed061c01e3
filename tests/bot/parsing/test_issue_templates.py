"""The issue forms: drawn from the request type, each with what its task needs and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.tasks.registry import tasks
from actions.tasks.tabular.request import TabularRequest
from bot.parsing.form import parse_form
from bot.parsing.issue_templates import IssueForm, form_files, issue_forms, render

ROOT = Path(__file__).parents[3]
FORMS = issue_forms()
OF_TASKS = [form for form in FORMS if len(form.tasks) == 1]
each = pytest.mark.parametrize("form", FORMS, ids=[form.kind for form in FORMS])
each_task = pytest.mark.parametrize("form", OF_TASKS, ids=[form.kind for form in OF_TASKS])


def elements(form: IssueForm) -> dict[str, Any]:
    return {item["id"]: item for item in yaml.safe_load(render(form))["body"] if item["type"] != "markdown"}


def posted(form: IssueForm, **given: str) -> str:
    """Return what GitHub posts when somebody in a hurry takes what each field suggests, but for some."""
    shown = []
    for name, item in elements(form).items():
        looks = item["attributes"]
        suggested = looks.get("value") or (looks["options"][looks.get("default", 0)] if "options" in looks else "")
        if item["validations"]["required"] and not suggested:
            suggested = looks["placeholder"]
        shown.append(f"### {looks['label']}\n\n{given.get(name, suggested) or '_No response_'}")
    return "\n\n".join(shown)


def test_the_forms_of_this_repository_match_the_request_types() -> None:
    there = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / ".github").glob("*/*.yml")}
    assert {path: text for path, text in there.items() if "ISSUE_TEMPLATE" in path} == form_files()


@each
def test_each_field_is_as_the_request_declares_it(form: IssueForm) -> None:
    found = elements(form)
    assert list(found) == list(form.fields)
    for name, item in found.items():
        field = form.tasks[0].request.model_fields[name]
        assert item["attributes"]["label"] == field.title
        if len(form.tasks) == 1 or item["type"] != "dropdown":
            assert item["attributes"]["description"] == field.description
        assert item["validations"]["required"] == (
            field.is_required() or (form.with_search and name == "search_trials")
        )
        if item["type"] == "input" and not field.is_required() and field.default is not None:
            assert item["attributes"]["value"] == str(field.default)
    content = yaml.safe_load(render(form))
    assert (content["labels"], content["title"]) == (["mlops:train"], "Train: ")


def test_every_field_but_the_task_is_in_some_form() -> None:
    declared = {name for task in tasks().values() for name in task.request.model_fields}
    assert {name for form in FORMS for name in form.fields} == declared - {"task"}


@each_task
def test_the_form_of_a_task_offers_only_what_fits_it(form: IssueForm) -> None:
    (task,) = form.tasks
    found = elements(form)
    for name in ("algorithm", "metric", "split"):
        assert found[name]["attributes"]["options"] == list(task.options(name))
    assert set(task.options("metric")) == set(task.metrics)
    others = {name for other in tasks().values() for name in other.options("algorithm")}
    said = set(re.findall(r"\w+", render(form).partition("body:")[2]))
    assert not said & (others - set(task.options("algorithm")))
    assert not [name for name in said if name.startswith("search_")]


@each
def test_what_a_form_suggests_is_a_request_of_its_task(form: IssueForm) -> None:
    request = parse_form(posted(form)).request
    assert isinstance(request, TabularRequest)
    assert request.task == form.tasks[0].name
    assert request.split == "auto"
    assert (request.search_trials is not None) == (form.kind == "tune")


@pytest.mark.parametrize(("task", "metric"), [(task.name, name) for task in tasks().values() for name in task.metrics])
def test_the_task_follows_from_the_metric(task: str, metric: str) -> None:
    form = next(form for form in OF_TASKS if form.kind == task)
    request = parse_form(posted(form, metric=metric, threshold="0.5")).request
    assert request is not None
    assert request.task == task


def test_an_algorithm_that_contradicts_the_metric_is_reported_in_the_form_for_both_tasks() -> None:
    tune = next(form for form in FORMS if form.with_search)
    parsed = parse_form(posted(tune, algorithm="logistic_regression", metric="rmse"))
    (wrong,) = parsed.wrong
    assert (wrong.field, wrong.found) == ("algorithm", "logistic_regression")
    assert wrong.rule.startswith("For regression it must be one of ")
    assert wrong.next_step == "Choose linear_regression, for example, or another metric."


@each_task
def test_a_heading_for_the_task_in_the_notes_is_a_note(form: IssueForm) -> None:
    request = parse_form(posted(form, notes="as before:\n\n### Task\n\nregression")).request
    assert request is not None
    assert request.task == form.kind
