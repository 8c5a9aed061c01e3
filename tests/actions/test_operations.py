"""Every registered operation can be offered by every entry point."""

from __future__ import annotations

import difflib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from actions.errors import InvalidInput
from actions.operation import MODULES, Operation, Result, find_operation, operations
from bot.admin.docs import operation_schemas

ROOT = Path(__file__).parents[2]
KNOWN = operations("bot.operations")
HEAVY = (
    "boto3",
    "fastapi",
    "githubkit",
    "matplotlib",
    "mcp",
    "numpy",
    "optuna",
    "pandas",
    "pandera",
    "pyarrow",
    "scipy",
    "sklearn",
    "skops",
    "slack_sdk",
    "torch",
    "xgboost",
)

NAMES = [
    "commit_training_history",
    "compare_models",
    "evaluate_classifier",
    "evaluate_regressor",
    "feature_engineering",
    "format_training_history",
    "generate_evaluation_report",
    "get_model_version",
    "get_training_metrics",
    "list_model_versions",
    "list_templates",
    "load_dataset",
    "load_model",
    "notify_email",
    "notify_slack",
    "parse_issue",
    "post_issue_comment",
    "preprocess_supervised",
    "preprocess_unsupervised",
    "register_model",
    "render_template",
    "rollback_model",
    "save_evaluation_results",
    "save_model",
    "save_processed_data",
    "set_model_alias",
    "split_dataset",
    "train_supervised_classifier",
    "train_supervised_regressor",
    "tune_hyperparameters",
    "validate_data",
]

every_operation = pytest.mark.parametrize("operation", KNOWN.values(), ids=KNOWN)


def test_the_names_are_those_that_people_and_agents_rely_on() -> None:
    assert list(KNOWN) == NAMES


@every_operation
def test_an_operation_says_what_it_does_in_one_line(operation: Operation) -> None:
    summary = operation.help.summary
    assert re.fullmatch(r"[A-Z].{10,140}[.?]", summary), summary


@every_operation
def test_every_parameter_is_described_and_nothing_else_is(operation: Operation) -> None:
    parameters = operation.input_model.model_fields
    assert set(operation.help.parameters) - {operation.context_parameter} == set(parameters)
    assert [name for name, field in parameters.items() if not (field.description or "").strip()] == []


@every_operation
def test_it_returns_a_typed_result_that_says_what_it_is(operation: Operation) -> None:
    assert issubclass(operation.output_model, Result)
    assert operation.output_model is not Result
    assert inspect.getdoc(operation.output_model) != inspect.getdoc(Result)


@every_operation
def test_what_only_reads_destroys_nothing(operation: Operation) -> None:
    assert not (operation.read_only and operation.destructive)


@every_operation
def test_it_refuses_unknown_arguments(operation: Operation) -> None:
    assert operation.input_model.model_json_schema()["additionalProperties"] is False


def test_the_public_face_is_the_one_that_was_agreed_on() -> None:
    agreed = (ROOT / operation_schemas.PATH).read_text(encoding="utf-8")
    now = operation_schemas.operation_schemas()
    difference = "".join(difflib.unified_diff(agreed.splitlines(True), now.splitlines(True), "agreed", "now"))
    assert not difference, f"{difference}\nIf this is meant: make generate"


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(InvalidInput) as error:
        find_operation("regster_model")
    assert error.value.problem.next_step == "Did you mean register_model?"


def test_listing_operations_loads_no_heavy_library() -> None:
    code = (
        "import sys; from actions.operation import operations; operations('bot.operations'); "
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60, encoding="utf-8"
    )
    assert ran.stdout.strip() == "[]"


def test_every_module_that_is_listed_declares_an_operation() -> None:
    assert {operation.function.__module__ for operation in KNOWN.values()} == {*MODULES, "bot.operations"}
