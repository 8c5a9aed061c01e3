"""YAML from people is read as plain text values, or refused with the line that is wrong."""

from __future__ import annotations

import time

import pytest

from actions.errors import InvalidInput
from actions.text.safe_yaml import load


def read(text: str | bytes) -> object:
    return load(text, source="file.yml", limit=10_000)


def test_every_scalar_stays_the_text_that_it_is() -> None:
    text = "version: 1.10\nwhen: 2026-11-22\non: yes\nhash: 1e10\nlist: [007, ~, '']\n"
    assert read(text) == {
        "version": "1.10",
        "when": "2026-11-22",
        "on": "yes",
        "hash": "1e10",
        "list": ["007", "~", ""],
    }


def test_an_empty_document_is_none() -> None:
    assert read("# only a comment\n") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: &x 1\nb: *x\n", "an anchor or alias (line 1)"),
        ("a: !!python/object:os.system x\n", "the tag tag:yaml.org,2002:python/object:os.system (line 1)"),
        ("a: 1\na: 2\n", "the key 'a' twice (line 2)"),
        ("? [1]\n: 2\n", "a key that is not text (line 1)"),
        ("--- 1\n--- 2\n", "a second document (line 2)"),
        ("[" * 30, "more than 20 levels (line 1)"),
        ("a: [1\n", "(line 2)"),
        ("a: [1\n", "expected ',' or ']'"),
        (b"a: \xff\n", "invalid UTF-8 at byte 3"),
        ("a: " + "x" * 10_000, "10003 bytes"),
        ("a: \x00", "control characters are not allowed"),
    ],
)
def test_non_plain_yaml_is_refused_with_its_position(text: str | bytes, found: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read(text)
    assert error.value.problem.reason == "invalid_yaml"
    assert error.value.problem.field == "file.yml"
    assert found in error.value.problem.found


def test_reading_ends_where_there_are_more_values_than_wanted() -> None:
    assert load("a: 1\nb: [2]\n", source="file.yml", limit=100, most=6) == {"a": "1", "b": ["2"]}
    with pytest.raises(InvalidInput) as error:
        load("a: 1\nb: [2, 3]\n", source="file.yml", limit=100, most=6)
    assert error.value.problem.found == "more than 6 keys and values (line 2)."


def test_the_largest_size_counts_bytes_and_is_still_read() -> None:
    assert load("a: ä\n", source="file.yml", limit=6) == {"a": "ä"}
    for text in ("a: ä\n", "a: ä\n".encode()):
        with pytest.raises(InvalidInput) as error:
            load(text, source="file.yml", limit=5)
        assert error.value.problem.found == "6 bytes."


def test_twenty_levels_are_read_and_one_more_is_refused() -> None:
    assert read("[" * 20 + "]" * 20) is not None
    with pytest.raises(InvalidInput):
        read("[" * 21 + "]" * 21)


def test_what_follows_a_nested_value_belongs_to_the_outer_one() -> None:
    assert read("a: [1, {b: 2}, 3]\nc:\n  d: 4\ne: 5\n") == {
        "a": ["1", {"b": "2"}, "3"],
        "c": {"d": "4"},
        "e": "5",
    }


def test_a_text_made_of_nesting_is_refused_at_once() -> None:
    started = time.process_time()
    with pytest.raises(InvalidInput):
        read("- " * 4_000)
    assert time.process_time() - started < 1
