"""The issue forms, one for each thing to ask for, drawn from the request type (pure); ``make generate`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo

from actions.contracts.request import ALGORITHMS, METRICS, SPLITS, Task
from bot.parsing.form_fields import kind_of, request_fields

FOLDER = ".github/ISSUE_TEMPLATE"
_INTRODUCTION = """\
**Open an issue, get a model.** Modelyard reads this form, prepares the data, trains, evaluates and judges the model, \
and keeps one comment below your issue up to date.

Fields with a star are needed. If something is wrong, a comment says what and how to put it right; \
edit the issue then, you need no new one.
"""
_FIRST = ("model_name", "algorithm", "data", "target", "split", "split_column", "features", "metric", "threshold")
_SEARCH = ("search_trials", "search_minutes")
_LAST = ("max_retries", "runner", "timeout_minutes", "seed", "hyperparameters", "notes")


@dataclass(frozen=True)
class IssueForm:
    """What one form asks for.

    Attributes
    ----------
    kind
        Its file's name.
    name, description
        What GitHub shows where people choose a form.
    fields
        The request's fields by name, in the form's order. There is no field for the task: it follows from the metric.
    task
        Whose algorithms, metrics and splits are offered; None: those of all tasks.
    needed
        Fields that this form needs though a request can do without.
    words, examples
        Descriptions and placeholders that differ from those of the request's fields.
    """

    kind: str
    name: str
    description: str
    fields: tuple[str, ...]
    task: Task | None = None
    needed: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

    def element(self, name: str) -> dict[str, Any]:
        """Return a field as GitHub's schema for forms has it."""
        info = request_fields()[name]
        kind = kind_of(info)
        attributes: dict[str, Any] = {"label": info.title, "description": self.words.get(name, info.description)}
        if kind == "dropdown":
            attributes["options"] = self._options(name, info)
            if not info.is_required():
                attributes["default"] = attributes["options"].index(info.default)
        example = self.examples.get(name, str((info.examples or [""])[0]))
        if example:
            attributes["placeholder"] = example
        if kind == "input" and not info.is_required() and info.default is not None:
            attributes["value"] = str(info.default)
        required = info.is_required() or name in self.needed
        return {"type": kind, "id": name, "attributes": attributes, "validations": {"required": required}}

    def _options(self, name: str, info: FieldInfo) -> list[str]:
        if self.task is not None and name in _OF_TASK:
            return list(_OF_TASK[name][self.task])
        return list(get_args(info.annotation))


_METRICS: dict[Task, tuple[str, ...]] = {
    task: tuple(name for name, metric in METRICS.items() if metric.task == task) for task in ALGORITHMS
}
_OF_TASK = {"algorithm": ALGORITHMS, "metric": _METRICS, "split": SPLITS}


def _metric_words(task: Task) -> str:
    below = [name for name in _METRICS[task] if not METRICS[name].higher_is_better]
    others = "all others at or above it"
    return f"What the verdict is about. {', '.join(below)}: passes at or below the threshold; {others}."


FORMS: tuple[IssueForm, ...] = (
    IssueForm(
        kind="classification",
        name="Train a classifier",
        description="Train, evaluate and judge a model that tells classes apart, and register it if it is good enough.",
        fields=(*_FIRST, *_LAST),
        task="classification",
        words={
            "algorithm": "How the classes are learnt.",
            "metric": _metric_words("classification"),
            "split": "How the test rows are chosen. auto, stratified: each class in each part. group: rows with one value of the "
            "split column stay together. time: the latest rows by the split column.",
        },
    ),
    IssueForm(
        kind="regression",
        name="Train a regressor",
        description="Train, evaluate and judge a model that estimates a number, and register it if it is good enough.",
        fields=(*_FIRST, *_LAST),
        task="regression",
        words={
            "algorithm": "How the number is learnt.",
            "metric": _metric_words("regression"),
            "split": "How the test rows are chosen. auto, random: by chance. group: rows with one value of the split column stay "
            "together. time: the latest rows by the split column.",
        },
        examples={"model_name": "diabetes", "data": "sklearn://diabetes", "threshold": "60"},
    ),
    IssueForm(
        kind="tune",
        name="Tune a model",
        description="Search for good hyperparameters, then evaluate and judge the best model as any other.",
        fields=(*_FIRST, *_SEARCH, *_LAST),
        needed=("search_trials",),
        words={
            "search_trials": "How many settings of the hyperparameters to try; the model is trained with the best.",
            "hyperparameters": "Those that are not searched for: one `name: value` a line, as the library calls them.",
        },
        examples={"search_trials": "30", "search_minutes": "30"},
    ),
)
"""In the order in which people are offered them."""


def form_files(prefix: str = "") -> dict[str, str]:
    """Return every form by its path; ``prefix`` tells a repository's own forms from ours."""
    return {f"{FOLDER}/{prefix}{form.kind}.yml": render(form) for form in FORMS}


def render(form: IssueForm) -> str:
    """Return a form as YAML."""
    body: list[dict[str, Any]] = [{"type": "markdown", "attributes": {"value": _INTRODUCTION}}]
    body += [form.element(name) for name in form.fields]
    content = {
        "name": form.name,
        "description": form.description,
        "title": "Train: ",
        "labels": ["mlops:train"],
        "body": body,
    }
    head = "# Generated by Modelyard (`make generate`) from actions/contracts/request.py: change the request type, not this file.\n"
    return head + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Safe YAML, with several lines of text as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
