"""Slash commands: what is one, what it carries, and who may say it."""

from __future__ import annotations

import json
from functools import partial
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.contracts.algorithm import AlgorithmFacts
from actions.contracts.algorithms import algorithms
from actions.contracts.hyperparameters import hyperparameters
from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput
from actions.text.suggestions import nearest
from bot.events.commands import COMMANDS
from bot.parsing import command as grammar
from bot.parsing.command import ParsedCommand, UnknownCommand
from bot.parsing.command_arguments import OVERRIDABLE_FIELDS, override_problems, with_overrides
from bot.parsing.form_fields import request_fields
from bot.parsing.scalars import format_scalar, parse_scalar
from tests.support.requests import NAMES, SCALARS
from tests.support.run_views import a_request
from tests.support.work import work

parse_command = partial(grammar.parse_command, commands=COMMANDS)


def parsed(body: str) -> ParsedCommand:
    command = parse_command(body)
    assert isinstance(command, ParsedCommand)
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_known_by_its_word_its_usage_and_its_example(name: str) -> None:
    command = COMMANDS[name]
    assert parsed(f"/{name}").command is command
    assert parsed(command.example).command is command
    assert not parsed(command.example).problems
    assert command.usage.split()[0] == f"/{name}"
    assert grammar.is_command(f"/{name}")


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("approve", "/approve [name=value ...] [reason]"),
        ("promote", "/promote [VERSION] [reason]"),
        ("run", "/run OPERATION [name=value ...]"),
        ("help", "/help"),
    ],
)
def test_the_usage_has_what_is_optional_in_brackets(name: str, usage: str) -> None:
    assert COMMANDS[name].usage.upper() == usage.upper()


def test_a_command_is_about_a_run_and_needs_a_valid_configuration_unless_it_says_otherwise() -> None:
    plain = grammar.Command("x", permission="write", example="/x")
    assert (plain.needs_run, plain.works_without_config, plain.usage) == (True, False, "/x")


def test_a_line_is_read_up_to_its_longest_length() -> None:
    assert len("/reject " + parsed("/reject " + "x" * 5_000).reason) == 4_001


@pytest.mark.parametrize(
    "body",
    [
        "",
        "approve",
        "please /approve",
        "> /approve",
        "    /approve",
        "\t/approve",
        "```\n/approve\n```",
        "`/approve`",
        "\n/approve",
        "hello\n/approve",
        "/",
        "/ approve",
        "//approve",
        "/etc/passwd",
        "/approve/that",
        "/usr2",
        "/a-b",
        "/über",
    ],
)
def test_only_a_slash_and_a_word_on_the_first_line_is_a_command(body: str) -> None:
    assert parse_command(body) is None
    assert not grammar.is_command(body)


@pytest.mark.parametrize(
    "body", ["/status", "/status ", " /status", "/Status", "/status.", "/status\r\nthanks", "/status now"]
)
def test_small_variations_are_accepted(body: str) -> None:
    assert parsed(body).name == "status"


@pytest.mark.parametrize(("body", "near"), [("/aprove", "approve"), ("/stop", None), ("/Cancle it", "cancel")])
def test_an_unknown_word_is_answered_with_the_nearest_command(body: str, near: str | None) -> None:
    word = body[1:].split(maxsplit=1)[0]
    assert parse_command(body) == UnknownCommand(word, near)


def test_the_rest_of_the_first_line_is_the_reason() -> None:
    assert parsed("/reject  the data is old \nand more").reason == "the data is old"
    assert parsed("/cancel").reason == ""


def test_an_approval_carries_settings_then_a_reason() -> None:
    command = parsed(
        "/approve n_estimators=500 learning_rate=0.05 criterion='log loss' a=\"x = y\" seed=7 don't give up"
    )
    assert command.overrides == {
        "n_estimators": 500, "learning_rate": 0.05, "criterion": "log loss", "a": "x = y", "seed": 7
    }  # fmt: skip
    assert command.reason == "don't give up"
    assert not command.problems


def is_hyperparameter(name: str) -> bool:
    """Return whether a name is neither a field of the form nor so near to one that it is taken for a slip."""
    return name not in request_fields() and nearest(name, OVERRIDABLE_FIELDS, cutoff=0.75) is None


@given(st.dictionaries(NAMES.filter(is_hyperparameter), SCALARS, max_size=4))
def test_any_setting_can_be_given(overrides: dict[str, Scalar]) -> None:
    words = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in overrides.items()]
    command = parsed(" ".join(["/approve", *words]))
    assert not command.problems
    assert command.overrides == overrides


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("/approve data=other.csv", "data"),
        ("/approve threshold=0.1", "threshold"),
        ("/approve max_retries=9", "max_retries"),
        ("/approve metric=f1", "metric"),
        ("/approve hyperparameters=x", "hyperparameters"),
        ("/approve seed=-1", "seed"),
        ("/approve seed=x", "seed"),
        ("/approve seed=1.5", "seed"),
        ("/approve seed=true", "seed"),
        ("/approve timeout_minutes=0", "timeout_minutes"),
        ("/approve timeout_minutes=1441", "timeout_minutes"),
        ("/approve a=", "a"),
        ("/approve a=1 a=2", "a"),
        ("/approve a-b=1", "a-b"),
        ("/approve --seed=1", "--seed"),
        ("/approve a=[1]", "a"),
        ("/approve a=nan", "a"),
        ('/approve a="open', "a"),
        ("/approve more trees n_estimators=500", "n_estimators"),
        ("/approve seed = 3", "reason"),
        ("/approve " + "x" * 4_000, "approve"),
    ],
)
def test_a_wrong_setting_is_reported_and_nothing_is_guessed(line: str, field: str) -> None:
    (one,) = parsed(line).problems
    assert one.field == field
    assert one.rule
    assert one.found
    assert one.next_step


def test_all_wrong_settings_are_reported_at_once() -> None:
    assert [one.field for one in parsed("/approve seed=x data=y z=[ ok").problems] == ["seed", "data", "z"]


@pytest.mark.parametrize("facts", algorithms().values(), ids=lambda facts: facts.name)
def test_every_algorithms_example_is_a_setting_that_it_takes(facts: AlgorithmFacts) -> None:
    overrides = parsed(f"/approve {facts.example_override}").overrides
    for task in facts.tasks:
        metric = "r2" if task == "regression" else "accuracy"
        request = a_request(algorithm=facts.name, task=task, metric=metric)
        assert override_problems(request, overrides) == []
        assert hyperparameters(facts.name, task)


def test_settings_that_the_algorithm_does_not_take_are_all_named_at_once() -> None:
    problems = override_problems(a_request(), {"max_depht": 3, "random_state": 1, "max_depth": "deep", "seed": 3})
    assert [problem.field for problem in problems] == ["max_depht", "random_state", "max_depth"]
    assert problems[0].next_step == "Did you mean max_depth?"
    assert "max_depth" in problems[1].next_step


@pytest.mark.parametrize(
    "value", ["0,1", "-1,5", "1,000", "1.000,5", "1,5e3", "\u201cgini\u201d", "\u2018gini\u2019", "\u00ab3\u00bb"]
)
def test_a_decimal_comma_or_a_curly_quote_is_refused_and_never_read_as_text(value: str) -> None:
    (wrong,) = parsed(f"/approve learning_rate={value}").problems
    assert wrong.field == "learning_rate"
    assert parsed(f"/approve learning_rate='{value}'").overrides == {"learning_rate": value}


def test_an_approval_changes_only_what_it_names() -> None:
    request = a_request()
    changed = with_overrides(request, {"n_estimators": 500, "seed": 7, "timeout_minutes": 5})
    assert changed.hyperparameters == {"n_estimators": 500}
    assert (changed.seed, changed.timeout_minutes) == (7, 5)
    untouched = set(request_fields()) - {"hyperparameters", "seed", "timeout_minutes"}
    assert all(getattr(changed, name) == getattr(request, name) for name in untouched)
    with pytest.raises(InvalidInput) as refused:
        with_overrides(request, {f"p{number}": 1 for number in range(50)})
    assert (refused.value.problem.field, refused.value.problem.found) == ("hyperparameters", "51 hyperparameters")
    with pytest.raises(InvalidInput) as refused:
        with_overrides(a_request(search_minutes=10), {"timeout_minutes": 5})
    assert (refused.value.problem.field, refused.value.problem.found) == ("search_minutes", "search_minutes: 10.")
    assert "fewer than 5" in refused.value.problem.rule


def test_a_version_is_the_first_word_and_the_reason_follows() -> None:
    assert parsed("/promote").positionals == {}
    assert parsed("/promote 3 it is better").positionals == {"version": "3"}
    assert parsed("/promote v3 it is better").reason == "it is better"
    assert parsed("/promote v3 it is better").positionals == {"version": "3"}
    assert parsed("/rollback too many false alarms").reason == "too many false alarms"


TARGETS = [
    "to 1", "version=1", "to version 2", "--version 2", '"2"', "(2)", "v 2", "no. 2", "churn@1", "HEAD~2", "HEAD^", "#3", "3.",
    "v2: too slow", "version 2", "version two", "3rd try", "\uff12", "\u2461", "0", "01", "1.0", "-1", "train-20261122-004",
    "previous", "champion", "to the one before", "staging", "2nd", "version\uff1d1", "{1}", "2,3", "number 2", "[2]", "\u201c2\u201d",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["promote", "rollback"])
def test_what_was_meant_as_a_target_is_never_read_as_the_reason(name: str, target: str) -> None:
    command = parsed(f"/{name} {target}")
    assert command.problems
    assert command.command.usage in command.problems[0].next_step


@pytest.mark.parametrize(
    "argument",
    [
        "seed=5",
        "2",
        "#2",
        '"2"',
        "--force",
        "-f",
        "version=1",
        "version 2",
        "churn@1",
        "train-20261122-004",
        "HEAD~2",
        "candidate",
    ],
)
@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in ("approve", "retry", "compare", "run", "promote", "rollback")]
)
def test_an_argument_to_a_command_that_takes_none_is_refused(name: str, argument: str) -> None:
    command = parsed(f"/{name} {argument}")
    assert [wrong.field for wrong in command.problems] == ["reason"]
    assert command.command.usage in command.problems[0].rule


@pytest.mark.parametrize("name", ["approve", "retry"])
@pytest.mark.parametrize(
    "setting",
    [
        "max_depth 3",
        "depth 3",
        "max_depth: 3",
        "seed:7",
        "--max-depth 3",
        "n_estimators",
        '{"max_depth": 3}',
        "500",
        "more trees 500",
    ],
)
def test_a_setting_without_an_equals_sign_is_never_read_as_the_reason(name: str, setting: str) -> None:
    (wrong,) = parsed(f"/{name} {setting}").problems
    assert "name=value" in wrong.rule


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if "reason" in command.rest])
@pytest.mark.parametrize(
    "reason",
    ["the score is better", "better on last week's data", "先週のデータでより良い", "no longer needed, thanks"],
)
def test_a_reason_in_words_is_taken(name: str, reason: str) -> None:
    assert (parsed(f"/{name} {reason}").reason, parsed(f"/{name} {reason}").problems) == (reason, ())


@pytest.mark.parametrize(("name", "meant"), [("sead", "seed"), ("timeout_minute", "timeout_minutes")])
def test_a_misspelt_form_field_is_reported_and_not_taken_as_a_hyperparameter(name: str, meant: str) -> None:
    (wrong,) = parsed(f"/approve {name}=3").problems
    assert wrong.next_step == f"Did you mean {meant}?"


def test_a_command_without_a_reason_takes_none() -> None:
    assert not parsed("/compare 1 2").problems
    assert [problem.field for problem in parsed("/compare 1 2 please").problems] == ["reason"]


def test_what_is_missing_is_reported_as_nothing_and_what_is_wrong_as_itself() -> None:
    assert [parsed(line).problems[0].found for line in ("/run", "/run -x")] == ["nothing", "-x"]


@pytest.mark.parametrize(("length", "is_read"), [(3_900, True), (3_901, False)])
def test_arguments_have_a_largest_length(length: int, is_read: bool) -> None:
    line = "x=" + "y" * (length - 2)
    assert (not parsed(f"/run load_dataset {line}").problems) is is_read


@pytest.mark.parametrize(
    "line",
    ["/compare", "/compare champion", "/compare champion ../x", "/run", "/run -x", "/run Load x=1", "/compare 1 2 3"],
)
def test_a_missing_or_invalid_argument_is_reported(line: str) -> None:
    command = parsed(line)
    assert len(command.problems) == 1
    assert command.command.usage in command.problems[0].next_step


def test_an_operation_gets_any_arguments_and_no_reason() -> None:
    command = parsed("/run load_dataset data='my data.csv' rows=5 target=seed")
    assert command.positionals == {"operation": "load_dataset"}
    assert command.arguments == {"data": "my data.csv", "rows": 5, "target": "seed"}
    assert not command.problems
    assert parsed("/run load_dataset data=x please").problems
    assert parsed("/run load_dataset data=x data=y").problems


def test_an_operations_lists_and_mappings_are_written_as_json() -> None:
    command = parsed('/run tune slices=["a b", "c"] space={"C": {"low": 1.5}} seed=3')
    assert command.arguments == {"slices": ["a b", "c"], "space": {"C": {"low": 1.5}}, "seed": 3}
    assert not command.problems


@pytest.mark.parametrize("value", ["[1", "{1}", "[NaN]", "[1e999]", '["\\ud800"]', "[" * 3_000, "{'a': 1}"])
def test_invalid_json_is_reported(value: str) -> None:
    command = parsed(f"/run tune slices={value}")
    assert (len(command.problems), command.problems[0].field) == (1, "slices")
    assert "must be written as JSON" in command.problems[0].rule
    assert not command.arguments


@given(st.text() | st.text().map("/approve ".__add__) | st.text(alphabet="/ap =\"'\\\n:#x").map("/approve ".__add__))
def test_no_text_crashes_it(body: str) -> None:
    command = parse_command(body)
    if isinstance(command, ParsedCommand):
        f"{command.reason}{command.problems}{command.overrides}{command.arguments}".encode()


@given(st.text(alphabet="abc01.:-+eE#'\"\\ ntrue", max_size=20))
def test_a_value_is_written_so_that_it_reads_back_the_same(text: str) -> None:
    try:
        value = parse_scalar(text)
    except ValueError:
        return
    again = parse_scalar(format_scalar(value))
    assert (again, type(again)) == (value, type(value))


@pytest.mark.parametrize("piece", ["a= ", 'a="\\" ', "a='' ", "= ", "\\\"'", "x=1 ", " ", '"'])
def test_the_longest_comment_is_read_at_once(piece: str) -> None:
    started = process_time()
    parse_command("/approve " + piece * (65_536 // len(piece)))
    parse_command("/approve " + piece * (3_800 // len(piece)))
    assert process_time() - started < 0.5


@pytest.mark.parametrize("command", ["promote", "reject", "approve"])
@pytest.mark.parametrize("piece", ["a.", ".-", "a@", "1,", "a:", "a_", "v", "-", "=", "a~", "(", "1"])
def test_a_word_as_long_as_a_comment_is_read_at_once(command: str, piece: str) -> None:
    started = process_time()
    for ending in ("", "\x01", "a"):
        parse_command(f"/{command} a{piece * (65_000 // len(piece))}{ending}")
    assert process_time() - started < 0.2, "the work grows with the length, not with its square"


@pytest.mark.parametrize("piece", ["a= ", 'a="\\" ', "a='' ", "= ", "x{0}=1 ", " ", '"', "a=1 ", "[", "b "])
def test_a_line_twice_as_long_takes_about_twice_the_work(piece: str) -> None:
    small, large = (
        "/approve " + "".join(piece.format(n) for n in range(1_800 * times // len(piece))) for times in (1, 2)
    )
    assert len(large) < 3_900, "short enough to be read"
    parse_command("/approve a=1")  # the first command also loads the form's fields
    assert work(parse_command, large) < 2.3 * work(parse_command, small) + 500


def test_beyond_the_longest_line_there_is_no_more_work() -> None:
    assert work(parse_command, "/approve " + "a=1 " * 16_000) <= work(parse_command, "/approve " + "a=1 " * 2_000)
