"""A request that comes field by field is read by the form's rules, and can always be written into an issue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.tasks.registry import TrainingRequest
from actions.text import safe_yaml
from bot.parsing.form import MAX_BODY, form_body, parse_form
from bot.parsing.form_fields import request_fields
from bot.parsing.mapping import as_lines, read_request
from tests.support.requests import requests
from tests.support.runs import a_request

FIELDS: dict[str, Any] = a_request().model_dump(exclude_defaults=True)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(list(request_fields())) | st.text(max_size=12)


@given(requests())
def test_a_request_as_json_is_read_back_as_the_same_request_and_so_is_the_issue_made_of_it(
    request: TrainingRequest,
) -> None:
    found = read_request(json.loads(request.model_dump_json())).request
    assert found == request
    assert parse_form(form_body(request)).request == found


@given(requests())
def test_a_request_as_texts_is_read_as_the_form_reads_them(request: TrainingRequest) -> None:
    values = request.model_dump(exclude_none=True)
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in values.items()}
    found = read_request(texts).request
    assert found == request


@given(st.dictionaries(NAMES, ANYTHING, max_size=15), st.booleans())
def test_no_values_crash_it_and_every_problem_is_complete(values: dict[str, Any], whole: bool) -> None:
    parsed = read_request({**FIELDS, **values} if whole else values)
    assert (parsed.request is None) == bool(parsed.wrong)
    if parsed.request is not None:
        assert parse_form(form_body(parsed.request)).request == parsed.request
    assert all(one.rule and one.field and one.next_step for one in parsed.wrong)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"thresold": 1}, "Use one of"),
        ({"threshold": None}, "This field is required."),
        ({"threshold": [1]}, "It must be a number"),
        ({"threshold": 2}, "between 0 and 1"),
        ({"seed": 1.5}, "It must be a whole number"),
        ({"target": "two\nlines"}, "It must be a single line."),
        ({"data": "../x.csv"}, "A path must not leave its folder."),
        ({"hyperparameters": {"a": [1]}}, "must not be a list or an object"),
        ({"hyperparameters": {"a b": 1}}, "The name of a hyperparameter"),
        ({"notes": "x" * 10_001}, "It must have at most 10000 characters"),
        ({"hyperparameters": {f"p{number}": "x" * 2_000 for number in range(50)}}, str(MAX_BODY)),
    ],
)
def test_problems_are_reported_in_the_forms_words(changes: dict[str, Any], told: str) -> None:
    parsed = read_request({**FIELDS, **changes})
    assert parsed.request is None
    assert any(told in f"{one.rule} {one.next_step}" for one in parsed.wrong), parsed.wrong


def test_a_missing_field_and_its_misspelling_are_reported_once() -> None:
    given_fields = {name: value for name, value in FIELDS.items() if name not in ("target", "metric")}
    parsed = read_request({**given_fields, "metrics": "accuracy"})
    assert [(one.field, one.next_step) for one in parsed.wrong] == [
        ("request", "Did you mean metric?"),
        ("target", "Add target, for example: target"),
    ]


def test_a_value_cannot_smuggle_another_field_in() -> None:
    parsed = read_request({**FIELDS, "notes": "x\n### Seed\n\n7"})
    assert parsed.request is not None
    assert (parsed.request.seed, parsed.request.notes) == (42, "x\n### Seed\n\n7")
    assert read_request({**FIELDS, "model_name": "x\n\n### Notes\n\n"}).request is None


def test_hyperparameters_of_yaml_are_typed_as_lines_of_the_form_are() -> None:
    content: Any = safe_yaml.load("{n: 20, c: gini, f: 1e-3, t: true, z: null}", source="x", limit=1_000)
    parsed = read_request({**FIELDS, "hyperparameters": as_lines(content)})
    assert parsed.request is not None
    assert parsed.request.hyperparameters == {"n": 20, "c": "gini", "f": 0.001, "t": True, "z": None}
