"""Reads the form's fields: the values that are valid, and every problem with the others (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_origin

from pydantic.fields import FieldInfo

from actions.contracts.features import RequestedFeatures
from actions.data_preparation.feature_plan import check_requested_features
from actions.data_preparation.sources import SKLEARN_DATASETS, is_s3
from actions.errors import InvalidInput, Problem, invalid_field
from actions.storage.s3 import S3Uri
from actions.tasks.registry import tasks
from actions.tasks.task import Task
from actions.text.suggestions import did_you_mean, nearest
from bot.parsing.feature_fields import parse_features
from bot.parsing.form_fields import DERIVED, NO_RESPONSE, broken_rule, kind_of, label_of, plain_type, request_fields
from bot.parsing.name_values import parse_hyperparameters
from bot.parsing.scalars import brief, read_integer, read_number

REQUIRED_RULE = "This field is required."
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):/")


class FormReading:
    """One pass over a request's fields: valid values are collected in ``values``, everything else in ``wrong``.

    Parameters
    ----------
    texts
        The text below each field's heading.
    guessed
        Fields whose heading is misspelt, which has already been reported.

    Attributes
    ----------
    task
        The requested task; if it is not known, the likeliest one.
    known_by
        The field that determines the task; None if it is not known.
    """

    def __init__(self, texts: Mapping[str, str], guessed: set[str]) -> None:
        self.texts = texts
        self.guessed = guessed
        self.values: dict[str, Any] = {}
        self.wrong: list[Problem] = []
        self.task, self.known_by = self._find_task()

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """The fields of the task's requests, in the form's order."""
        fields: dict[str, FieldInfo] = self.task.request.form_fields()
        return fields

    def _find_task(self) -> tuple[Task[Any], Literal["task", "metric"] | None]:
        """Return the named task, otherwise the one with the metric, otherwise the one with the most of the headings."""
        named = tasks().get(self.texts.get("task", ""))
        if named is not None:
            return named, "task"
        with_metric = [task for task in tasks().values() if self.texts.get("metric") in task.metrics]
        likeliest = max(
            with_metric or tasks().values(), key=lambda task: len(set(task.request.model_fields) & set(self.texts))
        )
        return likeliest, "metric" if with_metric and not self._is_given("task") else None

    def _is_given(self, name: str) -> bool:
        return self.texts.get(name, "") not in {"", NO_RESPONSE}

    def options(self, name: str) -> tuple[str, ...]:
        """Return the choices of a field: the task's if it is known, otherwise those of all tasks."""
        if name == "task":
            return tuple(tasks())
        candidates = [self.task] if self.known_by else tasks().values()
        return tuple(dict.fromkeys(option for task in candidates for option in task.options(name)))

    def read_all(self) -> None:
        """Read every field, then check that they agree with each other."""
        for name, field in self.fields.items():
            self.read(name, field)
        self.check()

    def check(self) -> None:
        """Report fields of other tasks, data that can never be read, and fields that contradict each other."""
        self._refuse_other_fields()
        self._check_data()
        self._check_agreement()

    def add_error(self, field: str, rule: str, found: str, next_step: str) -> None:
        self.wrong.append(invalid_field(field, rule, brief(found), next_step))

    def read(self, name: str, field: FieldInfo) -> None:
        """Read a field's value, or report what is wrong with it. An optional field may be missing altogether."""
        text = self.texts.get(name)
        if text is None and (name in self.guessed or (name not in DERIVED and self._hidden_in_notes(name))):
            return
        if text is not None and text not in {"", NO_RESPONSE}:
            self._typed_value(name, field, text)
        elif name in DERIVED:
            return
        elif not field.is_required():
            self.values[name] = field.get_default(call_default_factory=True)
        elif text is None:
            cure = f"Add the line ### {label_of(name)}, with the value below it."
            self.add_error(name, REQUIRED_RULE, "Its heading is missing.", cure)
        else:
            self.add_error(name, REQUIRED_RULE, "Nothing.", self.how_to_fill(name, field))

    def how_to_fill(self, name: str, field: FieldInfo) -> str:
        """Return what a person can write into an empty field."""
        if kind_of(field) == "dropdown":
            return f"Write one of: {', '.join(self.options(name))}."
        example = f", for example: {field.examples[0]}" if field.examples else "."
        return f"Write it below the heading ### {label_of(name)}{example}"

    def _hidden_in_notes(self, name: str) -> bool:
        """Report a heading below the notes, which take everything that follows them."""
        last = list(self.fields)[-1]
        hidden = f"\n### {label_of(name)}\n" in f"\n{self.texts.get(last, '')}\n"
        if hidden:
            rule = f"{label_of(last)} must come last: it takes everything below it."
            found = f"The heading ### {label_of(name)} below it."
            self.add_error(name, rule, found, f"Move {label_of(last)} to the end.")
        return hidden

    def _typed_value(self, name: str, field: FieldInfo, text: str) -> None:
        if kind_of(field) != "textarea" and "\n" in text:
            found = f"{text.count(chr(10)) + 1} lines, the first: {text}"
            self.add_error(name, "It must be a single line.", found, "Keep only the value.")
            return
        if kind_of(field) == "dropdown":
            self._choice(name, field, text)
        elif field.annotation is RequestedFeatures:
            features, wrong = parse_features(text)
            self.wrong += wrong
            if features is not None:
                self.values[name] = features
        elif get_origin(field.annotation) is dict:
            values, wrong = parse_hyperparameters(text)
            self.wrong += wrong
            if not wrong:
                self._checked(name, values, f"{len(values)} of them")
        else:
            self._converted(name, _READERS.get(plain_type(field), str), text)

    def _choice(self, name: str, field: FieldInfo, text: str) -> None:
        options = self.options(name)
        if text in options:
            self.values[name] = text
            return
        if self.known_by and any(text in task.options(name) for task in tasks().values()):
            usual = nearest(text, options) or options[0] if field.is_required() else field.default
            other = f", or another {self.known_by}" if field.is_required() else ""
            rule = f"For {self.task.name} it must be one of {', '.join(options)}."
            self.add_error(name, rule, text, f"Choose {usual}, for example{other}.")
            return
        cure = did_you_mean(text, options, otherwise=f"Write one of: {', '.join(options)}.")
        self.add_error(name, f"It must be one of {', '.join(options)}.", text, cure)

    def _converted(self, name: str, reader: Callable[[str], Any], text: str) -> None:
        try:
            value = reader(text)
        except ValueError as error:
            self.add_error(name, str(error), text, "Correct the number.")
            return
        self._checked(name, value, text)

    def _checked(self, name: str, value: object, found: str) -> None:
        rule = broken_rule(self.task.request, name, value)
        if rule is None:
            self.values[name] = value
        elif name in _PATTERN_RULES:
            self.add_error(name, _PATTERN_RULES[name], found, f"For example: {slug(found, name)}")
        else:
            self.add_error(name, rule, found, "Correct it.")

    def _refuse_other_fields(self) -> None:
        for name in request_fields():
            if self.known_by and name not in self.fields and self._is_given(name):
                rule = f"{label_of(name)} must be empty for {self.task.name}."
                self.add_error(name, rule, self.texts[name], "Remove it, or choose another task.")

    def _check_data(self) -> None:
        """Report data that can never be read, before anything runs."""
        data = self.values.get("data")
        if data is None:
            return
        scheme = _SCHEME.match(data)
        if data.startswith("sklearn://"):
            name = data.removeprefix("sklearn://")
            if name not in SKLEARN_DATASETS:
                known = ", ".join(SKLEARN_DATASETS)
                otherwise = f"Write sklearn:// and one of: {known}."
                cure = did_you_mean(name, SKLEARN_DATASETS, "sklearn://", otherwise)
                self.add_error("data", f"The data set must be one of scikit-learn's: {known}.", data, cure)
        elif is_s3(data):
            if not _is_object(data):
                rule = "Data in S3 must be s3://bucket/key, without `..` and without empty parts."
                self.add_error("data", rule, data, "Write the object's name as `aws s3 ls` shows it.")
        elif scheme:
            rule = "Data must be sklearn://NAME, s3://bucket/key, or the path of a file in storage, without a scheme."
            self.add_error("data", rule, data, f"Remove {scheme[1]}:// and name a file in storage.")
        elif ".." in data.replace("\\", "/").split("/"):
            self.add_error("data", "A path must not leave its folder.", data, "Write the path without `..`.")

    def _check_agreement(self) -> None:
        if self.known_by == "metric":
            self.values["task"] = self.task.name
        request = self.task.request.model_construct(**self.values)
        for field, rule, next_step in request.contradictions(self.values):
            self.add_error(field, rule, self.texts[field] if self._is_given(field) else "Nothing.", next_step)
        if "features" in self.values:
            self._check_features(self.values["features"], self.values.get("target", ""))

    def _check_features(self, features: RequestedFeatures, target: str) -> None:
        try:
            check_requested_features(features, target)
        except InvalidInput as error:
            problem = error.problem
            self.add_error("features", problem.rule, f"{problem.field}: {problem.found}", problem.next_step)


def _is_object(uri: str) -> bool:
    try:
        return bool(S3Uri.parse(uri).key)
    except ValueError:
        return False


_READERS: dict[Any, Callable[[str], Any]] = {float: read_number, int: read_integer}
_PATTERN_RULES: dict[str, str] = {
    "model_name": (
        "A model's name must consist of lower-case letters, digits, `.`, `_` and `-`, start with a letter or digit, "
        "and have at most 63 characters."
    ),
    "runner": (
        "A runner's label must consist of letters, digits, `.`, `_` and `-`, start with a letter or digit, "
        "and have at most 63 characters."
    ),
}


def slug(text: str, field: str = "model_name") -> str:
    """Return the closest name that is valid for the field."""
    lowered = text.lower() if field == "model_name" else text
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", lowered[:500]).strip("-._")
    return words[:63].rstrip("-._") or ("my-model" if field == "model_name" else "self-hosted")
