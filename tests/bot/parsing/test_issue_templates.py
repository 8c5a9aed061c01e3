"""The issue forms: drawn from the request type, each with what its task needs and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.contracts.request import ALGORITHMS, METRICS, SPLITS, Task, TrainingRequest
from bot.parsing.form import parse_form
from bot.parsing.issue_templates import FORMS, IssueForm, form_files, render

ROOT = Path(__file__).parents[3]
OF_TASKS = [form for form in FORMS if form.task is not None]
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


def test_the_forms_of_this_repository_are_what_the_request_type_makes_of_them() -> None:
    there = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / ".github").glob("*/*.yml")}
    assert {path: text for path, text in there.items() if "ISSUE_TEMPLATE" in path} == form_files()


@each
def test_each_field_is_as_the_request_declares_it(form: IssueForm) -> None:
    found = elements(form)
    assert list(found) == list(form.fields)
    for name, item in found.items():
        field = TrainingRequest.model_fields[name]
        assert item["attributes"]["label"] == field.title
        assert item["attributes"]["description"] == form.words.get(name, field.description)
        assert item["validations"]["required"] == (field.is_required() or name in form.needed)
        if item["type"] == "input" and not field.is_required() and field.default is not None:
            assert item["attributes"]["value"] == str(field.default)
    content = yaml.safe_load(render(form))
    assert (content["labels"], content["title"]) == (["mlops:train"], "Train: ")


def test_every_field_but_the_task_is_in_some_form() -> None:
    assert {name for form in FORMS for name in form.fields} == set(TrainingRequest.model_fields) - {"task"}


@each_task
def test_the_form_of_a_task_offers_what_fits_it_alone(form: IssueForm) -> None:
    assert form.task is not None
    found = elements(form)
    assert found["algorithm"]["attributes"]["options"] == list(ALGORITHMS[form.task])
    assert {METRICS[name].task for name in found["metric"]["attributes"]["options"]} == {form.task}
    assert found["split"]["attributes"]["options"] == list(SPLITS[form.task])
    others: set[str] = {name for task in ALGORITHMS if task != form.task for name in ALGORITHMS[task]}
    said = set(re.findall(r"\w+", render(form).partition("body:")[2]))
    assert not said & (others - set(ALGORITHMS[form.task]))
    assert not [name for name in said if name.startswith("search_")]


@each
def test_what_a_form_suggests_is_a_request_of_its_task(form: IssueForm) -> None:
    request = parse_form(posted(form)).request
    assert request is not None
    assert request.task == (form.task or "classification")
    assert request.split == "auto"
    assert (request.search_trials is not None) == (form.kind == "tune")


@pytest.mark.parametrize("metric", METRICS)
def test_the_task_follows_from_the_metric(metric: str) -> None:
    task: Task = METRICS[metric].task
    form = next(form for form in FORMS if form.task == task)
    request = parse_form(posted(form, metric=metric, threshold="0.5")).request
    assert request is not None
    assert request.task == task


def test_in_the_form_for_both_tasks_an_algorithm_that_the_metric_contradicts_is_told() -> None:
    tune = next(form for form in FORMS if form.task is None)
    parsed = parse_form(posted(tune, algorithm="logistic_regression", metric="rmse"))
    (wrong,) = parsed.wrong
    assert (wrong.field, wrong.found) == ("algorithm", "logistic_regression")
    assert wrong.rule == f"For regression choose one of {', '.join(ALGORITHMS['regression'])}."
    assert wrong.next_step == "Choose linear_regression, for example, or another metric."


@each_task
def test_a_heading_for_the_task_in_the_notes_is_a_note(form: IssueForm) -> None:
    request = parse_form(posted(form, notes="as before:\n\n### Task\n\nregression")).request
    assert request is not None
    assert request.task == form.task
