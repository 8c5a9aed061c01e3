"""The user's guide names every field, command, label and stage that there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from actions.contracts.channels import EVENTS
from actions.contracts.stage import Stage
from actions.contracts.supervised import METRICS
from actions.data_preparation.sources import SKLEARN_DATASETS
from actions.notification.notice import example_notice
from actions.notification.templates import render
from bot.events.commands import COMMANDS
from bot.parsing.form_fields import request_fields
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.repository_config import parse_config
from bot.runs.labels import STATE_LABELS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8")
GUIDE_IN_JAPANESE = (ROOT / "docs" / "user-guide.ja.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [field.title for field in request_fields().values()] + [*get_args(Stage)])
def test_every_field_and_stage_has_its_row(row: str) -> None:
    assert f"\n| {row} | " in GUIDE


@pytest.mark.parametrize("word", [command.usage for command in COMMANDS.values()] + [REQUEST_LABEL, *STATE_LABELS])
def test_every_command_and_label_has_its_row(word: str) -> None:
    assert f"\n| `{word}` | " in GUIDE


def test_the_examples_of_notifications_work_as_they_are() -> None:
    part = GUIDE.partition("## Notifications")[2]
    (config,), (template,) = (re.findall(f"```{kind}\n(.*?)```", part, re.DOTALL) for kind in ("yaml", "jinja"))
    notifications = parse_config(config).notifications
    assert notifications.slack is not None
    assert notifications.email is not None
    said = render(template, example_notice("success"), "slack")
    assert (said.title, said.body.split("\n")[0]) == ("breast-cancer passed: accuracy 0.9649", "- accuracy: 0.9649")
    assert all(f"`{event}`" in GUIDE for event in EVENTS)


@pytest.mark.parametrize("word", [*METRICS, *SKLEARN_DATASETS])
def test_every_metric_and_data_set_is_named(word: str) -> None:
    assert f"`{word}`" in GUIDE


@pytest.mark.parametrize(("language", "guide"), [("en", GUIDE), ("ja", GUIDE_IN_JAPANESE)])
def test_the_commands_are_described_in_the_words_of_the_bot(language: str, guide: str) -> None:
    words = tomllib.loads((ROOT / "bot" / "messages" / "texts" / f"{language}.toml").read_text(encoding="utf-8"))
    rows = [line for line in guide.splitlines() if line.startswith("| `/")]
    assert rows == [
        f"| `{command.usage}` | {words['command'][command.name]} | {command.permission} |"
        for command in COMMANDS.values()
    ]
