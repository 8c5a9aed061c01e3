"""A form's fields: how each is typed, which rules it has, and one reading that collects all that is wrong (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from actions.contracts.features import AskedFeatures
from actions.contracts.request import BaseRequest, in_form_order
from actions.data_preparation.feature_plan import check_asked
from actions.data_preparation.sources import SKLEARN_DATASETS, is_s3
from actions.errors import InvalidInput, Problem, invalid_field
from actions.storage.s3 import S3Uri
from actions.tasks.registry import tasks
from actions.tasks.task import Task
from actions.text.suggestions import did_you_mean, nearest
from bot.parsing.feature_fields import parse_features
from bot.parsing.name_values import parse_hyperparameters
from bot.parsing.scalars import brief, read_integer, read_number

NO_RESPONSE = "_No response_"
_LONG_TEXT = 2_000
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}):/")


def request_fields() -> dict[str, FieldInfo]:
    """Return the fields of all tasks' requests in the form's order; one that several have, as the first of them has it."""
    requests = [task.request for task in tasks().values()]
    fields = {name: field for request in reversed(requests) for name, field in request.model_fields.items()}
    return {name: fields[name] for name in in_form_order(name for request in requests for name in request.model_fields)}


def label_of(field: str) -> str:
    """Return the form's heading of a field; of what is none (``form``, ``request``, ``payload``) the word itself."""
    info = request_fields().get(field)
    return (info and info.title) or field.capitalize()


def may_be_none(field: FieldInfo) -> bool:
    """Tell whether a field can do without a value."""
    return NoneType in get_args(field.annotation)


def plain_type(field: FieldInfo) -> Any:
    """Return the type of a field's values where there is one."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    return kinds[0] if may_be_none(field) else field.annotation


def broken_rule(request: type[BaseRequest], field: str, value: object) -> str | None:
    """Return the rule of a request's field that a value of the right type breaks, or None if it breaks none."""
    try:
        _adapter(request, field).validate_python(value, strict=True)
    except ValidationError as error:
        bounds = _bounds(request.model_fields[field])
        return bounds or error.errors(include_url=False, include_context=False)[0]["msg"] + "."
    return None


@cache
def _adapter(request: type[BaseRequest], field: str) -> TypeAdapter[Any]:
    info = request.model_fields[field]
    annotation: Any = Annotated[info.annotation, info]
    return TypeAdapter(annotation)


def _bounds(info: FieldInfo) -> str | None:
    found = {name: value for item in info.metadata for name, value in _limits(item)}
    if "ge" in found and "le" in found:
        return f"Between {found['ge']} and {found['le']}."
    if "max_length" in found and plain_type(info) is str:
        return f"At most {found['max_length']} characters."
    if "max_length" in found:
        return f"At most {found['max_length']} of them."
    return None


def _limits(item: object) -> Iterator[tuple[str, Any]]:
    for name in ("ge", "le", "max_length"):
        value = getattr(item, name, None)
        if value is not None:
            yield name, value


def kind_of(field: FieldInfo) -> Literal["dropdown", "textarea", "input"]:
    """Return the element of the form that a field is typed into."""
    if get_origin(field.annotation) is Literal:
        return "dropdown"
    if get_origin(field.annotation) is dict or field.annotation is AskedFeatures:
        return "textarea"
    longest = max((getattr(item, "max_length", 0) or 0 for item in field.metadata), default=0)
    return "textarea" if longest >= _LONG_TEXT else "input"


class Reading:
    """One pass over the fields of a request: values that are valid, and what is wrong with the others.

    Parameters
    ----------
    texts
        What stands below each field's heading.
    guessed
        Fields whose heading stands there in a wrong spelling, which has been reported.

    Attributes
    ----------
    task
        The task that is requested; where that is not known, the likeliest.
    known_by
        The field that the task is known by; None where it is not known.
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
        """Return the named task, else the one that has the metric, else the one that has most of the headings."""
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
        """Return the choices of a field: the task's, where that is known, else those of all tasks."""
        if name == "task":
            return tuple(tasks())
        asked = [self.task] if self.known_by else tasks().values()
        return tuple(dict.fromkeys(option for task in asked for option in task.options(name)))

    def read_all(self) -> None:
        """Read every field; then check what they say together."""
        for name, field in self.fields.items():
            self.read(name, field)
        self.check()

    def check(self) -> None:
        """Report fields of other tasks, data that can never be read, and fields that contradict each other."""
        self._refuse_other_fields()
        self._check_data()
        self._check_agreement()

    def complain(self, field: str, rule: str, found: str, next_step: str) -> None:
        self.wrong.append(invalid_field(field, rule, brief(found), next_step))

    def read(self, name: str, field: FieldInfo) -> None:
        """Take a field's value, or say what is wrong with it; an optional field may be absent as a whole."""
        text = self.texts.get(name)
        if text is None and (name in self.guessed or (name not in FOLLOWING and self._hidden_in_notes(name))):
            return
        if text is not None and text not in {"", NO_RESPONSE}:
            self._typed_value(name, field, text)
        elif name in FOLLOWING:
            return
        elif not field.is_required():
            self.values[name] = field.get_default(call_default_factory=True)
        elif text is None:
            cure = f"Add the line ### {label_of(name)}, with the value below it."
            self.complain(name, "This field is needed.", "Its heading is not there.", cure)
        else:
            self.complain(name, "This field is needed.", "Nothing.", self.how_to_fill(name, field))

    def how_to_fill(self, name: str, field: FieldInfo) -> str:
        """Return what a person can write into a field that is empty."""
        if kind_of(field) == "dropdown":
            return f"Write one of: {', '.join(self.options(name))}."
        example = f", for example: {field.examples[0]}" if field.examples else "."
        return f"Write it below the heading ### {label_of(name)}{example}"

    def _hidden_in_notes(self, name: str) -> bool:
        """Complain where a field's heading stands below the notes, which take all that follows them."""
        last = list(self.fields)[-1]
        hidden = f"\n### {label_of(name)}\n" in f"\n{self.texts.get(last, '')}\n"
        if hidden:
            rule = f"{label_of(last)} comes last and takes everything below it."
            found = f"The heading ### {label_of(name)} below it."
            self.complain(name, rule, found, f"Move {label_of(last)} to the end.")
        return hidden

    def _typed_value(self, name: str, field: FieldInfo, text: str) -> None:
        if kind_of(field) != "textarea" and "\n" in text:
            self.complain(
                name, "One line.", f"{text.count(chr(10)) + 1} lines, the first: {text}", "Leave one line, the value."
            )
            return
        if kind_of(field) == "dropdown":
            self._choice(name, field, text)
        elif field.annotation is AskedFeatures:
            asked, wrong = parse_features(text)
            self.wrong += wrong
            if asked is not None:
                self.values[name] = asked
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
            rule = f"For {self.task.name} choose one of {', '.join(options)}."
            self.complain(name, rule, text, f"Choose {usual}, for example{other}.")
            return
        cure = did_you_mean(text, options, otherwise=f"Write one of: {', '.join(options)}.")
        self.complain(name, f"One of {', '.join(options)}.", text, cure)

    def _converted(self, name: str, reader: Callable[[str], Any], text: str) -> None:
        try:
            value = reader(text)
        except ValueError as error:
            self.complain(name, str(error), text, "Correct the number.")
            return
        self._checked(name, value, text)

    def _checked(self, name: str, value: object, found: str) -> None:
        rule = broken_rule(self.task.request, name, value)
        if rule is None:
            self.values[name] = value
        elif name in _PATTERN_RULES:
            self.complain(name, _PATTERN_RULES[name], found, f"For example: {slug(found, name)}")
        else:
            self.complain(name, rule, found, "Correct it.")

    def _refuse_other_fields(self) -> None:
        for name in request_fields():
            if self.known_by and name not in self.fields and self._is_given(name):
                rule = f"{label_of(name)} must be left out for {self.task.name}."
                self.complain(name, rule, self.texts[name], "Remove it, or choose another task.")

    def _check_data(self) -> None:
        """Refuse, before anything runs, data that can never be read."""
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
                self.complain("data", f"Data sets of scikit-learn are {known}.", data, cure)
        elif is_s3(data):
            if not _is_object(data):
                rule = "Data in S3 is s3://bucket/key, without `..` and without empty parts."
                self.complain("data", rule, data, "Name the object as `aws s3 ls` shows it.")
        elif scheme:
            rule = "sklearn://NAME, s3://bucket/key, or the path of a file in storage, without a scheme."
            self.complain("data", rule, data, f"Leave out {scheme[1]}:// and name the file, or ask who runs Modelyard.")
        elif ".." in data.replace("\\", "/").split("/"):
            self.complain("data", "A path does not leave its folder.", data, "Name the file without `..`.")

    def _check_agreement(self) -> None:
        if self.known_by == "metric":
            self.values["task"] = self.task.name
        request = self.task.request.model_construct(**self.values)
        for field, rule, next_step in request.contradictions(self.values):
            self.complain(field, rule, self.texts[field] if self._is_given(field) else "Nothing.", next_step)
        if "features" in self.values:
            self._check_features(self.values["features"], self.values.get("target", ""))

    def _check_features(self, asked: AskedFeatures, target: str) -> None:
        try:
            check_asked(asked, target)
        except InvalidInput as error:
            body = error.body
            self.complain("features", body.rule, f"{body.field}: {body.found}", body.next_step)


def _is_object(uri: str) -> bool:
    try:
        return bool(S3Uri.parse(uri).key)
    except ValueError:
        return False


FOLLOWING = ("task",)
"""Fields that follow from others where a form does not ask for them."""
_READERS: dict[Any, Callable[[str], Any]] = {float: read_number, int: read_integer}
_PATTERN_RULES: dict[str, str] = {
    "model_name": "Small letters, digits, `.`, `_` and `-`; a letter or digit first; at most 63 characters.",
    "runner": "A runner's label has letters, digits, `.`, `_` and `-`; a letter or digit first; at most 63 characters.",
}


def slug(text: str, field: str = "model_name") -> str:
    """Return the nearest name that the field takes."""
    lowered = text.lower() if field == "model_name" else text
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", lowered[:500]).strip("-._")
    return words[:63].rstrip("-._") or ("my-model" if field == "model_name" else "self-hosted")
