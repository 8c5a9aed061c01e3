"""The user's guide names every field, command, label and stage that there is."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from actions.operation import Stage
from actions.request import METRICS, SKLEARN_DATASETS, TrainingRequest
from bot.commands import COMMANDS
from bot.labels import ASKS, STATE_LABELS

GUIDE = (Path(__file__).parents[2] / "docs" / "user-guide.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", [field.title for field in TrainingRequest.model_fields.values()] + [*get_args(Stage)])
def test_every_field_and_stage_has_its_row(row: str) -> None:
    assert f"\n| {row} | " in GUIDE


@pytest.mark.parametrize("word", [command.usage for command in COMMANDS.values()] + [ASKS, *STATE_LABELS])
def test_every_command_and_label_has_its_row(word: str) -> None:
    assert f"\n| `{word}` | " in GUIDE


@pytest.mark.parametrize("word", [*METRICS, *SKLEARN_DATASETS])
def test_every_metric_and_data_set_is_named(word: str) -> None:
    assert f"`{word}`" in GUIDE


def test_no_command_is_described_that_does_not_exist() -> None:
    rows = [line.split("`")[1] for line in GUIDE.splitlines() if line.startswith("| `/")]
    assert rows == [command.usage for command in COMMANDS.values()]
