"""The operations' pages say what the registry and the source say, and nothing that does not work."""

from __future__ import annotations

import re

import pytest

from actions.operation import Operation, operations
from bot.admin.docs.operation_pages import example_arguments, pages
from bot.events.commands import COMMANDS
from bot.events.commands.run import where_it_runs
from bot.parsing.command import ParsedCommand, parse_command

KNOWN = operations("bot.operations")
every_operation = pytest.mark.parametrize("operation", KNOWN.values(), ids=KNOWN)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_each_operation_has_a_page_linked_from_the_index(made: dict[str, str]) -> None:
    assert set(made) == {"README.md", *(f"{name}.md" for name in KNOWN)}
    assert re.findall(r"\]\((\w+)\.md\)", made["README.md"]) == sorted(
        KNOWN, key=lambda name: (KNOWN[name].toolset, name)
    )


@every_operation
def test_a_page_has_every_parameter_and_an_example(made: dict[str, str], operation: Operation) -> None:
    page = made[f"{operation.name}.md"]
    parameters = page.partition("## Parameters")[2].partition("## Result")[0]
    assert re.findall(r"^\| `(\w+)` \|", parameters, re.MULTILINE) == [*operation.input_model.model_fields]
    assert f"modelyard run {operation.name}" in page
    assert "```pycon\n>>> " in page


@every_operation
def test_the_example_call_is_valid(operation: Operation) -> None:
    arguments = example_arguments(operation)
    if all(value != name.upper() for name, value in arguments.items()):  # capitals stand for a computed argument
        operation.validated(arguments)


@every_operation
def test_the_run_line_on_a_page_is_parsed_into_the_arguments_of_the_example(
    made: dict[str, str], operation: Operation
) -> None:
    lines = re.findall(r"^/run .*$", made[f"{operation.name}.md"], re.MULTILINE)
    assert len(lines) == (where_it_runs(operation) != "nowhere"), "a page shows a line if, and only if, /run works"
    for line in lines:
        parsed = parse_command(line, COMMANDS)
        assert isinstance(parsed, ParsedCommand)
        assert not parsed.problems
        assert parsed.positionals == {"operation": operation.name}
        assert parsed.arguments == example_arguments(operation)


def test_a_page_lists_the_reason_codes_of_the_docstring_with_their_meaning() -> None:
    split = pages()["split_dataset.md"]
    assert "| `fractions_out_of_range` | invalid_input | No rows would be left to train or to test on. |" in split
    assert "| `unnamed_column` | invalid_input | A column has no name. |" in split, "explained by load_dataset"
    assert "| `mail_refused` | channel_error |" in pages()["notify_email.md"]
