"""A repository's configuration: careful by default, and every mistake named with its cure."""

from __future__ import annotations

import contextlib
import sys
from time import process_time
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.config import SIZE_LIMIT, ConfigError, RepositoryConfig, parse_config, render_config


def test_an_empty_file_means_the_careful_defaults() -> None:
    config = parse_config("")
    assert config == RepositoryConfig()
    assert (config.promotion, config.public_repository, config.data_roots) == ("approval", False, [])
    assert (config.runners, config.history.branch) == (["self-hosted"], None)


def test_everything_can_be_said() -> None:
    config = parse_config(
        "data_roots: [/srv/data]\nrunners:\n  - gpu\n  - '8'\npromotion: auto\nhistory:\n  branch: models/history\n"
        "public_repository: true\nlanguage: en\n"
    )
    assert config.data_roots == ["/srv/data"]
    assert config.runners == ["gpu", "8"]
    assert config.history.branch == "models/history"
    assert config.public_repository is True


def test_what_init_writes_is_what_it_says() -> None:
    assert parse_config(render_config([], "approval")) == RepositoryConfig()


@pytest.mark.parametrize(
    ("text", "reason", "field", "next_step"),
    [
        ("promtion: auto", "config_unknown_key", "promtion", "Did you mean promotion?"),
        ("history: {brnch: x}", "config_unknown_key", "history.brnch", "Did you mean branch?"),
        ("zzz: 1", "config_unknown_key", "zzz", "Known keys: data_roots, history"),
        ("promotion: now", "config_invalid", "promotion", "Correct it in .github/modelyard.yml"),
        ("public_repository: yes", "config_invalid", "public_repository", "Correct it"),
        ("data_roots: [../x]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/srv/../etc]", "config_invalid", "data_roots.0", "Correct it"),
        ("runners: []", "config_invalid", "runners", "Correct it"),
        ("runners: ['a b']", "config_invalid", "runners.0", "Correct it"),
        ("history: {branch: a..b}", "config_invalid", "history.branch", "Correct it"),
        ("history: {branch: '-x'}", "config_invalid", "history.branch", "Correct it"),
        ("- promotion", "config_invalid", ".github/modelyard.yml", "Correct it"),
        ("a: &x 1\nb: *x", "config_unreadable", ".github/modelyard.yml", "Correct the file."),
        ("#" * (SIZE_LIMIT + 1), "config_unreadable", ".github/modelyard.yml", "Correct the file."),
    ],
)
def test_a_mistake_is_named_with_its_cure(text: str, reason: str, field: str, next_step: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(text)
    body = error.value.body
    assert (body.reason, body.field) == (reason, field)
    assert body.next_step.startswith(next_step)


# --- any text ------------------------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    ["data_roots:", "  - /srv", "runners: [a, b]", "promotion: auto", "history:", "  branch: x", "language: en", "a: &a 1",
     "b: *a", "!!python/object:x 1", "- " * 30, "{", "[", "? x", "--- ", "...", "public_repository: yes", '"', "'", "|"]
)  # fmt: skip


@given(st.lists(LINES | st.text(max_size=20), max_size=20).map("\n".join))
@example("\ud800")
@example("runners: [\x00]")
@example("1e999: .nan")
@example("history: [branch]")
def test_no_text_makes_it_fail_otherwise_than_by_a_whole_answer(text: str) -> None:
    try:
        config = parse_config(text.encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        body = error.body
        assert all((body.rule, body.found, body.next_step, body.field))
        assert len(body.found) < 1_000
        f"{body.rule}{body.found}{body.next_step}{body.field}".encode()
    else:
        assert isinstance(config, RepositoryConfig)


WORST = {
    "unknown keys": "k{0}: 1\n",
    "one key": "runners: [a]\n",
    "labels": "{0},",
    "dashes": "- ",
    "brackets": "[",
    "anchors": "a{0}: &a{0} 1\n",
    "quotes": '\\"',
    "comments": "# \n",
    "letters": "a",
}


def text_of(kind: str, times: int) -> str:
    start = {"labels": "runners: [", "quotes": 'runners: "'}.get(kind, "")
    return start + "".join(WORST[kind].format(number) for number in range(times))


def work(text: str) -> int:
    """Count the calls and lines that a reading takes: the same on every machine."""
    steps = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        refused(text)
    finally:
        sys.settrace(before)
    return steps


def refused(text: str) -> None:
    with pytest.raises(ConfigError) if text.strip("# \n") else contextlib.nullcontext():
        parse_config(text)


@pytest.mark.parametrize("kind", WORST)
def test_twice_the_text_is_at_most_twice_the_work(kind: str) -> None:
    assert work(text_of(kind, 600)) < 2.3 * work(text_of(kind, 300)) + 500


@pytest.mark.parametrize("kind", WORST)
def test_the_longest_configuration_is_read_at_once(kind: str) -> None:
    text = text_of(kind, SIZE_LIMIT)[:SIZE_LIMIT]
    began = process_time()
    refused(text)
    assert process_time() - began < 0.5
