"""The issue forms: one per task, and one to tune a model, generated from the tasks' requests (pure).

``make generate`` writes this repository's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from actions.contracts.metric import metric_help
from actions.contracts.request import in_form_order
from actions.tasks.registry import tasks
from actions.tasks.task import Task
from bot.parsing.form_fields import DERIVED, kind_of

FOLDER = ".github/ISSUE_TEMPLATE"
REQUEST_LABEL = "mlops:train"
"""The label that every form sets: the issue requests a training run."""
_INTRODUCTION = """\
**Open an issue, get a model.** Modelyard reads this form, prepares the data, trains, evaluates and judges the model, \
and keeps one comment below your issue up to date.

Fields marked * are required. If something is wrong, a comment says what to fix; edit this issue then instead of opening \
a new one.
"""


@dataclass(frozen=True)
class IssueForm:
    """What one form asks for.

    Attributes
    ----------
    kind
        The name of its file.
    name, description
        What GitHub shows where people choose a form.
    tasks
        The tasks whose choices are offered. There is no field for the task: it follows from the metric.
    with_search
        Whether the form has the fields of a search, and requires the first of them.
    examples
        Placeholders that differ from those of the request's fields.
    """

    kind: str
    name: str
    description: str
    tasks: tuple[Task[Any], ...]
    with_search: bool = False
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The request's fields by name, in the form's order."""
        request = self.tasks[0].request
        left_out = {*DERIVED, *(() if self.with_search else request.search_fields)}
        return [name for name in in_form_order(request.model_fields) if name not in left_out]

    def element(self, name: str) -> dict[str, Any]:
        """Return a field in GitHub's schema for forms."""
        request = self.tasks[0].request
        info = request.model_fields[name]
        kind = kind_of(info)
        attributes: dict[str, Any] = {"label": info.title, "description": self._description(name)}
        if kind == "dropdown":
            attributes["options"] = list(dict.fromkeys(option for task in self.tasks for option in task.options(name)))
            if not info.is_required():
                attributes["default"] = attributes["options"].index(info.default)
        example = self.examples.get(name, str((info.examples or [""])[0]))
        if example:
            attributes["placeholder"] = example
        if kind == "input" and not info.is_required() and info.default is not None:
            attributes["value"] = str(info.default)
        required = info.is_required() or (self.with_search and name == request.search_fields[0])
        return {"type": kind, "id": name, "attributes": attributes, "validations": {"required": required}}

    def _description(self, name: str) -> str | None:
        if name == "metric":
            return metric_help({name: metric for task in self.tasks for name, metric in task.metrics.items()})
        if len({task.options(name) for task in self.tasks}) > 1:
            return " ".join(f"{task.name.capitalize()}: {', '.join(task.options(name))}." for task in self.tasks)
        description: str | None = self.tasks[0].request.model_fields[name].description
        return description


def issue_forms() -> tuple[IssueForm, ...]:
    """Return all forms in the order in which GitHub offers them."""
    single = [
        IssueForm(task.name, task.title, task.description, (task,), examples=task.examples) for task in tasks().values()
    ]
    searchable = [task for task in tasks().values() if task.request.search_fields]
    tune = IssueForm(
        kind="tune",
        name="Tune a model",
        description="Search for good hyperparameters, then evaluate and judge the best model like any other.",
        tasks=tuple(
            task for task in searchable if {*task.request.model_fields} == {*searchable[0].request.model_fields}
        ),
        with_search=True,
        examples={"search_trials": "30", "search_minutes": "30"},
    )
    return (*single, tune)


def form_files(prefix: str = "") -> dict[str, str]:
    """Return every form by its path; ``prefix`` distinguishes them from a repository's own forms."""
    return {f"{FOLDER}/{prefix}{form.kind}.yml": render(form) for form in issue_forms()}


def render(form: IssueForm) -> str:
    """Return a form as YAML."""
    body: list[dict[str, Any]] = [{"type": "markdown", "attributes": {"value": _INTRODUCTION}}]
    body += [form.element(name) for name in form.fields]
    content = {
        "name": form.name,
        "description": form.description,
        "title": "Train: ",
        "labels": [REQUEST_LABEL],
        "body": body,
    }
    head = "# Generated by Modelyard (`make generate`) from actions/tasks: change the request types, not this file.\n"
    return head + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Safe YAML that writes text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
