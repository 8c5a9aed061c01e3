"""The Raises section of every operation names the reason codes that it can end with."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from actions.operation import Operation, operations
from tests.support.error_reasons import reasons_of

ROOT = Path(__file__).parents[2]
KNOWN = operations("bot.operations")

UNREACHABLE = {
    "commit_training_history": {"alias_not_found", "version_not_found"},
    "compare_models": {"invalid_s3_uri", "object_too_large", "registered_file"},
    "format_training_history": {
        "alias_not_found", "invalid_model_file", "invalid_model_name", "invalid_yaml", "version_differs",
        "version_not_found",
    },
    "list_model_versions": {"alias_not_found", "date_in_the_future", "history_undated", "version_not_found"},
    "load_dataset": {"object_too_large", "registered_file"},
    "parse_issue": {"features_contradict", "too_many_features"},
    "register_model": {"alias_not_found", "registered_file", "version_not_found"},
    "rollback_model": {"version_not_found"},
    "set_model_alias": {"alias_not_found", "already_champion", "no_champion", "no_previous"},
    "split_dataset": {"wrong_type"},
    "validate_data": {"infinite_values", "object_too_large", "registered_file", "wrong_type"},
}  # fmt: skip
"""Codes of functions that an operation calls only in ways that cannot fail, or only for another operation's sake."""

EVERYWHERE = {"invalid_s3_uri"}
"""Raised while the storage root is opened, before any operation starts."""


@pytest.mark.parametrize("operation", KNOWN.values(), ids=KNOWN)
def test_every_reason_code_that_the_source_leads_to_is_documented(operation: Operation) -> None:
    documented = {reason.code for reason in operation.help.raises} | {"invalid_argument", "unknown_argument"}
    # A code that is put together at run time contains an ellipsis here.
    in_source = {reason.reason for reason in reasons_of(operation.function) if "…" not in reason.reason}
    assert in_source - documented - EVERYWHERE <= UNREACHABLE.get(operation.name, set())


def test_no_exception_is_out_of_date() -> None:
    for name, codes in UNREACHABLE.items():
        assert codes <= {reason.reason for reason in reasons_of(KNOWN[name].function)}, name


@pytest.mark.parametrize("operation", KNOWN.values(), ids=KNOWN)
def test_every_documented_reason_code_exists_and_is_listed_once(operation: Operation) -> None:
    codes = [reason.code for reason in operation.help.raises]
    assert len(codes) == len(set(codes))
    assert set(codes) <= literals()


def test_every_reason_code_is_explained_by_some_operation() -> None:
    reasons = [reason for operation in KNOWN.values() for reason in operation.help.raises]
    assert {reason.code for reason in reasons} == {reason.code for reason in reasons if reason.meaning}


@cache
def literals() -> set[str]:
    """Return all strings in the source of actions, and the codes that are put together from them."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "actions").rglob("*.py")]
    found = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    made = {f"{name}_{end}" for name in ("evaluation", "comparison") for end in ("not_found", "unreadable")}
    made |= {f"{channel}_not_configured" for channel in ("slack", "email")}
    return {text for text in found if isinstance(text, str)} | made
