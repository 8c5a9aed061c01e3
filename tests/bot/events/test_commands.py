"""The registry of commands: one module each, found by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.events import commands
from bot.events.commands import COMMANDS, HANDLERS
from bot.messages import answers

FILES = sorted(path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py"))


def test_every_file_is_a_command_with_its_own_name() -> None:
    assert [*COMMANDS] == FILES
    assert [*HANDLERS] == FILES


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_command(name: str, language: str) -> None:
    assert f"| `{COMMANDS[name].usage}` | " in answers.help_text(COMMANDS, language=language)


def test_these_commands_work_while_the_configuration_is_invalid() -> None:
    usable = {name for name, command in COMMANDS.items() if command.works_without_config}
    assert usable == {"cancel", "help", "history", "plan", "reject", "status"}


def test_these_commands_need_no_run() -> None:
    assert {name for name, command in COMMANDS.items() if not command.needs_run} == {"help", "plan", "run", "train"}
